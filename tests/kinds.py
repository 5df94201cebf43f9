"""The tests that follow logs, run again: `pytest --watcher=KIND`, or `pytest --without-linux`, with the sweep."""

from __future__ import annotations

import os
from functools import wraps

import pytest

from logstream.engine.watching import Watching

KINDS = ("inotify", "observer", "sweep")

# What `pytest --watcher=KIND` runs by itself. All others follow no log, or as these do, or ask for a kind themselves.
FOLLOWING = (
    *("tests/engine/test_catchup.py", "tests/engine/test_changes.py", "tests/engine/test_completion.py"),
    *("tests/engine/test_feed.py", "tests/engine/test_manager.py", "tests/engine/test_news.py"),
    *("tests/engine/test_properties.py", "tests/engine/test_relief.py", "tests/engine/test_timekeeper.py"),
    *("tests/engine/test_trouble.py", "tests/engine/test_watcher.py"),
    *("tests/test_faults.py", "tests/test_server.py", "tests/test_torture.py"),
    *("tests/web/test_connection.py", "tests/web/test_endpoint.py"),
)


def add_options(parser: pytest.Parser) -> None:
    """The kind of watcher that all tests take, and whether they have what Linux alone has."""
    parser.addoption("--watcher", choices=KINDS, help="run the tests that follow logs with this kind of watcher")
    parser.addoption("--without-linux", action="store_true", help="by the sweep, without what Linux alone has")


def configure(config: pytest.Config) -> None:
    """Choose the tests, unless some are named."""
    if config.getoption("--without-linux") and _kind(config) != "sweep":
        raise pytest.UsageError("--without-linux leaves no watcher but the sweep")
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and _kind(config) is not None:
        config.args = list(FOLLOWING)


def begin(config: pytest.Config) -> None:
    """Have each server, manager and watcher of the tests, but those that ask for a kind, take this one."""
    kind = _kind(config)
    if kind is None:
        return
    os.environ["LOGSTREAM_WATCHER"] = kind
    make = Watching.__init__

    @wraps(make)
    def make_of_kind(self: Watching, asked: str) -> None:
        make(self, kind if asked == "auto" else asked)

    Watching.__init__ = make_of_kind  # type: ignore[method-assign]


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about another kind's means, or presupposes Linux where there is none.

    Where no tests are named, one of the two servers is enough: both have the same watcher.
    """
    kind = _kind(config) or "inotify"
    without_linux = config.getoption("--without-linux")
    one_server = list(config.args) == list(FOLLOWING)

    def is_run(item: pytest.Item) -> bool:
        marker = item.get_closest_marker("watcher")
        return (
            (marker is None or kind in marker.args)
            and not (without_linux and item.get_closest_marker("linux") is not None)
            and not (one_server and "[flask" in item.nodeid)
        )

    left_out = [item for item in items if not is_run(item)]
    if left_out:
        items[:] = filter(is_run, items)
        config.hook.pytest_deselected(items=left_out)


def promised() -> float:
    """Seconds in which an append shows: the sweep needs half of the promise by itself, and the machine is shared."""
    return 1.0 if os.environ.get("LOGSTREAM_WATCHER") == "sweep" else 0.5


def watches_for(files: int) -> int:
    """How many watches of the kernel it takes to follow sessions in one directory, so many of which have a file."""
    return {"observer": 1, "sweep": 0}.get(os.environ.get("LOGSTREAM_WATCHER", ""), files)


def watcher_threads(directories: int = 1) -> int:
    """How many threads a watcher has at work that follows files in so many directories."""
    return {"observer": 4 + directories, "sweep": 2}.get(os.environ.get("LOGSTREAM_WATCHER", ""), 3)


def said_of_the_end() -> set[str]:
    """What a watcher's own library may log while it is ended, just as something changes."""
    if os.environ.get("LOGSTREAM_WATCHER") == "observer":
        return {"InotifyEmitter.queue_events() called when the thread is inactive"}
    return set()


def _kind(config: pytest.Config) -> str | None:
    kind: str | None = config.getoption("--watcher")
    return "sweep" if kind is None and config.getoption("--without-linux") else kind
