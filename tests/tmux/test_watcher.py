"""Tests of the thread that asks tmux, on real tmux servers, and of a session as its viewers see it."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from logstream import LogStreamManager
from logstream.engine.logfile import LogFile
from logstream.tmux import TmuxWatcher
from logstream.tmux import server as tmux_server
from logstream.tmux import watcher as watcher_module
from logstream.tmux.server import Answer, ask

from ..serving import ServerProcess, Starting, count_descriptors, wait_until
from ..viewer import PONG, Viewer
from .tmuxserver import TmuxServer, needs_tmux

pytestmark = needs_tmux

needs_script = pytest.mark.skipif(shutil.which("script") is None, reason="needs script: apt-get install bsdutils")

# Colours, box drawing, a progress bar that overwrites itself, and characters of every width.
SHOW = r"""
printf '\033[1;32m┌─ größer ─┐\033[0m\n'
for i in 1 2 3 4 5 6 7 8 9 10; do printf '\r[%-10s] %3d%%' "$(printf '█%.0s' $(seq $i))" $((i * 10)); sleep 0.03; done
printf '\n\033[38;5;208m日本語 😀\033[0m\n└──────────┘\nlast line\n'
"""


@needs_script
@pytest.mark.watcher("inotify", "observer")  # all that is shown takes but two looks of the sweep
def test_a_tmux_session_is_followed_from_its_first_byte_to_its_completion(
    server: ServerProcess,
    view: Callable[..., Viewer],
    session: str,
    log: Path,
    tmux: TmuxServer,
    tmp_path: Path,
) -> None:
    """What the terminal showed arrives as it was written: escapes, overwritten progress, wide characters."""
    program, done = tmp_path / "show.sh", tmp_path / "done"
    program.write_text(SHOW)
    viewer = view()
    viewer.subscribe(session)
    assert viewer.receive()["data"] == ""
    tmux.begin("build", f"script -qf -c 'sh {program}' {log}; touch {done}")
    viewer.read_until(lambda: "last line" in viewer.texts[session], 20)
    wait_until(done.exists)  # `script` has written its own last line
    server.complete(session)
    viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
    assert viewer.texts[session] == log.read_bytes().decode()
    assert len(viewer.messages) > 5  # it came live, not at the end
    for shown in ("\x1b[1;32m┌─ größer ─┐\x1b[0m", "\r[██████████] 100%", "日本語 😀", "└──────────┘\r\nlast line"):
        assert shown in viewer.texts[session]


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_session_that_ends_in_tmux_is_completed_for_its_viewers(start: Starting, tmux: TmuxServer, kind: str) -> None:
    """Within three seconds, with its last line; a session that was never in tmux goes on."""
    server = start(kind, LOGSTREAM_TMUX=tmux.socket)
    log, other = server.log("build.1"), server.log("other")
    for path in (log, other):
        path.touch()
    go = server.directory / "go"
    with Viewer(server.port) as viewer:
        for name in ("build.1", "other"):
            viewer.subscribe(name)
            viewer.receive()
        tmux.begin("build.1", f"echo begun >> {log}; while [ ! -e {go} ]; do sleep 0.05; done; echo last >> {log}")
        tmux.begin("keep")
        viewer.read_text("build.1", "begun\n")
        assert viewer.drain(2.5) == []  # it is seen, and alive
        go.touch()
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"], 3)
        assert viewer.messages[-1]["sessionName"] == "build.1"
        assert viewer.texts["build.1"] == "begun\nlast\n"
        with other.open("a") as file:
            file.write("goes on")
        viewer.read_text("other", "goes on")
        assert viewer.drain(2) == []
    assert "Traceback" not in server.stop()


def test_the_end_of_the_whole_tmux_server_ends_its_sessions(start: Starting, tmux: TmuxServer) -> None:
    """Where the last session ends, or the server is killed, all that were seen are complete."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    for name in ("a", "b"):
        server.log(name).write_text(name)
        tmux.begin(name)
    with Viewer(server.port) as viewer:
        for name in ("a", "b"):
            viewer.subscribe(name)
        viewer.read_until(lambda: len(viewer.messages) == 2)
        assert viewer.drain(1.5) == []
        tmux.run("kill-server")
        viewer.read_until(lambda: sum(message["isComplete"] for message in viewer.messages) == 2, 4)
    server.stop()


