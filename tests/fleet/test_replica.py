"""One process of a dashboard, as who asks for a session has it: with a real Redis, and a session host in this one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.fleet.replica import GAUGES, Replica
from logstream.fleet.ship import Ship
from logstream.fleet.spool import Spool
from logstream.testing import nothing_left

from ..serving import wait_until
from ..stopwatch import Stopwatch
from .fleetparts import RedisServer
from .test_ship import NAMES, shipping


class Dashboard:
    """Two processes with one spool, and what was told to the first one."""

    def __init__(self, url: str, spool: Path) -> None:
        self.followed: list[str] = []
        self.completed: list[str] = []
        self.one, self.other = (
            Replica(
                Spool(str(spool), ".out"),
                url,
                NAMES,
                followed=lambda: self.followed,
                complete=self.completed.append,
                spool_size=1_000_000,
            )
            for _ in range(2)
        )


@pytest.fixture
def dashboard(redis_server: RedisServer, tmp_path: Path) -> Iterator[Dashboard]:
    """One that leaves nothing behind."""
    with nothing_left():
        dashboard = Dashboard(redis_server.url, tmp_path / "spool")
        yield dashboard
        for replica in (dashboard.one, dashboard.other):
            replica.close()
            replica.close()


def test_session_is_here_for_who_has_asked_for_it(
    redis_server: RedisServer, tmp_path: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, in each process; what is nowhere is not waited for; its completion is told when all is here."""
    monkeypatch.setattr("logstream.fleet.replica.PATIENCE", 20.0)  # nobody has to wait for what does not come
    logs, spool = tmp_path / "logs", tmp_path / "spool"
    logs.mkdir()
    text = "größer 日本語\n" * 20_000
    (logs / "build.out").write_text(text)
    with shipping(redis_server, logs, lambda: None):
        assert dashboard.one.bring("build", level=True)
        assert (spool / "build.out").read_text() == text
        watch = Stopwatch()
        assert dashboard.other.bring("build", level=True)  # the first one copies it
        assert watch.seconds() < 20
        assert not dashboard.one.bring("build", level=True)  # nothing to wait for
        assert not dashboard.one.bring("nowhere", level=False)
        assert not dashboard.one.bring("../build", level=False)
        counts = [replica.counts() for replica in (dashboard.one, dashboard.other)]
        assert [set(count) for count in counts] == [set(GAUGES)] * 2
        assert [(count["copies"], count["copies_behind"], count["hosts"]) for count in counts] == [(1, 0, 1), (0, 0, 1)]
        listed = dashboard.one.sessions(time.time())
        assert [(one["name"], one["host"], one["away"]) for one in listed] == [("build", "host1", None)]
        assert dashboard.one.session("build", time.time()) == listed[0]
        assert dashboard.one.session("nowhere", time.time()) is None

        dashboard.followed.append("build")
        with (logs / "build.out").open("a") as file:
            file.write("the end\n")
        assert dashboard.other.complete("build")
        wait_until(lambda: dashboard.completed == ["build"])
        assert (spool / "build.out").read_text() == text + "the end\n"
    assert not dashboard.one.complete("nowhere")


def test_session_that_its_host_has_not_leaves_nothing_in_the_spool(
    redis_server: RedisServer, tmp_path: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever asks for names without end would fill it, and every copy would be evicted."""
    monkeypatch.setattr("logstream.fleet.copier._RECENT", 0.5)
    logs, spool = tmp_path / "logs", tmp_path / "spool"
    logs.mkdir()
    (logs / "build.out").write_text("one\n")
    with shipping(redis_server, logs, lambda: None):
        assert dashboard.one.bring("build", level=True)
        for number in range(3):
            assert not dashboard.one.bring(f"nowhere{number}@host1", level=False)
        wait_until(lambda: not dashboard.one.counts()["copies"])
        assert not [one.name for one in spool.iterdir() if "nowhere" in one.name]


def test_log_of_a_host_that_does_not_answer_is_waited_for(
    redis_server: RedisServer, tmp_path: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that there is none since its host was too busy to say; it is here when the host has answered."""
    monkeypatch.setattr("logstream.fleet.hosts._PROBE", 0.2)
    logs, spool = tmp_path / "logs", tmp_path / "spool"
    logs.mkdir()
    with shipping(redis_server, logs, lambda: None):
        assert not dashboard.one.bring("build", level=False)
        with monkeypatch.context() as patch:
            patch.setattr(Ship, "_ask", lambda *_: None)
            assert dashboard.one.bring("build", level=False)
            assert not dashboard.one.complete("build")
        (logs / "build.out").write_text("one\n")
        wait_until(lambda: (spool / "build.out").exists() and (spool / "build.out").read_text() == "one\n")
