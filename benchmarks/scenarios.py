"""What is measured: each scenario is one round of it, and starts servers of its own, one after the other."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from logstream import LogStreamManager

from .client import Client, read_until
from .pace import keep_pace
from .report import Row, quantiles, quantiles_and_most, ratios
from .servers import BareLoop, Logstream, LogstreamTwo, LogstreamWorkers, NodePeer, SendFile, Server, Websocketd
from .writing import writing

_MB = 1 << 20
_LINE = "größer als nötig: a line of a log, as long as such a line is, 日本語 😀\n"

Measure = Callable[[Server], Row]


def latency() -> Iterator[Row]:
    """From write to arrival: one session, 50 lines a second"""
    for count in (1, 200, 500):

        def measure(server: Server, count: int = count) -> Row:
            with following(server, ["log"] * count) as clients:
                delays = clients[0].delays
                with writing(server, ["log"], rate=50, lines=150):
                    lost = read_lines(clients, 150 * count)
            return {"clients": count} | quantiles(delays) | {"lines lost": lost}

        found = yield from _compare([Logstream, Websocketd, NodePeer], measure)
        yield from _ratios(found, ["p50 ms", "p99 ms"], {"clients": count})


def fanout() -> Iterator[Row]:
    """Server CPU for a delivered line: 200 clients, 50 lines a second"""
    found = yield from _compare([Logstream, BareLoop, Websocketd, NodePeer], _fan_out)
    yield from _ratios(found, ["CPU µs a line"])


def bulk() -> Iterator[Row]:
    """First load of a 100 MB log that is not ASCII, by one client and by ten at once"""
    loads: dict[int, Row] = {}
    for count in (1, 10):

        def measure(server: Server, count: int = count) -> Row:
            return {"clients": count} | load(server, count)

        found = yield from _compare([Logstream, SendFile, NodePeer] if count == 1 else [Logstream, NodePeer], measure)
        yield from _ratios(found, ["seconds", "first byte ms", "CPU s", "memory up MB"], {"clients": count})
        loads[count] = found[Logstream.name]
    yield {"logstream": "10 clients against 1"} | ratios(loads[10], loads[1], {"CPU": "CPU s"})


def cores() -> Iterator[Row]:
    """Up to how many lines a second each arrives by itself within 50 ms, by one worker and by two"""
    for label, names, viewers, rate in (
        ("800, a viewer each", [f"session-{number}" for number in range(800)], 1, 8000.0),
        ("1, 400 viewers", ["log"], 400, 120.0),
    ):

        def measure(
            server: Server, label: str = label, names: list[str] = names, viewers: int = viewers, rate: float = rate
        ) -> Row:
            with following(server, names * viewers, connections=100 if viewers == 1 else None) as clients:
                return {"sessions": label} | keep_pace(server, clients, names, viewers, rate)

        found = yield from _compare([Logstream, LogstreamTwo], measure)
        two, one = found[LogstreamTwo.name], found[Logstream.name]
        yield {"logstream": "2 workers against 1", "sessions": label} | ratios(
            two, one, {"lines a second": "lines a second"}
        )


def sessions() -> Iterator[Row]:
    """Many sessions: 600 lines a second in all, to four connections"""

    def measure(server: Server, watched: int) -> Row:
        names = [f"session-{number}" for number in range(watched)]
        with following(server, names, connections=min(watched, 4)) as clients:
            delays = clients[0].delays
            cpu = server.cpu()
            with writing(server, names, rate=600, lines=3000):
                read_until(clients, lambda: len(delays) >= 3000)
            cpu = server.cpu() - cpu
            return {"sessions": f"{watched}", "server CPU s": cpu, "threads": server.threads()} | quantiles(delays)

    found: dict[int, Row] = {}
    for watched in (2, 800):
        with Logstream() as server:
            found[watched] = measure(server, watched)
        yield found[watched]
    for label, unwatched in (("1 alone", 0), ("1 beside 799 unwatched", 799)):
        with Logstream() as server:
            yield {"sessions": label} | _beside(server, unwatched)
    yield {"logstream": "800 sessions against 2"} | ratios(
        found[800], found[2], {"CPU": "server CPU s", "p99": "p99 ms"}
    )


def _beside(server: Server, unwatched: int) -> Row:
    """The server's CPU for one watched session that is quiet, beside others that are written to and not watched."""
    names = [f"session-{number}" for number in range(unwatched)]
    for name in names:
        server.log(name).touch()
    with following(server, ["log"]):
        cpu = server.cpu()
        if names:
            with writing(server, names, rate=600, lines=3000) as writer:
                writer.wait()
        else:
            time.sleep(5.0)
        return {"server CPU s": server.cpu() - cpu}


