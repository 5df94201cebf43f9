"""From an HTTP request to a WebSocket: the web server's socket, and Flask-Sock's route on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, request
from flask_sock import Sock
from simple_websocket import ConnectionError as HandshakeError
from simple_websocket import Server
from wsproto.utilities import ProtocolError

from ..config import Settings
from .connection import Connection, Traffic
from .deflate import accept_deflate
from .socket_adapter import SocketAdapter
from .sockets import SOCKET_KEYS

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_EXTENSIONS_KEY = "HTTP_SEC_WEBSOCKET_EXTENSIONS"
_SERVE_KEY = "logstream.serve"
_PASSED_ON = ("HTTP_", "wsgi.", "SERVER_", "REQUEST_METHOD")  # how the keys begin that matter for a handshake


def wsgi_response_class(base: type[Response], application: WSGIApplication) -> type[Response]:
    """The class of responses that are made by a WSGI application, when Flask is done with the request.

    It derives from the app's own class, or else Flask would turn a response into one, and what is ours would be lost.
    """

    def answer(_: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application(environ, start_response)

    return cast("type[Response]", type("WSGIResponse", (base,), {"__call__": answer}))


class WebSockets:
    """Flask-Sock in an app of its own, with one route that has its own options, whatever the app around it does."""

    def __init__(self, settings: Settings, traffic: Traffic) -> None:
        self._settings = settings
        self._traffic = traffic
        self._app = Flask(__name__, static_folder=None)
        self._app.config["SOCK_SERVER_OPTIONS"] = {
            "max_message_size": settings.max_command,
            "thread_class": _CallersThread,
        }
        for error in (ProtocolError, HandshakeError, UnicodeError):
            self._app.register_error_handler(error, _bad_handshake)
        self._app.register_error_handler(OSError, _client_gone)
        Sock(self._app).route("/")(lambda ws: request.environ[_SERVE_KEY](ws))

    def run(
        self,
        environ: WSGIEnvironment,
        sock: socket.socket,
        serve: Callable[[Server, Connection], object],
        start_response: StartResponse,
    ) -> Iterator[bytes]:
        """Answer a request that has come on `sock` with a WebSocket, and be done when `serve(ws, connection)` is.

        A request that is no valid handshake gets an HTTP answer.
        """
        extensions = accept_deflate(environ.get(_EXTENSIONS_KEY, ""))
        connection = Connection(sock, self._settings.stall_timeout, self._traffic, deflates=extensions is not None)
        served = []

        def serve_and_note(ws: Server) -> None:
            served.append(ws)
            serve(ws, connection)

        def note_answer(status: str, fields: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
            answers.append((status, fields))
            return bytes  # nobody writes by it

        answers: list[tuple[str, list[tuple[str, str]]]] = []
        inner = {key: value for key, value in environ.items() if key.startswith(_PASSED_ON)}
        inner |= {"SCRIPT_NAME": "", "PATH_INFO": "/", _SERVE_KEY: serve_and_note}
        inner[SOCKET_KEYS[0]] = SocketAdapter(connection, self._settings.ping_interval)
        if extensions is not None:
            inner[_EXTENSIONS_KEY] = extensions  # simple-websocket accepts what it is offered
        else:
            inner.pop(_EXTENSIONS_KEY, None)
        try:
            body = self._app(inner, note_answer)
        except BaseException:
            connection.abort()  # the upgrade may have begun, and nothing of HTTP may follow
            raise
        [(status, fields)] = answers
        if served or not status.startswith("400"):
            # For the web server's log: what it sends now, it sends to nobody.
            connection.abort()
            start_response("101 Switching Protocols", [])
            return
        start_response(status, fields)
        yield from body


def read(
    ws: Server, carry_out: Callable[[Any], object], before: Callable[[], object], due: Callable[[], float]
) -> None:
    """Carry out each command that a client sends, `str` or `bytes`, until it is gone. On the calling thread.

    `before()` is called each time before that waits for the client, and when it is `due()`, by `time.monotonic`.
    """

    def carry_out_all() -> None:
        before()
        while ws.input_buffer:
            carry_out(ws.input_buffer.pop(0))

    ws.sock.before_reading = carry_out_all
    ws.sock.due = due
    ws.thread.run()


class _CallersThread(threading.Thread):
    """The thread that simple-websocket reads on: the one that calls `run`, since the connection has one already.

    Two would cost twice the memory, and commands that nobody has room for yet would be read all the same.
    """

    def start(self) -> None:
        """Leave it to the caller."""


def _bad_handshake(error: Exception) -> Response:
    logger.debug("not a WebSocket handshake: %s", error)
    return Response("This is not a valid WebSocket handshake.\n", status=400, mimetype="text/plain")


def _client_gone(error: Exception) -> Response:
    logger.debug("a WebSocket could not be opened: %s", error)
    return Response(status=500)
