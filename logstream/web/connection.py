"""One client's WebSocket as the manager sees it: what is sent to it, all bytes of it under one send lock."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

from ..protocol import DEFLATE_FROM, Message, close_frame

_LINGER = 1.0  # seconds that a client has to close its end after us
_MOMENT = 0.2  # seconds in which a thread that is not blocked is done with its frame
_UNSENT = 256 * 1024  # bytes that may wait in the kernel: more of a backlog stays in the file

_SIDE_BY_SIDE = 128  # locks of 100 bytes

_DONTWAIT = int(socket.MSG_DONTWAIT)


class Traffic:
    """What the connections of one endpoint share: how much was sent, and where their locks lie. Any thread."""

    def __init__(self) -> None:
        # Guards both counts.
        self._lock = threading.Lock()
        self._messages = 0
        self._bytes = 0
        self._socket_locks: list[threading.Lock] = []

    def make_socket_lock(self) -> threading.Lock:
        """A lock for one client's socket.

        They are made many at a time, so that they lie side by side in memory: a line to many clients takes each of
        them, and each that lay somewhere else would have to be fetched, which takes longer than to take it.
        """
        while True:
            try:
                return self._socket_locks.pop()
            except IndexError:
                self._socket_locks += [threading.Lock() for _ in range(_SIDE_BY_SIDE)]

    def add(self, messages: int, size: int) -> None:
        """So many messages, and bytes, have been taken by the kernel."""
        with self._lock:
            self._messages += messages
            self._bytes += size

    def total(self) -> tuple[int, int]:
        """The messages and bytes that were sent so far."""
        with self._lock:
            return self._messages, self._bytes


class Connection:
    """Sends to one client, and ends its connection. Any thread, except where a method says otherwise."""

    __slots__ = (  # a send to many touches each of them
        *("_blocked", "_deflates", "_remainder", "_send_lock", "_sending", "_stall_timeout", "_traffic"),
        *("last_taken", "sock"),
    )

    def __init__(
        self, sock: socket.socket, stall_timeout: float, traffic: Traffic | None = None, *, deflates: bool = False
    ) -> None:
        """Take charge of what is sent on a connected socket, which the web server still owns and closes.

        A client that takes nothing for `stall_timeout` seconds, while there is something for it, is given up.
        `traffic` counts what is sent. `deflates` tells that the client can read compressed messages.
        """
        self.sock = sock
        self._stall_timeout = stall_timeout
        self._traffic = traffic or Traffic()
        self._deflates = deflates
        with contextlib.suppress(OSError):  # not TCP, or gone already
            # Or the second small frame of a burst waits for the client's delayed acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            limit_unsent(sock, _UNSENT)
            # Or what the kernel takes for a client whose machine is gone counts as taken for a quarter of an hour.
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds(stall_timeout))
        # Serialises every byte that goes out, and guards _remainder and last_taken. The one lock that is held while
        # blocking, so what must not block only tries it.
        self._send_lock = self._traffic.make_socket_lock()
        self._remainder: bytes | memoryview = b""  # of a frame of which a non-blocking write took the beginning
        self.last_taken: object = None  # another one with everything that the client takes
        self._sending = True  # until a close frame is out or the socket is dead; anybody may end it
        self._blocked = False  # a thread that holds the lock waits for the client

    def send(self, message: Message) -> None:
        """Send a message, blocking until the kernel has taken it.

        Raises ConnectionError or TimeoutError when the client is gone, or takes nothing for too long.
        """
        frame = message.frame
        if len(frame) >= DEFLATE_FROM:
            message.let_text_go()
            frame = message.deflated_frame() if self._deflates else frame
        self.send_bytes(frame, messages=1)

    def offer(self, message: Message) -> bool:
        """Send a message if that can be done now, and return whether it was. Never blocks.

        One that is to be compressed is left to `send`.
        """
        frame = message.frame
        if len(frame) >= DEFLATE_FROM and self._deflates:
            return False
        return self.offer_frame(frame, messages=1)

    def offer_frame(self, frame: bytes, *, messages: int = 0) -> bool:
        """Send one whole frame, of so many messages, if that can be done now; whether it was. Never blocks."""
        return not offer_frame([self], frame, self._traffic, messages=messages)

    def send_bytes(self, data: bytes, *, messages: int = 0, last: bool = False) -> None:
        """Send whole frames, or the answer to a handshake, as `send` does.

        So many of them count as `messages`. After the `last` one nothing is sent.
        """
        with self._send_lock:
            self._check_sending()
            self._write(self._remainder)
            self._remainder = b""
            self._write(data)
            if last:
                self._sending = False
        self._traffic.add(messages, 0)

    def shut(self, code: int, reason: str = "") -> None:
        """Close the WebSocket with a status code, without waiting for the client.

        Where a frame is on its way out to a client that does not read, only the socket is shut.
        """
        if self._blocked or not self._send_lock.acquire(timeout=_MOMENT):
            self.abort()
            return
        try:
            if not self._remainder and self._sending:
                self.sock.send(close_frame(code, reason), _DONTWAIT)
        except OSError:
            pass  # there is no room for it, or nobody to read it
        finally:
            self._sending = False
            self._send_lock.release()
        self.end_sending()

    def end_sending(self) -> None:
        """Send nothing more, which the client sees as the end of the stream. Whoever blocks in a send is woken."""
        self._sending = False
        self._shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """Wait a moment for the client to close its end, so that it still reads what was sent. For the route's end."""
        self.end_sending()
        deadline = time.monotonic() + _LINGER
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not wait_ready(self.sock, select.POLLIN, left) or not self.sock.recv(65536):
                    break
        except OSError:
            pass
        self.abort()

    def abort(self) -> None:
        """End the connection at once. Whoever blocks on it is woken."""
        self._sending = False
        self._shutdown(socket.SHUT_RDWR)

    # What follows, up to _give_up, is called with the send lock held.

    def _note_taken(self, size: int) -> None:
        self.last_taken = object()
        self._traffic.add(0, size)

    def _check_sending(self) -> None:
        if not self._sending:
            raise BrokenPipeError("the connection is closed")

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            try:
                sent = self.sock.send(view, _DONTWAIT)
            except BlockingIOError:
                self._blocked = True
                if not wait_ready(self.sock, select.POLLOUT, self._stall_timeout):
                    self._give_up()
                self._blocked = False
                self._check_sending()
            except OSError:
                self._sending = False
                raise
            else:
                view = view[sent:]
                self._note_taken(sent)

    def _flush(self) -> bool:
        """Send the remainder of a frame without blocking; whether that was all."""
        sent = self.sock.send(self._remainder, _DONTWAIT)
        self._remainder = self._remainder[sent:]
        self._note_taken(sent)
        return not self._remainder

    def _give_up(self) -> NoReturn:
        self.abort()
        raise TimeoutError(f"the client has taken nothing for {self._stall_timeout:g} seconds")

    def _have_remainder_sent(self) -> None:
        try:
            threading.Thread(target=self._send_remainder, name="logstream-flush", daemon=True).start()
        except RuntimeError:  # no thread to be had, and half a frame cannot be taken back
            self.abort()

    def _send_remainder(self) -> None:
        try:
            self.send_bytes(b"")
        except OSError:
            pass  # who sends or reads next finds the client gone

    def _shutdown(self, how: int) -> None:
        try:
            self.sock.shutdown(how)
        except OSError:
            pass  # it is shut already


