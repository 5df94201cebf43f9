"""Tests of the command line, as a user types it, against a real server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from .serving import PATIENCE, ROOT, ServerProcess, Starting, wait_until

MIXED = "größer 日本語 😀\n"


def logstream(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "logstream", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextlib.contextmanager
def running(output: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on until the test is over."""
    with output.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "logstream", *arguments],
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
def server(start: Starting) -> ServerProcess:
    """One server, for this test alone."""
    return start("gunicorn")


@pytest.fixture
def url(server: ServerProcess) -> str:
    """Its address."""
    return f"http://127.0.0.1:{server.port}"


def test_tail_follows_to_completion(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """Bytes through as they are, live, over a restart; with --until-complete the end is exit code 0."""
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
        ["3,000", "live", "new"],
        ["1,500", "live", "größer 1"],
        ["0", "complete", "old"],
    ]
    listed = json.loads(logstream("sessions", "--json", "--url", url).stdout)
    assert listed[1] == {"name": "größer 1", "size": 1500, "changed": 1_700_000_001.0, "complete": False}


def test_errors_say_what_to_do(start: Starting, url: str) -> None:
    """No server there, not allowed, no such session: one line on stderr, and exit code 1."""
    secret = start("gunicorn", LOGSTREAM_TOKEN="secret")
    there = f"http://127.0.0.1:{secret.port}"
    for arguments, said in (
        (("tail", "a", "--url", "http://127.0.0.1:9"), "no server"),
        (("sessions", "--url", "http://127.0.0.1:9"), "no server"),
        (("sessions", "--url", "nonsense://x"), "no address"),
        (("tail", "a", "--url", there), "token"),
        (("sessions", "--url", there), "LOGSTREAM_TOKEN"),
        (("complete", "a", "--url", there, "--token", "wrong"), "LOGSTREAM_TOKEN"),
        (("tail", "missing", "--url", url), "not found"),
        (("complete", "a/../b", "--url", url), "refuses"),
    ):
        ran = logstream(*arguments)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert said in ran.stderr
        assert ran.stderr.count("\n") == 1
    assert logstream("sessions", "--url", there, "--token", "secret").returncode == 0
    assert logstream("complete", "a", "--url", there, LOGSTREAM_TOKEN="secret").returncode == 0


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
    text = logstream("--help").stdout
    for command in ("serve", "tail", "complete", "sessions"):
        assert command in text


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux")
def test_tail_in_a_terminal_shows_progress_and_colours(server: ServerProcess, url: str, tmp_path: Path) -> None:
    """In a tmux pane, a large log's progress is on the last line, is wiped, and the colours are the terminal's."""
    log, screen = server.log("a"), tmp_path / "screen"
    log.write_text("x" * 78 + "\n" + ("y" * 78 + "\n") * 400_000 + "\x1b[31mred\x1b[0m end\n")
    tmux = ["tmux", "-u", "-f", "/dev/null", "-L", f"logstream-{uuid.uuid4().hex}"]
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"} | {"LC_ALL": "C.UTF-8"}

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [*tmux, *arguments], env=environment, cwd=ROOT, capture_output=True, check=True, timeout=PATIENCE
        )
        return ran.stdout.decode()

    command = f"{sys.executable} -m logstream tail a --url {url}; sleep 30"
    run("new-session", "-d", "-x", "100", "-y", "20", "-s", "pane", command)
    try:
        run("pipe-pane", "-t", "pane", f"cat > {screen}")
        wait_until(lambda: "red end" in run("capture-pane", "-p", "-t", "pane"))
        shown = run("capture-pane", "-p", "-e", "-t", "pane").rstrip().splitlines()
        assert shown[-1] == "\x1b[31mred\x1b[39m end"
        assert "% of" not in "".join(shown)
        assert re.search(rf"\d+% of {log.stat().st_size:,} bytes", screen.read_text())
    finally:
        run("kill-server")
