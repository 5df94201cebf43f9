"""A WebSocket as the manager sees it: `send`, `offer` and `close`, with all bytes under one send lock.

simple-websocket speaks the protocol and reads; it does so on a `Connection` in place of its socket, which
the route puts where simple-websocket looks for it, before the handshake. So its pongs and close frames take the
same lock as log messages, which are whole, shared frames and bypass it.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from ..protocol import DEFLATE_FROM, Message, close_frame

logger = logging.getLogger(__name__)

_LINGER = 1.0  # seconds that a client has to close its end after us
_MOMENT = 0.2  # seconds in which a thread that is not blocked is done with its frame
_UNSENT = 256 * 1024  # bytes that may wait in the kernel: more of a backlog stays in the file

_DONTWAIT = int(socket.MSG_DONTWAIT)
_PING = b"\x89\x00"
_CONTROL = 0x88  # what all final control frames have in common; alone, it is a close frame's first byte


class Connection:
    """One client's socket. All methods may be called from any thread, except where they say otherwise."""

    __slots__ = (  # a send to many touches each of them
        *("_blocked", "_deflates", "_ping_interval", "_rest", "_send_lock", "_sending", "_sock", "_stall_timeout"),
        *("before_reading", "bytes_sent", "messages_sent"),
    )

    def __init__(
        self, sock: socket.socket, ping_interval: float, stall_timeout: float, *, deflates: bool = False
    ) -> None:
        """Take charge of what is sent on a connected socket, which the web server still owns and closes.

        After `ping_interval` seconds of silence a client is asked whether it is there, and has as long to answer.
        One that takes nothing for `stall_timeout` seconds, while there is something for it, is given up.
        `deflates` tells that the client can read compressed messages.
        """
        self._sock = sock
        self._ping_interval = ping_interval
        self._stall_timeout = stall_timeout
        self._deflates = deflates
        with contextlib.suppress(OSError):  # not TCP, or gone already
            # Or the second small frame of a burst waits for the client's delayed acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        # Serialises every byte that goes out, and guards _rest and both counts. The one lock that is held while
        # blocking, so what must not block only tries it.
        self._send_lock = threading.Lock()
        self._rest: bytes | memoryview = b""  # the end of a frame of which a non-blocking write took the beginning
        self.messages_sent = 0
        self.bytes_sent = 0
        self._sending = True  # until a close frame is out or the socket is dead; anybody may end it
        # Called by the thread that reads, whenever it is about to.
        self.before_reading: Callable[[], object] = lambda: None
        self._blocked = False  # a thread that holds the lock waits for the client

    @property
    def used(self) -> bool:
        """Whether anything was sent on it."""
        return self.bytes_sent > 0

    def send_message(self, message: Message) -> None:
        """Send a message, blocking as `send` does."""
        large = self._deflates and len(message.frame) >= DEFLATE_FROM
        self.send(message.deflated_frame() if large else message.frame, messages=1)

    def offer_message(self, message: Message) -> bool:
        """Send a message if that can be done now, and return whether it was. Never blocks.

        One that is to be compressed is left to `send_message`.
        """
        frame = message.frame
        if len(frame) >= DEFLATE_FROM and self._deflates:
            return False
        return self.offer(frame, messages=1)

    def offer(self, data: bytes, *, messages: int = 0) -> bool:
        """Send one whole frame if that can be done now, and return whether it was. Never blocks.

        The end of a frame that fits only in part is kept and sent before anything else.
        """
        if not self._send_lock.acquire(False):
            return False
        try:
            if not self._sending or (self._rest and not self._flush()):
                return False
            sent = self._sock.send(data, _DONTWAIT)
            self.bytes_sent += sent
            self.messages_sent += messages
            if sent == len(data):
                return True
            self._rest = memoryview(data)[sent:]
        except OSError:  # full, or dead: the next blocking send tells
            return False
        finally:
            self._send_lock.release()
        try:
            threading.Thread(target=self._send_rest, name="logstream-flush", daemon=True).start()
        except RuntimeError:  # no thread to be had, and half a frame cannot be taken back
            self.abort()
        return True

    def send(self, data: bytes, *, messages: int = 0) -> None:
        """Send whole frames, blocking until the kernel has taken them; `messages` of them count as messages.

        Raises ConnectionError or TimeoutError when the client is gone, or takes nothing for too long.
        """
        with self._send_lock:
            self._check_sending()
            self._write(self._rest)
            self._rest = b""
            self._write(data)
            self._note_close(data)
            self.messages_sent += messages

    def shut(self, code: int, reason: str = "") -> None:
        """Close the WebSocket with a status code, without waiting for the client.

        Where a frame is on its way out to a client that does not read, only the socket is shut.
        """
        if self._blocked or not self._send_lock.acquire(timeout=_MOMENT):
            self.abort()
            return
        try:
            if not self._rest and self._sending:
                self._sock.send(close_frame(code, reason), _DONTWAIT)
        except OSError:
            pass  # there is no room for it, or nobody to read it
        finally:
            self._sending = False
            self._send_lock.release()
        self.close()

    def finish(self) -> None:
        """Wait a moment for the client to close its end, so that it still reads what was sent. For the route's end."""
        self.close()
        deadline = time.monotonic() + _LINGER
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not _wait(self._sock, select.POLLIN, left) or not self._sock.recv(65536):
                    break
        except OSError:
            pass
        self.abort()

    def abort(self) -> None:
        """End the connection at once. Whoever blocks on it is woken."""
        self._sending = False
        self._shutdown(socket.SHUT_RDWR)

    # What simple-websocket uses, beside `send`.

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes from the client; none when it is gone. Only for the thread that reads.

        A silent client is pinged. It is gone if it then neither says nor takes anything.
        """
        self.before_reading()
        pinged: int | None = None  # what had been sent when it was asked whether it is there
        while not _wait(self._sock, select.POLLIN, self._ping_interval):
            if pinged is not None and self.bytes_sent == pinged:
                logger.debug("a client has not answered for %g seconds", self._ping_interval)
                self.abort()
                return b""
            if self.offer(_PING):
                pinged = self.bytes_sent
        return self._sock.recv(size)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Send nothing more. The socket itself is closed by the web server, whose it is."""
        self._sending = False
        self._shutdown(socket.SHUT_WR)

    # What follows, up to _send_rest, is called with the send lock held.

    def _check_sending(self) -> None:
        if not self._sending:
            raise BrokenPipeError("the connection is closed")

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self._sock.send(view, _DONTWAIT)
            except BlockingIOError:
                self._blocked = True
                if not _wait(self._sock, select.POLLOUT, self._stall_timeout):
                    self._give_up()
                self._blocked = False
                self._check_sending()
            except OSError:
                self._sending = False
                raise
            else:
                view = view[sent:]
                self.bytes_sent += sent

    def _flush(self) -> bool:
        """Send what is left of the last frame without blocking; whether that was all."""
        sent = self._sock.send(self._rest, _DONTWAIT)
        self._rest = self._rest[sent:]
        self.bytes_sent += sent
        return not self._rest

    def _give_up(self) -> NoReturn:
        self.abort()
        raise TimeoutError(f"the client has taken nothing for {self._stall_timeout:g} seconds")

    def _note_close(self, data: bytes) -> None:
        """Let nothing follow a close frame, which may stand behind a pong: simple-websocket writes control frames."""
        position = 0
        while position + 1 < len(data) and data[position] & _CONTROL == _CONTROL:
            if data[position] == _CONTROL:
                self._sending = False
            position += 2 + data[position + 1]

    def _send_rest(self) -> None:
        try:
            self.send(b"")
        except OSError:
            pass  # who sends or reads next finds the client gone

    def _shutdown(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError:
            pass  # it is shut already


def _wait(sock: socket.socket, event: int, seconds: float) -> bool:
    """Whether a socket gets ready, or fails, within a time."""
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(seconds * 1000))
