"""Tests of a real server some of whose logs are on a real disk that does not answer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream.engine.search import MOST_AT_ONCE

from ..hanging_disk import HangingDisk
from ..serving import ServerProcess, Starting, wait_until
from ..stopwatch import Stopwatch
from ..tmux.tmuxserver import TmuxServer, needs_tmux
from ..viewer import Viewer

PROMISED = 0.5  # seconds in which the others' lines come


@pytest.fixture(scope="module")
def only_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HangingDisk]:
    """One disk for all tests."""
    mount_point = tmp_path_factory.mktemp("disk")
    disk = HangingDisk(tmp_path_factory.mktemp("behind"), mount_point)
    yield disk
    disk.close()


@pytest.fixture
def disk(only_disk: HangingDisk) -> Iterator[HangingDisk]:
    """It, which answers in the end, whatever has become of the test."""
    yield only_disk
    only_disk.answer()


@pytest.fixture(scope="module")
def lasting_server(only_disk: HangingDisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for all tests, that is ended before the disk is; one that prints a traceback fails the last of them."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"))
    yield process
    only_disk.answer()
    assert "Traceback" not in process.stop()


@pytest.fixture
def server(lasting_server: ServerProcess) -> ServerProcess:
    """It, once the clients of earlier tests are gone."""
    wait_until(lambda: set(json.loads(lasting_server.request("/healthz")[1]).values()) == {0})
    wait_until(lambda: lasting_server.threads() == 1)
    return lasting_server


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
    server: ServerProcess, disk: HangingDisk, call: str, count: int, session: str
) -> None:
    """The others' lines, new viewers of them and /healthz come in time; when the disk answers, so does all the rest."""
    witness_name = f"{session}-witness"
    names = [f"{session}-hanging{number}" for number in range(count)]
    behind = {name: disk.show(server.log(name)) for name in names}
    witness_log = server.log(witness_name)
    witness_log.touch()
    with Viewer(server.port) as patient, Viewer(server.port) as witness:
        for name in names:
            patient.subscribe(name)
        patient.read_until(lambda: len(patient.messages) == count)
        witness.subscribe(witness_name)
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
            watch = Stopwatch()
            append(witness_log, f"{number}\n")
            witness.read_text(witness_name, text)
            assert watch.seconds() < PROMISED
            assert server.request("/healthz")[0] == 200
            with ask_for(server, witness_name) as newcomer:
                newcomer.read_text(witness_name, text)
            assert watch.seconds() < 3 * PROMISED
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


@pytest.mark.parametrize("call", ["read", "getattr"])
def test_a_disk_that_hangs_holds_no_further_commands_of_its_own_viewers(
    server: ServerProcess, disk: HangingDisk, call: str, session: str
) -> None:
    """On one connection, what it asks next is done in time: another log, an end, a ping; and what is unwanted ends."""
    healthy_name = f"{session}-healthy"
    other_name = f"{session}-other"
    names = [f"{session}-hanging{number}" for number in range(12)]
    for name in names:
        behind = disk.show(server.log(name))
        behind.write_text("late\n")
        disk.hang(call, behind)
    healthy, other = server.log(healthy_name), server.log(other_name)
    healthy.write_text("one\n")
    other.write_text("one\n")
    with Viewer(server.port) as viewer:
        viewer.subscribe(healthy_name)
        viewer.read_text(healthy_name, "one\n")
        wait_until(lambda: json.loads(server.request("/healthz")[1])["clients_behind"] == 0)
        threads = server.threads()
        for name in names:
            viewer.subscribe(name)
        watch = Stopwatch()
        viewer.subscribe(other_name)
        viewer.read_text(other_name, "one\n")
        append(other, "two\n")
        viewer.read_text(other_name, "one\ntwo\n")
        assert watch.seconds() < 2 * PROMISED
        unwanted, *wanted = names
        viewer.subscribe(unwanted)  # again, and in the place of the first
        viewer.unsubscribe(unwanted)
        watch = Stopwatch()
        viewer.send({"type": "ping"})
        assert viewer.receive() == {"type": "pong"}
        assert watch.seconds() < 2 * PROMISED
        disk.answer()
        for name in wanted:
            viewer.read_text(name, "late\n")
        append(healthy, "two\n")
        viewer.read_text(healthy_name, "one\ntwo\n")
        wait_until(lambda: json.loads(server.request("/healthz")[1])["subscriptions"] == len(wanted) + 2)
        assert unwanted not in viewer.texts
        wait_until(lambda: server.threads() <= threads)


def test_who_leaves_while_a_disk_hangs_is_forgotten(server: ServerProcess, disk: HangingDisk, session: str) -> None:
    """And follows nothing when the disk answers."""
    hanging_name = f"{session}-hanging"
    behind = disk.show(server.log(hanging_name))
    behind.write_text("late\n")
    disk.hang("read", behind)
    with ask_for(server, hanging_name):
        wait_until(lambda: disk.is_asked("read", behind))
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)
    disk.answer()
    wait_until(lambda: set(json.loads(server.request("/healthz")[1]).values()) == {0})


