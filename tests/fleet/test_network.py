"""Networks that are cut, and a Redis that fails over: silence, then the rest, once."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ..namespaces import HERE, link, run_linked
from ..proxy import Proxy
from ..serving import wait_until
from ..viewer import Viewer
from .conftest import Fleet
from .fleetparts import Dashboard, RedisServer, ShipProcess
from .test_fleet import append, resets


def test_failover_to_a_replica_that_loses_messages(fleet: Fleet, tmp_path: Path) -> None:
    """A host that is with the replica before that is promoted is told no, and what it has sent meanwhile comes once."""
    password = fleet.redis.password
    (tmp_path / "replica").mkdir()
    follows = ("--replicaof", "127.0.0.1", str(fleet.redis.port), "--masterauth", password)
    with contextlib.ExitStack() as stack:
        replica = RedisServer(tmp_path / "replica", *follows, password=password)
        stack.callback(replica.end)
        ways = [stack.enter_context(Proxy(fleet.redis.port)) for _ in range(2)]
        of_host, of_dashboard = (f"redis://:{password}@127.0.0.1:{way.port}" for way in ways)
        ship, dashboard = fleet.ship(url=of_host), fleet.dashboard(of_dashboard)
        ship.log("build").write_text("one\n")
        viewer = fleet.viewer(dashboard)
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")
        client = stack.enter_context(replica.client())
        wait_until(lambda: client.exists("logstream:host:host1"))
        ways[0].redirect(replica.port)
        wait_until(lambda: "refuses" in ship.output())
        append(ship.log("build"), b"two\n")
        assert viewer.drain(0.5) == []
        client.replicaof("NO", "ONE")
        ways[1].redirect(replica.port)
        fleet.redis.kill()
        viewer.read_text("build", "one\ntwo\n", timeout=10)
        append(ship.log("build"), b"three\n")
        viewer.read_text("build", "one\ntwo\nthree\n", timeout=2)
        assert resets(viewer, "build") == 1


def test_link_between_two_machines_that_is_cut_and_healed(tmp_path: Path) -> None:
    """Two network namespaces, with the host in the other one: nothing comes while the link is down, then all does."""
    run_linked(__name__, str(tmp_path), timeout=100)


def cut_and_heal(base: Path) -> None:
    """In a network namespace of its own, with another one that has the session host."""
    with contextlib.ExitStack() as stack:
        between = stack.enter_context(link())
        redis = RedisServer(base, "--bind", "127.0.0.1", HERE)
        stack.callback(redis.end)
        ship = ShipProcess(base, "host1", f"redis://:{redis.password}@{HERE}:{redis.port}", within=between.enter)
        stack.callback(ship.end)
        dashboard = Dashboard(base / "dashboard", redis.url)
        stack.callback(dashboard.end)
        ship.log("build").write_text("one\n")
        viewer = stack.enter_context(Viewer(dashboard.port))
        viewer.subscribe("build", wait=True)
        viewer.read_text("build", "one\n")
        between.cut()
        append(ship.log("build"), b"two\n")
        assert viewer.drain(2.5) == []
        between.heal()
        viewer.read_text("build", "one\ntwo\n", timeout=20)
        append(ship.log("build"), b"three\n")
        viewer.read_text("build", "one\ntwo\nthree\n", timeout=5)
        assert resets(viewer, "build") == 1


if __name__ == "__main__":
    cut_and_heal(Path(sys.argv[1]))