def test_switched_off_nothing_is_noticed(start: Starting, tmux: TmuxServer) -> None:
    """With LOGSTREAM_TMUX=off a session that ends in tmux stays live until somebody says so."""
    server = start("gunicorn", LOGSTREAM_TMUX="off")
    server.log("a").touch()
    tmux.begin("a", "sleep 1")
    with Viewer(server.port) as viewer:
        viewer.subscribe("a")
        viewer.receive()
        assert viewer.drain(3) == []
    server.stop()


def test_a_session_whose_tmux_server_cannot_be_asked_goes_on_for_its_viewers(start: Starting, tmux: TmuxServer) -> None:
    """With the socket unlinked its lines arrive as before; its end is seen, with the socket made again or without."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    names = ("a", "b")
    for name in names:
        server.log(name).touch()
        tmux.begin(name, f"while sleep 0.3; do echo line >> {server.log(name)}; done")
    pid = tmux.pid()
    with Viewer(server.port) as viewer:
        for name in names:
            viewer.subscribe(name)
        deadline = time.monotonic() + 2
        viewer.read_until(lambda: time.monotonic() > deadline)
        Path(tmux.socket).unlink()
        deadline = time.monotonic() + 3
        viewer.read_until(lambda: time.monotonic() > deadline)
        assert not any(message["isComplete"] for message in viewer.messages)
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: tmux.attempt("kill-session", "-t", "=a").returncode == 0)
        viewer.read_until(lambda: any(message["isComplete"] for message in viewer.messages), 3)
        Path(tmux.socket).unlink()
        os.kill(pid, signal.SIGTERM)
        viewer.read_until(lambda: sum(message["isComplete"] for message in viewer.messages) == 2, 3)
    assert server.stop().count(f"the tmux server with process {pid} cannot be asked") == 1


def test_without_a_thread_at_first_a_session_s_end_is_noticed_later(start: Starting, tmux: TmuxServer) -> None:
    """Whatever comes from any connection has it tried again."""
    server = start("gunicorn", app="tests.threadless", LOGSTREAM_TMUX=tmux.socket)
    server.log("a").touch()
    tmux.begin("a")
    with Viewer(server.port) as viewer, Viewer(server.port) as other:
        viewer.subscribe("a")
        viewer.receive()
        wait_until(lambda: "there is no thread for tmux" in server.output())
        other.send_frame(PONG)
        assert viewer.drain(2) == []
        tmux.run("kill-server")
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"], 3)
    server.stop()


class Watched:
    """A watcher in this process, what is followed, and what it has reported."""

    def __init__(self, tmux: TmuxServer, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.followed: set[str] = set()
        self.reported: list[str] = []
        self.polls = 0
        self.answers = 0
        monkeypatch.setattr(watcher_module, "POLL_INTERVAL", 0.02)
        monkeypatch.setattr(watcher_module, "ask", self._ask)
        self.watcher = TmuxWatcher(tmux.socket, lambda: self.followed, self._report, str(directory), ".out")

    def _ask(self, socket: str | None) -> Answer:
        try:
            answer = ask(socket)
            self.answers += 1
            return answer
        finally:
            self.polls += 1

    def _report(self, name: str, exit_status: int | None = None) -> None:
        self.reported.append(name)
        self.followed = self.followed - {name}

    def log(self, name: str) -> Path:
        """A session's log."""
        return self.directory / f"{name}.out"

    def follow(self, *names: str) -> None:
        """Somebody follows these and nothing else; they are seen, if they are there."""
        self.followed = set(names)
        self.watcher.wake()
        if names:
            self.await_polls()

    def await_polls(self, answered: bool = False) -> None:
        """Wait until tmux was asked several times from now on, with or without an answer."""
        polls, answers = self.polls, self.answers
        wait_until(lambda: self.polls > polls + 2 and (not answered or self.answers > answers + 2), 20)

    def await_calm(self) -> None:
        """Wait until nobody asks."""
        self.followed = set()
        wait_until(lambda: self.watcher._bell is not None or self.watcher._thread is None, 8)

    def close(self) -> None:
        """End the thread."""
        thread = self.watcher._thread
        self.watcher.close()
        if thread is not None:
            thread.join(5)
            assert not thread.is_alive()