def test_a_log_on_a_disk_that_hangs_keeps_its_readers_other_logs_loading(
    server: ServerProcess, disk: HangingDisk, session: str
) -> None:
    """Whoever is behind with both gets all of the other one, and of this one when its disk answers."""
    hanging_name = f"{session}-hanging"
    healthy_name = f"{session}-healthy"
    size = 4_000_000
    hanging, healthy = server.log(hanging_name), server.log(healthy_name)
    behind = disk.show(hanging)
    for log in (behind, healthy):
        log.write_text("x" * size)
    with Viewer(server.port) as viewer:
        viewer.subscribe(hanging_name)
        viewer.receive()
        disk.hang("read", behind)
        wait_until(lambda: disk.is_asked("read", behind))
        viewer.subscribe(healthy_name)
        viewer.read_until(lambda: viewer.texts.length(healthy_name) == size)
        assert viewer.texts.length(hanging_name) < size
        disk.answer()
        viewer.read_until(lambda: viewer.texts.length(hanging_name) == size)


@pytest.mark.parametrize("call", ["read", "getattr"])
def test_searches_go_on_while_a_disk_hangs(server: ServerProcess, disk: HangingDisk, session: str, call: str) -> None:
    """A search of all finds what the others have, one of the log itself ends with an error, and no place is held."""
    names = [f"{session}-hanging{number}" for number in range(2)]
    for name in names:
        behind = disk.show(server.log(name))
        behind.write_text(f"needle of {session}\n")
        disk.hang(call, behind)
    server.log(f"{session}-healthy").write_text(f"needle of {session}\n")

    def find(path: str) -> list[dict[str, Any]]:
        answer = server.fetch(f"{path}?q=needle+of+{session}")
        assert answer.status == 200
        return [json.loads(line) for line in answer.body.splitlines()]

    for _ in range(MOST_AT_ONCE + 1):
        *hits, end = find("/search")
        assert [hit["session"] for hit in hits if "session" in hit] == [f"{session}-healthy"]
        assert not end["more"]
    if call == "read":
        for name in names:
            assert find(f"/sessions/{name}/search")[-1] == {"error": f"Session {name!r} does not answer just now."}
    disk.answer()
    wait_until(lambda: len([hit for hit in find("/search") if "session" in hit]) == 3)
    for name in names:
        assert find(f"/sessions/{name}/search")[0]["text"] == f"needle of {session}"


@needs_tmux
def test_the_list_and_tmux_know_of_the_others_while_a_disk_hangs(
    disk: HangingDisk, start: Starting, tmux: TmuxServer, session: str
) -> None:
    """Sessions on it are listed as they were, and complete when it answers; the others' ends are told in time."""
    hanging_name = f"{session}-hanging"
    healthy_name = f"{session}-healthy"
    server = start("gunicorn", LOGSTREAM_TMUX=tmux.socket)
    behind = disk.show(server.log(hanging_name))
    behind.write_text("late\n")
    server.log(healthy_name).write_text("one\n")

    def states() -> dict[str, tuple[str, int]]:
        return {row["name"]: (row["state"], row["size"]) for row in json.loads(server.fetch("/sessions").body)}

    with Viewer(server.port) as viewer:
        for name in (hanging_name, healthy_name):
            tmux.begin(name)
            viewer.subscribe(name)
            viewer.receive()
        wait_until(lambda: states() == {hanging_name: ("running", 5), healthy_name: ("running", 4)})
        disk.hang("getattr", behind)
        tmux.end(hanging_name)
        wait_until(lambda: disk.is_asked("getattr", behind))
        tmux.end(healthy_name)
        viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
        assert viewer.messages[-1]["sessionName"] == healthy_name
        assert states()[healthy_name] == ("complete", 4)
        assert states()[hanging_name][1] == 5
        disk.answer()
        viewer.read_until(
            lambda: viewer.messages[-1]["sessionName"] == hanging_name and viewer.messages[-1]["isComplete"]
        )
        wait_until(lambda: states()[hanging_name] == ("complete", 5))
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("call", ["read", "getattr"])
def test_a_disk_that_hangs_does_not_keep_the_server_from_stopping(
    start: Starting, disk: HangingDisk, session: str, call: str
) -> None:
    """Nor do the connections that wait for it."""
    hanging_name = f"{session}-hanging"
    server = start("gunicorn")
    behind = disk.show(server.log(hanging_name))
    with ask_for(server, hanging_name) as viewer:
        viewer.receive()
        disk.hang(call, behind)
        append(behind, "late\n")
        wait_until(lambda: disk.is_asked(call, behind))
        with ask_for(server, hanging_name):
            server.process.terminate()
            server.process.wait(5)
    assert "SIGKILL" not in server.output()
