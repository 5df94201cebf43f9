"""Tests of whole logs over HTTP: real downloads, from real servers."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from ..serving import ServerProcess, Starting, wait_until


def ask(server: ServerProcess, name: str, *headers: str, receive_buffer: int | None = None) -> socket.socket:
    """Ask for a log, and read nothing of it yet."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", server.port))
    lines = [f"GET /sessions/{name}/raw HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    sock.sendall("\r\n".join(lines).encode())
    return sock


def read_all(sock: socket.socket) -> bytes:
    """What is left of an answer, up to the end of the stream."""
    data = bytearray()
    while piece := sock.recv(1 << 20):
        data += piece
    return bytes(data)


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_download_that_nobody_reads_ends(start: Starting, kind: str) -> None:
    """Whoever takes nothing for the stall timeout holds no thread and no descriptor any longer."""
    server = start(kind, LOGSTREAM_STALL_TIMEOUT="1")
    server.log("large").write_bytes(b"x" * 50_000_000)
    server.request("/healthz")
    threads, descriptors = server.threads(), server.descriptors()
    with ask(server, "large", receive_buffer=4096) as first, ask(server, "large", receive_buffer=4096) as second:
        for sock in (first, second):
            assert sock.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: server.threads() <= threads and server.descriptors() <= descriptors)
    output = server.stop()
    assert kind == "flask" or "Traceback" not in output


@pytest.mark.parametrize("path", ["/static/terminal.js", "/healthz", "/nothing"])
def test_small_answers_that_nobody_reads_end(start: Starting, path: str) -> None:
    """Whoever asks for more and more, and reads none of it, holds no thread either."""
    server = start("gunicorn", LOGSTREAM_STALL_TIMEOUT="1")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.settimeout(5)
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(100_000):
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: server.threads() == 1)
    assert "Traceback" not in server.stop()


def test_a_slow_download_does_not_end(start: Starting) -> None:
    """It may take far longer than the stall timeout, as long as something is taken."""
    server = start("gunicorn", LOGSTREAM_STALL_TIMEOUT="1")
    server.log("large").write_bytes(b"x" * 10_000_000)
    with ask(server, "large", receive_buffer=4096) as sock:
        begin = time.monotonic()
        answer = bytearray()
        while time.monotonic() - begin < 3:
            answer += sock.recv(4096)
            time.sleep(0.02)  # the client's own slowness
        answer += read_all(sock)
    assert answer.endswith(b"\r\n\r\n" + b"x" * 10_000_000)
    server.stop()
