"""Tests of a viewer with deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.testing import AppServer, Viewer, serve

from .apps import make_app


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    """An app that is served."""
    with serve(make_app(tmp_path)[0]) as server:
        yield server


def test_what_is_awaited_comes(server: AppServer, tmp_path: Path) -> None:
    """A part, the whole, each reset once, though it came meanwhile, and the completion; a cursor goes on."""
    log = tmp_path / "build.out"
    log.write_text("one\n")
    with server.view("build", tail=5) as viewer:
        viewer.await_text("ne")
        for text in ("first\n", "second, and longer\n"):
            log.write_text(text)
            viewer.await_whole_text(text)
        viewer.await_reset()
        viewer.await_reset()
        cursor = viewer.cursor
    with log.open("a") as file:
        file.write("third\n")
    with server.view("build", cursor=cursor) as viewer:
        viewer.await_whole_text("third\n")
        server.app.extensions["logstream"].manager.notify_session_completed("build")
        viewer.await_complete()


def test_what_does_not_come_is_an_error_that_says_what_came(server: AppServer, tmp_path: Path) -> None:
    """In time, or never: after a refusal, an end or a completion there is nothing to wait for."""
    (tmp_path / "build.out").write_text("one\n" * 1000)

    def fails(viewer: Viewer, *said: str) -> None:
        with pytest.raises(AssertionError) as caught:
            viewer.await_text("three", within=0.5)
        assert all(part in str(caught.value) for part in said), caught.value

    with server.view("build") as viewer:
        with pytest.raises(AssertionError, match=r"the completion did not come within 0\.5 s"):
            viewer.await_complete(within=0.5)
        fails(
            viewer, "'build': the text 'three' did not come within 0.5 s; so far 4000 characters came", "one\\none\\n'"
        )
        with pytest.raises(AssertionError, match="a reset did not come"):
            viewer.await_reset(within=0.1)
        server.app.extensions["logstream"].manager.notify_session_completed("build")
        fails(viewer, "the session was complete before the text 'three' came", "complete: ")
    with server.view("nosuch") as viewer:
        fails(viewer, "the server said \"Session 'nosuch' was not found", "0 characters")
    with server.view("waits", wait=True) as viewer:
        server.close()
        fails(viewer, "the connection was closed with 1001 before the text 'three' came")


def test_pings_do_not_put_a_deadline_off(tmp_path: Path) -> None:
    """The server may ask more often than that whether the viewer is there."""
    app, _ = make_app(tmp_path, LOGSTREAM_PING_INTERVAL=0.1)
    (tmp_path / "build.out").touch()
    failing = pytest.raises(AssertionError, match="did not come within 1 s")
    with serve(app) as server, server.view("build") as viewer, failing:
        viewer.await_text("text", within=1)