@pytest.fixture
def watched(tmux: TmuxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A watcher of a tmux server that is not there yet."""
    watching = Watched(tmux, tmp_path, monkeypatch)
    yield watching
    watching.close()


# What keeps tmux from answering. Each gives back what undoes it.


def unlink_the_socket(tmux: TmuxServer, pid: int) -> Callable[[], object]:
    """As whoever tidies up in /tmp does."""
    Path(tmux.socket).unlink()

    def undo() -> None:
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: tmux.attempt("list-sessions").returncode == 0)

    return undo


def take_its_place(tmux: TmuxServer, _pid: int) -> Callable[[], object]:
    """Another server has the socket, with a session of another name."""
    Path(tmux.socket).rename(f"{tmux.socket}.old")
    tmux.begin("other")

    def undo() -> None:
        tmux.run("kill-server")
        Path(f"{tmux.socket}.old").rename(tmux.socket)

    return undo


def take_the_directory_away(tmux: TmuxServer, _pid: int) -> Callable[[], object]:
    """As when a file system is not mounted for a moment."""
    directory = Path(tmux.socket).parent
    away = directory.rename(f"{directory}-away")
    return lambda: away.rename(directory)


def stop_the_server(_tmux: TmuxServer, pid: int) -> Callable[[], object]:
    """It hangs."""
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def take_tmux_away(_tmux: TmuxServer, _pid: int) -> Callable[[], object]:
    """As when it is upgraded."""
    path = os.environ["PATH"]
    os.environ["PATH"] = "/nonexistent"
    return lambda: os.environ.update(PATH=path)


def forbid_it(tmux: TmuxServer, _pid: int) -> Callable[[], object]:
    """The socket is not for us any more: for root, by another user's tmux."""
    path, directory = os.environ["PATH"], Path(tmux.socket).parent
    if os.getuid() == 0:
        directory.chmod(0o755)
        program = directory / "tmux"
        program.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {shutil.which("tmux")} "$@"\n')
        program.chmod(0o755)
        os.environ["PATH"] = f"{directory}:{path}"
    else:
        directory.chmod(0)

    def undo() -> None:
        os.environ["PATH"] = path
        directory.chmod(0o700)

    return undo


@pytest.mark.parametrize(
    "fault",
    [unlink_the_socket, take_its_place, take_the_directory_away, stop_the_server, take_tmux_away, forbid_it],
)
def test_no_answer_is_no_end(
    watched: Watched,
    tmux: TmuxServer,
    fault: Callable[[TmuxServer, int], Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A session lives while tmux cannot be asked, which is said once; when it answers again, its end is seen."""
    monkeypatch.setattr(tmux_server, "_TIMEOUT", 0.3)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    watched.log("a").touch()
    tmux.begin("a")
    watched.follow("a")
    undo = fault(tmux, tmux.pid())
    try:
        watched.await_polls()
        time.sleep(1)
        watched.await_polls()
        assert watched.reported == []
    finally:
        undo()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1, lines
    assert re.search("cannot be asked|does not answer", lines[0])
    watched.await_polls(answered=True)
    assert watched.reported == []
    tmux.end("a")
    wait_until(lambda: watched.reported == ["a"])


@pytest.mark.parametrize(
    "fault",
    [
        *(unlink_the_socket, take_the_directory_away, stop_the_server),
        pytest.param(take_tmux_away, marks=pytest.mark.linux),  # or `ps` is away as well, which tells elsewhere
    ],
)
def test_a_server_that_cannot_be_asked_and_is_gone_has_no_sessions(
    watched: Watched,
    tmux: TmuxServer,
    fault: Callable[[TmuxServer, int], Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process tells."""
    monkeypatch.setattr(tmux_server, "_TIMEOUT", 0.3)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    watched.log("a").touch()
    tmux.begin("a")
    watched.follow("a")
    pid = tmux.pid()
    undo = fault(tmux, pid)
    try:
        watched.await_polls()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: watched.reported == ["a"])
    finally:
        if fault is not stop_the_server and fault is not unlink_the_socket:
            undo()


def test_a_server_that_nobody_has_buried_is_gone(watched: Watched, tmux: TmuxServer) -> None:
    """As in a container without an init: its parent never asks for it."""
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}
    with subprocess.Popen(["tmux", "-D", "-f", "/dev/null", "-S", tmux.socket], env=environment) as process:
        wait_until(Path(tmux.socket).exists)  # or the session would start a server of its own
        wait_until(lambda: tmux.attempt("new-session", "-d", "-s", "a", "sleep 60").returncode == 0)
        assert tmux.pid() == process.pid
        watched.log("a").touch()
        watched.follow("a")
        process.kill()
        wait_until(lambda: watched.reported == ["a"])


def test_sessions_of_two_servers_at_one_socket_each_have_their_end(watched: Watched, tmux: TmuxServer) -> None:
    """The first server's with its process, the second one's when it answers without it."""
    for name in ("first", "second"):
        watched.log(name).touch()
    tmux.begin("first")
    first = tmux.pid()
    watched.follow("first", "second")
    Path(tmux.socket).unlink()
    tmux.begin("second")
    watched.await_polls()
    tmux.begin("kept")
    tmux.end("second")
    wait_until(lambda: watched.reported == ["second"])
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: watched.reported == ["second", "first"])


