"""Faults of a fleet, each as the table of the documentation has it: silence and then the rest, never a wrong text."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..proxy import Proxy
from ..serving import wait_until
from ..stopwatch import Stopwatch
from .conftest import Fleet
from .fleetparts import Dashboard, ShipProcess
from .test_fleet import append, copied, listed, resets

UNLIMITED = resource.RLIM_INFINITY


def health(dashboard: Dashboard) -> dict[str, int]:
    """The figures of a dashboard."""
    found: dict[str, int] = json.loads(dashboard.request("/healthz")[1])
    return found


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[Proxy]:
    """A way to Redis that can go silent."""
    with Proxy(fleet.redis.port) as proxy:
        yield proxy


@pytest.mark.parametrize("side", ["host", "dashboard"])
def test_network_that_is_cut_and_healed(fleet: Fleet, proxy: Proxy, side: str) -> None:
    """A connection on which nothing comes any more is given up, and nothing is shown twice or left out."""
    cut = f"redis://:{fleet.redis.password}@127.0.0.1:{proxy.port}"
    ship = fleet.ship(url=cut if side == "host" else None)
    dashboard = fleet.dashboard(cut if side == "dashboard" else None)
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    proxy.silence()
    append(ship.log("build"), b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=10 if side == "dashboard" else 15)
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
    assert resets(viewer, "build") == 1


@pytest.mark.parametrize("running", [0, 2], ids=["stopped", "slow"])
def test_dashboard_that_takes_too_little_is_cut_off_and_catches_up(fleet: Fleet, running: int) -> None:
    """Redis' memory stays bounded beside a dashboard that runs for so many turns of eight, and gets all the same."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    log = ship.log("build")
    log.write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    block = b"0123456789abcde\n" * 16_000
    with fleet.redis.client() as client:
        before = client.info("memory")["used_memory"]
        most = 0
        try:
            for turn in range(240):
                os.kill(dashboard.pid, signal.SIGCONT if turn % 8 < running else signal.SIGSTOP)
                append(log, block)
                most = max(most, client.info("memory")["used_memory"])
                time.sleep(0.005)
        finally:
            os.kill(dashboard.pid, signal.SIGCONT)
        assert most - before < 40_000_000 + 2**22
        viewer.read_text("build", log.read_text(), timeout=60)
    assert resets(viewer, "build") == 1


def test_full_disk_of_a_dashboard(fleet: Fleet) -> None:
    """What was written stays to be seen, nothing is tried in a loop, and when there is room the rest comes."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    log = ship.log("build")
    log.write_bytes(b"x" * 300_000)
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "x" * 300_000)
    resource.prlimit(dashboard.pid, resource.RLIMIT_FSIZE, (400_000, UNLIMITED))
    append(log, b"y" * 300_000)
    wait_until(lambda: "cannot be written" in dashboard.output())
    pulls = health(dashboard)["pulls"]
    viewer.drain(4)
    assert health(dashboard)["pulls"] - pulls < 10
    assert viewer.texts["build"] in ["x" * 300_000 + "y" * count for count in (0, 100_000)]
    late = fleet.viewer(dashboard)
    late.subscribe("build")
    late.read_until(lambda: late.texts.length("build") >= 300_000)
    resource.prlimit(dashboard.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    viewer.read_text("build", log.read_text())
    assert resets(viewer, "build") == 1


def test_torn_end_of_a_copy_is_made_again(fleet: Fleet) -> None:
    """A copy that is not the log's beginning, as after a power failure, is replaced before it is shown for long."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_bytes(b"one\n" * 1000)
    assert dashboard.request("/sessions/build/raw")[1] == "one\n" * 1000
    dashboard.kill()
    with dashboard.log("build").open("r+b") as copy:
        copy.seek(-100, os.SEEK_END)
        copy.write(bytes(100))
    again = Dashboard(dashboard.directory.parent, fleet.redis.url)
    try:
        assert again.request("/sessions/build/raw")[1] == "one\n" * 1000
    finally:
        again.stop()


