"""Tests of an app that is served by threads of the test's own process."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import urllib.request
import weakref
from pathlib import Path

import pytest

from logstream.testing import RefusedError, nothing_left, serve

from .apps import make_app


def test_a_hundred_apps_come_and_go(tmp_path: Path) -> None:
    """Each is served to its session's end, and nothing of it is left: no thread, descriptor, watch or memory."""
    log = tmp_path / "build.out"

    def run(number: int) -> weakref.ref[object]:
        app, logs = make_app(tmp_path)
        log.write_text("one\n")
        with serve(app) as server, server.view("build") as viewer:
            viewer.await_whole_text("one\n")
            with log.open("a") as file:
                file.write(f"two {number}\n")
            viewer.await_text(f"two {number}")
            logs.manager.notify_session_completed("build")
            viewer.await_complete()
        log.unlink()
        return weakref.ref(logs.manager)

    run(-1)  # what the first one makes is the modules' own
    with nothing_left():
        early = [run(number) for number in range(10)]
        gc.collect()
        objects = len(gc.get_objects())
        late = [run(number) for number in range(10, 100)]
        gc.collect()
        assert [manager for manager in early + late if manager() is not None] == []
        # Ten for each: a list of what was is more. What measures coverage remembers each thread.
        assert sys.gettrace() is not None or len(gc.get_objects()) - objects < 900


def test_closing_tells_each_client_and_ends_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1001 to a viewer, the end to a connection that says nothing, and an answer that is under way still arrives."""
    monkeypatch.setattr("logstream.testing.serving._GRACE", 60)
    app, logs = make_app(tmp_path)
    asked, answered = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        asked.set()
        answered.wait(60)
        return "done"

    with nothing_left():
        server = serve(app)
        answers: list[bytes] = []
        reader = threading.Thread(target=lambda: answers.append(urllib.request.urlopen(f"{server.url}/slow").read()))
        reader.start()
        assert asked.wait(5)
        with socket.create_connection(("127.0.0.1", server.port)) as silent, server.view("build", wait=True) as viewer:
            silent.settimeout(20)
            closing = threading.Thread(target=server.close)
            closing.start()
            assert viewer.await_close() == 1001
            assert silent.recv(1) == b""
            answered.set()
            closing.join(10)
            assert not closing.is_alive()
        reader.join(5)
        server.close()
    assert answers == [b"done"]
    with pytest.raises(RuntimeError, match="make a new app"):
        serve(app)


def test_the_app_s_own_rules_and_routes_hold(tmp_path: Path) -> None:
    """Its hook sees the headers that a viewer gives, and two servers are two."""
    (first, _), (second, _) = make_app(tmp_path), make_app(tmp_path)
    with nothing_left(), serve(first) as one, serve(second) as other:
        assert one.port != other.port
        assert urllib.request.urlopen(f"{other.url}/").read() == b"the dashboard"
        with pytest.raises(RefusedError) as caught:
            one.view("build", headers={"X-User": "eve"})
        assert caught.value.status == 403
        with other.view("secret", headers={"X-User": "alice"}) as viewer:
            assert "not for you" in viewer.await_error()


def test_a_request_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not keep the suite for ever."""
    monkeypatch.setattr("logstream.testing.serving._GRACE", 0.1)
    monkeypatch.setattr("logstream.testing.serving._LAST", 0.1)
    app, _ = make_app(tmp_path)
    asked, let_go = threading.Event(), threading.Event()

    @app.get("/hangs")
    def hangs() -> str:
        asked.set()
        let_go.wait(10)
        return ""

    server = serve(app)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /hangs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert asked.wait(5)
        with pytest.raises(AssertionError, match="1 requests are still being answered"):
            server.close()
        let_go.set()
