"""Fixtures: a Redis, and a fleet around it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..serving import wait_until
from ..viewer import Viewer
from .fleetparts import Dashboard, RedisServer, ShipProcess

if shutil.which("redis-server") is None:
    pytest.skip("needs redis-server: apt-get install redis-server", allow_module_level=True)


class Fleet:
    """Parts that meet at one Redis."""

    def __init__(self, base: Path, stack: contextlib.ExitStack) -> None:
        self._base, self._stack = base, stack
        self.redis = RedisServer(base)
        stack.callback(self.redis.end)
        self._dashboards = 0

    def ship(
        self, host: str = "host1", url: str | None = None, *, await_it: bool = True, **environment: str
    ) -> ShipProcess:
        """A session host."""
        process = ShipProcess(self._base, host, url or self.redis.url, **environment)
        self._stack.callback(process.end)
        if await_it:
            self.await_host(host)
        return process

    def await_host(self, host: str) -> None:
        """Wait until a session host is there."""
        with self.redis.client() as client:
            wait_until(lambda: client.exists(f"logstream:host:{host}"))

    def dashboard(self, url: str | None = None, kind: str = "gunicorn", **options: str) -> Dashboard:
        """A dashboard with a spool of its own."""
        self._dashboards += 1
        dashboard = Dashboard(self._base / f"dashboard{self._dashboards}", url or self.redis.url, kind, **options)
        self._stack.callback(dashboard.end)
        return dashboard

    def viewer(self, dashboard: Dashboard) -> Viewer:
        """A client of a dashboard."""
        return self._stack.enter_context(Viewer(dashboard.port))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Parts of a fleet, which are ended."""
    with contextlib.ExitStack() as stack:
        yield Fleet(tmp_path, stack)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    server = RedisServer(tmp_path)
    yield server
    server.end()
