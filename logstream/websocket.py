"""The client's end of a WebSocket, on the caller's thread: nothing is waited for without an end.

wsproto speaks the protocol; this moves the bytes.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

_RECEIVED = 65536  # bytes that are read at once
_GOODBYE = 1.0  # seconds that a close frame has to get out
_LONGEST_REASON = 1000  # bytes of a refusal's body that are read
_DEFAULT_PORTS = {"ws": 80, "wss": 443}


class LostError(Exception):
    """The connection has ended, or what comes on it is nothing of a WebSocket."""


class RefusedError(Exception):
    """The server answers with an HTTP status instead.

    `headers` have lower-case names, and `body` is the beginning of what stands below them, as far as it came.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        super().__init__(f"it answers with HTTP status {status}")
        self.status = status
        self.headers = headers
        self.body = body


class WebSocket:
    """One connection, for one thread."""

    def __init__(self, address: str, headers: Mapping[str, str], timeout: float) -> None:
        """Connect to a `ws` or `wss` address, whichever of its host's addresses answers.

        `timeout`, in seconds, is for all of it but the resolution of the name, and later for each thing sent. Raises
        RefusedError, LostError, OSError (also TimeoutError), and ValueError for an address or a header that is none.
        """
        parts = urlsplit(address)
        deadline = time.monotonic() + timeout
        self._timeout = timeout
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._open = self._ended = False
        self.close_code: int | None = None  # which the server has given
        self._message: list[str] = []  # what has come of one that is not whole yet
        self._messages: deque[str] = deque()
        self._refused: RefusedError | None = None
        self._sock = _connect(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme], deadline)
        try:
            if parts.scheme == "wss":
                self._sock.settimeout(_left(deadline))
                self._sock = ssl.create_default_context().wrap_socket(self._sock, server_hostname=parts.hostname)
            self._send(
                Request(
                    host=parts.netloc.rpartition("@")[2],
                    target=quote(parts.path, safe="/%:@!$&'()*+,;=~"),
                    extra_headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()],
                )
            )
            while not self._open:
                self._read(_left(deadline))
        except BaseException as error:
            self._sock.close()
            if self._refused is not None and isinstance(error, (LostError, OSError)):
                raise self._refused from None  # what came of it says enough
            raise

    def send(self, text: str) -> None:
        """Send one message. Raises LostError or OSError."""
        self._send(TextMessage(data=text))

    def receive(self, silence: float, deadline: float = math.inf) -> str:
        """The next message.

        Raises TimeoutError where nothing at all has come for `silence` seconds, or no message by the `deadline` (of
        `time.monotonic`), LostError, and other OSErrors.
        """
        while not self._messages:
            self._read(min(silence, _left(deadline)))
        return self._messages.popleft()

    def close(self) -> None:
        """End the connection, and say so if that can be done at once."""
        self._timeout = _GOODBYE
        with contextlib.suppress(LostError, OSError), self._sock:
            self._send(CloseConnection(code=1000))

    def _send(self, event: Event) -> None:
        try:
            data = self._protocol.send(event)
        except ProtocolError as error:
            raise LostError(str(error)) from None
        self._sock.settimeout(self._timeout)
        self._sock.sendall(data)

    def _read(self, timeout: float) -> None:
        """Take in what comes next, whatever it is."""
        if self._ended:
            raise LostError("it was closed")
        self._sock.settimeout(timeout)
        data = self._sock.recv(_RECEIVED)
        self._ended = not data
        try:
            self._protocol.receive_data(data or None)
            for event in self._protocol.events():
                self._take(event)
        except ProtocolError as error:
            raise LostError(str(error)) from None

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._message.append(event.data)
            if event.message_finished:
                self._messages.append("".join(self._message))
                self._message.clear()
        elif isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, AcceptConnection):
            self._open = True
        elif isinstance(event, RejectConnection):
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
            self._refused = RefusedError(event.status_code, headers)
            if not event.has_body:
                raise self._refused
        elif isinstance(event, RejectData) and self._refused is not None:
            self._refused.body += event.data
            if event.body_finished or len(self._refused.body) > _LONGEST_REASON:
                raise self._refused
        elif isinstance(event, CloseConnection):
            self._ended = True
            self.close_code = int(event.code)


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to one of the addresses that a name has; each is given its part of the time that is left."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    problem = OSError(f"{host} has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            problem = error
            continue
        try:
            sock.settimeout(_left(deadline) / (len(addresses) - number))
            sock.connect(address)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            problem = error
        else:
            return sock
    raise problem


def _left(deadline: float) -> float:
    """The seconds until a time. Raises TimeoutError where there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
