"""A real session, as the people it is for have it: tmux, and `script` that writes what the terminal shows."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logstream.tmux import TmuxError, TmuxWatcher, list_sessions, tmux_name

from .serving import ServerProcess, Starting, wait_until
from .viewer import Viewer

if shutil.which("tmux") is None or shutil.which("script") is None:
    pytest.skip("needs tmux and script: apt-get install tmux bsdutils", allow_module_level=True)

# Colours, box drawing, a progress bar that overwrites itself, and characters of every width.
SHOW = r"""
printf '\033[1;32m┌─ größer ─┐\033[0m\n'
for i in 1 2 3 4 5 6 7 8 9 10; do printf '\r[%-10s] %3d%%' "$(printf '█%.0s' $(seq $i))" $((i * 10)); sleep 0.03; done
printf '\n\033[38;5;208m日本語 😀\033[0m\n└──────────┘\nlast line\n'
"""


Tmux = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def socket() -> str:
    """The name of a tmux server that nobody else has."""
    return f"logstream-{uuid.uuid4().hex}"


@pytest.fixture
def tmux(socket: str) -> Iterator[Tmux]:
    """Runs tmux commands on a server of the test's own."""
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-L", socket, *arguments],
            env=environment | {"LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"},
            check=False,
            capture_output=True,
            timeout=10,
        )

    yield run
    run("kill-server")


def test_a_tmux_session_is_followed_from_its_first_byte_to_its_completion(
    server: ServerProcess,
    view: Callable[..., Viewer],
    session: str,
    log: Path,
    tmux: Tmux,
    tmp_path: Path,
) -> None:
    """What the terminal showed arrives as it was written: escapes, overwritten progress, wide characters."""
    program, done = tmp_path / "show.sh", tmp_path / "done"
    program.write_text(SHOW)
    viewer = view()
    viewer.subscribe(session)
    assert viewer.receive()["data"] == ""
    command = f"script -qf -c 'sh {program}' {log}; touch {done}"
    started = tmux("new-session", "-d", "-s", "build", command)
    assert started.returncode == 0, started.stderr
    viewer.read_until(lambda: "last line" in viewer.texts[session], 20)
    wait_until(done.exists)  # `script` has written its own last line
    server.complete(session)
    viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
    assert viewer.texts[session] == log.read_bytes().decode()
    assert len(viewer.messages) > 5  # it came live, not at the end
    for shown in ("\x1b[1;32m┌─ größer ─┐\x1b[0m", "\r[██████████] 100%", "日本語 😀", "└──────────┘\r\nlast line"):
        assert shown in viewer.texts[session]


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_session_that_ends_in_tmux_is_completed_for_its_viewers(
    start: Starting, tmux: Tmux, socket: str, kind: str
) -> None:
    """Within three seconds, with its last line; a session that was never in tmux goes on."""
    server = start(kind, LOGSTREAM_TMUX=socket)
    log, other = server.log("build.1"), server.log("other")
    for path in (log, other):
        path.touch()
    go = server.directory / "go"
    with Viewer(server.port) as viewer:
        for name in ("build.1", "other"):
            viewer.subscribe(name)
            viewer.receive()
        script = f"echo begun >> {log}; while [ ! -e {go} ]; do sleep 0.05; done; echo last >> {log}"
        assert tmux("new-session", "-d", "-s", "build.1", script).returncode == 0
        assert tmux("new-session", "-d", "-s", "keep", "sleep 60").returncode == 0
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


def test_the_end_of_the_whole_tmux_server_ends_its_sessions(start: Starting, tmux: Tmux, socket: str) -> None:
    """Where the last session ends, or the server is killed, all that were seen are complete."""
    server = start("gunicorn", LOGSTREAM_TMUX=socket)
    for name in ("a", "b"):
        server.log(name).write_text(name)
        tmux("new-session", "-d", "-s", name, "sleep 60")
    with Viewer(server.port) as viewer:
        for name in ("a", "b"):
            viewer.subscribe(name)
        viewer.read_until(lambda: len(viewer.messages) == 2)
        assert viewer.drain(1.5) == []
        tmux("kill-server")
        viewer.read_until(lambda: sum(message["isComplete"] for message in viewer.messages) == 2, 4)
    server.stop()


