"""Tests of the command line, as a user types it, against a real server."""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from logstream import __version__, cli, tail
from logstream.client import CONNECT_TIMEOUT, Event, NoServerError, SessionError

from . import warm
from .serving import AS_ANYONE, PATIENCE, ROOT, ServerProcess, Starting, wait_until

LOGSTREAM = (sys.executable, "-m", "logstream")
MIXED = "größer 日本語 😀\n"


def logstream(*arguments: str, encoding: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return warm.run(
        [*LOGSTREAM, *arguments], cwd=ROOT, env=os.environ | environment, encoding=encoding, timeout=PATIENCE
    )


@contextlib.contextmanager
def running(output: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on until the test is over."""
    with output.open("wb") as stdout:
        process = warm.Popen(
            [*LOGSTREAM, *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def server(empty_server: ServerProcess) -> ServerProcess:
    """The one for all tests, but those that end it."""
    return empty_server


@pytest.fixture
def url(server: ServerProcess) -> str:
    """Its address."""
    return f"http://127.0.0.1:{server.port}"


def test_tail_follows_to_completion(start: Starting, tmp_path: Path) -> None:
    """Bytes through as they are, live, over a restart; with --until-complete the end is exit code 0."""
    server = start("gunicorn")
    url = f"http://127.0.0.1:{server.port}"
    log, output = server.log("a"), tmp_path / "output"
    colours = "\x1b[1;32mgreen\x1b[0m\r\n"
    log.write_text(MIXED + colours)
    with running(output, "tail", "a", "--until-complete", "--url", url) as process:
        wait_until(lambda: output.read_bytes() == (MIXED + colours).encode())
        with log.open("a") as file:
            file.write("appended\n")
        wait_until(lambda: output.read_text().endswith("appended\n"))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.output().count("Booting worker") == 2)
        with log.open("a") as file:
            file.write("after a reload")
        wait_until(lambda: output.read_bytes() == log.read_bytes())
        assert logstream("complete", "a", "--url", url).returncode == 0
        assert process.wait(PATIENCE) == 0
    assert output.read_bytes() == log.read_bytes()


def test_tail_begins_where_it_is_told_and_goes_on_like_tail_f(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """With -n the last lines; a session that is complete and then begins again is followed on."""
    log, output = server.log("a"), tmp_path / "output"
    log.write_text("1\n2\n3\n")
    with running(output, "tail", "-n", "2", "a", LOGSTREAM_URL=url) as process:
        wait_until(lambda: output.read_text() == "2\n3\n")
        server.complete("a")
        log.write_text("anew\n")
        wait_until(lambda: output.read_text().endswith("anew\n"))
        assert "begun again" in output.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


def test_tail_into_a_reader_that_leaves(server: ServerProcess, url: str) -> None:
    """`logstream tail | head` ends, without a traceback."""
    server.log("a").write_text(MIXED * 100_000)
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m logstream tail a --url {url} | head -n 2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stdout == MIXED * 2
    assert ran.stderr == ""


def test_sessions_are_listed(server: ServerProcess, url: str) -> None:
    """Name, size and state, the latest first; what is no log is not among them."""
    for number, name in enumerate(("old", "größer 1", "new")):
        server.log(name).write_text("x" * (1500 * number))
        os.utime(server.log(name), (1_700_000_000 + number, 1_700_000_000 + number))
    server.log("directory").mkdir()
    (server.directory / "other.txt").write_text("x")
    server.log("link").symlink_to(server.log("new"))
    server.complete("old")
    lines = logstream("sessions", "--url", url).stdout.splitlines()
    assert [re.split(r" {2,}", line)[1:] for line in lines] == [
        ["3,000", "quiet", "new"],
        ["1,500", "quiet", "größer 1"],
        ["0", "complete", "old"],
    ]
    listed = json.loads(logstream("sessions", "--json", "--url", url).stdout)
    assert listed[1] == {
        "name": "größer 1",
        "size": 1500,
        "changed": 1_700_000_001.0,
        "complete": False,
        "state": "quiet",
        "since": 1_700_000_001.0,
    }


def in_turn(*commands: tuple[str, ...], **environment: str) -> list[tuple[int, str, str]]:
    """Exit codes, and what was printed on stdout and stderr, of one command after the other, all in this process."""
    return [typed(*arguments, **environment) for arguments in commands]


def typed(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """The same of one command."""
    printed = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        for name, value in environment.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]):
            cli.cli(list(arguments), prog_name="logstream")
    out, err = (stream.buffer.getvalue().decode() for stream in printed if not stream.flush())  # type: ignore[attr-defined]
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


ALL = (("tail", "a"), ("sessions",), ("complete", "a"), ("grep", "x"))  # commands that ask a server


def said_by_all(*options: str, **environment: str) -> set[str]:
    """What all commands print on stderr, with the exit code of an error, and nothing else."""
    ran = in_turn(*((*command, *options) for command in ALL), **environment)
    assert [code for code, _, _ in ran] == [1, 1, 1, 2]
    assert [out for _, out, _ in ran] == [""] * len(ALL)
    return {err for _, _, err in ran}


def test_errors_say_what_to_do(start: Starting, server: ServerProcess, url: str) -> None:
    """In every command the same: no server there, an address that is none, a wrong path, a wrong token, a setting."""
    secret = start("gunicorn", LOGSTREAM_TOKEN="secret")
    there = f"http://127.0.0.1:{secret.port}"
    assert said_by_all("--url", "http://127.0.0.1:9") == {
        f"logstream: There is no server at {address}: [Errno 111] Connection refused.\n"
        for address in ("ws://127.0.0.1:9/ws", "http://127.0.0.1:9")
    }
    for address in ("http://127.0.0.1:abc", "nonsense://x", "http://[::1", "http://127.0.0.1:99999"):
        said = f"logstream: {address!r} is no address of a server: http://127.0.0.1:8000 is one.\n"
        assert said_by_all("--url", address) == {said}
    hint = "answers with HTTP status 404: is there a path in the address that is wrong or missing?\n"
    assert {said.partition(" answers ")[2] for said in said_by_all("--url", f"{url}/nothing")} == {
        hint.partition(" ")[2]
    }
    said = "logstream: The server refuses: A valid token is needed: give it with --token or LOGSTREAM_TOKEN.\n"
    assert said_by_all("--url", there) == said_by_all("--url", there, "--token", "wrong") == {said}
    said = "logstream: LOGSTREAM_TOKN is no setting: did you mean LOGSTREAM_TOKEN?\n"
    assert {err for _, _, err in in_turn(*ALL, LOGSTREAM_TOKN="x")} == {said}
    secret.log("a").touch()
    done = in_turn(
        ("sessions", "--url", there, "--token", "secret"), ("complete", "a", "--url", there, "--token", "secret")
    )
    assert [code for code, _, _ in done] == [0, 0]


def test_a_session_that_does_not_exist_is_said(server: ServerProcess, url: str) -> None:
    """By each command in the same words; and a name that can be none's is not even asked for."""
    missing = (1, "", "logstream: Session 'nosuch' was not found.\n")
    slash = (1, "", "logstream: A session name must not contain a slash.\n")
    found = in_turn(
        ("tail", "nosuch"),
        ("complete", "nosuch"),
        ("grep", "x", "nosuch"),
        ("tail", "a/../b"),
        ("complete", "a/../b"),
        LOGSTREAM_URL=url,
    )
    assert found == [missing, missing, (2, *missing[1:]), slash, slash]


def test_who_waits_for_a_session_is_told_that_it_is_complete(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """Though there never was a log of it, and whoever says so is told that."""
    output = tmp_path / "output"
    with running(output, "tail", "future", "--wait", "--until-complete", LOGSTREAM_URL=url) as process:
        wait_until(lambda: json.loads(server.request("/healthz")[1])["subscriptions"] == 1)
        assert typed("complete", "future", "--url", url)[0] == 1
        assert process.wait(PATIENCE) == 0
    assert output.read_text() == "logstream: Session 'future' was not found; waiting for it.\n"


def test_a_directory_that_cannot_be_read_is_said(start: Starting) -> None:
    """By every command, instead of nothing."""
    server = start("gunicorn", prefix=AS_ANYONE)
    server.directory.chmod(0)
    try:
        said = said_by_all("--url", f"http://127.0.0.1:{server.port}")
    finally:
        server.directory.chmod(0o700)
    assert said == {"logstream: The directory of the logs cannot be read: Permission denied.\n"}


@contextlib.contextmanager
def answering(*replies: bytes) -> Iterator[str]:
    """The address of a server that says one of these after the other, and the last one from then on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                for reply in itertools.chain(replies, itertools.repeat(replies[-1])):
                    sock, _ = listener.accept()
                    with sock:
                        sock.recv(1000)
                        sock.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_proxy_is_told_from_the_server() -> None:
    """One that has no server behind it, and one that wants to be asked by TLS: nothing is asked there instead."""
    bad = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>nginx</h1>\n"
    with answering(bad) as address:
        said = said_by_all("--url", f"http://{address}")
    ends = {f"{part} answers with HTTP status 502.\n" for part in ("/ws", "/sessions", "/sessions/a/complete")}
    assert {f"/{one.partition('://')[2].partition('/')[2]}" for one in said} == ends
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://logs.example%s\r\nContent-Length: 0\r\n\r\n"
    for command, path in ((ALL[0], b"/ws"), (ALL[1], b"/sessions"), (ALL[2], b"/sessions/a/complete")):
        with answering(moved % path) as address:
            code, out, err = in_turn((*command, "--url", f"http://{address}"))[0]
        assert (code, out) == (1, "")
        assert err.endswith(
            f"{path.decode()} leads to https://logs.example{path.decode()}: give https://logs.example instead.\n"
        )
        assert err.count("\n") == 1


def test_wherever_it_is_printed_to_there_is_no_traceback(server: ServerProcess, url: str) -> None:
    """Neither into a full disk or a closed output, nor to who does not read; what is wrong with that is said."""
    server.log("a").write_text("x\n" * 100_000)
    full = "logstream: The output cannot be printed: No space left on device.\n"
    closed = "logstream: The output cannot be printed: Bad file descriptor.\n"
    expected = {
        "sessions >/dev/full": (1, full),
        "grep x >/dev/full": (2, full),
        "tail a >&-": (1, closed),
        "grep x >&-": (1, closed),
        "sessions >&-": (1, closed),
        "tail nosuch 2>&-": (1, ""),
        "tail nosuch 2>/dev/full": (1, ""),
        "grep x a | head -n 1": (2, ""),
    }
    processes = {
        command: subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {' '.join(LOGSTREAM)} {command}"],
            cwd=ROOT,
            env=os.environ | {"LOGSTREAM_URL": url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in expected
    }
    said = {command: process.communicate(timeout=60)[1] for command, process in processes.items()}
    assert {command: (process.returncode, said[command]) for command, process in processes.items()} == expected


def test_ctrl_c_ends_every_command_without_a_word(tmp_path: Path) -> None:
    """Also while it waits for a server's answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        outputs = [tmp_path / str(number) for number in range(len(ALL))]
        processes = [
            stack.enter_context(running(output, *command, "--url", url))
            for output, command in zip(outputs, ALL, strict=True)
        ]
        for _ in ALL:
            sock, _ = listener.accept()
            stack.enter_context(sock)
            assert sock.recv(1)
        for process in processes:
            process.send_signal(signal.SIGINT)
        assert [process.wait(PATIENCE) for process in processes] == [130] * len(ALL)
        assert [output.read_text() for output in outputs] == [""] * len(ALL)


def test_a_signal_that_another_thread_gets_ends_a_command(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """The system may choose any."""
    server.log("a").write_text("1\n")
    commands = (
        ["tail", "a", "--url", url],
        ["ship", "-d", str(tmp_path), "--redis", "redis://127.0.0.1:1", "--host", "one"],
    )
    ran = [
        subprocess.run(
            [sys.executable, "-m", "tests.signalled", *command],
            cwd=ROOT,
            env=os.environ | {"LOGSTREAM_TMUX": "off"},
            capture_output=True,
            timeout=PATIENCE,
        ).returncode
        for command in commands
    ]
    assert ran == [130, 0]


def test_the_version_is_said() -> None:
    """By the command as by the package."""
    assert typed("--version") == (0, f"logstream, version {__version__}\n", "")


def test_a_server_that_cannot_be_started_says_why_at_once(server: ServerProcess) -> None:
    """An address that is taken, or not this machine's, or a setting that is none: one line, and exit code 1."""
    for arguments, environment, said in (
        (
            ("-b", f"127.0.0.1:{server.port}"),
            {},
            f"127.0.0.1:{server.port} is taken by another process: choose another",
        ),
        (("-b", "192.0.2.1:8000"), {}, "192.0.2.1:8000 is no address of this machine"),
        (("-b", "no such host:8000"), {}, "cannot be bound"),
        (("-b", "8000"), {}, "HOST:PORT"),
        ((), {"WEB_CONCURRENCY": "x"}, "WEB_CONCURRENCY must be a number of workers, 1 or more, not 'x'"),
        (("-b", "127.0.0.1:0"), {"LOGSTREAM_PROXIES": "x"}, "LOGSTREAM_PROXIES must be a number of proxies"),
    ):
        ran = logstream("serve", *arguments, **environment)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert said in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_serve_is_the_same_server(tmp_path: Path) -> None:
    """`logstream serve` with its options serves a directory, and ends when it is told to."""
    (tmp_path / "a.out").write_text(MIXED)
    output = tmp_path / "output"
    arguments = ("serve", "--directory", str(tmp_path), "--bind", "127.0.0.1:0", "--token", "secret")
    with running(output, *arguments) as process:
        wait_until(lambda: "Listening at" in output.read_text())
        found = re.search(r"Listening at: (http://\S+)", output.read_text())
        assert found
        wait_until(lambda: "serving" in output.read_text())
        listed = logstream("sessions", "--url", found[1], "--token", "secret")
        assert listed.stdout.endswith("a\n")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in output.read_text()


def test_bad_settings_stop_serve_with_one_line(tmp_path: Path) -> None:
    """The line says which setting, and there is no traceback."""
    ran = logstream("serve", "--bind", "nonsense")
    assert ran.returncode != 0
    assert ran.stderr.startswith("logstream: LOGSTREAM_BIND")
    assert ran.stderr.count("\n") == 1


def test_help_names_all_commands() -> None:
    """Who types --help finds everything."""
    text = typed("--help")[1]
    for command in ("serve", "tail", "complete", "sessions"):
        assert command in text


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux")
def test_tail_in_a_terminal_shows_progress_and_colours(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """In a tmux pane, a large log's progress is on the last line, is wiped, and the colours are the terminal's."""
    log, screen = server.log("a"), tmp_path / "screen"
    log.write_text("x" * 78 + "\n" + ("y" * 78 + "\n") * 150_000 + "\x1b[31mred\x1b[0m end\n")
    tmux = ["tmux", "-u", "-f", "/dev/null", "-L", f"logstream-{uuid.uuid4().hex}"]
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"} | {"LC_ALL": "C.UTF-8"}

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [*tmux, *arguments], env=environment, cwd=ROOT, capture_output=True, check=True, timeout=PATIENCE
        )
        return ran.stdout.decode()

    ended = tmp_path / "ended"
    command = f"read -r _; {sys.executable} -m logstream tail a --until-complete --url {url}; touch {ended}; sleep 60"
    run("new-session", "-d", "-x", "100", "-y", "20", "-s", "pane", command)
    try:
        run("pipe-pane", "-t", "pane", f"cat > {screen}")
        run("send-keys", "-t", "pane", "Enter")
        wait_until(lambda: "red end" in run("capture-pane", "-p", "-t", "pane"))
        shown = run("capture-pane", "-p", "-e", "-t", "pane").rstrip().splitlines()
        assert shown[-1] == "\x1b[31mred\x1b[39m end"
        assert "% of" not in "".join(shown)
        assert re.search(rf"\d+% of {log.stat().st_size:,} bytes", screen.read_text())
        server.complete("a")
        wait_until(ended.exists)
    finally:
        run("kill-server")


def test_tail_goes_on_when_the_next_run_cannot_be_read_at_first(
    server: ServerProcess, url: str, tmp_path: Path
) -> None:
    """Something in its log's place that is no log, a server that is away: one line says so, and then it is printed."""
    log, output = server.log("a"), tmp_path / "output"
    log.write_text("first\n")
    with running(output, "tail", "a", LOGSTREAM_URL=url):
        wait_until(lambda: output.read_text() == "first\n")
        server.complete("a")
        log.unlink()
        log.mkdir()
        wait_until(lambda: "not a regular file" in output.read_text())
        time.sleep(1.5)  # several attempts
        log.rmdir()
        log.write_text("second\n")
        wait_until(lambda: output.read_text().endswith("second\n"), 10)
        assert output.read_text().count("not a regular file") == 1


def test_tail_goes_on_when_the_server_is_away_as_the_session_begins_again(start: Starting, tmp_path: Path) -> None:
    """It is tried again, though this is the first connection for the new run."""
    server, output = start("gunicorn"), tmp_path / "output"
    server.log("a").write_text("first\n")
    address = f"127.0.0.1:{server.port}"
    with running(output, "tail", "a", LOGSTREAM_URL=f"http://{address}") as process:
        wait_until(lambda: output.read_text() == "first\n")
        server.complete("a")
        server.stop()
        wait_until(lambda: "no server" in output.read_text())
        assert process.poll() is None
        server.log("a").write_text("second\n")
        start("gunicorn", LOGSTREAM_BIND=address)
        wait_until(lambda: output.read_text().endswith("second\n"), 10)
        assert output.read_text().count("no server") == 1


def test_a_server_that_says_nothing_is_an_error() -> None:
    """After ten seconds, for what goes over HTTP too, and where TLS is spoken; one line, no traceback."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as listener:
        there = f"127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        commands = [
            warm.Popen(
                [*LOGSTREAM, *arguments, "--url", f"{scheme}://{there}"],
                cwd=ROOT,
                env=os.environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for scheme in ("http", "https")
            for arguments in (("tail", "a"), ("sessions",), ("complete", "a"))
        ]
        for command in commands:
            said, _ = command.communicate(timeout=30)
            assert command.returncode == 1
            assert said.startswith("logstream: There is no server at ")
            assert said.count("\n") == 1
        assert time.monotonic() - began >= CONNECT_TIMEOUT


def test_a_server_that_speaks_something_else_is_an_error() -> None:
    """Whatever it is, there is one line and no traceback."""
    bodies = (b"[1]", b'{"a": ["b"]}', b"{}x", b"", b"\xff")
    replies = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    replies += [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]",
    ]
    replies += [
        b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n\x1b[c",
        b"HTTP/1.1 302 Found\r\nLocation: /\x1b\r\n\r\n",
        b"",
    ]
    with answering(*replies) as address:
        for reply in replies:
            code, out, err = typed("sessions", "--url", f"http://{address}")
            assert (code, out, err.count("\n")) == (1, "", 1), reply
            assert "\x1b" not in err


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_names_that_are_not_ascii_in_any_locale(server: ServerProcess, url: str, tmp_path: Path, locale: str) -> None:
    """They are followed, completed and listed, and what no name can be is refused in one line."""
    settings = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LOGSTREAM_URL": url}
    output, name = tmp_path / "output", "größer 日本 😀"
    server.log(name).write_text(MIXED)
    with running(output, "tail", name, "--until-complete", **settings) as process:
        wait_until(lambda: output.read_text() == MIXED)
        assert logstream("complete", name, **settings).returncode == 0
        assert process.wait(10) == 0
    listed = logstream("sessions", **settings).stdout
    assert listed.endswith(f"complete  {name}\n")
    assert json.loads(logstream("sessions", "--json", **settings).stdout)[0]["name"] == name
    listed = logstream("sessions", **settings, PYTHONIOENCODING="latin-1", encoding="latin-1").stdout
    assert listed.endswith("größer \\u65e5\\u672c \\U0001f600\n")
    missing = logstream("tail", "größter", **settings)
    assert missing.stderr == "logstream: Session 'größter' was not found.\n"
    for command in ("tail", "complete"):
        ran = subprocess.run(
            [sys.executable, "-m", "logstream", command, b"\xff"],
            cwd=ROOT,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert ran.returncode == 2
        assert ran.stderr.splitlines()[-1].startswith("Error: Invalid value for 'NAME")
        assert ran.stderr.endswith("': it is not in UTF-8.\n")
    ran = logstream("sessions", "--token", "größer", **settings)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "ASCII" in ran.stderr


class TerminalProcess:
    """A command in a terminal of its own, and all that it has printed there."""

    def __init__(self, *command: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        self.process = warm.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=warm.take_terminal,
        )
        os.close(slave)
        self.shown = b""

    def __enter__(self) -> TerminalProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read(self) -> bytes:
        """All that was printed so far."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.shown += os.read(self._master, 1 << 16)
            except OSError:  # nobody has it open any more
                break
        return self.shown

    def type(self, keys: bytes) -> None:
        """Have somebody press keys."""
        os.write(self._master, keys)

    def end(self, timeout: float = 5.0) -> int:
        """Wait for the command's end: its exit code."""
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1], timeout)
        self.read()  # what it has printed between the last look and its end
        return self.process.wait()


FULL_SCREEN = "\x1b[?1049h\x1b[?1000;1006h\x1b[?2004h\x1b[?25l\x1b[31mred\x1b[c\x1b[6n\x1b]11;?\x07\x05 end"
SHOWN = b"\x1b[?1049h\x1b[?25l\x1b[31mred end"
LEFT = (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1006l", b"\x1b[?2004l", b"\x1b[?25h", b"\x1b[0m")


def test_tail_leaves_a_terminal_as_it_was(start: Starting) -> None:
    """On Ctrl-C, also pressed twice, on SIGTERM and SIGHUP, at the session's end, and before an error is printed."""
    server = start("gunicorn")
    url = f"http://127.0.0.1:{server.port}"
    server.log("a").write_text(FULL_SCREEN)
    for keys, number, code in (
        (b"\x03", None, 130),
        (b"impatient", None, 130),
        (b"", signal.SIGTERM, 143),
        (b"", signal.SIGHUP, 129),
        (b"complete", None, 0),
    ):
        with TerminalProcess(*LOGSTREAM, "tail", "a", "--until-complete", LOGSTREAM_URL=url) as terminal:
            wait_until(lambda: terminal.read() == SHOWN)
            if keys == b"complete":
                server.complete("a")
            elif keys == b"impatient":
                while terminal.process.poll() is None:
                    terminal.process.send_signal(signal.SIGINT)
                    terminal.read()
            elif keys:
                terminal.type(keys)
            else:
                assert number is not None
                terminal.process.send_signal(number)
            assert terminal.end() == code
            last = terminal.shown.removeprefix(SHOWN)
            assert all(last.count(sequence) == 1 for sequence in LEFT), (keys, number, last)
            assert b"Traceback" not in last
    server.log("b").write_text(FULL_SCREEN)
    with TerminalProcess(*LOGSTREAM, "tail", "b", LOGSTREAM_URL=url) as terminal:
        wait_until(lambda: terminal.read() == SHOWN)
        server.stop()
        start(
            "gunicorn",
            LOGSTREAM_BIND=url.removeprefix("http://"),
            LOGSTREAM_TOKEN="a token of 16 characters".replace(" ", "-"),
        )
        assert terminal.end(20) == 1
        before, _, after = terminal.shown.partition(b"logstream: The server refuses")
        assert all(sequence in before for sequence in LEFT)
        assert b"\x1b" not in after


def test_tail_lends_the_terminal_to_the_shell(server: ServerProcess, url: str) -> None:
    """On Ctrl-Z it is as it was; when the command goes on, it is as the log has it."""
    server.log("a").write_text(FULL_SCREEN)
    with TerminalProcess("bash", "--norc", "--noprofile", "-i", LOGSTREAM_URL=url, TERM="dumb") as terminal:
        terminal.type(f"{' '.join(LOGSTREAM)} tail a\n".encode())
        wait_until(lambda: terminal.read().endswith(SHOWN), 10)
        before = len(terminal.shown)
        terminal.type(b"\x1a")
        wait_until(lambda: b"Stopped" in terminal.read()[before:])
        left = terminal.shown[before : terminal.shown.rindex(b"Stopped")]
        assert all(left.count(sequence) == 1 for sequence in LEFT)
        before = len(terminal.shown)
        terminal.type(b"fg\n")
        wait_until(lambda: terminal.read()[before:].endswith(b"\x1b[?1049h\x1b[?25l\x1b[31m"))
        with server.log("a").open("a") as file:
            file.write(" more")
        wait_until(lambda: terminal.read().endswith(b" more"))
        before = len(terminal.shown)
        terminal.type(b"\x03")
        wait_until(lambda: all(sequence in terminal.read()[before:] for sequence in LEFT))
        terminal.type(b"echo it was $?; exit\n")
        assert terminal.end() == 0
        assert b"it was 130" in terminal.shown


def test_tail_shows_each_run_in_a_terminal_as_it_was(server: ServerProcess, url: str) -> None:
    """A log that begins again, and one that ends, take their colours and screens with them."""
    server.log("a").write_text(FULL_SCREEN)
    with TerminalProcess(*LOGSTREAM, "tail", "a", LOGSTREAM_URL=url) as terminal:
        wait_until(lambda: terminal.read() == SHOWN)
        server.log("a").write_text("anew\n")
        wait_until(lambda: terminal.read().endswith(b"anew\r\n"))
        between = terminal.shown.removeprefix(SHOWN)
        assert between.index(LEFT[0]) < between.index(b"has begun again")
        server.log("a").write_text(FULL_SCREEN)
        wait_until(lambda: terminal.read().endswith(b"red end"))
        shown = terminal.shown
        server.complete("a")
        wait_until(lambda: all(sequence in terminal.read().removeprefix(shown) for sequence in LEFT))


def test_into_a_pipe_a_log_is_as_it_is(server: ServerProcess, url: str) -> None:
    """With whatever it asks."""
    server.log("a").write_text(FULL_SCREEN)
    server.complete("a")
    assert logstream("tail", "a", "--until-complete", "--url", url).stdout == FULL_SCREEN


RECORDED = (
    'Script started on 2026-11-25 10:00:00+00:00 [COMMAND="make" COLUMNS="20" LINES="5"]\n'
    "$ make\r\n\x1b[?1049h\x1b[Hmenu\x1b[?1049l\x1b[1mtwelve words that are wrapped\x1b[0m\r\n"
    "\r  0%\r 50%\r100%\r\none\r\ntwo\x1b[1A\r1\x1b[K\r\n2\x1b[K"
)
ENDED = '\r\n\nScript done on 2026-11-25 10:00:01+00:00 [COMMAND_EXIT_CODE="0"]\n'
WRAPPED = "twelve words that are wrapped\n"


def test_plain_is_what_a_terminal_would_have_shown(server: ServerProcess, url: str) -> None:
    """With what was drawn over as it was in the end, and without `script`'s own lines."""
    server.log("a").write_text(RECORDED + ENDED)
    server.complete("a")
    printed = logstream("tail", "a", "--plain", "--no-follow", "--url", url)
    assert (printed.stdout, printed.stderr, printed.returncode) == (f"$ make\n{WRAPPED}100%\n1\n2\n", "", 0)
    narrow = logstream("tail", "a", "--plain", "--columns", "2", "--until-complete", "--url", url)
    assert narrow.stdout.startswith(f"$ make\n{WRAPPED}")
    assert typed("tail", "a", "--columns", "20", "--url", url)[0] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_plain_prints_what_has_scrolled_off_and_in_the_end_the_rest(
    server: ServerProcess, url: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The lines that are final at once; what is on the screen when tail is told to end, or the session begins again."""
    output = tmp_path / "output"
    server.log("a").write_text(RECORDED)
    with running(output, "tail", "a", "--plain", LOGSTREAM_URL=url) as process:
        wait_until(lambda: output.read_text() == "$ make\n")
        with server.log("a").open("a") as log:
            log.write("\r\n3")
        wait_until(lambda: output.read_text() == f"$ make\n{WRAPPED[:20]}")
        server.complete("a")
        first = f"$ make\n{WRAPPED}100%\n1\n2\n3\n"
        wait_until(lambda: output.read_text() == first)
        server.log("a").write_text("".join(f"{line}\n" for line in range(30)) + "again")
        begun = "".join(f"{line}\n" for line in range(7))
        wait_until(lambda: output.read_text().endswith(begun))
        for _ in range(3):
            process.send_signal(number)
        assert process.wait(PATIENCE) == code
    rest = "".join(f"{line}\n" for line in range(7, 30)) + "again\n"
    assert output.read_text() == f"{first}logstream: a has begun again\n{begun}{rest}"


def test_plain_ends_though_nobody_reads(server: ServerProcess, url: str) -> None:
    """It waits a while for the rest to be read, and no longer; nothing is printed twice."""
    lines = "".join(f"line {number}\n" for number in range(50_000))
    server.log("a").write_text(lines)
    with warm.Popen(
        [*LOGSTREAM, "tail", "a", "--plain", "--url", url], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        wait_until(lambda: unread(process.stdout) >= 60_000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 1
        assert lines.startswith(process.stdout.read().decode())


def unread(pipe: IO[bytes]) -> int:
    """The bytes in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_several_sessions_are_printed_below_their_names(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """Each log up to its end first, then what is appended to any, with a line where it is another's, as by tail."""
    large = "".join(f"{number}\n" for number in range(300_000))  # in many messages
    logs = {name: server.log(name) for name in ("a", "b", "c")}
    logs["a"].write_text(large)
    logs["b"].write_text("half")
    logs["c"].touch()
    output = tmp_path / "output"
    expected = f"==> a <==\n{large}\n==> b <==\nhalf\n==> c <==\n"
    with running(output, "tail", "-f", "a", "b", "nosuch", "b", "c", "--until-complete", LOGSTREAM_URL=url) as process:
        missing = "logstream: Session 'nosuch' was not found.\n"
        wait_until(lambda: output.read_text().replace(missing, "", 1) == expected)
        for name, text, more in (
            ("c", "1\n", "1\n"),
            ("c", "2\n", "2\n"),
            ("b", " a line\n", "\n==> b <==\n a line\n"),
            ("a", "3\n", "\n==> a <==\n3\n"),
        ):
            with logs[name].open("a") as log:
                log.write(text)
            expected += more
            wait_until(lambda: output.read_text().replace(missing, "", 1) == expected)
        for name in logs:
            server.complete(name)
        assert process.wait(PATIENCE) == 1, "one of them was missing"
    tails = in_turn(
        ("tail", "c", "b", "-n", "1", "--no-follow", "-q"),
        ("tail", "c", "-n", "1", "--no-follow", "-v"),
        ("tail", "c", "b", "--grep", "[2a]", "--no-follow"),
        LOGSTREAM_URL=url,
    )
    assert tails == [
        (0, "2\nhalf a line\n", ""),
        (0, "==> c <==\n2\n", ""),
        (0, "==> c <==\n2\n\n==> b <==\nhalf a line\n", ""),
    ]


def test_tails_own_ways_to_say_where_it_begins_and_ends(server: ServerProcess, url: str) -> None:
    """With -n a number, with or without a sign; --no-follow prints what is there, and what is wrong is said."""
    server.log("a").write_text("1\n2\n3")
    options = ("-n2", "-n -2", "-n+2", "-n+0", "-n0", "-n+4", "--lines=+3", "")
    commands = [("tail", "a", "--no-follow", *option.split()) for option in options]
    found = in_turn(
        *commands,
        ("tail", "a", "-n", "x"),
        ("tail",),
        LOGSTREAM_URL=url,
    )
    texts = ["2\n3", "2\n3", "2\n3", "1\n2\n3", "", "", "3", "1\n2\n3"]
    assert found[: len(texts)] == [(0, text, "") for text in texts]
    assert [(code, out, err.splitlines()[-1]) for code, out, err in found[len(texts) :]] == [
        (
            2,
            "",
            "Error: Invalid value for '-n' / '--lines': 'x' is neither a number of lines nor + and a line's number.",
        ),
        (2, "", "Error: Missing argument 'NAME...'."),
    ]


def test_tail_waits_for_a_session_and_for_the_server(start: Starting, address: str, tmp_path: Path) -> None:
    """Told to wait, for one that is not there yet; and a complete one outlives restarts, beside others."""
    server, output = start("gunicorn", LOGSTREAM_BIND=address), tmp_path / "output"
    server.log("done").write_text("done\n")
    server.complete("done")
    with running(output, "tail", "-q", "-F", "future", "done", LOGSTREAM_URL=f"http://{address}") as process:
        waiting = "logstream: Session 'future' was not found; waiting for it.\n"
        wait_until(lambda: output.read_text() == f"{waiting}done\n")
        server.stop()
        wait_until(lambda: "There is no server at" in output.read_text())
        server = start("gunicorn", LOGSTREAM_BIND=address)
        server.log("future").write_text("begun\n")
        wait_until(lambda: output.read_text().endswith("begun\n"), 10)
        server.log("done").write_text("anew\n")
        wait_until(lambda: output.read_text().endswith("anew\n"), 10)
        assert "logstream: done has begun again\n" in output.read_text()
        assert process.poll() is None


@pytest.mark.parametrize("options", [(), ("--plain",), ("-n", "0", "b")])
def test_tail_ends_when_nobody_reads_though_nothing_is_written(
    server: ServerProcess, url: str, options: tuple[str, ...]
) -> None:
    """`logstream tail a | head -n 1`, where the log stays as it is; silently."""
    server.log("a").write_text("one\n" * 50)
    server.log("b").touch()
    with warm.Popen(
        [*LOGSTREAM, "tail", "a", *options, "--url", url],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() in (b"one\n", b"==> a <==\n")
        wait_until(lambda: json.loads(server.request("/healthz")[1])["subscriptions"] == 1 + ("b" in options))
        process.stdout.close()
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == b""


def test_in_a_terminal_each_of_several_sessions_has_its_own_colours(server: ServerProcess, url: str) -> None:
    """What one has changed is undone for the others and for their names, and done again for itself."""
    server.log("a").write_text("\x1b[31mred")
    server.log("b").write_text("plain")
    with TerminalProcess(*LOGSTREAM, "tail", "a", "b", LOGSTREAM_URL=url) as terminal:
        first = b"==> a <==\r\n\x1b[31mred\x1b\\\x1b[0m\r\n==> b <==\r\nplain"
        wait_until(lambda: terminal.read() == first)
        with server.log("a").open("a") as log:
            log.write(" still")
        wait_until(lambda: terminal.read() == first + b"\r\n==> a <==\r\n\x1b[31m still")
        terminal.type(b"\x03")
        assert terminal.end() == 130
        assert terminal.shown.endswith(b"still^C\x1b\\\x1b[0m")


def test_a_full_disk_is_an_error(server: ServerProcess, url: str) -> None:
    """It is said in one line."""
    server.log("a").write_text(MIXED)
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        ran = subprocess.run(
            [sys.executable, "-m", "logstream", "tail", "a", "--url", url],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == "logstream: The output cannot be printed: No space left on device.\n"


def test_output_that_is_no_file_is_printed_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that runs a command itself, and collects what it prints."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        cli.cli(["sessions", "--url", "nonsense://"])
    assert ended.value.code == 1


def test_a_server_that_is_gone_when_a_session_is_complete_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What keeps the next session from being followed is said once, until there is one; at first it is an error."""
    event = Event(text="text", reset=True, complete=True, cursor="4.x", offset=4, size=4)
    turns: list[object] = [NoServerError("Nobody."), event, NoServerError("Nobody."), SessionError("Gone."), event]
    turns += [NoServerError("Nobody again."), KeyboardInterrupt()]

    def follow(*_: object, **__: object) -> Iterator[Event]:
        turn = turns.pop(0)
        if isinstance(turn, BaseException):
            raise turn
        assert isinstance(turn, Event)
        yield turn

    monkeypatch.setattr(tail, "follow", follow)
    monkeypatch.setattr(tail, "_ANEW", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with (tmp_path / "output").open("w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        for code in (1, 130):
            with pytest.raises(SystemExit) as ended:
                cli.cli(["tail", "a"])
            assert ended.value.code == code
    assert (tmp_path / "output").read_text() == "texttext"
    assert capsys.readouterr().err.splitlines() == [
        "logstream: Nobody.",
        "logstream: Nobody.",
        "logstream: a has begun again",
        "logstream: Nobody again.",
    ]


def test_a_refusal_that_breaks_off_is_told_by_its_status() -> None:
    """Whatever the server was about to say."""
    with answering(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nThis") as address:
        printed = typed("sessions", "--url", f"http://{address}")
    assert printed == (1, "", "logstream: The server refuses: It does not serve this client.\n")
