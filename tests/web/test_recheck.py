"""Tests of an app's hook that is asked again about who is connected, and of its way to a form."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask, abort, redirect, request, url_for

from logstream import LogStream
from logstream.testing import AppServer, RefusedError, serve

Hook = Callable[[str | None], object]

_INTERVAL = 0.2  # seconds


@pytest.fixture
def hook() -> list[Hook]:
    """What the app's hook does now."""
    return [lambda session_name: True]


@pytest.fixture
def server(tmp_path: Path, hook: list[Hook]) -> Iterator[AppServer]:
    """An app whose hook may change its mind."""
    app = Flask("dashboard")
    app.config.update(LOGSTREAM_DIRECTORY=tmp_path, LOGSTREAM_TMUX="off", LOGSTREAM_RECHECK=_INTERVAL)
    LogStream(app, authorize=lambda session_name: hook[0](session_name), url_prefix="/logs")
    app.get("/login", endpoint="login")(lambda: "the form")
    with serve(app) as server:
        yield server


def test_who_may_no_more_is_told_and_gets_nothing_more(server: AppServer, hook: list[Hook], tmp_path: Path) -> None:
    """Of one session there is an error, though nothing is said meanwhile; of the whole connection, its end."""
    log = tmp_path / "a.out"
    for name in "ab":
        (tmp_path / f"{name}.out").write_text("one\n")
    with server.view("a", prefix="/logs") as a, server.view("b", prefix="/logs") as b:
        a.await_text("one\n")
        b.await_text("one\n")
        hook[0] = lambda session_name: session_name != "a"
        assert a.await_error() == "Session 'a' is not for you to follow any more."
        log.write_text("one\nsecret\n")
        (tmp_path / "b.out").write_text("one\ntwo\n")
        b.await_text("two\n")
        hook[0] = lambda session_name: False
        assert a.await_close() == 1008
        assert b.await_close() == 1008
        assert "secret" not in a.text
    with pytest.raises(RefusedError):
        server.view("b", prefix="/logs")


def test_no_answer_ends_nothing_at_first(
    server: AppServer, hook: list[Hook], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook that fails is asked again; where it fails ten times, the client is sent away to ask anew."""
    log = tmp_path / "a.out"
    log.write_text("one\n")
    failed: list[str | None] = []

    def fail(session_name: str | None) -> bool:
        failed.append(session_name)
        if len(failed) in (5, 6):  # all is well, and it is counted anew
            return True
        raise RuntimeError("no database")

    with server.view("a", prefix="/logs") as viewer:
        viewer.await_text("one\n")
        hook[0] = fail
        assert viewer.await_close() == 1013
    assert len(failed) == 4 + 2 + 10
    assert "no database" in caplog.text
    assert "closed the connection of 127.0.0.1: the authorize hook fails" in caplog.text


@pytest.mark.parametrize("raised", [False, True])
def test_people_are_shown_the_way_to_the_form(server: AppServer, hook: list[Hook], raised: bool) -> None:
    """A hook's answer is for who asks for a page; programs and WebSockets are refused, and `next` leads back."""

    def authorize(session_name: str | None) -> object:
        if request.headers.get("X-User") == "alice":
            return True
        answer = redirect(url_for("login", next=request.path))
        return abort(answer) if raised else answer

    hook[0] = authorize

    def fetch(path: str, **headers: str) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        connection.close()
        return response.status, response.getheader("Location")

    for path in ("/logs/", "/logs/sessions/build"):
        assert fetch(path) == (302, f"/login?next={quote(path, safe='/')}")
        assert fetch(path, **{"X-User": "alice"}) == (200, None)
    for path in ("/logs/sessions", "/logs/sessions/build/raw", "/logs/metrics", "/logs/static/style.css"):
        assert fetch(path) == (403, None)
    assert fetch("/logs/sessions/build", Accept="application/json") == (403, None)
    with pytest.raises(RefusedError) as caught:
        server.view("build", prefix="/logs")
    assert caught.value.status == 403
