"""pytest's fixtures, for a suite that has `pytest_plugins = ["logstream.testing.fixtures"]` in its conftest.py.

They are no plugin of every suite where logstream is installed. All are of one test, and each process of pytest-xdist
has its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from .leftovers import nothing_left
from .serving import AppServer, serve


@pytest.fixture
def logstream_serve() -> Iterator[Callable[[Flask], AppServer]]:
    """Serves an app until the test is over, and then the next one: `server = logstream_serve(app)`."""
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(serve(app))


@pytest.fixture
def logstream_server(app: Flask) -> Iterator[AppServer]:
    """The suite's own fixture `app`, served until the test is over."""
    with serve(app) as server:
        yield server


@pytest.fixture
def logstream_nothing_left() -> Iterator[None]:
    """Checks after a test that it has left no thread, descriptor or watch behind.

    It has to be asked for before what serves the app: `@pytest.mark.usefixtures("logstream_nothing_left")`.
    """
    with nothing_left():
        yield
