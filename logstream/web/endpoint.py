"""The WebSocket endpoint of one app: who gets in, and who is connected, each on a thread of its own."""

from __future__ import annotations

import functools
import logging
import math
import resource
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app, request
from simple_websocket import Server
from werkzeug.wsgi import ClosingIterator
from wsproto.frame_protocol import CloseReason

from ..config import RESERVED_THREADS, ConfigurationError, Settings
from ..engine.logfile import LogFile
from ..engine.manager import LogStreamManager, Send
from ..engine.offering import Offer, OfferToAll
from ..engine.watcher import why_not
from ..tmux import Running, TmuxWatcher
from .access import Access, Refusal
from .announcer import Announcer
from .commands import Commands
from .connection import Connection, Traffic, offer_to_all
from .directory import DirectoryCheck
from .gate import Gate, client_of
from .helpers import Helpers
from .recheck import Recheck
from .sockets import find_socket
from .stalls import limit_stall
from .upgrade import WebSockets, read, wsgi_response_class

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from ..fleet.replica import Replica
    from .metrics import Metrics

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 1.0  # seconds that a close frame has to get out, and a client to leave
_HELPERS = 64  # threads that carry out subscribes: so many may hang, before a client waits for its own
MAX_CONNECTIONS = 1000  # where neither the settings nor the web server say how many


