"""Tests of gunicorn's worker: what clients can use up."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import gunicorn
import pytest
from gunicorn.workers.gthread import ThreadWorker

from logstream.server import worker as worker_module
from logstream.server.worker import BODY_TIMEOUT, GUNICORN, HEADER_TIMEOUT, Worker

from ..serving import ROOT, Starting, wait_until
from ..stopwatch import Stopwatch
from ..viewer import Viewer


def test_threads_end_with_their_connections(start: Starting) -> None:
    """When a crowd has left, the worker's own thread is left."""
    server = start("gunicorn")
    viewers = [Viewer(server.port) for _ in range(40)]
    assert server.threads() == 1 + 40
    for viewer in viewers:
        viewer.close()
    wait_until(lambda: server.threads() == 1)
    server.stop()


def test_half_a_request_holds_nothing_for_long(start: Starting) -> None:
    """Clients that send a part of a handshake, or nothing, are dropped, and meanwhile others are served."""
    server = start("gunicorn", GUNICORN_CMD_ARGS="--threads 8 --worker-connections 60")
    server.request("/healthz")
    threads, descriptors = server.threads(), server.descriptors()
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(40):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            sock.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgr"[: number * 2])
            sock.settimeout(HEADER_TIMEOUT + 5)
            held.append(sock)
        assert server.request("/healthz")[0] == 200
        for sock in held:
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(1000):  # an error page, or nothing, and then the end
                    pass
    wait_until(lambda: server.threads() <= threads and server.descriptors() <= descriptors)
    assert "Traceback" not in server.stop()


def test_without_descriptors_the_server_says_so_and_recovers(start: Starting) -> None:
    """With no descriptor left, a log is a clear error, no connection is lost, and all works again afterwards."""
    server = start("gunicorn", prefix=["bash", "-c", 'ulimit -n 64; exec "$@"', "--"])
    names = [f"session-{number}" for number in range(64)]
    for name in names:
        server.log(name).write_text(name)
    with Viewer(server.port) as viewer:
        for name in names:
            viewer.subscribe(name)
        answers = [viewer.receive() for _ in names]
        errors = [answer for answer in answers if answer["type"] == "logs:error"]
        assert 0 < len(errors) < len(names)
        assert {"too many open files" in error["error"] for error in errors} == {True}
        assert server.request("/healthz")[0] == 200  # some are kept for connections
        with contextlib.ExitStack() as stack:
            for _ in range(40):  # and now there are none
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            wait_until(lambda: "cannot accept a connection" in server.output())
            with server.log(names[0]).open("a") as file:
                file.write(" goes on")
            viewer.read_text(names[0], f"{names[0]} goes on")
        followed = [answer["sessionName"] for answer in answers if answer["type"] == "logs:data"]
        for name in followed:
            viewer.unsubscribe(name)
        viewer.subscribe(errors[0]["sessionName"])
        assert viewer.receive(10)["type"] == "logs:data"
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)
    assert Path(f"/proc/{server.pid}").exists()
    assert "Traceback" not in server.stop()


def test_clients_that_hold_their_socket_delay_nobody(start: Starting) -> None:
    """Whoever is answered and does not close its end is waited for on its own thread, and for a moment only."""
    server = start("gunicorn", GUNICORN_CMD_ARGS="--timeout 5")
    server.log("a").touch()
    with contextlib.ExitStack() as stack, Viewer(server.port) as viewer:
        viewer.subscribe("a")
        viewer.receive()
        descriptors = server.descriptors()
        for _ in range(40):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            assert b" 403 " in sock.recv(1000)
        watch = Stopwatch()
        assert server.request("/healthz")[0] == 200
        assert watch.seconds() < 0.5
        wait_until(lambda: server.descriptors() <= descriptors)
        with server.log("a").open("a") as file:
            file.write("goes on")
        viewer.read_text("a", "goes on")
    wait_until(lambda: server.threads() == 1)
    assert "WORKER TIMEOUT" not in server.stop()


@pytest.mark.parametrize("method", ["murder_pending", "get_thread_pool", "finish_request"])
@pytest.mark.parametrize(
    "start",
    ["import logstream.gunicorn_conf", "import logstream.server.worker as w; w.Worker.check_config(None, None)"],
)
def test_a_gunicorn_that_does_not_fit_stops_the_start_with_one_line(start: str, method: str) -> None:
    """Where gunicorn does not call what the worker overrides, something would be lost without a word."""
    code = f"from gunicorn.workers.gthread import ThreadWorker\ndel ThreadWorker.{method}\n{start}"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("logstream: ")
    assert method in line
    assert gunicorn.__version__ in line


