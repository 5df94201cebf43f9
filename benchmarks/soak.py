"""Does anything grow? Clients come and go, files rotate, pages are read, sessions end, and a few watch all along."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from . import processes
from .client import Client, read_until
from .fleet import Relayed
from .fleet import missing as no_fleet
from .report import Row
from .servers import Logstream, Server

_SESSIONS = 20
_LARGE = 20 << 20  # bytes of the log that is left in the middle of its load
_REPORTS = 10
_WITNESSES = 4  # clients that stay


def soak(minutes: float = 3.0) -> Iterator[Row]:
    """Clients that come and go, rotation, completions, searches and the page, with a fleet beside: what all hold"""
    with contextlib.ExitStack() as stack:
        servers: list[Server] = [stack.enter_context(Logstream())]
        if no_fleet() is None:
            servers.append(stack.enter_context(Relayed()))
        stop = threading.Event()
        workers: list[threading.Thread] = []
        churn: list[_Churn] = []
        for server in servers:
            server.log("large").write_bytes(b"x" * _LARGE)
            for number in range(_SESSIONS):
                server.log(f"{number}").touch()
            witnesses = [stack.enter_context(contextlib.closing(Client(server.port))) for _ in range(_WITNESSES)]
            for number, witness in enumerate(witnesses):
                witness.subscribe(f"{number}")
            own = [_Churn(server, stop, seed) for seed in range(4 // len(servers))]
            churn += own
            workers += [threading.Thread(target=one.run) for one in own]
            workers += [
                threading.Thread(target=_write, args=(server, stop)),
                threading.Thread(target=_read, args=(witnesses, stop)),
                threading.Thread(target=_ask, args=(server, stop)),
            ]
        for worker in workers:
            worker.start()
        held: dict[Server, list[Row]] = {server: [] for server in servers}
        try:
            begin = time.monotonic()
            for report in range(_REPORTS):
                time.sleep(max(0.0, begin + (report + 1) * minutes * 60 / _REPORTS - time.monotonic()))
                clients = sum(one.clients for one in churn)
                row = {"minute": (time.monotonic() - begin) / 60, "clients so far": clients}
                for server in servers:
                    held[server].append(row | _held(server))
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        time.sleep(3.0)
        for server in servers:
            yield from held[server]
            yield {"after the last client": _WITNESSES} | _held(server)


def _held(server: Server) -> Row:
    held: Row = {
        "server": server.name,
        "memory MB": server.memory() / (1 << 20),
        "threads": server.threads(),
        "descriptors": server.descriptors(),
        "watches": server.watches(),
        "state files": sum(
            len(files) for _, _, files in os.walk(Path(server.environment()["LOGSTREAM_DIRECTORY"]) / ".logstream")
        ),
    }
    if isinstance(server, Relayed):
        held |= {
            "ship MB": processes.resident(server.ship.pid) / (1 << 20),
            "ship's descriptors": processes.descriptors(server.ship.pid),
            "Redis MB": server.redis_memory() / (1 << 20),
        }
    return held


def _ask(server: Server, stop: threading.Event) -> None:
    """What a page asks for, some of it again and again, and now and then that a session is complete."""
    dice = random.Random(1)
    number = 0
    while not stop.wait(0.05):
        number += 1
        session = f"/sessions/{dice.randrange(_SESSIONS)}"
        paths = [
            "/",
            "/sessions",
            session,
            f"{session}/search?q=ss",
            f"{session}/lines?at=0&after=20",
            f"{session}/raw",
        ]
        if number % 40 == 0:
            paths += ["/sessions/large/search?q=y", "/search?q=ss&limit=10"]
        for path in paths:
            with contextlib.suppress(OSError):  # refused for now, or rotated away
                urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10).read()
        if number % 20 == 0:
            name = f"ended-{number % 200}"
            server.log(name).write_text("done\n")
            request = urllib.request.Request(
                f"http://127.0.0.1:{server.port}/sessions/{name}/complete", data=b"", method="POST"
            )
            with contextlib.suppress(OSError):
                urllib.request.urlopen(request, timeout=10).read()


class _Churn:
    """Clients that follow something for a moment and leave in one way or another."""

    def __init__(self, server: Server, stop: threading.Event, seed: int) -> None:
        self.clients = 0
        self._server = server
        self._stop = stop
        self._dice = random.Random(seed)

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stop.is_set():
            client = Client(self._server.port)
            with contextlib.suppress(ConnectionError, TimeoutError):
                for _ in range(self._dice.randrange(1, 6)):
                    client.subscribe(self._dice.choice(["large", "missing", *map(str, range(_SESSIONS))]))
                deadline = time.monotonic() + self._dice.random() * 0.2
                read_until([client], lambda: time.monotonic() > deadline, 1.0)
            if self._dice.random() < 0.5:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.clients += 1


def _write(server: Server, stop: threading.Event) -> None:
    """Lines to all sessions in turn; now and then one is rotated or truncated."""
    dice = random.Random(0)
    number = 0
    while not stop.wait(0.002):
        number += 1
        path = server.log(f"{number % _SESSIONS}")
        if number % 100 == 0:
            os.replace(path, path.with_suffix(".old"))
        elif number % 100 == 50:
            os.truncate(path, 0)
        with path.open("a") as file:
            file.write("größer " * dice.randrange(40) + "\n")


def _read(witnesses: list[Client], stop: threading.Event) -> None:
    read_until(witnesses, stop.is_set)
