"""Sessions of other hosts, followed on a dashboard: what its viewer shows is the file. Each part is a process."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from ..serving import wait_until
from ..tmux.tmuxserver import TmuxServer, needs_tmux
from ..viewer import Viewer
from .conftest import Fleet
from .fleetparts import Dashboard


def append(path: Path, data: bytes) -> None:
    """Write at a log's end."""
    with path.open("ab") as file:
        file.write(data)


def resets(viewer: Viewer, session: str) -> int:
    """How often a viewer's text has begun."""
    return sum(bool(message.get("isInitial")) for message in viewer.messages if message["sessionName"] == session)


def listed(dashboard: Dashboard) -> dict[str, dict[str, object]]:
    """The list of a dashboard, by name."""
    return {entry["name"]: entry for entry in json.loads(dashboard.request("/sessions")[1])}


def copied(dashboard: Dashboard, session: str) -> bytes:
    """What a dashboard has of a log."""
    path = dashboard.log(session)
    return path.read_bytes() if path.exists() else b""


def test_completion_is_last_and_stays(fleet: Fleet) -> None:
    """A completion on any dashboard reaches the host and every viewer, and is known after all has been restarted."""
    ship, first, second = fleet.ship(), fleet.dashboard(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewers = [fleet.viewer(first), fleet.viewer(second)]
    for viewer in viewers:
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    first.complete("build")
    for viewer in viewers:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == "one\ntwo\n"
        assert sum(message["isComplete"] for message in viewer.messages) == 1
    wait_until(lambda: listed(second)["build"]["complete"])
    ship.stop()
    ship.start()
    fleet.await_host("host1")
    late = fleet.viewer(fleet.dashboard())
    late.subscribe("build")
    late.read_until(lambda: bool(late.messages and late.messages[-1]["isComplete"]))
    assert late.texts["build"] == "one\ntwo\n"


@needs_tmux
def test_session_that_ends_in_its_host_s_tmux_is_complete_on_all_dashboards(fleet: Fleet, tmux: TmuxServer) -> None:
    """tmux is watched where it runs, and the last message is the last."""
    tmux.begin("build")
    ship = fleet.ship(LOGSTREAM_TMUX=tmux.socket)
    ship.log("build").write_text("one\n")
    viewers = [fleet.viewer(fleet.dashboard()) for _ in range(2)]
    for viewer in viewers:
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
    append(ship.log("build"), b"two\n")
    tmux.end("build")
    for viewer in viewers:
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == "one\ntwo\n"


def test_completion_of_a_host_that_is_away_is_503(fleet: Fleet) -> None:
    """What cannot reach the host is said, and nothing is completed."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    assert dashboard.request("/sessions/build/raw")[1] == "one\n"
    ship.stop()
    assert dashboard.request("/sessions/build/complete", "POST")[0] == 503
    assert dashboard.request("/sessions/build/raw")[1] == "one\n"
    wait_until(lambda: listed(dashboard)["build"]["away"] == "host")
    entry = listed(dashboard)["build"]
    assert (entry["host"], entry["complete"]) == ("host1", False)


def test_one_name_on_two_hosts(fleet: Fleet) -> None:
    """The first host keeps the plain name, the other's is to be had by name and host, and the list tells them apart."""
    one, two = fleet.ship("host1"), fleet.ship("host2")
    dashboard = fleet.dashboard()
    one.log("build").write_text("of one\n")
    two.log("build").write_text("of two\n")
    two.log("only").write_text("only here\n")
    wait_until(lambda: set(listed(dashboard)) == {"build", "build@host2", "only"})
    assert [listed(dashboard)[name]["host"] for name in ("build", "build@host2", "only")] == ["host1", "host2", "host2"]
    viewer = fleet.viewer(dashboard)
    for name in ("build", "build@host2"):
        viewer.subscribe(name)
    viewer.read_until(lambda: viewer.texts.get("build") == "of one\n" and viewer.texts.get("build@host2") == "of two\n")
    append(two.log("build"), b"more\n")
    viewer.read_text("build@host2", "of two\nmore\n")
    assert viewer.texts["build"] == "of one\n"


def test_redis_killed_and_restarted_empty(fleet: Fleet) -> None:
    """The viewer sees silence, then the rest, within two seconds of the restart; what is in the spool still opens."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    fleet.redis.kill()
    append(ship.log("build"), b"two\n")
    late = fleet.viewer(dashboard)
    late.subscribe("build")
    late.read_text("build", "one\n")
    late.subscribe("unknown")
    assert late.drain(1.5) == []  # nobody can say that there is none
    fleet.redis.start()
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
    assert resets(viewer, "build") == 1


def test_redis_that_hangs(fleet: Fleet) -> None:
    """A Redis that is frozen holds nobody up, and when it goes on, the rest comes."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    fleet.redis.freeze()
    for number in range(50):
        append(ship.log("build"), b"line %d\n" % number)
        viewer.drain(0.1)
    fleet.redis.thaw()
    viewer.read_text("build", ship.log("build").read_text(), timeout=5)
    assert resets(viewer, "build") == 1


def test_ship_killed_and_restarted(fleet: Fleet) -> None:
    """What was written meanwhile comes within two seconds of the restart, and nothing twice."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    ship.kill()
    append(ship.log("build"), b"two\n")
    ship.start()
    wait_until(lambda: "shipping" in ship.output().split("\n", 1)[1])
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    append(ship.log("build"), b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
    assert resets(viewer, "build") == 1


def test_two_ships_for_one_host(fleet: Fleet) -> None:
    """The second waits, says so, and takes over when the first is gone: one text."""
    first, dashboard = fleet.ship(), fleet.dashboard()
    second = fleet.ship(LOGSTREAM_LOG_LEVEL="INFO")
    wait_until(lambda: "ships" in second.output() and "already" in second.output())
    log = first.log("build")
    log.write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    first.kill()
    append(log, b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=5)
    append(log, b"three\n")
    viewer.read_text("build", "one\ntwo\nthree\n", timeout=5)
    assert resets(viewer, "build") == 1


def test_registry_that_is_flushed_while_followed(fleet: Fleet) -> None:
    """FLUSHALL takes no line from a viewer, and the list is whole again soon."""
    ship, dashboard = fleet.ship(), fleet.dashboard()
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")
    with fleet.redis.client() as client:
        client.flushall()
    append(ship.log("build"), b"two\n")
    viewer.read_text("build", "one\ntwo\n", timeout=2)
    wait_until(lambda: listed(dashboard)["build"]["away"] is None, timeout=10)
    assert resets(viewer, "build") == 1


def test_faults_at_random_with_rotation(fleet: Fleet) -> None:
    """After any sequence of crashes, freezes, rotations and rewrites every viewer's text is the file."""
    ship, dashboards = fleet.ship(), [fleet.dashboard() for _ in range(2)]
    log = ship.log("build")
    log.write_text("begin\n")
    chance = random.Random(5)
    viewers = [fleet.viewer(dashboard) for dashboard in dashboards]
    for viewer in viewers:
        viewer.subscribe("build")
    number = 0
    for _ in range(14):
        for _ in range(chance.randrange(40)):
            number += 1
            append(log, f"line {number} größer 日本語 ".encode()[: chance.randrange(8, 30)])
        match chance.choice(["redis", "ship", "freeze", "rotate", "truncate", "rewrite", "flush", "wait"]):
            case "redis":
                fleet.redis.kill()
                fleet.redis.start()
            case "ship":
                ship.kill()
                ship.start()
            case "freeze":
                fleet.redis.freeze()
                viewers[0].drain(0.3)
                fleet.redis.thaw()
            case "rotate":
                log.rename(log.with_suffix(".1"))
                log.write_bytes(b"rotated %d\n" % number)
            case "truncate":
                os.truncate(log, 0)
            case "rewrite":
                log.write_bytes(b"rewritten %d\n" % number)
            case "flush":
                with fleet.redis.client() as client:
                    client.flushall()
            case "wait":
                viewers[0].drain(0.5)
    append(log, b"\nthe end\n")
    for viewer in viewers:
        viewer.read_until(lambda: viewer.texts.get("build", "").endswith("the end\n"))
    fleet.await_host("host1")
    wait_until(lambda: dashboards[0].request("/sessions/build/complete", "POST")[0] == 204)
    for viewer, dashboard in zip(viewers, dashboards, strict=True):
        viewer.read_until(lambda: bool(viewer.messages[-1]["isComplete"]))
        assert viewer.texts["build"] == log.read_bytes().decode(errors="replace")
        assert copied(dashboard, "build") == log.read_bytes()
        assert sum(message["isComplete"] for message in viewer.messages) == 1
