"""gunicorn's threaded worker, made for connections that last: no client holds threads or descriptors for long."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import time
from concurrent.futures import Executor
from types import FrameType
from typing import Any

import gunicorn
from gunicorn.workers.gthread import ThreadWorker

from ..config import ConfigurationError
from ..ratelimit import RateLimitedLog
from .executor import ThreadPerTask
from .shutdown import begin_closing, close_websockets

GUNICORN = ">=25.2,<28"  # the versions whose threaded worker calls what is overridden here
HEADER_TIMEOUT = 10.0  # seconds that a client has to send its request's headers
BODY_TIMEOUT = 10.0  # seconds that it may keep us waiting for the body, and as many more as it has earned since:
_BODY_RATE = 1024  # bytes that earn a second

_LINGER = 1.0  # seconds that a client has to close its end after an answer
_DEFERENCE = 0.002  # seconds that a worker with many connections leaves a new one to the others, at most
_MANY = 200  # connections with which it leaves half of that
_PAUSE = 0.05  # seconds without accepting, where there is no descriptor left to accept with


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads end with their connection, half a request holds none, and a want of descriptors is survived."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading: dict[Any, float] = {}  # connections whose request is being read, and when that must be over
        self._shortages = RateLimitedLog(logging.getLogger(__name__))

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """In gunicorn's main process, before there are workers: end it where gunicorn does not fit."""
        try:
            check_gunicorn()
        except ConfigurationError as error:
            sys.exit(f"logstream: {error}")
        super().check_config(cfg, log)

    def get_thread_pool(self) -> Executor:
        """gunicorn's own would keep as many threads as there ever were connections."""
        return ThreadPerTask(self._shortages)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections, or do not: for a while, or because the worker is about to end, for whatever reason."""
        super().set_accept_enabled(enabled)  # first, so that clients that come back meet the next worker
        if not enabled and not (self.alive and self.is_parent_alive()):
            begin_closing(self)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """At an interrupt: gunicorn exits right after it."""
        close_websockets(self)
        super().handle_quit(sig, frame)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """When the worker has been silent for too long: it is killed in a second."""
        close_websockets(self)
        super().handle_abort(sig, frame)

    def accept(self, listener: Any) -> None:
        """Take in a connection; gunicorn would end the worker, and all connections, for want of a descriptor.

        All workers are woken for it. It is for the one that has the fewest: a WebSocket stays for hours.
        """
        if self.cfg.workers > 1:
            time.sleep(_DEFERENCE * self.nr_conns / (self.nr_conns + _MANY))
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._shortages.warning("cannot accept a connection: %s; raise the limit of open files", error)
            time.sleep(_PAUSE)

    def handle(self, conn: Any) -> Any:
        """Read a request and answer it."""
        conn.data_ready = True  # gunicorn would wait for that with a descriptor more
        self._reading[conn] = time.monotonic() + HEADER_TIMEOUT
        try:
            goes_on = super().handle(conn)
        finally:
            self._reading.pop(conn, None)
            _forget_body(conn)
        if not goes_on:
            _linger(conn.sock)  # gunicorn would do so on the thread that everyone depends on
        return goes_on

    def finish_request(self, conn: Any, fs: Any) -> None:
        """On the main thread: close a connection, or wait for its next request."""
        if conn.sock.fileno() < 0:  # it is closed, and gunicorn would count that twice
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request that has been read."""
        self._reading.pop(conn, None)
        self._limit_body(conn)
        try:
            return super().handle_request(req, conn)
        except BlockingIOError:  # a limit of the app's; gunicorn would print a traceback
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing of its answer") from None

    def _limit_body(self, conn: Any) -> None:
        """Have a connection end whose client keeps us waiting for a request's body."""
        unreader = conn.parser.unreader
        receive = unreader.chunk
        left = BODY_TIMEOUT

        def chunk(*args: Any) -> bytes:
            nonlocal left
            begin = time.monotonic()
            self._reading[conn] = begin + left
            try:
                data: bytes = receive(*args)
            finally:
                self._reading.pop(conn, None)
            left = min(BODY_TIMEOUT, left - (time.monotonic() - begin) + len(data) / _BODY_RATE)
            return data

        unreader.chunk = chunk  # what reads from the socket, for the app and for gunicorn alike

    def murder_pending(self) -> None:
        """Once a second: end what clients have begun and do not go on with."""
        super().murder_pending()
        now = time.monotonic()
        for conn, deadline in list(self._reading.items()):
            if deadline < now and self._reading.pop(conn, None) is not None:
                try:
                    conn.sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads
                except OSError:
                    pass  # it has ended


def check_gunicorn() -> None:
    """Raise ConfigurationError where gunicorn is not one that calls what Worker overrides."""
    missing = [name for name in vars(Worker) if not name.startswith("_") and not hasattr(ThreadWorker, name)]
    if missing:
        raise ConfigurationError(
            f"gunicorn {gunicorn.__version__} does not fit, since its threaded worker has no {', '.join(missing)}: "
            f"install gunicorn{GUNICORN}"
        )


def _forget_body(conn: Any) -> None:
    """Read the next request's headers without the limit of this one's body."""
    unreader = getattr(conn.parser, "unreader", None)
    if unreader is not None:
        vars(unreader).pop("chunk", None)


def _linger(sock: socket.socket) -> None:
    """Shut a connection once the client has closed its end, or a while has passed: it still reads what was sent."""
    deadline = time.monotonic() + _LINGER
    try:
        sock.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(65536):
                break
    except OSError:
        pass
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is shut already
