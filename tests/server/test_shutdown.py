"""Tests of how the server stops and reloads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from logstream.server.shutdown import begin_closing

from ..processes import parent_of, said_of
from ..serving import PATIENCE, ServerProcess, Starting, wait_until
from ..stopwatch import Stopwatch
from ..viewer import ClosedError, RefusedError, Viewer


def closed_with(viewer: Viewer) -> int | None:
    """The code that a connection is closed with, whatever comes before it."""
    try:
        while True:
            viewer.receive(5)
    except ClosedError as error:
        return error.code


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_closes_every_client_at_once(start: Starting, stop: signal.Signals) -> None:
    """Clients get 1001, also beside one that does not read, and the server is gone within two seconds."""
    server = start("gunicorn")
    server.log("a").write_text("text\n")
    server.log("large").write_text("x" * 50_000_000)
    with Viewer(server.port, receive_buffer=4096) as stalled:
        stalled.subscribe("large")
        stalled.receive()
        viewers = [Viewer(server.port) for _ in range(20)]
        for number, viewer in enumerate(viewers):
            viewer.subscribe("a" if number % 2 else "missing")
            viewer.receive()
        watch = Stopwatch()
        os.kill(server.process.pid, stop)
        assert {closed_with(viewer) for viewer in viewers} == {1001}
        for viewer in viewers:
            viewer.close()
        wait_until(lambda: server.process.poll() is not None, 2.5 - watch.seconds())
    assert "Traceback" not in server.output()
    assert "SIGKILL" not in server.output()


def test_a_client_that_does_not_leave_is_left(start: Starting) -> None:
    """A client that reads its close frame and stays connected does not hold the worker."""
    server = start("gunicorn")
    with Viewer(server.port) as viewer:
        viewer.subscribe("missing")
        viewer.receive()
        server.process.terminate()
        assert closed_with(viewer) == 1001
        server.process.wait(PATIENCE)
    assert "SIGKILL" not in server.output()  # which a worker that is held gets after graceful_timeout


def come_back(port: int) -> Viewer:
    """Connect as clients do after a deploy: a worker that is going away may still answer with 503."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return Viewer(port)
        except (RefusedError, ClosedError, ConnectionError):
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)


def test_reloads_lose_nothing(start: Starting) -> None:
    """Over reloads under a steady writer, a client that resumes by cursor has one full load and the exact file."""
    server = start("gunicorn")
    server.log("a").write_text("größer\n" * 1000)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.005):
            with server.log("a").open("a") as file:
                file.write(f"größer {number}\n")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    text, cursor, initials = "", None, 0
    try:
        for turn in range(4):
            with come_back(server.port) as viewer:
                viewer.texts["a"] = text
                viewer.subscribe("a", cursor=cursor or True)
                viewer.read_until(lambda: len(viewer.messages) > 20)
                if turn < 3:
                    server.process.send_signal(signal.SIGHUP)
                    assert closed_with(viewer) == 1001
                else:
                    stop.set()
                    writer.join()
                    viewer.read_text("a", server.log("a").read_text())
                text, cursor = viewer.texts["a"], viewer.messages[-1]["cursor"]
                initials += sum(message["isInitial"] for message in viewer.messages)
    finally:
        stop.set()
        writer.join()
    assert text == server.log("a").read_text()
    assert initials == 1
    assert "Traceback" not in server.stop()


def ask_often(server: ServerProcess, tmp_path: Path) -> None:
    """More requests than a worker is to answer."""
    for _ in range(10):
        server.request("/healthz")


def change_a_file(server: ServerProcess, tmp_path: Path) -> None:
    """What a developer does, and again, as long as the reloader has not seen the file as it was before."""
    watched = tmp_path / "watched"
    wait_until(lambda: (watched.touch(), f"{watched} modified" in server.output())[1])


def time_out(server: ServerProcess, tmp_path: Path) -> None:
    """What gunicorn's main process does to a worker that hangs."""
    os.kill(server.pid, signal.SIGABRT)


def lose_the_parent(server: ServerProcess, tmp_path: Path) -> None:
    """A main process that is killed leaves its worker behind."""
    server.process.kill()


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for somebody to ask how it ended."""
    said = said_of(pid, "stat")
    return not said or " Z " in said.rpartition(")")[2][:3]


@pytest.mark.parametrize("end", [ask_often, change_a_file, time_out, lose_the_parent])
def test_whatever_ends_a_worker_closes_its_clients(start: Starting, tmp_path: Path, end: Callable[..., None]) -> None:
    """They get 1001 soon, as at SIGTERM, and the worker is gone soon after."""
    (tmp_path / "watched").touch()
    options = f"--max-requests 8 --reload --reload-engine poll --reload-extra-file {tmp_path / 'watched'}"
    server = start("gunicorn", GUNICORN_CMD_ARGS=options)
    try:
        with Viewer(server.port) as viewer:
            viewer.subscribe("missing")
            viewer.receive()
            end(server, tmp_path)
            assert closed_with(viewer) == 1001
        wait_until(lambda: has_ended(server.pid))
    finally:
        if not has_ended(server.pid) and parent_of(server.pid) != server.process.pid:
            os.kill(server.pid, signal.SIGKILL)  # it is nobody's now
    assert "Traceback" not in server.output()


def test_without_a_thread_the_clients_are_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one that is there; an app without LogStream has nobody to tell."""
    closed: list[str] = []
    endpoint = SimpleNamespace(manager=SimpleNamespace(close=lambda: closed.append(threading.current_thread().name)))
    app = SimpleNamespace(extensions={"logstream": endpoint})

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    begin_closing(SimpleNamespace(wsgi=app))
    assert closed == [threading.current_thread().name]
    begin_closing(SimpleNamespace(wsgi=SimpleNamespace()))
    assert len(closed) == 1
