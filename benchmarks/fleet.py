"""Several hosts: what the way over Redis costs, beside the same server with the logs on its own disk."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .client import Client, read_until
from .processes import cpu_seconds
from .report import Row, quantiles
from .scenarios import fill, following, read_lines
from .servers import Logstream, Server
from .writing import writing

_MB = 1 << 20
_ROOT = Path(__file__).resolve().parent.parent


def missing() -> str | None:
    """How to install what it needs, where that is not there."""
    return None if shutil.which("redis-server") else "apt-get install redis-server"


class Dashboard(Logstream):
    """Ours, with a spool."""

    name = "relayed"

    def __init__(self, url: str) -> None:
        self._url = url

    def environment(self) -> dict[str, str]:
        spool = self.directory.parent / "spool"
        return super().environment() | {"LOGSTREAM_DIRECTORY": str(spool), "LOGSTREAM_REDIS": self._url}

    def copy(self, session: str) -> Path:
        """The copy of a session's log."""
        return self.directory.parent / "spool" / f"{session}.out"


class Relayed(Dashboard):
    """A session host, a Redis and some dashboards; it is asked for as the first of these. A context manager."""

    def __init__(self, dashboards: int = 1) -> None:
        self._others = dashboards - 1
        self._password = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._redis_port = probe.getsockname()[1]
        super().__init__(f"redis://:{self._password}@127.0.0.1:{self._redis_port}")
        self.dashboards: list[Dashboard] = [self]

    def __enter__(self) -> Relayed:
        self._stack = contextlib.ExitStack()
        base = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="logstream-benchmark-")))
        self._logs = base / "logs"
        self._logs.mkdir()
        self._output_of_parts = base / "parts.log"
        self.start_redis()
        self._stack.callback(lambda: _end(self.redis))
        self.start_ship()
        self._stack.callback(lambda: _end(self.ship))
        self._await(lambda: self.ask("EXISTS", "logstream:host:host") == 1)
        super().__enter__()
        self.log("log").touch()
        for _ in range(self._others):
            self.dashboards.append(self._stack.enter_context(Dashboard(self._url)))  # type: ignore[arg-type]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._stack.close()

    def log(self, session: str) -> Path:
        return self._logs / f"{session}.out"

    def start_redis(self) -> None:
        """Start Redis, perhaps again."""
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self._redis_port), "--save", ""]
        self.redis = self._start([*command, "--requirepass", self._password, "--dir", str(self._logs.parent)])
        self._await(lambda: self.ask("PING"))

    def start_ship(self) -> None:
        """Start the session host, perhaps again."""
        command = [sys.executable, "-m", "logstream", "ship", "-d", str(self._logs), "--host", "host"]
        self.ship = self._start([*command, "--redis", self._url], LOGSTREAM_TMUX="off")

    def ask(self, *command: str) -> Any:
        """What Redis answers."""
        import redis  # it is an extra

        with redis.Redis.from_url(self._url) as client:
            return client.execute_command(*command)

    def redis_memory(self) -> int:
        """The bytes of memory that Redis uses."""
        return int(self.ask("INFO", "memory")["used_memory"])

    def _start(self, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with self._output_of_parts.open("ab") as output:
            return subprocess.Popen(
                command, cwd=_ROOT, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
            )

    def _await(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                if condition():
                    return
            time.sleep(0.02)
        raise RuntimeError(self._output_of_parts.read_text())


def fleet() -> Iterator[Row]:
    """Several hosts, over a real redis-server"""
    for measure in (_latency, _sessions, _load, _dashboards, _memory, _faults):
        yield from measure()


def _latency() -> Iterator[Row]:
    """From write to arrival, 50 lines a second."""
    for count in (1, 100):
        found: dict[str, Row] = {}
        for label, make in (("direct", Logstream), ("relayed", Relayed)):
            with make() as server, following(server, ["log"] * count) as clients:
                with writing(server, ["log"], rate=50, lines=150):
                    lost = read_lines(clients, 150 * count)
                found[label] = quantiles(clients[0].delays) | {"lines lost": lost}
        yield {
            "viewers": f"{count}",
            "direct p50 ms": found["direct"]["p50 ms"],
            "relayed p50 ms": found["relayed"]["p50 ms"],
            "ratio": found["relayed"]["p50 ms"] / found["direct"]["p50 ms"],
            "lines lost": found["relayed"]["lines lost"],
        }


def _sessions() -> Iterator[Row]:
    """600 lines a second in all, over one followed session and over 800."""
    found: dict[int, float] = {}
    for watched in (1, 800):
        names = [f"session-{number}" for number in range(watched)]
        with Relayed() as server, following(server, names, connections=min(4, watched)) as clients:
            _await_health(server, "subscriptions", watched)
            delays = clients[0].delays
            with writing(server, names, rate=600, lines=3000):
                read_until(clients, lambda: len(delays) >= 3000)
            found[watched] = quantiles(delays)["p50 ms"]
    yield {"relayed": "800 sessions", "p50 ms": found[800], "with 1, ms": found[1], "ratio": found[800] / found[1]}


def _await_health(server: Server, figure: str, value: int) -> None:
    """Wait until a figure of a dashboard's is this one, and a moment more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz") as answer:
            if json.load(answer)[figure] == value:
                break
        time.sleep(0.2)
    time.sleep(2.0)


def _load() -> Iterator[Row]:
    """First load of 100 MB: from the server's own disk, from elsewhere, and from a spool that has it already."""
    with Logstream() as server:
        direct = _load_once(server)
    with Relayed() as relayed:
        cold = _load_once(relayed)
        warm = _load_once(relayed, fresh=False)
    for label, took in (("direct", direct), ("cold", cold), ("in the spool", warm)):
        yield {"100 MB": label, "s": took[1], "ratio": took[1] / direct[1], "first byte ms": took[0] * 1e3}


def _load_once(server: Server, fresh: bool = True) -> tuple[float, float]:
    """Seconds to the first byte, and to the last."""
    if fresh:
        fill(server.log("large"), 100 * _MB)
        with server.log("large").open("ab") as file:
            file.write(b"@%020d@\n" % 0)
    with contextlib.closing(Client(server.port)) as client:
        if fresh:
            client.subscribe("log")  # the connection to Redis is there
            read_until([client], lambda: client.received)  # type: ignore[arg-type, return-value]
        time.sleep(1.5)
        client.delays.clear()
        received = client.received
        begin = time.monotonic()
        client.subscribe("large")
        read_until([client], lambda: client.received > received)
        first = time.monotonic() - begin
        read_until([client], lambda: len(client.delays) >= 1)
        return first, time.monotonic() - begin


def _dashboards() -> Iterator[Row]:
    """The session host's CPU with one dashboard and with ten, 200 lines a second."""
    used: dict[int, float] = {}
    for count in (1, 10):
        with Relayed(count) as server, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(contextlib.closing(Client(one.port))) for one in server.dashboards]
            for client in clients:
                client.subscribe("log")
            read_until(clients, lambda: all(client.received for client in clients))
            time.sleep(1.0)
            cpu = cpu_seconds(server.ship.pid)
            with writing(server, ["log"], rate=200, lines=1000):
                read_until(clients, lambda: all(len(client.delays) >= 1000 for client in clients))
            used[count] = cpu_seconds(server.ship.pid) - cpu
    yield {"ship": "10 dashboards", "CPU s": used[10], "with 1, s": used[1], "ratio": used[10] / used[1]}


def _memory() -> Iterator[Row]:
    """Redis' memory after 100 MB, and beside a dashboard that is stopped."""
    block = b"0123456789abcde\n" * 16_000
    with Relayed(2) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Client(one.port))) for one in server.dashboards]
        for client in clients:
            client.subscribe("log")
        read_until(clients, lambda: all(client.received for client in clients))
        time.sleep(1.0)
        before, most = server.redis_memory(), 0
        for stopped in (False, True):
            if stopped:
                os.kill(server.dashboards[1].pid, signal.SIGSTOP)
                clients.pop()
            target = clients[0].received + 100 * _MB
            with server.log("log").open("ab", buffering=0) as file:
                for _ in range(100 * _MB // len(block)):
                    file.write(block)
                    most = max(most, server.redis_memory()) if stopped else most
                    read_until(clients, lambda: True)
            read_until(clients, lambda: clients[0].received >= target)
            if not stopped:
                if len(clients) > 1:
                    read_until(clients, lambda: clients[1].received >= 100 * _MB)
                time.sleep(1.0)
                after = server.redis_memory()
        os.kill(server.dashboards[1].pid, signal.SIGCONT)
    yield {"Redis": "after 100 MB", "MB": after / _MB, "before, MB": before / _MB, "ratio": after / before}
    yield {"Redis": "a dashboard stopped, 100 MB past it", "MB more": (most - before) / _MB}


def _faults() -> Iterator[Row]:
    """How long after its restart a part's sessions are live again."""
    for part in ("Redis", "ship"):
        with Relayed() as server, contextlib.closing(Client(server.port)) as client:
            client.subscribe("log")
            read_until([client], lambda: client.received > 0)
            time.sleep(1.0)
            process = server.redis if part == "Redis" else server.ship
            process.send_signal(signal.SIGKILL)
            process.wait()
            client.delays.clear()
            with server.log("log").open("ab", buffering=0) as file:
                file.write(b"@%020d@\n" % time.monotonic_ns())
            time.sleep(1.0)
            begin = time.monotonic()
            (server.start_redis if part == "Redis" else server.start_ship)()
            read_until([client], lambda: bool(client.delays))
            yield {"killed": part, "live again s after its start": time.monotonic() - begin}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