def test_a_session_that_begins_again_at_once_is_not_complete(watched: Watched, tmux: TmuxServer) -> None:
    """Its end was seen, but so is the new one, before the log has been quiet."""
    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    watched.follow("a")
    tmux.end("a")
    wait_until(lambda: "a" in watched.watcher._endings)
    tmux.begin("a")
    wait_until(lambda: "a" not in watched.watcher._endings)
    assert watched.reported == []
    tmux.end("a")
    wait_until(lambda: watched.reported == ["a"])


def test_a_session_s_windows_may_outlive_it(watched: Watched, tmux: TmuxServer) -> None:
    """In another session of its group, its log goes on; it is complete when that ends too."""
    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    tmux.run("new-session", "-d", "-t", "=a", "-s", "view")
    watched.follow("a")
    tmux.end("a")
    watched.await_polls()
    time.sleep(1)
    assert watched.reported == []
    tmux.end("view")
    wait_until(lambda: watched.reported == ["a"])


def test_a_session_whose_name_tmux_changes_is_complete(watched: Watched, tmux: TmuxServer) -> None:
    """Each by itself, whatever tmux has made of its name."""
    names = ["cost$a", "back\\slash", "a:b.c", "issue #12", "C#", "PR#Draft", "x##y", "-a", "größer 日本", "\u0378"]
    for name in names:
        watched.log(name).touch()
        tmux.begin(name)
    tmux.begin("kept")
    watched.follow(*names)
    ended = []
    for _ in names:
        number = next(key for key, session in ask(tmux.socket).sessions.items() if session.name != "kept")
        tmux.run("kill-session", "-t", number)
        wait_until(lambda: len(watched.reported) > len(ended))
        ended = list(watched.reported)
    assert sorted(ended) == sorted(names)


