"""The Flask extension: the WebSocket endpoint, with one thread a connection that reads its commands."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Hashable
from typing import cast

from flask import Blueprint, Flask, Response, current_app, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from simple_websocket import ConnectionError as HandshakeError
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError as WebSocketProtocolError

from .config import Settings
from .connection import Connection
from .manager import LogStreamManager
from .protocol import Message, ProtocolError, Subscribe, error_message, parse_command

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.0  # seconds that a close frame has to get out, and a client to leave
MAX_COMMAND = 1024 * 1024  # bytes; a longer one closes the connection with code 1009

_SOCKET_KEYS = ("werkzeug.socket", "gunicorn.socket")  # where simple-websocket looks for its socket


class LogStream:
    """Live logs for a Flask app: `LogStream(app)`, or `LogStream()` and `init_app(app)`.

    Registers the WebSocket endpoint `/ws`. Reads the config keys LOGSTREAM_DIRECTORY and LOGSTREAM_SUFFIX,
    else the environment variables of these names.
    """

    def __init__(self, app: Flask | None = None) -> None:
        """Raises ConfigurationError where a setting of the app's makes no sense."""
        self._app: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Mount the extension on an app. Raises ConfigurationError."""
        settings = Settings.load(app.config)
        app.config.update(LOGSTREAM_DIRECTORY=settings.directory, LOGSTREAM_SUFFIX=settings.suffix)
        endpoint = _Endpoint(LogStreamManager(_send, _offer, settings.directory, settings.suffix))
        app.register_blueprint(endpoint.blueprint)
        app.extensions["logstream"] = endpoint
        self._app = app

    @property
    def manager(self) -> LogStreamManager:
        """The manager of the current app, or outside of one, of the app that was mounted on last."""
        return self._endpoint.manager

    def counts(self) -> dict[str, int]:
        """Totals for monitoring: open connections, and what the manager counts. Any thread."""
        return {"connections": self._endpoint.connection_count(), **self.manager.counts()}

    @property
    def _endpoint(self) -> _Endpoint:
        app = current_app if current_app and "logstream" in current_app.extensions else self._app
        if app is None:
            raise RuntimeError("LogStream has no app yet: call init_app(app)")
        return cast(_Endpoint, app.extensions["logstream"])


class _Endpoint:
    """The WebSocket endpoint of one app, and the connections that are open on it."""

    def __init__(self, manager: LogStreamManager) -> None:
        self.manager = manager
        self.blueprint = Blueprint("logstream", __name__)
        self.blueprint.before_request(self._take_socket)
        for error in (WebSocketProtocolError, HandshakeError, UnicodeError):
            self.blueprint.register_error_handler(error, _refuse_handshake)
        Sock().route("/ws", bp=self.blueprint, endpoint="websocket")(self._serve)
        # Guards _connections and _closing; notified when a connection ends.
        self._changed = threading.Condition(threading.Lock())
        self._connections: set[Connection] = set()
        self._closing = False
        manager.on_close(self._close)

    def connection_count(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def _serve(self, ws: Server) -> None:
        """Carry out one client's commands until it is gone. Nothing escapes: HTTP is over on this socket."""
        connection: Connection = ws.sock
        ws.max_message_size = MAX_COMMAND
        # simple-websocket may tell `receive` of the end before it is one, and then not again.
        connection.begin(on_end=ws.event.set)
        with self._changed:
            self._connections.add(connection)
            closing = self._closing
        try:
            if closing:
                connection.shut(CloseReason.GOING_AWAY)
            while True:
                self._execute(connection, ws.receive())
        except (ConnectionClosed, OSError):
            ws.thread.join(CLOSE_TIMEOUT)  # it may still be sending its close frame
        except Exception:
            logger.exception("a connection failed")
            connection.shut(CloseReason.INTERNAL_ERROR)
        finally:
            connection.close()  # wakes who is sending to it
            self.manager.handle_client_disconnect(connection)
            connection.finish()
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()

    def _close(self) -> None:
        """Tell all clients that the server is going away; give them a moment to leave, and no more."""
        with self._changed:
            self._closing = True
            connections = list(self._connections)
        for connection in connections:
            connection.shut(CloseReason.GOING_AWAY)
        with self._changed:
            self._changed.wait_for(lambda: not self._connections, CLOSE_TIMEOUT)
            late = list(self._connections)
        for connection in late:
            connection.abort()

    def _take_socket(self) -> Response | None:
        """Before the handshake: put our connection where simple-websocket finds its socket."""
        if self._closing:
            return Response("The server is going away.\n", status=503, mimetype="text/plain")
        environ = request.environ
        key = next((key for key in _SOCKET_KEYS if key in environ), None)
        if key is None or isinstance(environ[key], ssl.SSLSocket):
            logger.error(
                "no WebSockets here: serve the app with gunicorn's threaded worker or Flask's development server, "
                "and end TLS in front of it"
            )
            return Response("This server cannot serve WebSockets.\n", status=501, mimetype="text/plain")
        environ[key] = Connection(environ[key])
        # Frames are shared, so no client can have a compression of its own.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        return None

    def _execute(self, connection: Connection, payload: str | bytes) -> None:
        try:
            command = parse_command(payload)
        except ProtocolError as error:
            connection.send(error_message(str(error), error.session_name).frame)
            return
        if isinstance(command, Subscribe):
            self.manager.subscribe(
                command.session_name, connection, tail=command.tail, cursor=command.cursor, wait=command.wait
            )
        else:
            self.manager.unsubscribe(command.session_name, connection)


def _send(ws: Hashable, message: Message) -> None:
    cast(Connection, ws).send(message.frame)


def _offer(ws: Hashable, message: Message) -> bool:
    return cast(Connection, ws).offer(message.frame)


def _refuse_handshake(error: Exception) -> Response:
    logger.debug("not a WebSocket handshake: %s", error)
    return Response("This is not a valid WebSocket handshake.\n", status=400, mimetype="text/plain")
