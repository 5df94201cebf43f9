"""An app served by threads of this process, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer

from ..web.endpoint import Endpoint
from .viewing import Viewer

_POLL = 0.02  # seconds between looks whether it is to end
_GRACE = 5.0  # seconds that answers have to come to their end
_LAST = 1.0  # seconds that their threads have once their connections are cut


class AppServer:
    """An app that is being served. Any thread; for `with`, which ends it."""

    def __init__(self, app: Flask) -> None:
        """Serve an app, which may have `LogStream` on it, from now on.

        Raises RuntimeError for an app whose `LogStream` has been ended, as it is by `close`.
        """
        self._app = app
        self._endpoint: Endpoint | None = app.extensions.get("logstream")
        if self._endpoint is not None and self._endpoint.manager.closed:
            raise RuntimeError("this app was served before, and its LogStream is closed: make a new app")
        self._server = _Server("127.0.0.1", 0, app)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name=f"{app.name}-server", daemon=True
        )
        if self._endpoint is not None:
            self._endpoint.begin()
        self._thread.start()

    def __enter__(self) -> AppServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def app(self) -> Flask:
        """The app."""
        return self._app

    @property
    def port(self) -> int:
        """The port of 127.0.0.1."""
        return self._server.port

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def view(
        self,
        session_name: str,
        *,
        prefix: str = "",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Viewer:
        """A viewer that follows a session, connected; `options` are the protocol's `tail`, `cursor` and `wait`.

        `prefix` stands before `/ws`, and `headers` (a cookie, for instance) say who it is. Raises RefusedError where it
        may not connect, LostError and OSError.
        """
        return Viewer(f"{self.url}{prefix}", session_name, token=token, headers=headers, **options)

    def close(self) -> None:
        """End the app's `LogStream` for good, which sends 1001 to each WebSocket, and then the server. Idempotent.

        Answers that are under way have five seconds. Raises AssertionError where a thread that serves one does not end.
        """
        if self._endpoint is not None:
            self._endpoint.manager.close()
        self._server.shutdown()
        self._thread.join()
        late = self._server.finish()
        assert not late, f"{len(late)} requests are still being answered, on {', '.join(late)}"


def serve(app: Flask) -> AppServer:
    """Serve an app on a free port of 127.0.0.1, each connection on a thread: `with serve(app) as server: …`.

    The app is ended with it: a suite makes a new one for each test, or serves one for all of them.
    """
    return AppServer(app)


class _Server(ThreadedWSGIServer):
    """werkzeug's, which knows its connections, and so can end them."""

    request_queue_size = 128

    def __init__(self, host: str, port: int, app: Flask) -> None:
        super().__init__(host, port, app)
        # Guards what follows.
        self._lock = threading.Lock()
        self._requests: dict[threading.Thread, socket.socket] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection on a thread of its own."""
        thread = threading.Thread(target=self._answer, args=(request, client_address), daemon=True)
        with self._lock:
            self._requests[thread] = request
        try:
            thread.start()
        except RuntimeError:  # none to be had
            self._forget(thread)
            raise

    def finish(self) -> list[str]:
        """End all connections, those that are idle at once; returns the names of threads that do not end."""
        self._shut(socket.SHUT_RD)  # whoever waits for a request reads its end; answers go on
        if self._join(_GRACE):
            self._shut(socket.SHUT_RDWR)
        return [thread.name for thread in self._join(_LAST)]

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._forget(threading.current_thread())

    def _forget(self, thread: threading.Thread) -> None:
        with self._lock:
            self._requests.pop(thread, None)

    def _open(self) -> list[tuple[threading.Thread, socket.socket]]:
        with self._lock:
            return list(self._requests.items())

    def _shut(self, how: int) -> None:
        for _, sock in self._open():
            with contextlib.suppress(OSError):
                sock.shutdown(how)

    def _join(self, seconds: float) -> list[threading.Thread]:
        """Wait for the threads that answer; returns those that do not end."""
        deadline = time.monotonic() + seconds
        return [thread for thread, _ in self._open() if _goes_on(thread, deadline)]


def _goes_on(thread: threading.Thread, deadline: float) -> bool:
    thread.join(max(0.0, deadline - time.monotonic()))
    return thread.is_alive()
