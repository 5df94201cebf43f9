"""The WebSocket endpoint of one app: who gets in, with one thread a connection that carries out its commands."""

from __future__ import annotations

import logging
import resource
import ssl
import threading
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from flask_sock import Sock
from simple_websocket import ConnectionError as HandshakeError
from simple_websocket import Server
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError as WebSocketProtocolError

from ..config import RESERVED_THREADS, Settings
from ..engine.manager import LogStreamManager, Offer, Send
from ..protocol import ProtocolError, Subscribe, accept_deflate, error_message, parse_command
from ..ratelimit import RateLimitedLog, TokenBucket
from ..tmux import TmuxWatcher
from .access import Access, Refusal
from .connection import Connection
from .metrics import Metrics

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.0  # seconds that a close frame has to get out, and a client to leave
MAX_CONNECTIONS = 1000  # where neither the settings nor the web server say how many

_SOCKET_KEYS = ("werkzeug.socket", "gunicorn.socket")  # where simple-websocket looks for its socket
_CONNECTION_KEY = "logstream.connection"  # where we find ours again


class Endpoint:
    """The WebSocket route `/ws` on a blueprint, and the connections that are open on it."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings = settings
        self.access = access
        self._max_connections = settings.max_connections or MAX_CONNECTIONS
        self.metrics = Metrics.create(self.counts, self._sent)
        self.manager = LogStreamManager(
            cast(Send, Connection.send_message),
            cast(Offer, Connection.offer_message),
            settings.directory,
            settings.suffix,
            max_subscriptions=settings.max_subscriptions,
            meter=self.metrics,
        )
        self.blueprint = Blueprint("logstream", __name__)
        self.blueprint.before_request(self._admit)
        self.blueprint.teardown_request(self._release)
        for error in (WebSocketProtocolError, HandshakeError, UnicodeError):
            self.blueprint.register_error_handler(error, _refuse_handshake)
        self.blueprint.register_error_handler(Exception, _fail)
        Sock().route("/ws", bp=self.blueprint, endpoint="websocket")(self._serve)
        self._refusals = RateLimitedLog(logger)
        # Guards all below; notified when a connection ends.
        self._changed = threading.Condition(threading.Lock())
        self._admitted = 0  # requests that may become connections, or are some
        self._connections: set[Connection] = set()
        self._sent_before = (0, 0)  # messages and bytes, to those who have left
        self._closing = False
        self.manager.on_close(self._close)
        self._tmux = self._watch_tmux()

    def _watch_tmux(self) -> TmuxWatcher | None:
        name = self._settings.tmux
        if name == "off":
            return None
        watcher = TmuxWatcher(
            None if name == "auto" else name,
            self.manager.followed_sessions,
            self.manager.notify_session_completed,
            self._settings.directory,
            self._settings.suffix,
        )
        self.manager.on_close(watcher.close)
        return watcher

    def limit_connections(self, threads: int) -> None:
        """Admit no more connections than leave some of the web server's threads, and descriptors, to HTTP."""
        allowed = threads - min(RESERVED_THREADS, max(1, threads // 4))
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if descriptors != resource.RLIM_INFINITY:
            allowed = min(allowed, descriptors * 3 // 4)
        allowed = max(1, allowed)
        wanted = self._settings.max_connections
        if wanted is not None and wanted > allowed:
            logger.warning(
                "LOGSTREAM_MAX_CONNECTIONS is %d, but %d threads and %d descriptors allow %d",
                wanted,
                threads,
                descriptors,
                allowed,
            )
        self._max_connections = min(wanted or allowed, allowed)

    def counts(self) -> dict[str, int]:
        """How many connections are open, and what the manager counts."""
        return {"connections": len(self._connections), **self.manager.counts()}

    def check(self, *, monitoring: bool = False) -> Response | None:
        """The answer to the current request if it is refused."""
        refusal = self.access.check(request, monitoring=monitoring)
        return None if refusal is None else self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> Response:
        """The answer to the current request, which is refused; the operator's line too."""
        self._refusals.warning("refused a request for %s: %s", ascii(request.path[:100]), refusal.advice)
        response = Response(f"{refusal.sentence}\n", status=refusal.status, mimetype="text/plain")
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def allows(self, session_name: str) -> bool:
        """Whether the client of the current request may see a session; not where the hook fails."""
        try:
            return self.access.allows(session_name)
        except Exception:
            logger.exception("the authorize hook failed")
            return False

    def _admit(self) -> Response | None:
        """Before the handshake: say no, or put our connection where simple-websocket finds its socket."""
        if self._closing:
            return Response("The server is going away.\n", status=503, mimetype="text/plain")
        refused = self.check()
        if refused is not None:
            return refused
        environ = request.environ
        key = next((key for key in _SOCKET_KEYS if key in environ), None)
        if key is None or isinstance(environ[key], ssl.SSLSocket):
            logger.error(
                "no WebSockets here: serve the app with gunicorn's threaded worker or Flask's development server, "
                "and end TLS in front of it"
            )
            return Response("This server cannot serve WebSockets.\n", status=501, mimetype="text/plain")
        with self._changed:
            full = self._admitted >= self._max_connections
            self._admitted += not full
        if full:
            return self.refuse(_FULL)
        extensions = accept_deflate(environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))
        if extensions is not None:
            environ["HTTP_SEC_WEBSOCKET_EXTENSIONS"] = extensions  # which simple-websocket accepts as they are
        environ[key] = environ[_CONNECTION_KEY] = Connection(
            environ[key],
            self._settings.ping_interval,
            self._settings.stall_timeout,
            deflates=extensions is not None,
        )
        current_app.config.setdefault("SOCK_SERVER_OPTIONS", {})["thread_class"] = _Thread
        return None

    def _release(self, error: BaseException | None) -> None:
        """The request is over, whether it became a connection or not."""
        if request.environ.pop(_CONNECTION_KEY, None) is not None:
            with self._changed:
                self._admitted -= 1

    def _serve(self, ws: Server) -> None:
        """Carry out one client's commands until it is gone. Nothing escapes: HTTP is over on this socket."""
        connection: Connection = ws.sock
        ws.max_message_size = self._settings.max_command
        ws.ping_interval = None  # the connection asks by itself
        subscribes = TokenBucket(self._settings.max_subscribes, 60.0)

        def carry_out() -> None:
            if self._tmux is not None:
                self._tmux.retry()
            while ws.input_buffer:
                self._execute(connection, ws.input_buffer.pop(0), subscribes)

        connection.before_reading = carry_out
        with self._changed:
            self._connections.add(connection)
            closing = self._closing
        self.metrics.connected()
        try:
            if closing:
                connection.shut(CloseReason.GOING_AWAY)
            else:
                ws.thread.run()  # until the client is gone
        except Exception:
            logger.exception("a connection failed")
            connection.shut(CloseReason.INTERNAL_ERROR)
        finally:
            connection.close()  # wakes who is sending to it
            self.manager.handle_client_disconnect(connection)
            connection.finish()
            with self._changed:
                self._connections.discard(connection)
                messages, size = self._sent_before
                self._sent_before = messages + connection.messages_sent, size + connection.bytes_sent
                self._changed.notify_all()
            self.metrics.disconnected()

    def _execute(self, connection: Connection, payload: str | bytes, subscribes: TokenBucket) -> None:
        # simple-websocket counts characters.
        if isinstance(payload, str) and len(payload.encode()) > self._settings.max_command:
            connection.shut(CloseReason.MESSAGE_TOO_BIG)
            raise BrokenPipeError("the connection is closed")
        try:
            command = parse_command(payload)
            if isinstance(command, Subscribe):
                self._check_subscribe(command.session_name, subscribes)
        except ProtocolError as error:
            connection.send_message(error_message(str(error), error.session_name))
            return
        if isinstance(command, Subscribe):
            self.manager.subscribe(
                command.session_name, connection, tail=command.tail, cursor=command.cursor, wait=command.wait
            )
            if self._tmux is not None:
                self._tmux.wake()
        else:
            self.manager.unsubscribe(command.session_name, connection)

    def _check_subscribe(self, session_name: str, subscribes: TokenBucket) -> None:
        """Raise ProtocolError where the client asks too often, or for what is not for it to see."""
        if not subscribes.take():
            self._refusals.warning("refused a subscribe: more than LOGSTREAM_MAX_SUBSCRIBES in a minute")
            raise ProtocolError(
                f"Session {session_name!r} cannot be followed now: this connection subscribes too often.", session_name
            )
        if not self.allows(session_name):
            self._refusals.warning("refused session %s: the authorize hook says no", ascii(session_name[:100]))
            raise ProtocolError(f"Session {session_name!r} is not for you to follow.", session_name)

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

    def _sent(self) -> tuple[int, int]:
        """Messages and bytes that were sent to clients so far."""
        with self._changed:
            messages, size = self._sent_before
            for connection in self._connections:
                messages += connection.messages_sent
                size += connection.bytes_sent
        return messages, size


_FULL = Refusal(
    503,
    "The server is full. Try again later.",
    "all connections are taken (LOGSTREAM_MAX_CONNECTIONS, and the web server's threads)",
)


class _Thread(threading.Thread):
    """The thread that simple-websocket reads on: for a connection of ours, the one that has it already.

    Two would cost twice the memory, and commands that nobody has room for yet would be read all the same.
    """

    def __init__(self, target: Any) -> None:
        super().__init__(target=target)
        self._of_its_own = not isinstance(target.__self__.sock, Connection)

    def start(self) -> None:
        """Read, or for a connection of ours, leave it to the route to `run`."""
        if self._of_its_own:
            super().start()


def _refuse_handshake(error: Exception) -> Response:
    logger.debug("not a WebSocket handshake: %s", error)
    return Response("This is not a valid WebSocket handshake.\n", status=400, mimetype="text/plain")


def _fail(error: Exception) -> BaseResponse:
    """Where the client is gone, or the upgrade has begun, nothing of HTTP may follow: end the connection."""
    if isinstance(error, HTTPException):
        return error.get_response()
    connection = request.environ.get(_CONNECTION_KEY)
    if connection is None or not (connection.used or isinstance(error, OSError)):
        raise error
    level = logging.DEBUG if isinstance(error, OSError) else logging.ERROR
    logger.log(level, "a WebSocket could not be opened: %s", error)
    connection.abort()
    return Response(status=500)
