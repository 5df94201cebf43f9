"""A test of a client whose machine is gone, in two network namespaces with a link between them that is cut."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from ..namespaces import HERE, link, run_linked
from ..serving import ROOT, ServerProcess, wait_until

TOKEN = "correct-horse-battery"
STALL_TIMEOUT = 2.0  # seconds

CLIENT = f"""
import sys
from logstream.client import follow
for event in follow("http://{HERE}:" + sys.argv[1], "busy", token="{TOKEN}", reconnect=False):
    print("ready", flush=True)
"""


def test_a_vanished_peer_of_a_busy_log_is_let_go(tmp_path: Path) -> None:
    """What our kernel takes for a client whose machine is gone does not count as taken for ever."""
    assert float(run_linked(__name__, str(tmp_path), timeout=60)) < STALL_TIMEOUT + 3


def measure(base: Path) -> float:
    """In a network namespace of its own: the seconds from a link's cut until a server has let its client go."""
    timeout = {"LOGSTREAM_STALL_TIMEOUT": str(STALL_TIMEOUT), "LOGSTREAM_PING_INTERVAL": "60"}
    with link() as between:
        server = ServerProcess("gunicorn", base, LOGSTREAM_BIND="0.0.0.0:0", LOGSTREAM_TOKEN=TOKEN, **timeout)
        server.log("busy").touch()
        client = subprocess.Popen(
            [*between.enter, sys.executable, "-c", CLIENT, str(server.port)], cwd=ROOT, stdout=subprocess.PIPE
        )
        try:
            assert client.stdout
            assert client.stdout.readline() == b"ready\n"
            between.cut()
            begin = time.monotonic()
            wait_until(lambda: write_and_count(server) == 0, 30)
            return time.monotonic() - begin
        finally:
            client.kill()
            client.communicate()
            server.stop()


def write_and_count(server: ServerProcess) -> int:
    """Go on with the log, and ask how many clients there are."""
    with server.log("busy").open("a") as file:
        file.write("a line of a log\n")
    time.sleep(0.2)  # or the kernel would soon take no more
    return int(json.loads(server.request("/healthz")[1])["connections"])


if __name__ == "__main__":
    print(measure(Path(sys.argv[1])))