def test_switched_off_nothing_is_noticed(start: Starting, tmux: Tmux, socket: str) -> None:
    """With LOGSTREAM_TMUX=off a session that ends in tmux stays live until somebody says so."""
    server = start("gunicorn", LOGSTREAM_TMUX="off")
    server.log("a").touch()
    tmux("new-session", "-d", "-s", "a", "sleep 1")
    with Viewer(server.port) as viewer:
        viewer.subscribe("a")
        viewer.receive()
        assert viewer.drain(3) == []
    server.stop()


def test_tmux_tells_its_sessions(tmux: Tmux, socket: str) -> None:
    """By name and number: a change of name is no end, and a new session of an old name is another one."""
    assert list_sessions(socket) == {}
    tmux("new-session", "-d", "-s", "größer 1", "sleep 60")
    tmux("new-session", "-d", "-s", "a:b.c", "sleep 60")
    sessions = list_sessions(socket)
    assert set(sessions) == {"größer 1", tmux_name("a:b.c")}
    tmux("rename-session", "-t", "größer 1", "renamed")
    assert list_sessions(socket)["renamed"] == sessions["größer 1"]
    tmux("kill-server")
    assert list_sessions(socket) == {}


def test_a_tmux_that_fails_says_nothing_about_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not the absence of a server is no proof that a session has ended."""
    (tmp_path / "socket").touch()
    program = tmp_path / "tmux"
    program.write_text("#!/bin/sh\necho protocol version mismatch >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(TmuxError, match="mismatch"):
        list_sessions(str(tmp_path / "socket"))
    program.chmod(0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TmuxError):
        list_sessions(str(tmp_path / "socket"))


class Sessions:
    """What tmux would say, and what is followed and reported."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alive: dict[str, tuple[str, str]] | None = {}
        self.polls = 0
        self.followed = ["a"]
        self.reported: list[str] = []
        monkeypatch.setattr("logstream.tmux.list_sessions", self.list)
        monkeypatch.setattr("logstream.tmux.POLL_INTERVAL", 0.02)
        monkeypatch.setattr("logstream.tmux.GRACE", 0.01)
        self.watcher = TmuxWatcher(None, lambda: self.followed, self.reported.append)

    def list(self, _socket: str | None) -> dict[str, tuple[str, str]]:
        self.polls += 1
        if self.alive is None:
            raise TmuxError("no answer")
        return self.alive

    def await_polls(self) -> None:
        """Let what is alive be seen."""
        polls = self.polls
        wait_until(lambda: self.polls > polls + 2)


def test_only_what_was_seen_can_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what tmux has never had, not what has a new name or has begun anew, and not while tmux does not answer."""
    sessions = Sessions(monkeypatch)
    sessions.watcher.wake()
    sessions.await_polls()
    for alive in ({"a": ("1", "$0")}, {"other name": ("1", "$0")}, {"a": ("1", "$1")}, None):
        sessions.alive = alive
        sessions.await_polls()
    assert sessions.reported == []
    sessions.alive = {}
    wait_until(lambda: sessions.reported == ["a"])
    sessions.await_polls()
    assert sessions.reported == ["a"]
    sessions.watcher.close()


def test_nobody_is_asked_while_nobody_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The polls, and their thread, end with the last follower and begin again with the next."""
    sessions = Sessions(monkeypatch)
    sessions.watcher.wake()
    sessions.await_polls()
    sessions.followed = []
    wait_until(lambda: sessions.watcher._thread is None)
    polls = sessions.polls
    sessions.followed = ["a"]
    sessions.watcher.wake()
    sessions.await_polls()
    assert sessions.polls > polls
    sessions.watcher.close()
    thread = sessions.watcher._thread
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