def stalled() -> Iterator[Row]:
    """4 clients of one session, beside 8 of another that have stopped reading, 48 MB written past them"""
    size = 48 * _MB
    with (
        Logstream() as server,
        following(server, ["small"] * 4) as others,
        following(server, ["large"] * 8) as idle,
    ):
        delays = others[0].delays
        found: list[Row] = []
        for is_busy in (False, True):
            delays.clear()
            server.reset_peak_memory()
            memory = server.memory()
            with contextlib.ExitStack() as stack:
                if is_busy:
                    stack.enter_context(writing(server, ["large"], rate=100, lines=300, size=size // 300))
                stack.enter_context(writing(server, ["small"], rate=100, lines=300))
                read_until(others, lambda: len(delays) >= 4 * 300)
            memory = server.peak_memory() - memory
            found.append({"stalled clients": 8 * is_busy} | quantiles(delays) | {"memory up MB": memory / _MB})
        begin = time.monotonic()
        read_until(idle, lambda: all(client.received >= size for client in idle))
        found[1]["all woken after s"] = time.monotonic() - begin
    yield from found
    yield {"logstream": "8 stalled against none"} | ratios(found[1], found[0], {"p99": "p99 ms"})


def idle() -> Iterator[Row]:
    """500 clients of one session in which nothing happens, for 5 seconds"""
    count = 500

    def measure(server: Server) -> Row:
        memory = server.memory()
        with following(server, ["log"] * count):
            cpu = server.cpu()
            time.sleep(5.0)
            cpu = server.cpu() - cpu
            memory = server.memory() - memory
        return {"clients": count, "% of a core": cpu / 5.0 * 100, "KB a client": memory / count / 1024}

    found = yield from _compare([Logstream, NodePeer], measure)
    yield from _ratios(found, ["KB a client"])


def deflate() -> Iterator[Row]:
    """Clients that offer permessage-deflate, as all browsers do, and clients that do not"""
    lines: dict[bool, Row] = {}
    loads: dict[bool, Row] = {}
    for offered in (False, True):
        label = {"deflate": "offered" if offered else "not offered"}
        with Logstream() as server:
            lines[offered] = label | _fan_out(server, offered=offered)
        with Logstream() as server:
            loads[offered] = label | load(server, 1, offered=offered)
    yield from lines.values()
    yield from loads.values()
    yield (
        {"logstream": "offered against not"}
        | ratios(lines[True], lines[False], {"CPU": "CPU µs a line"})
        | ratios(loads[True], loads[False], {"wire bytes": "MB on the wire"})
    )


def completion() -> Iterator[Row]:
    """From the report that a session is complete to the last message at each of 200 viewers, twenty times"""
    yield from _compare([Logstream, LogstreamWorkers], _complete)


def _complete(server: Server) -> Row:
    """Complete twenty sessions, one after the other, that all clients follow."""
    count, times = 200, 20
    delays: list[float] = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Client(server.port))) for _ in range(count)]
        for number in range(times + 1):  # of which the first makes the state directory, and does not count
            name = f"session-{number}"
            server.log(name).write_text(_LINE)
            for client in clients:
                client.received, client.awaits_end, client.ended = 0, True, None
                client.subscribe(name)
            read_until(clients, lambda: all(client.received for client in clients))
            time.sleep(0.2)  # until all is calm
            with contextlib.closing(socket.create_connection(("127.0.0.1", server.port))) as report:
                begin = time.monotonic()
                report.sendall(
                    f"POST /sessions/{name}/complete HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                )
                read_until(clients, lambda: all(client.ended for client in clients))
                assert b" 204 " in report.recv(1000)
            delays += [client.ended - begin for client in clients if client.ended and number]
    return {"clients": count} | quantiles_and_most(delays)


def listing() -> Iterator[Row]:
    """The list of 10,000 sessions, half of them complete"""

    def measure(server: Server) -> Row:
        count, times = 10_000, 20
        manager = LogStreamManager(lambda ws, message: None, directory=server.directory)
        for number in range(count):
            name = f"session-{number}"
            server.log(name).write_text(_LINE)
            if number % 2:
                manager.notify_session_completed(name)
        delays = []
        cpu = server.cpu()
        for _ in range(times):
            begin = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/sessions") as answer:
                listed = answer.read()
            delays.append(time.monotonic() - begin)
        assert listed.count(b'"name"') >= count
        cpu = (server.cpu() - cpu) / times
        return {"sessions": f"{count}", "KB": len(listed) / 1024, "CPU ms": cpu * 1e3} | quantiles_and_most(delays)

    yield from _compare([Logstream], measure)


def _fan_out(server: Server, offered: bool = False) -> Row:
    """Deliver 250 lines to 200 clients."""
    with following(server, ["log"] * 200, offered=offered) as clients:
        delays = clients[0].delays
        cpu = server.cpu()
        with writing(server, ["log"], rate=50, lines=250):
            read_lines(clients, 250 * 200)
        cpu = server.cpu() - cpu
    return {"CPU µs a line": cpu / len(delays) * 1e6} | quantiles(delays)


def load(server: Server, count: int, offered: bool = False) -> Row:
    """Load a 100 MB log with so many clients at once, up to a last line that is written when all are there."""
    size = 100 * _MB
    fill(server.log("large"), size)
    with server.log("large").open("ab") as file:
        file.write(b"@%020d@\n" % 0)  # the last line: any number is a stamp
    with contextlib.ExitStack() as stack:
        delays: list[float] = []
        clients = [
            stack.enter_context(contextlib.closing(Client(server.port, deflate=offered, delays=delays)))
            for _ in range(count)
        ]
        for client in clients:
            client.stamped = not offered  # what is compressed shows no stamp
        time.sleep(0.3)
        server.reset_peak_memory()
        memory, cpu = server.memory(), server.cpu()
        begin = time.monotonic()
        for client in clients:
            client.subscribe("large")
        read_until(clients, lambda: any(client.received for client in clients))
        first = time.monotonic() - begin
        if offered:
            _read_until_quiet(clients)
            took = time.monotonic() - begin - 1.0
        else:
            read_until(clients, lambda: len(delays) >= count)
            took = time.monotonic() - begin
        return {
            "seconds": took,
            "first byte ms": first * 1e3,
            "CPU s": server.cpu() - cpu,
            "memory up MB": (server.peak_memory() - memory) / _MB,
            "MB on the wire": sum(client.received for client in clients) / count / _MB,
        }


def read_lines(clients: Sequence[Client], count: int) -> int:
    """Read so many lines, of all clients together; how many have not arrived when nothing more does."""
    delays = clients[0].delays
    try:
        read_until(clients, lambda: len(delays) >= count, timeout=2.0)
    except TimeoutError:
        pass
    return count - len(delays)


def _read_until_quiet(clients: Sequence[Client]) -> None:
    try:
        read_until(clients, lambda: False, timeout=1.0)
    except TimeoutError:
        pass


def _compare(kinds: Sequence[type[Server]], measure: Measure) -> Generator[Row, None, dict[str, Row]]:
    """Measure servers one after the other; yields what was found, and returns it by name."""
    found: dict[str, Row] = {}
    for kind in kinds:
        if kind.missing() is None:
            with kind() as server:
                found[kind.name] = {"server": kind.name} | measure(server)
            yield found[kind.name]
    return found


def _ratios(found: dict[str, Row], keys: Sequence[str], label: Row | None = None) -> Iterator[Row]:
    """How ours compares with each other server."""
    ours = found[Logstream.name]
    for name, theirs in found.items():
        if name != Logstream.name:
            yield {"logstream": f"against {name}"} | (label or {}) | ratios(ours, theirs, {key: key for key in keys})


@contextlib.contextmanager
def following(
    server: Server, names: Sequence[str], connections: int | None = None, offered: bool = False
) -> Iterator[list[Client]]:
    """Clients that follow empty logs: one for each name, or so many that share the names among them."""
    delays: list[float] = []
    with contextlib.ExitStack() as stack:
        count = connections or len(names)
        clients = [stack.enter_context(contextlib.closing(Client(server.port, offered, delays))) for _ in range(count)]
        for name in set(names):
            server.log(name).touch()
        if server.speaks_protocol:
            for number, name in enumerate(names):
                clients[number % count].subscribe(name)
            read_until(clients, lambda: all(client.received for client in clients))
        time.sleep(1.0)  # until all is calm
        # Warm: some lines that do not count.
        if not server.speaks_protocol or names[0] == "log":
            with writing(server, ["log"], rate=20, lines=10):
                read_lines(clients, 10 * count)
        delays.clear()
        yield clients


def fill(path: Path, size: int) -> None:
    block = _LINE.encode() * (_MB // len(_LINE.encode()))
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
