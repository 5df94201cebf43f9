"""Real parts of a fleet as processes: Redis, session hosts, dashboards."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from .. import warm
from ..serving import PATIENCE, ROOT, ServerProcess, wait_until


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class RedisServer:
    """A redis-server on a port of loopback, with a password. It can be killed, frozen, and started again empty."""

    def __init__(self, base: Path, *options: str, tls: bool = False, password: str | None = None) -> None:
        self.port = free_port()
        self.tls_port = free_port() if tls else 0
        self.password = password or secrets.token_hex(16)
        self._base, self._options = base, options
        self.process: subprocess.Popen[bytes]
        self.start()

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A client of the library's."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, empty."""
        with (self._base / "redis.log").open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *("redis-server", "--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--requirepass", self.password, "--save", "", "--appendonly", "no", "--dir", str(self._base)),
                    *("--tls-port", str(self.tls_port)),
                    *self._options,
                ],
                stdout=output,
                stderr=output,
            )
        with self.client() as client:
            wait_until(lambda: self._answers(client))

    def _answers(self, client: Any) -> bool:
        assert self.process.poll() is None, (self._base / "redis.log").read_text()
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        """Have it do nothing until it is thawed."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it, frozen or not."""
        self.kill()


class ShipProcess:
    """`logstream ship` for a directory."""

    def __init__(
        self, base: Path, host: str, url: str, *options: str, within: Sequence[str] = (), **environment: str
    ) -> None:
        """`within` is a command that runs it somewhere else."""
        self.directory = base / f"logs-{host}"
        self._within = within
        self._options = options
        self.directory.mkdir(exist_ok=True)
        self.host, self._url, self._environment = host, url, environment
        self._log = base / f"ship-{host}.log"
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, perhaps again."""
        environment = {"LOGSTREAM_REDIS": self._url, "LOGSTREAM_TMUX": "off", **self._environment}
        with self._log.open("ab") as output:
            self.process = warm.Popen(
                [
                    *self._within,
                    sys.executable,
                    "-m",
                    "logstream",
                    "ship",
                    "-d",
                    str(self.directory),
                    "--host",
                    self.host,
                    *self._options,
                ],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=output,
                stderr=output,
            )

    def output(self) -> str:
        """All that it has printed so far."""
        return self._log.read_text()

    def log(self, session: str) -> Path:
        """The path of a session's log."""
        return self.directory / f"{session}.out"

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it, and return its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """End it, if it is still there."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.stop()

    close = end


class Dashboard(ServerProcess):
    """A server with a spool."""

    def __init__(self, base: Path, url: str, kind: str = "gunicorn", *, app: str = "wsgi", **environment: str) -> None:
        base.mkdir(exist_ok=True)
        super().__init__(kind, base, app=app, **{"LOGSTREAM_REDIS": url, **environment})

    def workers(self) -> list[int]:
        """The processes of its workers, by what it has printed."""
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.output())]
