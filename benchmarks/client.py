"""Clients that cost little, so that they are not what is measured: raw frames, one selector for all."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence

_OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
_STAMP = re.compile(rb"@(\d{10,20})@")  # when a line was written, in nanoseconds of the monotonic clock
_END = b'"isComplete":true'
_buffer = bytearray(1 << 18)  # read into by all, so that a small read costs no large allocation


class Client:
    """One WebSocket connection."""

    def __init__(self, port: int, deflate: bool = False, delays: list[float] | None = None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.received = 0  # bytes since the handshake
        self.delays = [] if delays is None else delays  # from a line's write to its arrival, in seconds; may be shared
        self.stamped = True  # or else what arrives is only counted
        self.awaits_end = False  # then it is noted when a message says that a session is complete
        self.ended: float | None = None  # by the monotonic clock, in seconds
        self._rest = b""
        shake_hands(self.sock, port, headers=_OFFER if deflate else "")

    def subscribe(self, session: str, **options: object) -> None:
        """Send the command; the answer is not waited for."""
        send_text(self.sock, json.dumps({"type": "subscribe:logs", "sessionName": session, **options}))

    def read(self) -> None:
        """Read what is there, and note how long its stamped lines took."""
        size = self.sock.recv_into(_buffer)
        now = time.monotonic_ns()
        if not size:
            raise ConnectionError("the server has closed the connection")
        self.received += size
        if self.awaits_end:
            data = self._rest + _buffer[:size]
            self._rest = data[-len(_END) :]
            if _END in data:
                self.ended = now / 1e9
            return
        if not self.stamped:
            return
        data = self._rest + _buffer[:size]
        end = 0
        for found in _STAMP.finditer(data):
            self.delays.append((now - int(found[1])) / 1e9)
            end = found.end()
        self._rest = data[max(end, len(data) - 24) :]  # a read may cut a stamp

    def close(self) -> None:
        """End the connection without a word."""
        self.sock.close()


def find_stamps(data: bytes | bytearray) -> Iterator[int]:
    """When the lines in what was read were written, in nanoseconds of the monotonic clock; one that is cut is none."""
    return (int(found[1]) for found in _STAMP.finditer(data))


def read_until(clients: Sequence[Client], done: Callable[[], bool], timeout: float = 60.0) -> None:
    """Read from all clients until `done()`; raises TimeoutError where nothing arrives for so many seconds."""
    poll = select.epoll()
    by_number = {client.sock.fileno(): client for client in clients}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    try:
        while not done():
            ready = poll.poll(timeout)
            if not ready:
                raise TimeoutError(f"nothing arrived for {timeout} s")
            for number, _ in ready:
                by_number[number].read()
    finally:
        poll.close()


def shake_hands(sock: socket.socket, port: int, path: str = "/ws", headers: str = "") -> None:
    """Ask for a WebSocket, and wait for it."""
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        ).encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        answer += piece
        assert piece, answer
    assert b" 101 " in answer, answer


def send_text(sock: socket.socket, text: str) -> None:
    """Send one message of up to 64 KB, masked with zeros."""
    payload = text.encode()
    header = bytes((0x81, 0x80 | len(payload))) if len(payload) < 126 else b"\x81\xfe" + len(payload).to_bytes(2)
    sock.sendall(header + b"\0\0\0\0" + payload)
