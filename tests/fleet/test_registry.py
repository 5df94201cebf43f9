"""Which host has what."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest

from logstream.engine.completion import Completions
from logstream.engine.sessions import Session
from logstream.engine.state import StateDirectory
from logstream.fleet.bus import Bus
from logstream.fleet.registry import Announced, Announcer, Registry
from logstream.fleet.words import START, Names

from ..serving import wait_until
from .conftest import Fleet
from .fleetparts import RedisServer
from .test_fleet import listed


def test_session_is_what_was_announced() -> None:
    """What a host has written is what a dashboard reads."""
    session = Announced("größe", "host1", 5, 1.5, 2.5, START)
    assert Announced.parse("host1", "größe".encode(), session.pack()) == session


def test_what_no_host_of_ours_has_written_is_left_out() -> None:
    """Names that are none, and values of other kinds, are no sessions."""
    good = b"[1, 1.0, null, null]"
    for name, value in [
        (b"\xff", good),
        (b"../x", good),
        (b"", good),
        (b"a", b"nonsense"),
        (b"a", b"5"),
        (b"a", b"[1]"),
        (b"a", b'["1", 1.0, null, null]'),
        (b"a", b"[-1, 1.0, null, null]"),
        (b"a", b"[1, null, null, null]"),
        (b"a", b'[1, 1.0, "x", null]'),
        (b"a", b'[1, 1.0, null, "x"]'),
    ]:
        assert Announced.parse("host1", name, value) is None, (name, value)


def test_a_directory_that_cannot_be_read_takes_no_session_away(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What there was stays announced, since nothing is known of what there is; the operator is told in one line."""
    (tmp_path / "build.out").write_text("one\n")
    names = Names()
    bus = Bus(redis_server.url, channels=("x",), on_message=lambda channel, message: None, on_connect=lambda: None)
    bus.start()
    completions = Completions(str(tmp_path), ".out", StateDirectory(str(tmp_path / "state")))
    announcer = Announcer(bus, names, "host1", "ship1", str(tmp_path), ".out", completions)
    looks = 0

    def refuse(*_: object) -> list[Session]:
        nonlocal looks
        looks += 1
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    try:
        assert bus.settle(10)
        announcer.start()
        with redis_server.client() as client:
            wait_until(lambda: client.hexists(names.sessions("host1"), "build"))
            monkeypatch.setattr("logstream.fleet.registry.list_sessions", refuse)
            announcer.announce_soon()
            wait_until(lambda: looks >= 3)
            assert client.hexists(names.sessions("host1"), "build")
    finally:
        announcer.close()
        bus.close()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["The directory of the logs cannot be read: Permission denied."]


def test_plain_name_is_the_first_live_host_s(redis_server: RedisServer) -> None:
    """One that is away comes last; each can be had by its host's name too."""
    names = Names()
    bus = Bus(redis_server.url, channels=("x",), on_message=lambda channel, message: None, on_connect=lambda: None)
    bus.start()
    try:
        assert bus.settle(10)
        registry = Registry(bus, names)
        with redis_server.client() as client:
            for host in ("host1", "host2"):
                client.set(names.host(host), f'[1.0, "{host}"]')
                client.hset(names.sessions(host), "build", Announced("build", host, 1, 1.0, None).pack())
            assert registry.refresh()
            assert registry.resolve("build") == ("host1", "build")
            assert registry.resolve("build@host2") == ("host2", "build")
            assert sorted(registry.names()) == ["build", "build@host2"]
            client.delete(names.host("host1"), names.sessions("host1"))
            assert registry.look() == []
            assert registry.hosts_away() == ["host1"]
            assert registry.resolve("build") == ("host2", "build")
            assert registry.resolve("build@host1") == ("host1", "build")
            assert registry.resolve("other") is None
            client.set(names.host("host1"), '[2.0, "another process"]')
            assert registry.look() == ["host1"]
    finally:
        bus.close()


def test_ten_thousand_sessions_are_listed_in_time(fleet: Fleet) -> None:
    """Ten hosts with a thousand sessions each keep the list under 300 ms."""
    dashboard = fleet.dashboard()
    names = Names()
    with fleet.redis.client() as client:
        for number in range(10):
            host = f"host{number}"
            client.set(names.host(host), f'[1.0, "{host}"]')
            entries = {
                f"{host}-session-{one}": Announced("", host, one, time.time(), None).pack() for one in range(1000)
            }
            client.hset(names.sessions(host), mapping=entries)
    wait_until(lambda: len(listed(dashboard)) == 10_000)
    took = []
    for _ in range(10):
        began = time.monotonic()
        body = dashboard.request("/sessions")[1]
        took.append(time.monotonic() - began)
        assert len(json.loads(body)) == 10_000
    assert min(took) < 0.3


def test_two_machines_under_one_name_are_told_of(fleet: Fleet, tmp_path: Path) -> None:
    """Where two directories are shipped as one host, each of them says so, and what to do."""
    one = fleet.ship()
    other = tmp_path / "other"
    other.mkdir()
    with fleet.redis.client() as client:
        key = Names().host("host1")

        def say() -> bool:
            client.set(key, json.dumps([time.time(), "another process"]))
            return "--host" in one.output()

        wait_until(say)
