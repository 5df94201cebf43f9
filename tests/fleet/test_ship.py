"""A session host, some of whose logs are on a disk that does not answer."""

from __future__ import annotations

import os

import pytest

from ..hanging_disk import HangingDisk
from ..serving import wait_until
from .conftest import Fleet
from .test_fleet import append

IN_TIME = 3.0  # seconds; those who hang are found one after the other, and the disk would hang for ever


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
