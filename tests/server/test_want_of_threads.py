"""Tests of a real server that the kernel gives no more threads."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator

import pytest

from ..cgroup import ThreadLimit
from ..processes import parent_of
from ..serving import ServerProcess, Starting, wait_until
from ..viewer import ClosedError, RefusedError, Viewer


@pytest.fixture
def limit() -> Iterator[ThreadLimit]:
    """A limit of threads, which does not hold yet."""
    limit = ThreadLimit(f"logstream-test-{uuid.uuid4().hex}")
    yield limit
    limit.close()


@pytest.fixture
def server(limit: ThreadLimit, start: Starting) -> ServerProcess:
    """A server under the limit."""
    return start("gunicorn", prefix=limit.prefix, LOGSTREAM_TMUX="off")


def visit(server: ServerProcess, session: str) -> str | None:
    """What a client is told first that connects and subscribes: a message's type, or None where it is sent away."""
    try:
        with Viewer(server.port) as viewer:
            viewer.subscribe(session)
            return str(viewer.receive(5)["type"])
    except (ClosedError, RefusedError, ConnectionError):
        return None


def is_healthy(server: ServerProcess) -> bool:
    """Whether it answers, without anybody left who follows."""
    try:
        answer = json.loads(server.request("/healthz")[1])
    except (ConnectionError, http.client.HTTPException):
        return False
    return bool(answer["connections"] == answer["subscriptions"] == answer["watched_sessions"] == 0)


def test_whatever_thread_is_the_first_that_is_not_there(server: ServerProcess, limit: ThreadLimit) -> None:
    """A client gets the log, an error or the end of its connection, at once; with threads again, all is well."""
    server.log("small").write_text("text\n")
    server.log("large").write_text("größer\n" * 500_000)
    idle = 2  # gunicorn's main process, and the worker without a connection
    told = []
    for further in range(8):
        for session in ("small", "large"):
            wait_until(lambda: limit.count() == idle)
            limit.allow(idle + further)
            told.append(visit(server, session))
            limit.allow(None)
            wait_until(lambda: is_healthy(server))
    assert told[0] is None
    assert "logs:error" in told
    assert told[-1] == "logs:data"
    assert parent_of(server.pid) == server.process.pid
    with Viewer(server.port) as viewer:
        viewer.subscribe("small")
        viewer.read_text("small", "text\n")
        with server.log("small").open("a") as file:
            file.write("live\n")
        viewer.read_text("small", "text\nlive\n", 0.5)
    assert "Traceback" not in server.stop()


def test_a_load_waits_for_a_thread(server: ServerProcess, limit: ThreadLimit) -> None:
    """Its first piece comes from the connection's own, the rest when there is another; who is level goes on."""
    server.log("large").write_text("größer\n" * 500_000)
    server.log("small").write_text("text\n")
    with Viewer(server.port) as keeper, Viewer(server.port) as viewer:
        keeper.subscribe("small")
        keeper.read_text("small", "text\n")
        viewer.send({"type": "ping"})
        viewer.receive()
        limit.allow(limit.count())
        viewer.subscribe("large")
        viewer.receive()
        with server.log("small").open("a") as file:
            file.write("live\n")
        keeper.read_text("small", "text\nlive\n", 0.5)
        assert viewer.drain(0.6) == []
        limit.allow(None)
        viewer.read_text("large", server.log("large").read_text())
    assert "Traceback" not in server.stop()
