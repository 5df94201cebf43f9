"""What is measured: each scenario starts servers of its own and returns a row of figures for each case."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .client import Client, read_until
from .server import Server

Row = dict[str, float]

_MB = 1 << 20
_WRITER = Path(__file__).with_name("writer.py")
_LINE = "größer als nötig: a line of a log, as long as such a line is, 日本語 😀\n"


def latency() -> Iterator[Row]:
    """From write to arrival: one session, 50 lines a second, all clients"""
    for count in (1, 200):
        with Server() as server, _subscribed(server, ["log"] * count) as clients:
            cpu = server.cpu()
            with _writing(server, ["log"], rate=50, lines=400):
                read_until(clients, lambda: all(len(client.delays) >= 400 for client in clients))
            cpu = server.cpu() - cpu
            delays = _delays(clients)
            yield {"clients": count} | _quantiles(delays) | {"server CPU µs a delivery": cpu / len(delays) * 1e6}


def sessions() -> Iterator[Row]:
    """Many sessions watched: 600 lines a second in all, four connections"""
    for count in (2, 800):
        names = [f"session-{number}" for number in range(count)]
        with Server() as server, _subscribed(server, names, connections=4) as clients:
            cpu = server.cpu()
            with _writing(server, names, rate=600, lines=6000):
                read_until(clients, lambda: len(_delays(clients)) >= 6000)
            cpu = server.cpu() - cpu
            yield (
                {"sessions": count}
                | _quantiles(_delays(clients))
                | {
                    "server CPU s": cpu,
                    "threads": server.threads(),
                }
            )


def bulk() -> Iterator[Row]:
    """First load of a large log that is not ASCII, beside another session with 50 lines a second"""
    for size in (100 * _MB, 600 * _MB):
        with Server() as server, _subscribed(server, ["small"]) as others:
            _fill(server.log("large"), size)
            loader = Client(server.port)
            server.reset_peak_memory()
            memory = server.memory()
            with _writing(server, ["small"], rate=50, lines=1000) as writer, contextlib.closing(loader):
                begin = time.monotonic()
                loader.subscribe("large")
                read_until([loader], lambda: loader.received > 0)
                first = time.monotonic() - begin
                read_until([loader, *others], lambda: loader.received >= size)
                took = time.monotonic() - begin
                memory = server.peak_memory() - memory
                writer.terminate()
            yield {
                "MB": size / _MB,
                "first text ms": first * 1e3,
                "MB a second": size / _MB / took,
                "memory up MB": memory / _MB,
                "other session's max ms": max(_delays(others)) * 1e3,
            }


def stalled() -> Iterator[Row]:
    """8 clients that have stopped reading, 48 MB written past them, and 4 that go on reading another session"""
    size = 48 * _MB
    with Server() as server, _subscribed(server, ["small"] * 4) as others, _subscribed(server, ["large"] * 8) as idle:
        for busy in (False, True):
            for client in others:
                client.delays.clear()
            server.reset_peak_memory()
            memory = server.memory()
            with contextlib.ExitStack() as stack:
                if busy:
                    stack.enter_context(_writing(server, ["large"], rate=100, lines=480, size=size // 480))
                stack.enter_context(_writing(server, ["small"], rate=100, lines=480))
                read_until(others, lambda: all(len(client.delays) >= 480 for client in others))
            memory = server.peak_memory() - memory
            yield {"stalled clients": 8 * busy} | _quantiles(_delays(others)) | {"memory up MB": memory / _MB}
        begin = time.monotonic()
        read_until(idle, lambda: all(client.received >= size for client in idle))
        yield {"woken clients": 8, "MB each": idle[0].received / _MB, "all of it after s": time.monotonic() - begin}


@contextlib.contextmanager
def _subscribed(server: Server, names: list[str], connections: int | None = None) -> Iterator[list[Client]]:
    """Clients that follow empty logs: one for each name, or so many that share the names among them."""
    with contextlib.ExitStack() as stack:
        count = connections or len(names)
        clients = [stack.enter_context(contextlib.closing(Client(server.port))) for _ in range(count)]
        for number, name in enumerate(names):
            server.log(name).touch()
            clients[number % count].subscribe(name)
        read_until(clients, lambda: all(client.received for client in clients))
        time.sleep(1.0)  # until the machine is calm
        yield clients


@contextlib.contextmanager
def _writing(
    server: Server, names: Iterable[str], *, rate: float, lines: int, size: int = 100
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes stamped lines of `size` bytes to these sessions' logs."""
    paths = [str(server.log(name)) for name in names]
    command = [sys.executable, str(_WRITER), str(rate), str(lines), str(size), *paths]
    with subprocess.Popen(command) as process:
        yield process


def _fill(path: Path, size: int) -> None:
    block = _LINE.encode() * (_MB // len(_LINE.encode()))
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)


def _delays(clients: list[Client]) -> list[float]:
    return [delay for client in clients for delay in client.delays]


def _quantiles(delays: list[float]) -> Row:
    ordered = sorted(delays)
    return {f"p{percent} ms": ordered[len(ordered) * percent // 100] * 1e3 for percent in (50, 99)}
