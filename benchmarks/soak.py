"""Does anything grow? Clients come and go, files rotate, and a few watch all along."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

from .client import Client, read_until
from .report import Row
from .servers import Logstream, Server

_SESSIONS = 20
_LARGE = 20 << 20  # bytes of the log that is left in the middle of its load
_REPORTS = 10


def soak(minutes: float = 3.0) -> Iterator[Row]:
    """Clients that come and go and files that rotate, for some minutes: what the server holds, now and then"""
    with Logstream() as server, contextlib.ExitStack() as stack:
        server.log("large").write_bytes(b"x" * _LARGE)
        for number in range(_SESSIONS):
            server.log(f"{number}").touch()
        witnesses = [stack.enter_context(contextlib.closing(Client(server.port))) for _ in range(4)]
        for number, witness in enumerate(witnesses):
            witness.subscribe(f"{number}")
        stop = threading.Event()
        churn = [_Churn(server, stop, seed) for seed in range(4)]
        workers = [threading.Thread(target=one.run) for one in churn]
        workers += [
            threading.Thread(target=_write, args=(server, stop)),
            threading.Thread(target=_read, args=(witnesses, stop)),
        ]
        for worker in workers:
            worker.start()
        try:
            begin = time.monotonic()
            for report in range(_REPORTS):
                time.sleep(max(0.0, begin + (report + 1) * minutes * 60 / _REPORTS - time.monotonic()))
                clients = sum(one.clients for one in churn)
                yield {"minute": (time.monotonic() - begin) / 60, "clients so far": clients} | _held(server)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        time.sleep(3.0)
        yield {"after the last client": len(witnesses)} | _held(server)


def _held(server: Server) -> Row:
    return {
        "memory MB": server.memory() / (1 << 20),
        "threads": server.threads(),
        "descriptors": server.descriptors(),
        "watches": server.watches(),
    }


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