def offer_to_all(traffic: Traffic, connections: Sequence[Connection], message: Message) -> Sequence[Connection]:
    """Send a message to all to whom it can be sent now; returns the others. Any thread; never blocks or raises."""
    frame = message.frame
    if len(frame) >= DEFLATE_FROM:
        return [connection for connection in connections if not connection.offer(message)]
    return offer_frame(connections, frame, traffic, messages=1)


def offer_frame(
    connections: Sequence[Connection], frame: bytes, traffic: Traffic, *, messages: int
) -> Sequence[Connection]:
    """Send one whole frame to all to whom it can be sent now; returns the others. Any thread; never blocks or raises.

    The remainder of a frame that fits only in part is kept and sent before anything else.
    """
    size = len(frame)
    refusing: list[Connection] = []
    cut: list[Connection] = []
    missing = 0  # bytes of frames that are cut
    token = object()
    for connection in connections:  # what is done here is done for each client of each line
        lock = connection._send_lock
        if not lock.acquire(False):
            refusing.append(connection)
            continue
        try:
            if not connection._sending or (connection._remainder and not connection._flush()):
                refusing.append(connection)
                continue
            sent = connection.sock.send(frame, _DONTWAIT)
            connection.last_taken = token
            if sent != size:
                connection._remainder = memoryview(frame)[sent:]
                missing += size - sent
                cut.append(connection)
        except OSError:  # full, or dead: the next blocking send tells
            refusing.append(connection)
        finally:
            lock.release()
    for connection in cut:
        connection._have_remainder_sent()
    taken = len(connections) - len(refusing)
    traffic.add(taken * messages, taken * size - missing)
    return refusing


def wait_ready(sock: socket.socket, event: int, seconds: float) -> bool:
    """Whether a socket gets ready, or fails, within a time."""
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(milliseconds(seconds)))


def limit_unsent(sock: socket.socket, size: int) -> None:
    """Have no more bytes wait in the kernel, 0 for as many as it likes, where it knows such a limit. Raises OSError."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)


def milliseconds(seconds: float) -> int:
    """A time as the kernel takes it, which knows none longer than 24 days."""
    return int(min(seconds * 1000, 2**31 - 1))
