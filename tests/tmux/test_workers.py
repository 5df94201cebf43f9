"""Tests of what several processes know of tmux, and those that come after a restart, on real servers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ..processes import descendants
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import ClosedError, Viewer
from .tmuxserver import TmuxServer, needs_tmux

pytestmark = needs_tmux

WORKERS = 4


def row(server: ServerProcess, name: str) -> dict[str, Any]:
    """What the list says of a session."""
    (found,) = [one for one in json.loads(server.fetch("/sessions").body) if one["name"] == name]
    return dict(found)


def kill(server: ServerProcess) -> None:
    """End all of a server's processes at once."""
    for pid in [server.process.pid, *descendants(server.process.pid)]:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def is_over(viewer: Viewer, name: str) -> bool:
    """Whether a viewer was told last that a session is complete."""
    return bool(viewer.messages[-1]["sessionName"] == name and viewer.messages[-1]["isComplete"])


class Asking:
    """A `tmux` that notes who runs it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._noted = directory / "asked"
        self._noted.touch()
        program = directory / "tmux"
        program.write_text(f'#!/bin/sh\necho $PPID >> {self._noted}\nexec {shutil.which("tmux")} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(directory), prepend=":")

    def pids(self) -> list[int]:
        """Who has asked, once for each time."""
        return [int(pid) for pid in self._noted.read_text().split()]


@pytest.fixture
def asking(sockets: Path, tmux: TmuxServer, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """In the place of tmux, for servers that are started from now on."""
    tmux.begin("kept")
    return Asking(sockets, monkeypatch)


def test_one_worker_asks_for_all_and_another_one_when_it_is_gone(
    start: Starting, tmux: TmuxServer, asking: Asking
) -> None:
    """With viewers in each of four; the end of a session that others' viewers follow is theirs all the same."""
    server = start("gunicorn", WEB_CONCURRENCY=str(WORKERS), LOGSTREAM_TMUX=tmux.socket)
    wait_until(lambda: server.output().count("Booting worker") == WORKERS)
    for name in ("a", "b"):
        server.log(name).touch()
        tmux.begin(name)
    before = len(asking.pids())
    viewers: list[Viewer] = []
    try:
        for worker in server.workers():
            with server.asking(worker):
                viewers += [Viewer(server.port) for _ in range(5)]
        for viewer in viewers:
            for name in ("a", "b"):
                viewer.subscribe(name)
                viewer.receive()
        time.sleep(2.5)
        asked = [pid for pid in asking.pids()[before:] if pid in descendants(server.process.pid)]
        assert len(set(asked)) == 1
        assert len(asked) <= 5
        tmux.end("a")
        for viewer in viewers:
            viewer.read_until(lambda viewer=viewer: viewer.messages[-1]["isComplete"], 3)  # type: ignore[misc]
        os.kill(asked[0], signal.SIGKILL)
        tmux.end("b")
        told = 0
        for viewer in viewers:
            try:
                viewer.read_until(lambda viewer=viewer: is_over(viewer, "b"), 5)  # type: ignore[misc]
                told += 1
            except ClosedError:
                pass  # its worker was the one that was killed
        assert told
        assert row(server, "b")["state"] == "complete"
    finally:
        for viewer in viewers:
            viewer.close()
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("seen_by", ["viewer", "list"])
def test_a_session_that_ends_while_the_server_is_down_is_complete_when_it_is_back(
    start: Starting, tmux: TmuxServer, seen_by: str
) -> None:
    """With what it has written meanwhile; one that lives on is running, and one that nobody has seen says nothing."""
    options = {"WEB_CONCURRENCY": "2", "LOGSTREAM_TMUX": tmux.socket}
    server = start("gunicorn", **options)
    tmux.begin("kept")
    for name in ("ends", "lives", "never"):
        server.log(name).write_text("first\n")
    go = server.directory / "go"
    tmux.begin("ends", f"while [ ! -e {go} ]; do sleep 0.05; done; echo last >> {server.log('ends')}")
    tmux.begin("lives")
    if seen_by == "viewer":
        with Viewer(server.port) as viewer:
            viewer.subscribe("ends")
            viewer.receive()
            wait_until(lambda: list((server.directory / ".logstream" / "tmux").glob("*.json")))
    else:
        wait_until(lambda: row(server, "ends")["state"] == "running")
    kill(server)
    go.touch()
    wait_until(lambda: "ends" not in tmux.run("list-sessions", "-F", "#{session_name}").split())
    server = start("gunicorn", **options)
    wait_until(lambda: row(server, "ends")["state"] == "complete", 5)
    wait_until(lambda: row(server, "lives")["state"] == "running")
    assert row(server, "never")["state"] == "live"
    with Viewer(server.port) as viewer:
        viewer.subscribe("ends")
        message = viewer.receive()
        assert (message["data"], message["isComplete"]) == ("first\nlast\n", True)
    kill(server)
    tmux.run("kill-server")
    server = start("gunicorn", **options)
    wait_until(lambda: row(server, "lives")["state"] == "complete", 5)
    assert "Traceback" not in server.stop()


