"""Which host has what."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream.engine.completion import Completions
from logstream.engine.sessions import Session
from logstream.engine.state import StateDirectory
from logstream.fleet.bus import Bus
from logstream.fleet.registry import Announced, Announcer, Registry
from logstream.fleet.words import START, Names

from ..serving import wait_until
from ..stopwatch import Stopwatch
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
        (b"a", b"[1, 1.0, null, null]" + b" " * 256),
        (b"a" * 256, good),
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
            monkeypatch.setattr("logstream.fleet.registry.SessionList.read", refuse)
            announcer.announce_soon()
            wait_until(lambda: looks >= 3)
            assert client.hexists(names.sessions("host1"), "build")
    finally:
        announcer.close()
        bus.close()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["The directory of the logs cannot be read: Permission denied."]


@pytest.fixture
def registry(redis_server: RedisServer) -> Iterator[Registry]:
    """What a dashboard knows."""
    bus = Bus(redis_server.url, channels=("x",), on_message=lambda channel, message: None, on_connect=lambda: None)
    bus.start()
    assert bus.settle(10)
    yield Registry(bus, Names())
    bus.close()


def announce(client: Any, host: str, *sessions: str) -> None:
    """Have a host there, with sessions."""
    client.set(Names().host(host), f'[1.0, "{host}"]')
    entries = {name: Announced(name, host, 1, 1.0, None).pack() for name in sessions}
    client.hset(Names().sessions(host), mapping=entries)


def test_plain_name_is_the_first_live_host_s(redis_server: RedisServer, registry: Registry) -> None:
    """One that is away comes last; each can be had by its host's name too."""
    names = Names()
    with redis_server.client() as client:
        for host in ("host1", "host2"):
            announce(client, host, "build")
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


def test_what_a_host_announces_is_bounded(
    redis_server: RedisServer, registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that announces too many sessions, or too long ones, is left out, with a line; so are too many hosts."""
    monkeypatch.setattr("logstream.fleet.registry._MOST_SESSIONS", 5)
    monkeypatch.setattr("logstream.fleet.registry._MOST_BYTES", 100_000)
    monkeypatch.setattr("logstream.fleet.registry._MOST_HOSTS", 4)
    with redis_server.client() as client:
        announce(client, "good", *"abcde")
        announce(client, "long", "a")
        client.hset(Names().sessions("long"), "b", b"x" * 200_000)
        announce(client, "many", *"abcdef")
        client.set(Names().host("noisy"), b"x" * 1_000_000)
        for _ in range(2):
            assert registry.refresh()
        assert {host: len(sessions) for host, sessions in registry.sessions().items() if sessions} == {"good": 5}
        assert registry.live_hosts() == ["good", "long", "many", "noisy"]
        assert "host long announces 2 sessions" in caplog.text
        announce(client, "one-too-many", "a")
        caplog.clear()
        registry.look()
        assert registry.live_hosts() == ["good", "long", "many", "noisy"]


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
        watch = Stopwatch()
        body = dashboard.request("/sessions")[1]
        took.append(watch.seconds())
        assert len(json.loads(body)) == 10_000
    assert min(took) < 0.3