def test_host_that_is_lost(fleet: Fleet) -> None:
    """What the spool has can be seen, also with the dashboard started anew, and the list says that the host is away."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    assert dashboard.request("/sessions/build/raw")[1] == "one\n"
    ship.kill()
    with fleet.redis.client() as client:
        client.flushall()
    dashboard.stop()
    again = Dashboard(dashboard.directory.parent, fleet.redis.url)
    try:
        viewer = fleet.viewer(again)
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
        assert (listed(again)["build"]["host"], listed(again)["build"]["away"]) == ("host1", "host")
        assert again.request("/sessions/build/complete", "POST")[0] == 503
    finally:
        again.stop()


def test_name_that_goes_on_at_another_host(fleet: Fleet) -> None:
    """When a host is gone and another one has a session of its name, that is shown; the earlier log is kept."""
    one, dashboard = fleet.ship("host1"), fleet.dashboard()
    one.log("build").write_text("of one\n")
    assert dashboard.request("/sessions/build/raw")[1] == "of one\n"
    two = fleet.ship("host2")
    two.log("build").write_text("of two\n")
    wait_until(lambda: set(listed(dashboard)) == {"build", "build@host2"})
    one.stop()
    wait_until(lambda: listed(dashboard)["build"]["host"] == "host2")
    wait_until(lambda: dashboard.request("/sessions/build/raw")[1] == "of two\n", timeout=60)
    assert dashboard.request("/sessions/build@host1/raw")[1] == "of one\n"
    one.start()
    fleet.await_host("host1")
    wait_until(lambda: listed(dashboard)["build@host1"]["away"] is None)
    assert listed(dashboard)["build"]["host"] == "host2"


def test_two_directories_under_one_host_s_name(fleet: Fleet, tmp_path: Path) -> None:
    """Viewers have the text of the first one only; the other says what to do, and is seen when the first one ends."""
    one, dashboard = fleet.ship(), fleet.dashboard()
    one.log("build").write_text("of one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "of one\n")
    (tmp_path / "elsewhere").mkdir()
    with contextlib.closing(ShipProcess(tmp_path / "elsewhere", "host1", fleet.redis.url)) as two:
        two.log("build").write_text("of two\n")
        wait_until(lambda: "another name with --host" in two.output())
        for number in range(3):
            append(one.log("build"), b"one %d\n" % number)
            append(two.log("build"), b"two %d\n" % number)
        viewer.read_text("build", "of one\none 0\none 1\none 2\n")
        two.log("only").write_text("nobody asks for it\n")
        viewer.drain(1.5)
        assert set(listed(dashboard)) == {"build"}
        one.kill()
        one.start()  # as a supervisor does
        append(one.log("build"), b"end\n")
        viewer.read_text("build", one.log("build").read_text(), timeout=10)
        assert resets(viewer, "build") == 1
        one.stop()
        viewer.read_text("build", two.log("build").read_text(), timeout=15)
    assert resets(viewer, "build") == 2


def test_relay_that_is_away_is_said(fleet: Fleet) -> None:
    """The list tells a relay that is away from a host that is, and so does what is said of one session."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")

    def said(name: str) -> tuple[int, object]:
        status, body = dashboard.request(f"/sessions/{name}", headers={"Accept": "application/json"})
        return status, json.loads(body)["away"]

    wait_until(lambda: "build" in listed(dashboard))
    wait_until(lambda: said("build") == (200, None))
    assert said("nothing") == (404, None)
    fleet.redis.kill()
    wait_until(lambda: said("build") == (200, "relay"))
    assert said("nothing") == (503, "relay")
    wait_until(lambda: listed(dashboard)["build"]["away"] == "relay")
    wait_until(lambda: health(dashboard)["relay_away"] == 1)
    fleet.redis.start()
    wait_until(lambda: listed(dashboard)["build"]["away"] is None)


def test_copy_of_everything_outlives_its_host(fleet: Fleet) -> None:
    """With LOGSTREAM_COPY=all a log that nobody has followed is there when its host is gone, to its last line."""
    ship, dashboard = fleet.ship(), fleet.dashboard(LOGSTREAM_COPY="all")
    ship.log("build").write_text("one\n")
    wait_until(lambda: copied(dashboard, "build") == b"one\n")
    append(ship.log("build"), b"two\n")
    wait_until(lambda: copied(dashboard, "build") == b"one\ntwo\n", timeout=2)
    ship.kill()
    ship.log("build").unlink()
    assert dashboard.request("/sessions/build/raw")[1] == "one\ntwo\n"


def test_spool_is_bounded_and_what_is_followed_stays(fleet: Fleet) -> None:
    """What nobody follows goes first, the oldest before the others; it is brought again when somebody asks."""
    ship, dashboard = fleet.ship(), fleet.dashboard(app="tests.fleet.short_times", LOGSTREAM_SPOOL_SIZE=str(2**21))
    viewer = fleet.viewer(dashboard)
    for number in range(4):
        ship.log(f"build-{number}").write_bytes(b"x" * 900_000)
        viewer.subscribe(f"build-{number}")
        viewer.read_text(f"build-{number}", "x" * 900_000)
    for number in (1, 2):
        viewer.unsubscribe(f"build-{number}")
    wait_until(lambda: not copied(dashboard, "build-1"))
    assert len(copied(dashboard, "build-0")) == len(copied(dashboard, "build-3")) == 900_000
    append(ship.log("build-0"), b"more\n")
    viewer.read_text("build-0", "x" * 900_000 + "more\n")
    assert resets(viewer, "build-0") == 1
    assert len(dashboard.request("/sessions/build-1/raw")[1]) == 900_000


def test_log_larger_than_the_spool_is_not_copied_to_its_end(fleet: Fleet) -> None:
    """No host can fill a dashboard's disk; the operator is told."""
    ship, dashboard = fleet.ship(), fleet.dashboard(LOGSTREAM_SPOOL_SIZE=str(1024 * 1024))
    ship.log("build").write_bytes(b"x" * 3_000_000)
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    wait_until(lambda: "larger than the spool" in dashboard.output())
    assert len(copied(dashboard, "build")) <= 1024 * 1024


@pytest.mark.timeout(240)
def test_new_session_among_hundreds_that_is_subscribed_at_once(fleet: Fleet) -> None:
    """With 800 sessions followed, a log that begins this moment is there in a moment, and so are its lines."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    for number in range(800):
        ship.log(f"session-{number}").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    for number in range(800):
        viewer.subscribe(f"session-{number}")
    viewer.read_until(lambda: len(viewer.texts) == 800, timeout=60)
    ship.log("new").write_text("one\n")
    watch = Stopwatch()
    viewer.subscribe("new")
    viewer.read_until(lambda: viewer.texts.get("new") == "one\n")
    assert watch.seconds() < 0.5
    append(ship.log("new"), b"two\n")
    viewer.read_text("new", "one\ntwo\n", timeout=0.5)
    for number in (0, 400, 799):
        append(ship.log(f"session-{number}"), b"two\n")
        viewer.read_text(f"session-{number}", "one\ntwo\n", timeout=0.5)
