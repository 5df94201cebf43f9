"""A session host: whose disk does not answer, and who is followed for the first time."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream.fleet import ship as ship_module
from logstream.fleet.bus import BusError
from logstream.fleet.ship import Ship
from logstream.fleet.shipped import ShippedLog
from logstream.fleet.words import START, Message, More, Names, Read, Roll

from ..hanging_disk import HangingDisk
from ..serving import wait_until
from .conftest import Fleet
from .fleetparts import RedisServer
from .test_fleet import append

IN_TIME = 3.0  # seconds; those who hang are found one after the other, and the disk would hang for ever
NAMES = Names()


@contextlib.contextmanager
def shipping(redis: RedisServer, directory: Path, on_follow: Callable[[], object]) -> Iterator[Any]:
    """A ship in this process, which the fleet can hear: a client of its Redis, for as long as it is there."""
    ship = Ship(str(directory), ".out", "host1", redis.url, names=NAMES, on_follow=on_follow)
    stop = threading.Event()
    thread = threading.Thread(target=ship.run, args=(stop,))
    thread.start()
    try:
        with redis.client() as client:
            wait_until(lambda: client.exists(NAMES.host("host1")))
            yield client
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("call", ["read", "getattr"])
def test_disk_of_a_host_that_hangs_stops_its_own_logs_only(disk: HangingDisk, fleet: Fleet, call: str) -> None:
    """The others' lines and new sessions come in time, the host is there, and when the disk answers, the rest comes."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    names = [f"hanging{number}" for number in range(5)]
    behind = {name: disk.show(ship.log(name)) for name in names}
    ship.log("witness").touch()
    viewer = fleet.viewer(dashboard)
    for name in (*names, "witness"):
        viewer.subscribe(name)
    viewer.read_until(lambda: len(viewer.texts) == 6)
    for name in names:
        with ship.log(name).open("r+b", buffering=0) as writer:
            disk.hang(call, behind[name])
            os.pwrite(writer.fileno(), b"late\n", 0)  # which asks for nothing that hangs
    wait_until(lambda: any(disk.is_asked(call, path) for path in behind.values()))
    try:
        with fleet.redis.client() as client:
            beat = client.get("logstream:host:host1")
            for number in range(5):
                append(ship.log("witness"), b"%d\n" % number)
                viewer.read_text("witness", ship.log("witness").read_text(), timeout=IN_TIME)
                ship.log(f"new{number}").write_text("new\n")
                viewer.subscribe(f"new{number}")
                viewer.read_text(f"new{number}", "new\n", timeout=IN_TIME)
            wait_until(lambda: client.get("logstream:host:host1") != beat, timeout=5)
        assert all(not viewer.texts[name] for name in names)
    finally:
        disk.answer()
    for name in names:
        viewer.read_text(name, "late\n")


def test_first_who_follows_a_log_is_told_of_once_though_the_first_push_fails(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or tmux would be looked at later; who follows as well, and who goes on following, is nobody new."""
    (tmp_path / "build.out").write_text("one\n")
    told: list[str] = []
    served: list[str] = []
    push = ShippedLog.push

    def fail_first(log: ShippedLog) -> None:
        served.append(log.name)
        if len(served) == 1:
            raise OSError("the disk is away")
        push(log)

    monkeypatch.setattr(ShippedLog, "push", fail_first)
    with shipping(redis_server, tmp_path, lambda: told.append("followed")) as client:
        for number, dashboard in enumerate(("one", "one", "two")):
            client.publish(NAMES.ask("host1"), Read("build", START, dashboard, number, 4).pack())
        client.publish(NAMES.ask("host1"), Roll("one", {"build": START, "other": START}).pack())
        wait_until(lambda: len(served) >= 3 and told)
        (tmp_path / "other.out").touch()
        client.publish(NAMES.ask("host1"), Roll("one", {"other": START}).pack())
        wait_until(lambda: len(told) >= 2)
    assert len(told) == 2


@pytest.mark.parametrize("error", [OSError("the disk is away"), BusError("Redis is away")])
def test_completion_is_noted_though_a_push_fails_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whoever says that a session is over says so once."""
    (tmp_path / "build.out").write_text("one\n")
    ship = Ship(str(tmp_path), ".out", "host1", "redis://127.0.0.1:1", names=NAMES)
    push = ShippedLog.push

    def fail_first(log: ShippedLog) -> None:
        monkeypatch.setattr(ShippedLog, "push", push)
        raise error

    monkeypatch.setattr(ShippedLog, "push", fail_first)
    ship.complete("build", 0)
    log = ship._logs["build"]
    log.is_due = True  # it was written to just before
    for _ in range(3):
        ship._serve(log)
    assert ship._completions.find("build") is not None
    ship.close()


def test_log_that_cannot_be_read_is_complete_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says that it is over says so once; and nobody computes meanwhile, or keeps the ship from ending."""
    (tmp_path / "build.out").write_text("one\n")
    ship = Ship(str(tmp_path), ".out", "host1", "redis://127.0.0.1:1", names=NAMES)
    reads = []

    def fail(*_: object) -> bytes:
        reads.append(time.monotonic())
        raise OSError("the disk is away")

    def complete() -> threading.Thread:
        reads.clear()
        ship.complete("build", 0)
        thread = threading.Thread(target=ship._serve, args=(ship._logs["build"],))
        thread.start()
        wait_until(lambda: len(reads) > 3)
        assert reads[-1] - reads[0] > 2 * ship_module._AGAIN
        return thread

    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.logfile.LogFile.read", fail)
        thread = complete()
    thread.join(5)
    assert ship._completions.find("build") is not None
    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.logfile.LogFile.read", fail)
        thread = complete()
        ship.close()
        thread.join(5)
        assert not thread.is_alive()


def test_ship_that_was_stopped_for_a_while_lets_nothing_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What dashboards have said meanwhile is still to be heard."""
    (tmp_path / "build.out").write_text("one\n")
    ship = Ship(str(tmp_path), ".out", "host1", "redis://127.0.0.1:1", names=NAMES)
    ship._tick()
    ship._ask("build", lambda log: ship._roll(log, "dashboard", START))
    ship._serve(ship._logs["build"])
    assert ship.followed_sessions() == ["build"]
    later = time.monotonic() + 20
    monkeypatch.setattr(time, "monotonic", lambda: later)
    ship._tick()
    assert ship.followed_sessions() == ["build"]
    ship.close()


def test_empty_log_is_said_to_who_waits_for_it(tmp_path: Path) -> None:
    """And who has an empty copy of it is left alone."""
    ship = Ship(str(tmp_path), ".out", "host1", "redis://127.0.0.1:1", names=NAMES)
    said: list[Message] = []

    def roll(cursor: str) -> None:
        ship._ask("build", lambda log: ship._roll(log, "dashboard", cursor))
        ship._logs["build"].say = lambda message, dashboard: said.append(message)
        ship._serve(ship._logs["build"])

    roll(START)
    assert said == []
    (tmp_path / "build.out").touch()
    roll(START)
    assert said == [More("build", 0)]
    roll(START)
    assert said == [More("build", 0)]
    ship.close()
