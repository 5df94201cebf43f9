"""From an HTTP request to a WebSocket: simple-websocket's handshake, on the web server's socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from flask import Response, current_app
from simple_websocket import ConnectionError as HandshakeError
from simple_websocket import Server
from wsproto.utilities import ProtocolError

from ..config import Settings
from .connection import Connection
from .deflate import accept_deflate
from .socket_adapter import SocketAdapter
from .sockets import SOCKET_KEYS

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_EXTENSIONS_KEY = "HTTP_SEC_WEBSOCKET_EXTENSIONS"


class BadHandshakeError(ValueError):
    """A request that is no valid WebSocket handshake. Nothing was sent."""


def wsgi_response(application: WSGIApplication) -> Response:
    """A response of the current app that is made by a WSGI application, when Flask is done with the request."""

    def answer(_: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return application(environ, start_response)

    # Of the app's own class, or else Flask would turn it into one, and what is ours would be lost.
    return cast(Response, type("WSGIResponse", (current_app.response_class,), {"__call__": answer})())


def shake_hands(environ: WSGIEnvironment, sock: socket.socket, settings: Settings) -> tuple[Server, Connection]:
    """Make a WebSocket of a request that has come on `sock`, whose client it is sent to from now on.

    Raises BadHandshakeError, or OSError where the client is gone. After any other exception the connection is shut.
    """
    headers = {key: value for key, value in environ.items() if key.startswith("HTTP_")}
    extensions = accept_deflate(headers.pop(_EXTENSIONS_KEY, ""))
    if extensions is not None:
        headers[_EXTENSIONS_KEY] = extensions  # simple-websocket accepts what it is offered
    connection = Connection(sock, settings.stall_timeout, deflates=extensions is not None)
    adapter = SocketAdapter(connection, settings.ping_interval)
    try:
        ws = Server(
            {**headers, SOCKET_KEYS[0]: adapter}, max_message_size=settings.max_command, thread_class=_CallersThread
        )
    except (ProtocolError, HandshakeError, UnicodeError) as error:
        raise BadHandshakeError(str(error)) from None
    except BaseException:
        connection.abort()  # the upgrade may have begun, and nothing of HTTP may follow
        raise
    return ws, connection


def read(ws: Server, carry_out: Callable[[Any], object]) -> None:
    """Carry out each command that a client sends, `str` or `bytes`, until it is gone. On the calling thread."""

    def carry_out_all() -> None:
        while ws.input_buffer:
            carry_out(ws.input_buffer.pop(0))

    ws.sock.before_reading = carry_out_all
    ws.thread.run()


class _CallersThread(threading.Thread):
    """The thread that simple-websocket reads on: the one that calls `run`, since the connection has one already.

    Two would cost twice the memory, and commands that nobody has room for yet would be read all the same.
    """

    def start(self) -> None:
        """Leave it to the caller."""
