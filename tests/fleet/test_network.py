"""Networks that are cut, and a Redis that fails over: silence, then the rest, once."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..proxy import Proxy
from ..serving import ROOT, wait_until
from ..viewer import Viewer
from .conftest import Fleet
from .fleetparts import Dashboard, RedisServer, ShipProcess
from .test_fleet import append, resets

NAMESPACES = ["unshare", "-Urn"]
LINK = "ip link add here type veth peer name there && ip addr add 10.78.0.1/24 dev here && ip link set here up"


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
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {package}")
    if subprocess.run([*NAMESPACES, "sh", "-c", LINK], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no network namespace with a link")
    here = [*NAMESPACES, sys.executable, "-m", "tests.fleet.test_network", str(tmp_path)]
    ran = subprocess.run(here, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr


def cut_and_heal(base: Path) -> None:
    """In a network namespace of its own, with another one that has the session host."""
    with contextlib.ExitStack() as stack:
        there = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo ready; read wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        stack.callback(there.communicate)
        assert there.stdout
        assert there.stdout.readline()
        enter = ["nsenter", "-t", str(there.pid), "-n"]
        run("ip", "link", "set", "lo", "up")
        run("sh", "-c", f"{LINK} && ip link set there netns {there.pid}")
        run(*enter, "sh", "-c", "ip addr add 10.78.0.2/24 dev there && ip link set there up")
        redis = RedisServer(base, "--bind", "127.0.0.1", "10.78.0.1")
        stack.callback(redis.end)
        ship = ShipProcess(base, "host1", f"redis://:{redis.password}@10.78.0.1:{redis.port}", within=enter)
        stack.callback(ship.end)
        dashboard = Dashboard(base / "dashboard", redis.url)
        stack.callback(dashboard.end)
        ship.log("build").write_text("one\n")
        viewer = stack.enter_context(Viewer(dashboard.port))
        viewer.subscribe("build", wait=True)
        viewer.read_text("build", "one\n")
        run(*enter, "ip", "link", "set", "there", "down")
        append(ship.log("build"), b"two\n")
        assert viewer.drain(2.5) == []
        run(*enter, "ip", "link", "set", "there", "up")
        viewer.read_text("build", "one\ntwo\n", timeout=20)
        append(ship.log("build"), b"three\n")
        viewer.read_text("build", "one\ntwo\nthree\n", timeout=5)
        assert resets(viewer, "build") == 1


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    cut_and_heal(Path(sys.argv[1]))
