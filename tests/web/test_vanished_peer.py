"""A test of a client whose machine is gone, in two network namespaces with a link between them that is cut."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..serving import ROOT, ServerProcess, wait_until

NAMESPACES = ["unshare", "-Urn"]
LINK = "ip link add here type veth peer name there && ip addr add 10.77.0.1/24 dev here && ip link set here up"
TOKEN = "correct-horse-battery"
STALL_TIMEOUT = 2.0  # seconds

CLIENT = f"""
import sys
from logstream.client import follow
for event in follow("http://10.77.0.1:" + sys.argv[1], "busy", token="{TOKEN}", reconnect=False):
    print("ready", flush=True)
"""


def test_a_vanished_peer_of_a_busy_log_is_let_go(tmp_path: Path) -> None:
    """What our kernel takes for a client whose machine is gone does not count as taken for ever."""
    for program, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {package}")
    if subprocess.run([*NAMESPACES, "sh", "-c", LINK], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no network namespace with a link")
    here = [*NAMESPACES, sys.executable, "-m", "tests.web.test_vanished_peer", str(tmp_path)]
    ran = subprocess.run(here, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < STALL_TIMEOUT + 3


def measure(base: Path) -> float:
    """In a network namespace of its own: the seconds from a link's cut until a server has let its client go."""
    there = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; read wait"], **PIPES)  # another one
    assert there.stdout
    assert there.stdout.readline()
    enter = ["nsenter", "-t", str(there.pid), "-n"]
    run("ip", "link", "set", "lo", "up")
    run("sh", "-c", f"{LINK} && ip link set there netns {there.pid}")
    run(*enter, "sh", "-c", "ip addr add 10.77.0.2/24 dev there && ip link set there up")
    timeout = {"LOGSTREAM_STALL_TIMEOUT": str(STALL_TIMEOUT), "LOGSTREAM_PING_INTERVAL": "60"}
    server = ServerProcess("gunicorn", base, LOGSTREAM_BIND="0.0.0.0:0", LOGSTREAM_TOKEN=TOKEN, **timeout)
    server.log("busy").touch()
    client = subprocess.Popen([*enter, sys.executable, "-c", CLIENT, str(server.port)], cwd=ROOT, **PIPES)
    try:
        assert client.stdout
        assert client.stdout.readline() == b"ready\n"
        run(*enter, "ip", "link", "set", "there", "down")
        begin = time.monotonic()
        wait_until(lambda: write_and_count(server) == 0, 30)
        return time.monotonic() - begin
    finally:
        client.kill()
        client.wait()
        server.stop()
        there.communicate()


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(command, check=True)


def write_and_count(server: ServerProcess) -> int:
    """Go on with the log, and ask how many clients there are."""
    with server.log("busy").open("a") as file:
        file.write("a line of a log\n")
    time.sleep(0.2)  # or the kernel would soon take no more
    return int(json.loads(server.request("/healthz")[1])["connections"])


if __name__ == "__main__":
    print(measure(Path(sys.argv[1])))
