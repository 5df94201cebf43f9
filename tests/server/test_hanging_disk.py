"""Tests of a real server some of whose logs are on a real disk that does not answer."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from ..hanging_disk import HangingDisk
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import Viewer

PROMISED = 0.5  # seconds in which the others' lines come


@pytest.fixture
def server(disk: HangingDisk, start: Starting) -> ServerProcess:
    """A server that is ended before the disk is."""
    return start("gunicorn", LOGSTREAM_TMUX="off")


def append(log: Path, text: str) -> None:
    """One write at the end of a file."""
    with log.open("a") as file:
        file.write(text)


def ask_for(server: ServerProcess, name: str) -> Viewer:
    """A viewer of its own that has asked for a session, and may have to wait."""
    viewer = Viewer(server.port)
    viewer.subscribe(name)
    return viewer


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("call", ["read", "getattr"])
def test_a_disk_that_hangs_stops_its_own_logs_only(
    server: ServerProcess, disk: HangingDisk, call: str, count: int
) -> None:
    """The others' lines, new viewers of them and /healthz come in time; when the disk answers, so does all the rest."""
    names = [f"hanging{number}" for number in range(count)]
    behind = {name: disk.show(server.log(name)) for name in names}
    witness_log = server.log("witness")
    witness_log.touch()
    with Viewer(server.port) as patient, Viewer(server.port) as witness:
        for name in names:
            patient.subscribe(name)
        patient.read_until(lambda: len(patient.messages) == count)
        witness.subscribe("witness")
        witness.receive()
        threads = server.threads()
        with contextlib.ExitStack() as opened:
            writers = [opened.enter_context(server.log(name).open("r+b", buffering=0)) for name in names]
            for name in names:
                disk.hang(call, behind[name])
            for writer in writers:
                os.pwrite(writer.fileno(), b"late\n", 0)  # which asks for nothing that hangs
        wait_until(lambda: any(disk.is_asked(call, path) for path in behind.values()))
        late = [ask_for(server, name) for name in names]
        text = ""
        for number in range(10):
            text += f"{number}\n"
            begun = time.monotonic()
            append(witness_log, f"{number}\n")
            witness.read_text("witness", text)
            assert time.monotonic() - begun < PROMISED
            assert server.request("/healthz")[0] == 200
            with ask_for(server, "witness") as newcomer:
                newcomer.read_text("witness", text)
            assert time.monotonic() - begun < 3 * PROMISED
        assert all(not patient.texts[name] for name in names)
        disk.answer()
        for name in names:
            patient.read_text(name, "late\n")
        for name, viewer in zip(names, late, strict=True):
            viewer.read_text(name, "late\n")
            viewer.close()
        for name in names:
            append(server.log(name), "live\n")
            patient.read_text(name, "late\nlive\n")
        wait_until(lambda: server.threads() <= threads)
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("call", ["read", "getattr"])
def test_a_disk_that_hangs_does_not_keep_the_server_from_stopping(
    server: ServerProcess, disk: HangingDisk, call: str
) -> None:
    """Nor do the connections that wait for it."""
    behind = disk.show(server.log("hanging"))
    with ask_for(server, "hanging") as viewer:
        viewer.receive()
        disk.hang(call, behind)
        append(behind, "late\n")
        wait_until(lambda: disk.is_asked(call, behind))
        with ask_for(server, "hanging"):
            server.process.terminate()
            server.process.wait(5)
    assert "SIGKILL" not in server.output()
