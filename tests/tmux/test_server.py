"""Tests of asking tmux, on real servers."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from logstream.tmux import server
from logstream.tmux.server import NobodyError, TmuxError, ask

from ..serving import wait_until
from .tmuxserver import TmuxServer, needs_tmux

pytestmark = needs_tmux


def names(tmux: TmuxServer) -> set[str]:
    """The sessions that a server tells."""
    return {session.name for session in ask(tmux.socket).sessions.values()}


def test_tmux_tells_its_sessions(tmux: TmuxServer) -> None:
    """By name and number: a change of name is no end, and a new session of an old name is another one."""
    with pytest.raises(NobodyError):
        ask(tmux.socket)
    tmux.begin("größer 1")
    tmux.begin("a:b.c")
    answer = ask(tmux.socket)
    assert answer.server.pid == tmux.pid()
    assert not answer.server.is_gone()
    by_name = {session.name: session for session in answer.sessions.values()}
    assert set(by_name) == {"größer 1", "a_b_c"}
    (process,) = by_name["größer 1"].panes.values()
    assert process is not None
    wait_until(lambda: Path(f"/proc/{process}/cmdline").read_bytes().endswith((b"sleep 60\0", b"sleep\x0060\0")))
    tmux.run("rename-session", "-t", "größer 1", "renamed")
    assert ask(tmux.socket).sessions[by_name["größer 1"].number].name == "renamed"
    tmux.run("kill-server")
    wait_until(answer.server.is_gone)
    with pytest.raises(NobodyError):
        ask(tmux.socket)


def test_a_server_without_sessions_answers(tmux: TmuxServer) -> None:
    """With `exit-empty off` it stays, says that there are none, and is the same server."""
    tmux.begin("a")
    tmux.run("set-option", "-g", "exit-empty", "off")
    before = ask(tmux.socket)
    tmux.end("a")
    answer = ask(tmux.socket)
    assert (answer.server, answer.sessions) == (before.server, {})


def test_a_pane_that_is_dead_has_no_process(tmux: TmuxServer) -> None:
    """With `remain-on-exit` a session outlives its program."""
    tmux.begin("kept")
    tmux.run("set-option", "-g", "remain-on-exit", "on")
    tmux.begin("a", "true")
    wait_until(lambda: [None] in [list(session.panes.values()) for session in ask(tmux.socket).sessions.values()])
    assert names(tmux) == {"kept", "a"}


def test_who_is_not_there_is_nobody(tmux: TmuxServer, sockets: Path) -> None:
    """No socket, one that nobody listens at, a file in its place, no directory, no tmux."""
    (sockets / "file").touch()
    for path in (sockets / "none", sockets / "file", sockets / "file" / "none", sockets / "none" / "none"):
        with pytest.raises(NobodyError):
            ask(str(path))
    tmux.begin("a")
    os.kill(tmux.pid(), signal.SIGKILL)
    assert stat.S_ISSOCK((sockets / "socket").stat().st_mode)
    with pytest.raises(NobodyError):
        ask(tmux.socket)


def test_without_tmux_nobody_is_asked(tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, sockets: Path) -> None:
    """A program that is away while it is upgraded answers nothing."""
    tmux.begin("a")
    monkeypatch.setenv("PATH", str(sockets))
    with pytest.raises(NobodyError, match="not installed"):
        ask(tmux.socket)


def test_a_tmux_that_hangs_does_not_answer(tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped server is given up after a time, and answers when it goes on."""
    monkeypatch.setattr(server, "_TIMEOUT", 0.3)
    tmux.begin("a")
    pid = tmux.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TmuxError, match="said nothing") as found:
            ask(tmux.socket)
        assert not isinstance(found.value, NobodyError)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert names(tmux) == {"a"}


def test_a_tmux_that_fails_says_so(tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, sockets: Path) -> None:
    """Another version's protocol, a crash in the middle of an answer, a program that cannot be run."""
    tmux.begin("a")
    program = sockets / "tmux"
    monkeypatch.setenv("PATH", str(sockets), prepend=":")
    for lines in ("echo protocol version mismatch >&2; exit 1", "echo server 1; echo 'session $0 1 a'; kill -9 $$"):
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        with pytest.raises(TmuxError):
            ask(tmux.socket)
    program.write_text("nothing that runs")
    with pytest.raises(TmuxError):
        ask(tmux.socket)


def test_who_may_not_ask_gets_no_answer(tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch, sockets: Path) -> None:
    """A server of somebody else."""
    tmux.begin("a")
    if os.getuid() == 0:
        found = subprocess.run(["sh", "-c", "command -v tmux"], capture_output=True, text=True, check=True)
        program = sockets / "tmux"
        program.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {found.stdout.strip()} "$@"\n')
        program.chmod(0o755)
        sockets.chmod(0o755)
        monkeypatch.setenv("PATH", str(sockets), prepend=":")
    else:
        sockets.chmod(0)
    try:
        with pytest.raises(TmuxError, match=r"[Pp]ermission denied|not allowed|access not"):
            ask(tmux.socket)
    finally:
        sockets.chmod(0o700)


def test_the_default_server_is_the_one_that_tmux_takes(
    monkeypatch: pytest.MonkeyPatch, sockets: Path, tmux: TmuxServer
) -> None:
    """In TMUX_TMPDIR where that is a directory, by name or not, and never the one that TMUX leads to."""
    monkeypatch.setenv("TMUX_TMPDIR", str(sockets))
    monkeypatch.setenv("TMUX", f"{tmux.socket},1,0")
    tmux.begin("elsewhere")
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}
    for socket, option in ((None, []), ("name", ["-L", "name"])):
        program = ["tmux", "-f", "/dev/null", *option]
        subprocess.run([*program, "new-session", "-d", "-s", "here", "sleep 60"], env=environment, check=True)
        try:
            assert [session.name for session in ask(socket).sessions.values()] == ["here"]
        finally:
            subprocess.run([*program, "kill-server"], env=environment, check=True)
    for nothing in ("", str(sockets / "none")):
        monkeypatch.setenv("TMUX_TMPDIR", nothing)
        assert server.socket_path("x") == f"/tmp/tmux-{os.getuid()}/x"


def test_a_socket_that_cannot_be_looked_at_is_left_to_tmux(sockets: Path) -> None:
    """It says what is wrong with it; nobody has said that there is none."""
    with pytest.raises(TmuxError) as found:
        ask(str(sockets / ("x" * 300)))
    assert not isinstance(found.value, NobodyError)
    assert "too long" in str(found.value)