class Endpoint:
    """The WebSocket route `/ws` on a blueprint, and the connections that are open on it."""

    def __init__(self, settings: Settings, access: Access, announcer: Announcer) -> None:
        """Raises ConfigurationError."""
        reason = why_not(settings.watcher)
        if reason is not None:
            raise ConfigurationError(f"LOGSTREAM_WATCHER: {reason}")
        self._settings = settings
        self._announcer = announcer
        self.gate = Gate(access)
        self._set_limit(settings.max_connections or MAX_CONNECTIONS)
        self._traffic = Traffic()
        self.metrics = _create_metrics(self._gauges, self._traffic.total, _fleet_gauges(settings))
        self.manager = LogStreamManager(
            cast(Send, Connection.send),
            cast(Offer, Connection.offer),
            settings.directory,
            settings.suffix,
            offer_to_all=cast(OfferToAll, functools.partial(offer_to_all, self._traffic)),
            max_subscriptions=settings.max_subscriptions,
            state=settings.state,
            meter=self.metrics,
            watcher=settings.watcher,
        )
        self._helpers = Helpers(_HELPERS)
        self._websockets = WebSockets(settings, self._traffic)
        self.blueprint = Blueprint("logstream", __name__)
        self.blueprint.route("/ws", endpoint="websocket", websocket=True)(self._answer)
        self.blueprint.get("/ws", endpoint="refusal")(self._say_why)
        self._directory = DirectoryCheck(settings.directory)
        # Guards all below; notified when a connection ends.
        self._changed = threading.Condition(threading.Lock())
        self._connections: set[Connection] = set()
        self._closing = False
        self.manager.on_close(self._close)
        self.manager.on_completed(announcer.completed)
        self.fleet = _create_dashboard(settings, self.manager)
        self._tmux = self._watch_tmux()
        self._directory.run()

    def _watch_tmux(self) -> TmuxWatcher | None:
        name = self._settings.tmux
        if name == "off" or self.fleet is not None:  # of a session elsewhere, its host watches tmux
            return None
        watcher = TmuxWatcher(
            None if name == "auto" else name,
            self.manager.followed_sessions,
            self.manager.notify_session_completed,
            self._settings.directory,
            self._settings.suffix,
            state=self.manager.state_directory,
            started=self._announcer.started,
            is_wanted=self._announcer.has_receivers,
        )
        self.manager.on_close(watcher.close)
        return watcher

    def begin(self) -> None:
        """In a process that is about to serve: look at tmux from now on, where the app has receivers of signals,
        and hear of other hosts' sessions.
        """
        if self._tmux is not None and self._announcer.has_receivers():
            self._tmux.wake()
        if self.fleet is not None:
            self.fleet.begin()

    def running(self) -> Mapping[str, Running]:
        """The sessions that tmux has; it is asked for that, unless it was within the last second."""
        if self._tmux is None:
            return {}
        self._tmux.refresh()
        return self._tmux.running()

    def open_log(self, session_name: str, *, level: bool = True) -> LogFile:
        """A session's log; another host's is brought first, all of it where `level`. Raises ProtocolError."""
        self._bring(session_name, level)
        return self.manager.open_log(session_name)

    def _bring(self, session_name: str, level: bool) -> bool:
        return self.fleet is not None and self.fleet.bring(session_name, level=level)

    def _on_subscribe(self) -> None:
        """Somebody follows a log: its directory may be there by now, and its tmux session may end."""
        self._directory.run()
        if self._tmux is not None:
            self._tmux.wake()

    def limit_connections(self, threads: int) -> None:
        """Admit no more connections than leave some of the web server's threads, and descriptors, to HTTP.

        To be called before there are any.
        """
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
        self._set_limit(min(wanted or allowed, allowed))
        self.metrics.refresh()

    def _set_limit(self, connections: int) -> None:
        self._max_connections = connections
        self._places = threading.Semaphore(connections)

    def counts(self) -> dict[str, int]:
        """How many connections are open, what the manager counts, and of other hosts' sessions, what is copied.

        Where several workers share their figures, those of all; then also how many workers there are, and how many
        connections all of them and each one takes.
        """
        totals = self.metrics.totals()
        if totals is None:
            return self._counts()
        return {**totals, "max_connections_per_worker": self._max_connections}

    def _counts(self) -> dict[str, int]:
        fleet = self.fleet.counts() if self.fleet is not None else {}
        return {"connections": len(self._connections), **self.manager.counts(), **fleet}

    def _gauges(self) -> dict[str, int]:
        return {"workers": 1, "max_connections": self._max_connections, **self._counts()}

    def limit_stall(self, response: Response) -> Response:
        """After the current request: an answer that nobody reads ends as a WebSocket does."""
        return limit_stall(response, self._settings.stall_timeout)

    def _answer(self) -> Response:
        """The route: a WebSocket, or why there is none."""
        if self._closing:
            return Response("The server is going away.\n", status=503, mimetype="text/plain")
        refusal = self.gate.check()
        if refusal is not None:
            return self.gate.refuse(refusal)
        if find_socket(request.environ) is None:
            logger.error(
                "no WebSockets here: serve the app with gunicorn's threaded worker or Flask's development server, "
                "and end TLS in front of it"
            )
            return Response("This server cannot serve WebSockets.\n", status=501, mimetype="text/plain")
        return self._connecting_response()

    def _say_why(self) -> Response:
        """The route for an ordinary request: why there would be no WebSocket, which a browser keeps from its page."""
        refusal = self.gate.check()
        if refusal is not None:
            return self.gate.refuse(refusal)
        return Response("This is the address of a WebSocket.\n", status=400, mimetype="text/plain")

    @functools.cached_property
    def _connecting_response(self) -> type[Response]:
        """The class of responses that `_connect` makes."""
        return wsgi_response_class(current_app.response_class, self._connect)

    def _connect(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request that may become a WebSocket with one, as long as there is a place for it.

        It is served while the web server iterates over what is returned: the request's context is over by then.
        """
        sock = find_socket(environ)
        assert sock is not None, "the route has looked"
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        places = self._places
        if not places.acquire(blocking=False):
            return self.gate.refuse(_FULL)(environ, start_response)
        allows = functools.partial(self.gate.allows_later, app, environ)
        serve = functools.partial(self._serve, allows, client_of(environ))
        return ClosingIterator(self._websockets.run(environ, sock, serve, start_response), places.release)

    def _serve(
        self, allows: Callable[[str | None], bool | None], client: str, ws: Server, connection: Connection
    ) -> None:
        """Carry out one client's commands until it is gone. Nothing escapes: HTTP is over on this socket."""
        commands = Commands(
            connection,
            self.manager,
            self._settings,
            self.gate.refusals,
            client=client,
            helpers=self._helpers,
            allows=lambda session_name: allows(session_name) is True,
            on_subscribe=self._on_subscribe,
            bring=self._bring,
        )
        interval = self._settings.recheck if self.gate.access.has_hook else math.inf
        recheck = Recheck(connection, self.manager, interval, self.gate.refusals, client, allows)

        def before() -> None:
            if self._tmux is not None:
                self._tmux.retry()
            recheck.run()

        with self._changed:
            self._connections.add(connection)
            closing = self._closing
        try:
            self.metrics.connected()
            if closing:
                connection.shut(CloseReason.GOING_AWAY)
            else:
                read(ws, commands.carry_out, before, lambda: recheck.due)
        except Exception:
            logger.exception("a connection failed")
            connection.shut(CloseReason.INTERNAL_ERROR)
        finally:
            connection.end_sending()  # wakes who is sending to it
            commands.give_up()
            self.manager.handle_client_disconnect(connection)
            connection.finish()
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()
            self.metrics.disconnected()

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


def current_endpoint() -> Endpoint:
    """The endpoint of the current request's app."""
    return cast(Endpoint, current_app.extensions["logstream"])


_FULL = Refusal(
    503,
    "The server is full. Try again later.",
    "all connections are taken (LOGSTREAM_MAX_CONNECTIONS, and the web server's threads)",
)


def _create_metrics(
    gauges: Callable[[], dict[str, int]], sent: Callable[[], tuple[int, int]], more: Mapping[str, str]
) -> Metrics:
    from .metrics import Metrics  # when an app is made: by then it is settled whether workers share their metrics

    return Metrics.create(gauges, sent, more)


# A fleet's part takes Redis's library, and longer to import than all the rest: it is left to those who have a fleet.


def _fleet_gauges(settings: Settings) -> Mapping[str, str]:
    if settings.redis is None:
        return {}
    from ..fleet.replica import GAUGES

    return GAUGES


def _create_dashboard(settings: Settings, manager: LogStreamManager) -> Replica | None:
    if settings.redis is None:
        return None
    from ..fleet.dashboard import create_dashboard

    return create_dashboard(settings, manager)
