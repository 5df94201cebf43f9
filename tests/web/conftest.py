"""Fixtures: a connection by itself, and a browser with the page in it."""

import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from logstream.web.connection import Connection

from ..browser import Browser, LogPage, Opening
from ..serving import ServerProcess, Starting


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection and its client's end, connected by TCP with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.settimeout(5)
    connection = Connection(server, 30.0)
    yield connection, client
    client.close()
    server.close()


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    """One browser for all tests."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(window: Browser, start: Starting) -> Iterator[Browser]:
    """The browser, whose pages ask nobody but their server, and have nothing to complain about.

    It leaves its page before the servers that a test has started end.
    """
    window.reset()
    yield window
    complaints = window.complaints()
    window.driver.get("about:blank")
    assert complaints == []


@pytest.fixture
def open_page(browser: Browser, server: ServerProcess) -> Opening:
    """Opens the page of a session."""
    return lambda session: LogPage(browser, f"http://127.0.0.1:{server.port}/sessions/{quote(session, safe='')}")
