"""Tests of the signals that an app gets, from real workers."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time

import pytest

from .processes import descendants
from .serving import ServerProcess, Starting, wait_until
from .tmux.tmuxserver import TmuxServer, needs_tmux
from .viewer import Viewer

WORKERS = 4


def told(server: ServerProcess) -> list[str]:
    """What the app has been told, in any of its workers."""
    path = server.directory / "told"
    return path.read_text().splitlines() if path.exists() else []


def test_one_completion_is_one_signal(start: Starting) -> None:
    """Whichever of four workers is told, however often, and whoever follows; a log that has gone on is another one."""
    server = start("gunicorn", app="tests.hooked", GUNICORN_CMD_ARGS=f"--workers={WORKERS}", LOGSTREAM_TMUX="off")
    wait_until(lambda: server.output().count("Booting worker") == WORKERS)
    names = [f"s{number}" for number in range(5)]
    viewers = [Viewer(server.port) for _ in range(12)]
    try:
        for name in names:
            server.log(name).write_text("text\n")
            for viewer in viewers:
                viewer.subscribe(name)
                viewer.receive()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(server.complete, names * 8))
        for viewer in viewers:
            viewer.read_until(lambda viewer=viewer: sum(m["isComplete"] for m in viewer.messages) == 5)  # type: ignore[misc]
    finally:
        for viewer in viewers:
            viewer.close()
    wait_until(lambda: len(told(server)) >= len(names))
    time.sleep(1)
    assert sorted(told(server)) == [f"{name} complete None" for name in names]
    server.log("s0").write_text('more\n\nScript done on today [COMMAND_EXIT_CODE="4"]\n')
    server.complete("s0")
    wait_until(lambda: told(server)[-1] == "s0 complete 4")
    assert "Traceback" not in server.stop()


def test_what_a_receiver_raises_is_logged_and_hurts_nobody(start: Starting) -> None:
    """The other receivers are told, the next session's too, and the session is complete."""
    server = start("gunicorn", app="tests.hooked", LOGSTREAM_TMUX="off")
    for name in ("bad", "good"):
        server.log(name).touch()
        server.complete(name)
    wait_until(lambda: told(server) == ["bad complete None", "good complete None"])
    output = server.stop()
    assert output.count("ValueError: a bug in a receiver") == 1
    assert output.count("Traceback") == 1


@needs_tmux
def test_with_a_receiver_tmux_is_asked_though_nobody_comes(start: Starting, tmux: TmuxServer) -> None:
    """Each start and end is told once by four workers, with the exit status; a restart tells nothing again."""
    options = {"app": "tests.hooked", "GUNICORN_CMD_ARGS": f"--workers={WORKERS}", "LOGSTREAM_TMUX": tmux.socket}
    tmux.begin("kept")
    server = start("gunicorn", **options)
    tmux.run("set-option", "-g", "remain-on-exit", "on")
    for name, command in (("a", "exit 5"), ("b", "sleep 60")):
        server.log(name).touch()
        tmux.begin(name, command)
    wait_until(lambda: sorted(told(server)) == ["a started", "b started"])
    time.sleep(1.5)
    for pid in [server.process.pid, *descendants(server.process.pid)]:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    server = start("gunicorn", **options)
    time.sleep(2)
    tmux.end("a")
    tmux.end("b")
    wait_until(lambda: len(told(server)) >= 4)
    time.sleep(1.5)
    assert sorted(told(server)) == ["a complete 5", "a started", "b complete None", "b started"]
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_without_a_receiver_there_is_no_thread(start: Starting, kind: str) -> None:
    """Neither for signals, nor one that asks tmux for them."""
    server = start(kind)
    server.log("a").touch()
    threads = server.threads()
    server.complete("a")
    wait_until(lambda: server.threads() == threads)
    server.stop()