def test_the_range_of_gunicorns_is_said_once() -> None:
    """What may be installed is what the operator is told to install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"gunicorn{GUNICORN}" in project["optional-dependencies"]["server"]


def test_a_slow_body_holds_nothing_for_long(start: Starting) -> None:
    """Clients that send their request's body byte by byte, or none of it, are dropped, and others are served."""
    server = start("gunicorn", GUNICORN_CMD_ARGS="--threads 8 --worker-connections 60", LOGSTREAM_TOKEN="correct-horse")
    server.request("/healthz")
    threads, descriptors = server.threads(), server.descriptors()
    form = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(40):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            path = (b"/login", b"/sessions/a/complete?token=correct-horse", b"/nothing")[number % 3]
            sock.sendall(b"POST %s HTTP/1.1\r\n%sContent-Length: 100\r\n\r\n" % (path, form))
            held.append(sock)
        assert server.request("/healthz")[0] == 200
        deadline = time.monotonic() + BODY_TIMEOUT + 5
        while held:
            assert time.monotonic() < deadline
            for sock in select.select(held, [], [], 0)[0]:
                with contextlib.suppress(ConnectionError):
                    if sock.recv(1000):
                        continue  # an answer, and the end comes later
                held.remove(sock)
            for sock in held[::2]:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(b"x")
            time.sleep(0.5)  # the clients' own slowness
    wait_until(lambda: server.threads() <= threads and server.descriptors() <= descriptors)
    assert "Traceback" not in server.stop()


def test_a_large_body_may_take_its_time(start: Starting, tmp_path: Path) -> None:
    """In an app that takes files, an upload that comes on at a moderate pace is not cut."""
    server = start("gunicorn", app="tests.dashboard")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.settimeout(5)
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")
        begin = time.monotonic()
        for _ in range(30):
            sock.sendall(b"x" * 2000)
            time.sleep((BODY_TIMEOUT + 2) / 30)  # the client's own slowness
        assert sock.recv(1000).endswith(b"60000")
        assert time.monotonic() - begin > BODY_TIMEOUT
    server.stop()


def test_answers_that_break_off_are_counted_once(start: Starting) -> None:
    """However many an app does not finish, the worker takes no more connections than it may."""
    server = start("gunicorn", app="tests.dashboard", GUNICORN_CMD_ARGS="--threads 2 --worker-connections 8")
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /breaks HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while sock.recv(1000):
                pass
    wait_until(lambda: server.threads() == 1)
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        wait_until(lambda: server.threads() == 1 + 8)
        late = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not select.select([late], [], [], 1)[0]
    server.stop()


def test_without_a_thread_to_be_had_a_connection_is_closed(start: Starting) -> None:
    """Its client is not left waiting, the operator is told, and all is well when there are threads again."""
    server = start("gunicorn", app="tests.out_of_threads")
    assert server.request("/healthz")[0] == 200
    assert server.request("/threads/none", "POST")[0] == 204
    for _ in range(3):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            server.request("/healthz")
    os.kill(server.pid, signal.SIGUSR2)
    wait_until(lambda: "there are threads again" in server.output())
    assert server.request("/healthz")[0] == 200
    assert "no thread is to be had" in server.stop()


class Connected(NamedTuple):
    """A connection, as far as its time is looked at."""

    sock: socket.socket


def test_workers_share_the_connections(start: Starting) -> None:
    """Whoever connects gets the worker that has fewer connections: a WebSocket stays, and its lines cost for hours."""
    server = start("gunicorn", WEB_CONCURRENCY="2")
    wait_until(lambda: len(server.workers()) == 2)
    found: list[list[int]] = []
    while not found or min(found[-1]) <= 0.4 * sum(found[-1]):
        assert len(found) < 3, found  # a worker may have had no processor for a while
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(contextlib.closing(Viewer(server.port)))
            found.append([len(list(Path(f"/proc/{worker}/task").iterdir())) for worker in server.workers()])
        wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)


def test_only_a_want_of_descriptors_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error in accepting is gunicorn's to deal with."""

    def fail(worker: Worker, listener: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(ThreadWorker, "accept", fail)
    worker = Worker.__new__(Worker)
    worker.cfg = SimpleNamespace(workers=1)
    with pytest.raises(OSError) as raised:
        worker.accept(None)
    assert raised.value.errno == errno.EBADF


def test_a_client_that_has_gone_is_not_ended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is up, and its socket closed; the others' turn comes all the same."""
    monkeypatch.setattr(ThreadWorker, "murder_pending", lambda worker: None)
    worker = Worker.__new__(Worker)
    gone, client = socket.socketpair()
    gone.close()
    late, other = socket.socketpair()
    with client, late, other:
        worker._reading = {
            Connected(sock=gone): time.monotonic() - 1,
            Connected(sock=late): time.monotonic() - 1,
            Connected(sock=client): time.monotonic() + 100,
        }
        worker.murder_pending()
        assert [conn.sock for conn in worker._reading] == [client]
        assert late.recv(1) == b""


def test_an_answer_is_lingered_over_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never closes its end is cut off."""
    monkeypatch.setattr(worker_module, "_LINGER", 0.0)
    sock, client = socket.socketpair()
    with sock, client:
        worker_module._linger(sock)
        assert client.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            client.send(b"more")


def test_a_connection_without_a_request_has_no_body_to_forget() -> None:
    """It ended before there was one."""
    worker_module._forget_body(SimpleNamespace(parser=None))
