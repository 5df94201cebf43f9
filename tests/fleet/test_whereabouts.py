"""Where a session is, with a real Redis."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from logstream.fleet.hosts import Hosts
from logstream.fleet.registry import Registry
from logstream.fleet.spool import Spool
from logstream.fleet.whereabouts import Whereabouts
from logstream.fleet.words import Names

from .fleetparts import RedisServer
from .test_registry import announce, registry

__all__ = ["registry"]  # a fixture

NAMES = Names()


class Told:
    """Hosts of which one has what nobody has announced yet."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def probe(self, hosts: Iterable[str], name: str) -> dict[str, int]:
        """What they say."""
        self.asked.append(dict.fromkeys(hosts, name))
        return {"host2": 5} if name == "fresh" else {}


def copy(spool: Spool, name: str, source: str) -> None:
    """Have a copy of a session, which comes from there."""
    lock = spool.lock(name)
    assert lock is not None
    lock.note_source(source)
    lock.release()
    file = spool.open(name, 1000)
    file.start_over(b"text\n")
    file.close()


def test_session_is_where_its_copy_comes_from_or_a_host_has_it(
    redis_server: RedisServer,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hosts are asked for what none has announced, once; a copy goes on elsewhere where its host is away."""
    monkeypatch.setattr("logstream.fleet.whereabouts.BEATS", 0.0)
    spool = Spool(str(tmp_path / "spool"), ".out")
    spool.prepare()
    hosts = Told()
    where = Whereabouts(spool, registry, cast(Hosts, hosts))
    with redis_server.client() as client:
        announce(client, "host1", "build")
        announce(client, "host2", "other")
        assert where.known("build") is None
        assert where.find("build") == where.known("build") == ("host1", "build")
        assert hosts.asked == []

        assert where.find("nowhere") is None
        assert hosts.asked == [{"host1": "nowhere", "host2": "nowhere"}]
        assert where.find("fresh") == where.find("fresh") == ("host2", "fresh")
        assert len(hosts.asked) == 2
        where.keep({"fresh"})
        assert where.known("fresh") == ("host2", "fresh")
        where.keep({"build"})
        assert where.known("fresh") is None

        copy(spool, "other", "host1\nother")
        assert where.first("other") == "host1"
        assert where.find("other") == ("host1", "other")  # though another host has announced that name
        kept = where.session("other")
        assert kept is not None and (kept.host, kept.size) == ("host1", 5)
        found = where.session("build")
        assert found is not None and (found.host, found.size) == ("host1", 1)
        client.delete(NAMES.host("host1"), NAMES.sessions("host1"))
        registry.look()
        assert where.first("other") == "host1"
        monkeypatch.setattr("logstream.fleet.registry.GRACE", 0.0)
        assert where.first("other") is None
        assert where.find("other") == ("host2", "other")
        os.unlink(spool.path("other"))
        assert where.first("other") is None
        assert where.session("nowhere") is None


def test_host_that_redis_has_forgotten_for_a_moment_keeps_its_names(
    redis_server: RedisServer, registry: Registry, tmp_path: Path
) -> None:
    """Hosts announce themselves again one after the other: the first to do so takes over no other one's logs."""
    spool = Spool(str(tmp_path / "spool"), ".out")
    spool.prepare()
    where = Whereabouts(spool, registry, cast(Hosts, Told()))
    with redis_server.client() as client:
        announce(client, "host1", "build")
        announce(client, "host2", "build")
        registry.refresh()
        copy(spool, "build", "host1\nbuild")
        assert where.known("build") == ("host1", "build")
        client.flushall()
        announce(client, "host2", "build")
        registry.look()
        assert where.known("build") == ("host1", "build")
