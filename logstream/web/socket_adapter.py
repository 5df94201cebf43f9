"""A connection in the shape of the socket that simple-websocket reads and writes.

simple-websocket speaks the protocol on it. So its pongs and close frames take the same send lock as log messages,
which are whole, shared frames and go past it.
"""

from __future__ import annotations

import logging
import math
import select
import time
from collections.abc import Callable

from .connection import Connection, wait_ready

logger = logging.getLogger(__name__)

_PING = b"\x89\x00"
_CONTROL = 0x88  # what all final control frames have in common; alone, it is a close frame's first byte


class SocketAdapter:
    """What simple-websocket uses as its socket: `recv`, `send` and `close`.

    Only the thread that reads calls `recv`, and `close` at its end.
    """

    def __init__(self, connection: Connection, ping_interval: float) -> None:
        """After `ping_interval` seconds of silence a client is asked whether it is there, and has as long to answer."""
        self.connection = connection
        self._ping_interval = ping_interval
        # Called by the thread that reads, whenever it is about to.
        self.before_reading: Callable[[], object] = lambda: None
        # When, by `time.monotonic`, it calls that again though nothing has come.
        self.due: Callable[[], float] = lambda: math.inf

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes from the client; none when it is gone.

        A silent client is pinged. It is gone if it then neither says nor takes anything.
        """
        self.before_reading()
        pinged: object = None  # what it had taken last when it was asked whether it is there
        silent = time.monotonic() + self._ping_interval
        while not wait_ready(self.connection.sock, select.POLLIN, _seconds_until(min(silent, self.due()))):
            if time.monotonic() >= self.due():
                self.before_reading()
            if time.monotonic() < silent:
                continue
            if pinged is not None and self.connection.last_taken is pinged:
                logger.debug("a client has not answered for %g seconds", self._ping_interval)
                self.connection.abort()
                return b""
            if self.connection.offer_frame(_PING):
                pinged = self.connection.last_taken
            silent = time.monotonic() + self._ping_interval
        return self.connection.sock.recv(size)

    def send(self, data: bytes) -> None:
        """Send control frames, or the answer to the handshake, blocking until the kernel has taken them.

        Raises ConnectionError or TimeoutError when the client is gone, or takes nothing for too long.
        """
        self.connection.send_bytes(data, last=_has_close_frame(data))

    def close(self) -> None:
        """Send nothing more: simple-websocket is done with the socket. The web server closes it."""
        self.connection.end_sending()


def _seconds_until(moment: float) -> float:
    """To wait, and not a thousandth less, or it would be looked in vain."""
    return max(0.0, moment - time.monotonic() + 0.001)


def _has_close_frame(data: bytes) -> bool:
    """Whether there is a close frame among control frames; it may stand behind a pong. Any other data has none."""
    position = 0
    while position + 1 < len(data) and data[position] & _CONTROL == _CONTROL:
        if data[position] == _CONTROL:
            return True
        position += 2 + data[position + 1]
    return False
