"""The protocol's client, on a raw socket, so that a test decides what is read and when."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from .serving import PATIENCE

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class ClosedError(Exception):
    """The server has closed the connection, with this code; None where it sent no close frame."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class RefusedError(Exception):
    """The server has refused the upgrade with this HTTP status."""

    def __init__(self, head: str) -> None:
        super().__init__(head)
        self.status = int(head.split(" ")[1])


def inflate(payload: bytes) -> bytes:
    """A compressed message's content, with no context of earlier ones."""
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")


class Texts(MutableMapping[str, str]):
    """Each session's text, in pieces that are joined when it is looked at.

    To join them for each message would take a time that grows with the square of a log's length.
    """

    def __init__(self) -> None:
        self._pieces: dict[str, list[str]] = {}
        self._lengths: dict[str, int] = {}

    def __getitem__(self, session: str) -> str:
        pieces = self._pieces[session]
        if len(pieces) > 1:
            pieces[:] = ["".join(pieces)]
        return pieces[0]

    def __setitem__(self, session: str, text: str) -> None:
        self._pieces[session] = [text]
        self._lengths[session] = len(text)

    def __delitem__(self, session: str) -> None:
        del self._pieces[session], self._lengths[session]

    def __contains__(self, session: object) -> bool:
        return session in self._pieces

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def append(self, session: str, text: str) -> None:
        """Extend a session's text."""
        self._pieces[session].append(text)
        self._lengths[session] += len(text)

    def length(self, session: str) -> int:
        """How many characters a session's text has; 0 where there is none."""
        return self._lengths.get(session, 0)


class Viewer:
    """One connection. Keeps what each session's text is by the protocol's rule, and the messages about it."""

    def __init__(
        self,
        port: int,
        receive_buffer: int | None = None,
        headers: str = "",
        path: str = "/ws",
        host: str | None = None,
        deflate: str | None = None,
    ) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(("127.0.0.1", port))
        self._buffer = bytearray()
        self.received = 0  # bytes
        self.compressed = 0  # frames
        if deflate is not None:
            headers += f"Sec-WebSocket-Extensions: {deflate}\r\n"
        self.texts = Texts()
        self.messages: list[dict[str, Any]] = []
        self.closed = False
        try:
            self._shake_hands(path, host or f"127.0.0.1:{port}", headers)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shake_hands(self, path: str, host: str, headers: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            (
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
            ).encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        self.handshake, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer[:] = rest
        if b" 101 " not in self.handshake:
            raise RefusedError(self.handshake.decode())

    # What a client sends.

    def subscribe(self, session: str, **options: Any) -> None:
        """Send the command; the answer is not waited for."""
        self.send({"type": "subscribe:logs", "sessionName": session, **options})

    def unsubscribe(self, session: str) -> None:
        """Send the command, which has no answer."""
        self.send({"type": "unsubscribe:logs", "sessionName": session})

    def send(self, command: Any) -> None:
        """Send text or bytes as they are, and anything else as JSON."""
        if isinstance(command, bytes):
            self.send_frame(BINARY, command)
        else:
            self.send_frame(TEXT, (command if isinstance(command, str) else json.dumps(command)).encode())

    def send_frame(self, opcode: int, payload: bytes = b"", final: bool = True) -> None:
        """Send one masked frame, with a mask of zeros."""
        first = (0x80 if final else 0) | opcode
        if len(payload) < 126:
            header = struct.pack("!BB", first, 0x80 | len(payload))
        elif len(payload) < 1 << 16:
            header = struct.pack("!BBH", first, 0xFE, len(payload))
        else:
            header = struct.pack("!BBQ", first, 0xFF, len(payload))
        self.sock.sendall(header + b"\0\0\0\0" + payload)

    # What it receives.

    def frame(self, timeout: float = PATIENCE) -> tuple[int, bytes]:
        """The next frame's opcode and payload. Raises TimeoutError, or ClosedError at the end of the stream."""
        deadline = time.monotonic() + timeout
        while True:
            parsed = self._parse()
            if parsed is not None:
                return parsed
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            self._fill()

    def receive(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next message. Answers pings; raises TimeoutError, or ClosedError."""
        deadline = time.monotonic() + timeout
        while True:
            opcode, payload = self.frame(deadline - time.monotonic())
            if opcode == TEXT:
                return self._note(json.loads(payload))
            if opcode == PING:
                self.send_frame(PONG, payload)
            if opcode == CLOSE:
                self.closed = True
                raise ClosedError(int.from_bytes(payload[:2]) if payload else None)

    def read_until(self, done: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Receive messages until `done()`."""
        deadline = time.monotonic() + timeout
        while not done():
            self.receive(max(0.001, deadline - time.monotonic()))

    def read_text(self, session: str, text: str, timeout: float = PATIENCE) -> None:
        """Receive messages until a session's text is this one."""
        try:
            self.read_until(
                lambda: self.texts.length(session) == len(text) and self.texts.get(session) == text, timeout
            )
        except TimeoutError:
            assert self.texts.get(session) == text  # pytest shows where they differ

    def drain(self, seconds: float) -> list[dict[str, Any]]:
        """All that arrives until nothing has for so long."""
        found = []
        try:
            while True:
                found.append(self.receive(seconds))
        except TimeoutError:
            return found

    def close(self) -> None:
        """End the connection without a word."""
        self.sock.close()

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _note(self, message: dict[str, Any]) -> dict[str, Any]:
        self.messages.append(message)
        if message["type"] == "logs:data":
            session = message["sessionName"]
            if message["isInitial"] or session not in self.texts:
                self.texts[session] = message["data"]
            else:
                self.texts.append(session, message["data"])
        return message

    def _fill(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            self.closed = True
            raise ClosedError(None)
        self._buffer += data
        self.received += len(data)

    def _parse(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4]), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start or len(buffer) < start + length:
            return None
        assert buffer[0] & 0x80, "the server fragments no message"
        assert not buffer[0] & 0x30, "the server sets no reserved bit"
        assert not buffer[1] & 0x80, "the server masks nothing"
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
        if buffer[0] & 0x40:
            assert b"permessage-deflate" in self.handshake, "nothing is compressed that was not agreed on"
            self.compressed += 1
            payload = inflate(payload)
        del buffer[: start + length]
        return opcode, payload
