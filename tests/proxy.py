"""A proxy that a test can make go silent: its connections stay open, and nothing gets through."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Passes bytes between clients of an address and a port of 127.0.0.1, until it is silenced."""

    def __init__(self, port: int, host: str = "127.0.0.1", rewrite: Callable[[bytes], bytes] | None = None) -> None:
        """Listen; `rewrite` makes of each connection's first request, up to its blank line, what the server gets."""
        self._rewrite = rewrite
        self._target = port
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self._passes = threading.Event()
        self._passes.set()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._passes.set()
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def silence(self) -> None:
        """From now on the connections that there are pass nothing; new ones do."""
        self._passes.clear()
        self._passes = threading.Event()
        self._passes.set()

    def redirect(self, port: int) -> None:
        """End the connections that there are; new ones lead to another port."""
        self._target = port
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self.accepted += 1
            self._sockets += [client, server]
            for ends in ((client, server), (server, client)):
                run = self._pass if ends[0] is server or self._rewrite is None else self._pass_rewritten
                thread = threading.Thread(target=run, args=(*ends, self._passes))
                self._threads.append(thread)
                thread.start()

    def _pass_rewritten(self, source: socket.socket, drain: socket.socket, passes: threading.Event) -> None:
        assert self._rewrite is not None
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                received = source.recv(65536)
                if not received:
                    break
                head += received
            drain.sendall(self._rewrite(head))
        except OSError:
            return
        self._pass(source, drain, passes)

    def _pass(self, source: socket.socket, drain: socket.socket, passes: threading.Event) -> None:
        try:
            while data := source.recv(65536):
                if passes.is_set():
                    drain.sendall(data)
            if passes.is_set():
                drain.shutdown(socket.SHUT_WR)
        except OSError:
            pass
