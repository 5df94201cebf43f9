"""A proxy between a browser and a server, which a test has in its hands."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self


class Proxy:
    """Passes connections to a server of this machine on, each by two threads, until it is closed."""

    def __init__(self, port: int, rewrite: Callable[[bytes], bytes] = lambda head: head) -> None:
        """Listen; `rewrite` makes of each connection's first request, up to its blank line, what the server gets."""
        self._server = ("127.0.0.1", port)
        self._rewrite = rewrite
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()  # guards both
        self._silenced: set[socket.socket] = set()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def silence(self) -> None:
        """Pass nothing on any more over the connections that there are, and leave them open."""
        with self._lock:
            self._silenced |= self._sockets

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            with self._lock:
                self._sockets |= {client, server}
            for source, target, rewrite in ((client, server, self._rewrite), (server, client, None)):
                thread = threading.Thread(target=self._pass_on, args=(source, target, rewrite))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, rewrite: Callable[[bytes], bytes] | None) -> None:
        data = b""
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                data += received
                if rewrite is not None:
                    if b"\r\n\r\n" not in data:
                        continue
                    data, rewrite = rewrite(data), None
                with self._lock:
                    silenced = source in self._silenced
                if not silenced:
                    target.sendall(data)
                data = b""
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