@pytest.mark.parametrize("running", ["a.b", "a_b"])
def test_of_two_logs_with_one_name_in_tmux_the_right_one_is_complete(
    watched: Watched, tmux: TmuxServer, running: str
) -> None:
    """The one that the session writes; the other one, which is written outside tmux, goes on."""
    other = {"a.b": "a_b", "a_b": "a.b"}[running]
    for name in (running, other):
        watched.log(name).touch()
    outside = subprocess.Popen(["sh", "-c", f"while sleep 0.2; do echo line >> {watched.log(other)}; done"])
    try:
        tmux.begin("kept")
        tmux.begin(running, f"while sleep 0.1; do echo line >> {watched.log(running)}; done")
        watched.follow("a.b", "a_b")
        tmux.end("a_b")
        wait_until(lambda: watched.reported == [running])
        watched.await_polls()
        time.sleep(1)
        assert watched.reported == [running]
    finally:
        outside.kill()
        outside.wait()
    tmux.begin(other, f"while sleep 0.1; do echo line >> {watched.log(other)}; done")
    watched.follow("a.b", "a_b")
    tmux.end("a_b")
    wait_until(lambda: watched.reported == [running, other])


def test_where_nobody_knows_whose_session_it_was_the_log_that_stays_quiet_is_complete(
    watched: Watched, tmux: TmuxServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Both were written while it lived: neither is complete, until the other one is written to."""
    caplog.set_level(logging.INFO)
    tmux.begin("kept")
    tmux.begin("a.b")
    for name in ("a.b", "a_b"):
        watched.log(name).touch()
    watched.follow("a.b", "a_b")
    tmux.end("a_b")
    wait_until(lambda: watched.watcher._contests)
    time.sleep(2.5)
    assert watched.reported == []
    with watched.log("a_b").open("a") as file:
        file.write("goes on")
    wait_until(lambda: watched.reported == ["a.b"])
    assert sum("nobody knows of which log" in record.getMessage() for record in caplog.records) == 1


def test_an_end_while_nobody_follows_is_noticed(watched: Watched, tmux: TmuxServer) -> None:
    """Without asking tmux meanwhile: the end of the session's process tells. Its last line counts."""
    go = watched.directory / "go"
    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a", f"while [ ! -e {go} ]; do sleep 0.05; done; echo last >> {watched.log('a')}")
    watched.follow("a")
    watched.await_calm()
    polls = watched.polls
    time.sleep(0.5)
    assert watched.polls == polls
    go.touch()
    wait_until(lambda: watched.reported == ["a"])
    wait_until(lambda: watched.watcher._thread is None, 8)


def test_an_old_sighting_says_nothing_of_a_log_in_use_outside_tmux(watched: Watched, tmux: TmuxServer) -> None:
    """A session that ended in tmux while nobody followed, and whose log somebody else goes on with."""
    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    watched.follow("a")
    watched.await_calm()
    outside = subprocess.Popen(["sh", "-c", f"while sleep 0.1; do echo line >> {watched.log('a')}; done"])
    try:
        tmux.end("a")
        wait_until(lambda: watched.watcher._endings)
        watched.follow("a")
        wait_until(lambda: not watched.watcher._endings, 8)
        watched.await_polls()
        assert watched.reported == []
    finally:
        outside.kill()
        outside.wait()
    time.sleep(1)
    assert watched.reported == []
    assert not list(watched.watcher._sightings.all())


@pytest.mark.parametrize("used", [True, False])
def test_after_a_time_without_a_look_the_log_decides(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    """Where the system does not tell of a process's end: a log that has changed since may be somebody else's."""
    monkeypatch.setattr(watcher_module, "await_end", lambda pids, bell: False)
    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    watched.follow("a")
    watched.await_calm()
    assert watched.watcher._thread is None
    tmux.end("a")
    if used:
        with watched.log("a").open("a") as file:
            file.write("today, outside tmux")
    watched.follow("a")
    if used:
        time.sleep(1)
        assert watched.reported == []
    else:
        wait_until(lambda: watched.reported == ["a"])
    assert not list(watched.watcher._sightings.all())


def test_a_log_that_goes_on_after_its_session_is_not_complete(
    watched: Watched, tmux: TmuxServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What outlives the session, or begins the log again, writes on; it is said to the operator."""
    caplog.set_level(logging.INFO)
    tmux.begin("kept")
    watched.log("a").touch()
    loop = f"trap '' HUP; while sleep 0.1; do echo line >> {watched.log('a')}; done"
    tmux.begin("a", f"({loop}) & echo $! > {watched.log('pid')}; wait")
    watched.follow("a")
    wait_until(lambda: watched.log("pid").exists() and watched.log("pid").read_text())
    tmux.end("a")
    try:
        wait_until(lambda: any("goes on" in record.getMessage() for record in caplog.records), 8)
        assert watched.reported == []
    finally:
        os.kill(int(watched.log("pid").read_text()), signal.SIGKILL)


def test_sightings_do_not_pile_up(watched: Watched, tmux: TmuxServer) -> None:
    """Of what nobody follows, only sessions with a log are kept, and only as long as they are alive."""
    tmux.begin("kept")
    for name in ("a.b", "a:b", "a_b"):
        tmux.begin(name)
        watched.log("a_b").touch()
        watched.follow("a.b", "a:b", "a_b")
        watched.follow("other")
        assert {name for name, _ in watched.watcher._sightings.all()} == {"a_b"}
        tmux.end("a_b")
        wait_until(lambda: not list(watched.watcher._sightings.all()) and not watched.watcher._ownership._evidence)


def test_a_report_that_fails_is_repeated_and_ends_nothing(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others' are made all the same; the operator is told once a minute."""
    report = watched._report
    attempts = []

    def fail(name: str, exit_status: int | None) -> None:
        attempts.append(name)
        if attempts.count("a") <= 3 and name == "a":
            raise ValueError("no")
        report(name)

    monkeypatch.setattr(watched.watcher, "_report", fail)
    tmux.begin("kept")
    for name in ("a", "b"):
        watched.log(name).touch()
        tmux.begin(name)
    watched.follow("a", "b")
    for name in ("a", "b"):
        tmux.end(name)
    wait_until(lambda: watched.reported == ["b", "a"], 10)
    assert attempts.count("a") == 4
    assert sum(bool(record.exc_info) for record in caplog.records) == 1


def test_a_log_that_cannot_be_read_holds_up_no_other_end(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer keeps its own session's last message back, and nobody else's."""
    sent: list[tuple[object, bool]] = []
    manager = LogStreamManager(
        lambda ws, message: sent.append((ws, message["isComplete"])), lambda ws, message: False, watched.directory
    )
    names = ("a", "b", "c")
    tmux.begin("kept")
    for name in names:
        watched.log(name).write_text(name)
        tmux.begin(name)
        manager.subscribe(name, name)
    inode, read, go_on = watched.log("a").stat().st_ino, LogFile.read, threading.Event()

    def hang(file: LogFile, offset: int, length: int) -> bytes:
        if file.identity[1] == inode:
            go_on.wait()
        return read(file, offset, length)

    def report(name: str, exit_status: int | None) -> None:
        manager.notify_session_completed(name, exit_status)
        watched._report(name)

    monkeypatch.setattr(watched.watcher, "_report", report)
    watched.follow(*names)
    monkeypatch.setattr(LogFile, "read", hang)
    try:
        tmux.end("a")
        wait_until(lambda: "a" in watched.watcher._reports._names)
        for name in ("b", "c"):
            tmux.end(name)
            wait_until(lambda: (name, True) in sent, 5)
        assert ("a", True) not in sent
    finally:
        go_on.set()
    wait_until(lambda: ("a", True) in sent)
    wait_until(lambda: not watched.watcher._unsettled)
    manager.close()


def test_a_look_that_fails_is_not_the_last(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong in it, and whoever's fault it is; nor is what was found in it lost."""
    follow = watched.watcher._followed
    faults = iter([ValueError("no"), OSError(24, "Too many open files"), MemoryError()])

    def fail() -> object:
        for fault in faults:
            raise fault
        return follow()

    monkeypatch.setattr(watched.watcher, "_followed", fail)
    watched.log("a").touch()
    tmux.begin("a")
    watched.follow("a")
    contenders = watched.watcher._ownership.contenders
    more_faults = iter([ValueError("no"), MemoryError()])

    def fail_later(*arguments: object) -> object:
        for fault in more_faults:
            raise fault
        return contenders(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(watched.watcher._ownership, "contenders", fail_later)
    tmux.run("kill-server")
    wait_until(lambda: watched.reported == ["a"])
    assert sum(bool(record.exc_info) for record in caplog.records) == 1


def test_a_thread_that_cannot_be_started_is_tried_again(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a connection has something to say, without anybody who subscribes."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    watched.log("a").touch()
    tmux.begin("a")
    watched.followed = {"a"}
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        watched.watcher.wake()
        watched.watcher.retry()
    assert watched.watcher._thread is None
    watched.watcher.retry()
    watched.await_polls()
    thread = watched.watcher._thread
    watched.watcher.retry()
    assert watched.watcher._thread is thread
    tmux.run("kill-server")
    wait_until(lambda: watched.reported == ["a"])


def test_nobody_is_asked_while_nobody_follows(watched: Watched, tmux: TmuxServer) -> None:
    """The polls, and their thread, end with the last follower and begin again with the next; nothing stays open."""
    watched.follow("a")
    descriptors = count_descriptors()
    for _ in range(3):
        watched.follow()
        wait_until(lambda: watched.watcher._thread is None)
        polls = watched.polls
        watched.follow("a")
        assert watched.polls > polls
    watched.log("a").touch()
    tmux.begin("a")
    watched.await_polls()
    watched.await_calm()
    watched.follow("a")
    thread = watched.watcher._thread
    assert thread is not None
    wait_until(lambda: count_descriptors() <= descriptors)
    watched.await_calm()
    watched.close()
    assert not thread.is_alive()
    assert count_descriptors() <= descriptors


def test_who_comes_as_the_thread_is_about_to_end_keeps_it(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left without one."""
    pause = watched.watcher._pause

    def be_woken_meanwhile() -> None:
        monkeypatch.setattr(watched.watcher, "_pause", pause)
        pause()
        watched.followed = {"a"}
        watched.watcher.wake()

    watched.follow("a")
    thread = watched.watcher._thread
    monkeypatch.setattr(watched.watcher, "_pause", be_woken_meanwhile)
    watched.followed = set()
    wait_until(lambda: watched.followed)
    watched.await_polls()
    assert watched.watcher._thread is thread


def test_without_a_descriptor_to_be_woken_by_the_thread_ends(
    watched: Watched, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log decides then, when somebody comes again."""

    def refuse() -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    watched.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    watched.follow("a")
    monkeypatch.setattr(watcher_module, "make_bell", refuse)
    watched.followed = set()
    wait_until(lambda: watched.watcher._thread is None)
    tmux.end("a")
    watched.follow("a")
    wait_until(lambda: watched.reported == ["a"])


def test_nobody_decides_between_logs_that_nobody_follows(watched: Watched, tmux: TmuxServer) -> None:
    """What is not followed is not completed by a guess."""
    tmux.begin("kept")
    tmux.begin("a.b")
    for name in ("a.b", "a_b"):
        watched.log(name).touch()
    watched.follow("a.b", "a_b")
    tmux.end("a_b")
    wait_until(lambda: watched.watcher._contests)
    watched.follow("other")
    wait_until(lambda: not watched.watcher._contests)
    with watched.log("a_b").open("a") as file:
        file.write("goes on")
    watched.follow("a.b", "a_b")
    assert watched.reported == []