def test_a_log_that_somebody_else_has_begun_while_the_server_was_down_is_not_complete(
    start: Starting, tmux: TmuxServer
) -> None:
    """One that begins anew, and one that somebody has open to write on, whatever was seen in tmux before."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    tmux.begin("kept")
    for name in ("anew", "open", "quiet"):
        server.log(name).write_text("yesterday\n")
        tmux.begin(name)
    wait_until(lambda: row(server, "anew")["state"] == "running")
    kill(server)
    for name in ("anew", "open", "quiet"):
        tmux.end(name)
    server.log("anew").write_text("today\n")
    with server.log("open").open("a") as file:
        file.write("today\n")
        file.flush()
        server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
        wait_until(lambda: row(server, "quiet")["state"] == "complete", 5)
        wait_until(lambda: "'open' has ended in tmux, but its log goes on" in server.output(), 8)
        assert "'anew' has ended in tmux while nobody looked" in server.output()
        assert row(server, "anew")["state"] == row(server, "open")["state"] == "live"
    assert "Traceback" not in server.stop()


def test_the_list_tells_the_truth_where_nobody_follows(start: Starting, tmux: TmuxServer, asking: Asking) -> None:
    """Whichever worker answers: what runs when it is opened, what is complete; tmux is asked once a second at most."""
    server = start("gunicorn", WEB_CONCURRENCY=str(WORKERS), LOGSTREAM_TMUX=tmux.socket)
    wait_until(lambda: server.output().count("Booting worker") == WORKERS)
    server.log("a").touch()
    tmux.begin("a")
    begun = time.time()
    wait_until(lambda: row(server, "a")["state"] == "running")
    assert abs(row(server, "a")["since"] - begun) < 5
    before, moment = len(asking.pids()), time.monotonic()
    for _ in range(40):
        wait_until(lambda: row(server, "a")["state"] == "running")
    assert len(asking.pids()) - before <= time.monotonic() - moment + 1
    tmux.end("a")
    wait_until(lambda: row(server, "a")["state"] == "complete", 4)
    for _ in range(10):
        assert row(server, "a")["state"] == "complete"
    assert "Traceback" not in server.stop()


def test_without_a_place_to_write_each_worker_asks_for_itself(
    start: Starting, tmux: TmuxServer, tmp_path: Path
) -> None:
    """Its viewers are told as ever; the operator reads of it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket, LOGSTREAM_STATE=str(tmp_path / "state"))
    server.log("a").touch()
    tmux.begin("kept")
    tmux.begin("a")
    wait_until(lambda: row(server, "a")["state"] == "running")
    with Viewer(server.port) as viewer:
        viewer.subscribe("a")
        viewer.receive()
        time.sleep(1.2)
        tmux.end("a")
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"], 4)
    assert row(server, "a")["state"] == "complete"
    output = server.stop()
    assert "each process asks tmux for itself" in output
    assert "Traceback" not in output


def test_the_exit_status_is_kept_where_tmux_or_script_tells_it(start: Starting, tmux: TmuxServer) -> None:
    """Of a pane that tmux keeps, and of a recording's last line; of any other, nothing is said."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    tmux.begin("kept")
    tmux.run("set-option", "-g", "remain-on-exit", "on")
    for name, command in (("three", "exit 3"), ("none", "sleep 60")):
        server.log(name).touch()
        tmux.begin(name, command)
    server.log("recorded").write_text('text\r\n\nScript done on 2026-01-01 [COMMAND_EXIT_CODE="7"]\n')
    wait_until(lambda: row(server, "three").get("exit_status") == 3)
    wait_until(lambda: row(server, "three")["state"] == "running")
    for name in ("three", "none"):
        tmux.end(name)
    server.complete("recorded")
    wait_until(lambda: all(row(server, name)["state"] == "complete" for name in ("three", "none")), 5)
    assert row(server, "three")["exit_status"] == 3
    assert row(server, "recorded")["exit_status"] == 7
    assert "exit_status" not in row(server, "none")
    kill(server)
    server = start("gunicorn", LOGSTREAM_TMUX="off")
    assert (row(server, "three")["exit_status"], row(server, "recorded")["exit_status"]) == (3, 7)
    server.stop()


def test_one_session_tells_how_large_its_terminal_is(start: Starting, tmux: TmuxServer) -> None:
    """As JSON where that is asked for; a change of size is followed; of several panes, the one that is piped counts."""
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    json_please = {"Accept": "application/json"}

    def one(name: str) -> dict[str, Any]:
        answer = server.fetch(f"/sessions/{name}", headers=json_please)
        assert answer.status == 200
        assert answer.headers["Vary"] == "Accept-Encoding, Accept"
        return dict(json.loads(answer.body))

    server.log("a").write_text("text")
    tmux.begin("a", "sleep 60", "-x", "100", "-y", "30")
    found = one("a")
    assert (found["columns"], found["rows"], found["state"], found["size"]) == (100, 30, "running", 4)
    tmux.run("resize-window", "-t", "=a:", "-x", "120", "-y", "40")
    wait_until(lambda: (one("a")["columns"], one("a")["rows"]) == (120, 40), 3)
    tmux.run("split-window", "-h", "-l", "30", "-t", "=a:", "sleep 60")
    wait_until(lambda: one("a")["columns"] == 30, 3)
    tmux.run("pipe-pane", "-t", "=a:.0", "cat > /dev/null")
    wait_until(lambda: one("a")["columns"] == 89, 3)
    tmux.run("kill-server")
    wait_until(lambda: one("a")["complete"], 5)
    assert set(one("a")) == {"name", "size", "changed", "complete", "state", "since"}
    missing = server.fetch("/sessions/none", headers=json_please)
    assert (missing.status, missing.headers.get_content_type()) == (404, "application/json")
    assert json.loads(missing.body) == {"error": "Session 'none' was not found."}
    assert server.fetch("/sessions/a").headers.get_content_type() == "text/html"
    assert server.fetch("/sessions/a", headers={"Accept": "text/html,*/*"}).headers.get_content_type() == "text/html"
    server.stop()
