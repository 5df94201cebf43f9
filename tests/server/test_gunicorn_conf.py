"""Tests of how the server starts, stops and reloads."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest

from ..serving import COMMANDS, PATIENCE, ROOT, Starting
from ..viewer import ClosedError, RefusedError, Viewer


@pytest.mark.parametrize(
    ("kind", "environ"),
    [
        ("gunicorn", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("gunicorn", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"LOGSTREAM_BIND": "nonsense"}),
        ("flask", {"LOGSTREAM_DIRECTORY": "/etc/passwd"}),
        ("flask", {"LOGSTREAM_SUFFIX": "/x"}),
        ("gunicorn", {"PORT": "http", "LOGSTREAM_BIND": ""}),
        ("gunicorn", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_TOKNE": "x"}),
        ("flask", {"LOGSTREAM_MAX_CONNECTIONS": "many"}),
    ],
)
def test_bad_configuration_stops_the_start_with_one_line(kind: str, environ: dict[str, str]) -> None:
    """The operator reads which setting is wrong, and no traceback."""
    ended = subprocess.run(
        [sys.executable, *COMMANDS[kind]], cwd=ROOT, env=os.environ | environ, capture_output=True, timeout=PATIENCE
    )
    assert ended.returncode != 0
    lines = ended.stderr.decode().strip().splitlines()
    assert len([line for line in lines if line.startswith("logstream: ")]) == 1
    assert len(lines) == 1
    assert next(iter(environ)) in lines[0]


def test_the_procfile_runs_what_the_tests_run() -> None:
    """The Procfile's command is the one under test."""
    kind, command = (ROOT / "Procfile").read_text().split(":", 1)
    assert kind == "web"
    assert shlex.split(command)[1:] == COMMANDS["gunicorn"][2:]


def closed_with(viewer: Viewer) -> int | None:
    """The code that a connection is closed with, whatever comes before it."""
    try:
        while True:
            viewer.receive()
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
        begin = time.monotonic()
        os.kill(server.process.pid, stop)
        assert {closed_with(viewer) for viewer in viewers} == {1001}
        for viewer in viewers:
            viewer.close()
        server.process.wait(PATIENCE)
        assert time.monotonic() - begin < 2.5
    assert "Traceback" not in server.output()
    assert "SIGKILL" not in server.output()


def test_a_client_that_does_not_leave_is_left(start: Starting) -> None:
    """A client that reads its close frame and stays connected does not hold the worker."""
    server = start("gunicorn")
    with Viewer(server.port) as viewer:
        viewer.subscribe("missing")
        viewer.receive()
        begin = time.monotonic()
        server.process.terminate()
        assert closed_with(viewer) == 1001
        server.process.wait(PATIENCE)
        assert time.monotonic() - begin < 2.5
    assert "SIGKILL" not in server.output()


def come_back(port: int) -> Viewer:
    """Connect as clients do after a deploy: a worker that is going away may still answer with 503."""
    deadline = time.monotonic() + PATIENCE
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
