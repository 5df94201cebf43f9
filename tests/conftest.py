"""Fixtures: servers, their viewers, and sessions with names of their own."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from . import kinds, warm
from .hanging_disk import HangingDisk
from .serving import ServerProcess, Starting, wait_until
from .surroundings import forget_environment, pass_on_no_ignored_signals
from .tmux.tmuxserver import TmuxServer
from .viewer import Viewer

_numbers = itertools.count()

# However slow the machine is, and whatever `CI` is set to.
settings.register_profile("logstream", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("logstream")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds where pictures are kept, which installation runs the documentation's commands, and a watcher's kind."""
    parser.addoption("--screenshots", metavar="DIR", help="keep the README's picture of the page in this directory")
    parser.addoption("--installed", metavar="PYTHON", help="run the documentation's commands by this one's logstream")
    kinds.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the tests that a kind of watcher is run with."""
    kinds.configure(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before any process that tests are distributed to is started, and in each of them: the same surroundings."""
    forget_environment()
    pass_on_no_ignored_signals()
    kinds.begin(session.config)
    warm.enable()


def pytest_sessionfinish() -> None:
    """Ends what has stood ready for the tests."""
    warm.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Has the tests in a browser begin first, and then those that take long: nobody is to wait for them in the end.

    Those that mostly wait are spread among all others, beside which they cost no time, but for the last of these.
    """
    kinds.deselect(config, items)
    waiting = [item for item in items if _waits(item.nodeid)]
    working = [item for item in items if not _waits(item.nodeid)]
    place = {item: end * at / len(part) for part, end in ((waiting, 0.8), (working, 1)) for at, item in enumerate(part)}
    items.sort(
        key=lambda item: (
            not _is_in_browser(item.nodeid),
            item.path.name not in _TOGETHER,
            item.get_closest_marker("timeout") is None,
            place[item],
        )
    )


def pytest_collection_finish() -> None:
    """Has Python look for garbage, as many tests make it do, past the tests themselves and all modules."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Has tests that share a server, or a browser, run one after the other in one of the processes."""
    return _Sharing(config, log)


# A third each of the tests in a browser, by the time that they take; the last third is all others.
_BROWSERS = {
    "one browser": (
        *("test_page_alive.py", "test_page_in_browser.py", "test_page_links.py", "test_page_prefix.py"),
        *("test_page_refused.py", "test_page_times.py"),
    ),
    "another browser": ("test_page_find.py", "test_page_head.py"),
}

# Whose tests share what their module starts.
_TOGETHER = ("test_calm_fleet.py", "test_cli.py", "test_grep.py", "test_hanging_disk.py", "test_page.py")

# What waits for most of its time.
_WAITING = ("tests/tmux/", "tests/server/test_worker.py", "tests/web/test_guesses.py")


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        """What tests are named after that belong together; all others are by themselves."""
        path, _, test = nodeid.partition("::")
        name = path.rpartition("/")[2]
        if _is_in_browser(nodeid):
            return next((browser for browser, names in _BROWSERS.items() if name in names), "a third browser")
        if name in _TOGETHER:
            return path
        kind = next((kind for kind in ("gunicorn", "flask") if f"[{kind}" in test), None)
        return nodeid if kind is None else f"{path} {kind}"


def _is_in_browser(nodeid: str) -> bool:
    return "/test_page_" in nodeid


def _waits(nodeid: str) -> bool:
    return any(part in nodeid for part in _WAITING)


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """Every thread that a test starts is over with it, so that the next one counts its own only."""
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.fixture(scope="module", params=["gunicorn", "flask"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Each of the two servers; one that prints a traceback fails its tests."""
    process = ServerProcess(request.param, tmp_path_factory.mktemp("server"))
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture(scope="module")
def only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """gunicorn for all tests of a module; one that prints a traceback fails the last of them."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"))
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture
def empty_server(only_server: ServerProcess, tmp_path: Path) -> ServerProcess:
    """It, without clients and logs of earlier tests."""
    wait_until(lambda: json.loads(only_server.request("/healthz")[1])["connections"] == 0)
    kept = tmp_path / "earlier logs"  # or a new log might have the inode of one that is complete
    kept.mkdir()
    for path in only_server.directory.iterdir():
        if path.name != ".logstream":
            path.rename(kept / path.name)
    return only_server


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starting]:
    """Starts servers of the test's own, and ends those that it has not ended."""
    with contextlib.ExitStack() as stack:

        def make(kind: str, **options: Any) -> ServerProcess:
            process = ServerProcess(kind, tmp_path, **options)
            stack.callback(process.end)
            return process

        yield make


@pytest.fixture
def address() -> Iterator[str]:
    """A free address of this machine that nobody else is given, for a server that goes and comes back."""
    with contextlib.closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, and so may have it too
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[HangingDisk]:
    """A disk that can hang, and answers in the end, when all who use it are gone."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    disk = HangingDisk(tmp_path, mount_point)
    yield disk
    disk.close()


@pytest.fixture(params=["gunicorn", "flask"])
def dashboard(request: pytest.FixtureRequest, start: Starting) -> ServerProcess:
    """An app with a hook, under both servers."""
    return start(request.param, app="tests.dashboard", LOGSTREAM_RECHECK="1")


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
    wait_until(lambda: json.loads(server.request("/healthz")[1]) == nothing)


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


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory for sockets, whose path is short enough for them."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as directory:
        yield Path(directory)


@pytest.fixture
def tmux(sockets: Path) -> Iterator[TmuxServer]:
    """A server that is started by its first session."""
    server = TmuxServer(sockets / "socket")
    yield server
    server.close()
