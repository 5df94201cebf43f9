"""Fixtures: servers, their viewers, and sessions with names of their own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .serving import ServerProcess, Starting, wait_until
from .viewer import Viewer

_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds where pictures are kept."""
    parser.addoption("--screenshots", metavar="DIR", help="keep the README's picture of the page in this directory")


@pytest.fixture(scope="module", params=["gunicorn", "flask"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Each of the two servers; one that prints a traceback fails its tests."""
    process = ServerProcess(request.param, tmp_path_factory.mktemp("server"))
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starting]:
    """Starts servers of the test's own, and ends those that it has not ended."""
    started: list[ServerProcess] = []

    def make(kind: str, **options: Any) -> ServerProcess:
        started.append(ServerProcess(kind, tmp_path, **options))
        return started[-1]

    yield make
    for process in started:
        process.kill()


@pytest.fixture(params=["gunicorn", "flask"])
def dashboard(request: pytest.FixtureRequest, start: Starting) -> ServerProcess:
    """An app with a hook, under both servers."""
    return start(request.param, app="tests.dashboard")


@pytest.fixture
def view(server: ServerProcess) -> Iterator[Callable[..., Viewer]]:
    """Makes viewers of the server; when they are closed, nothing of them is left there."""
    viewers: list[Viewer] = []

    def make(**options: object) -> Viewer:
        viewers.append(Viewer(server.port, **options))  # type: ignore[arg-type]
        return viewers[-1]

    yield make
    for viewer in viewers:
        viewer.close()
    nothing = {"connections": 0, "subscriptions": 0, "watched_sessions": 0, "clients_behind": 0}
    wait_until(lambda: json.loads(server.request("/healthz")[1]) == nothing, 8)


@pytest.fixture
def session() -> str:
    """The name of a session that no other test has."""
    return f"session-{next(_numbers)}"


@pytest.fixture
def log(server: ServerProcess, session: str) -> Path:
    """The log of `session` in the server's directory, empty."""
    path = server.log(session)
    path.touch()
    return path
