"""Clients that cost little, so that they are not what is measured: raw frames, one selector for all."""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import socket
import time
from collections.abc import Callable

_STAMP = re.compile(rb"@(\d+)@")  # when a line was written, in nanoseconds of the monotonic clock


class Client:
    """One WebSocket connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.received = 0  # bytes since the handshake
        self.delays: list[float] = []  # from a line's write to its arrival, in seconds
        self._rest = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            (
                f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.sock.recv(1)
        assert b" 101 " in answer, answer

    def subscribe(self, session: str, **options: object) -> None:
        """Send the command; the answer is not waited for."""
        payload = json.dumps({"type": "subscribe:logs", "sessionName": session, **options}).encode()
        header = bytes((0x81, 0x80 | len(payload))) if len(payload) < 126 else b"\x81\xfe" + len(payload).to_bytes(2)
        self.sock.sendall(header + b"\0\0\0\0" + payload)

    def read(self) -> None:
        """Read what is there, and note how long its stamped lines took."""
        data = self.sock.recv(1 << 18)
        now = time.monotonic_ns()
        if not data:
            raise ConnectionError("the server has closed the connection")
        self.received += len(data)
        data = self._rest + data
        end = 0
        for found in _STAMP.finditer(data):
            self.delays.append((now - int(found[1])) / 1e9)
            end = found.end()
        self._rest = data[max(end, len(data) - 32) :]  # a read may cut a stamp

    def close(self) -> None:
        """End the connection without a word."""
        self.sock.close()


def read_until(clients: list[Client], done: Callable[[], bool], timeout: float = 60.0) -> None:
    """Read from all clients until `done()`; raises TimeoutError where nothing arrives for so many seconds."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        while not done():
            ready = selector.select(timeout)
            if not ready:
                raise TimeoutError(f"nothing arrived for {timeout} s")
            for key, _ in ready:
                key.data.read()
