"""The Flask extension: what an app puts on itself, and calls."""

from __future__ import annotations

import logging
from typing import cast

from flask import Blueprint, Flask, Response, current_app

from ..config import Settings
from ..engine.manager import LogStreamManager
from .access import Access, Authorize
from .announcer import Announcer
from .endpoint import Endpoint
from .page import create_page
from .redaction import hide_tokens

logger = logging.getLogger(__name__)

_LONG_ENOUGH = 16  # characters of a token


class LogStream:
    """Live logs for a Flask app: `LogStream(app)`, or `LogStream()` and `init_app(app)`.

    Registers the WebSocket endpoint `/ws`, and sends the signals `session_completed` and `session_started`. Reads the
    LOGSTREAM_* config keys, else the environment variables of the same names.
    """

    def __init__(self, app: Flask | None = None, authorize: Authorize | None = None) -> None:
        """Raises ConfigurationError where a setting of the app's makes no sense.

        `authorize(session_name)` says whether the client of the current request may follow a session. It is called
        on the connection's thread: with None when a client is about to connect, and with the name when it subscribes,
        then in a new request context each time, made from the request that it connected with, after the app's
        `before_request` functions. What it returns is taken as true or false.
        """
        self._authorize = authorize
        self._app: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Mount the extension on an app. Raises ConfigurationError."""
        settings = Settings.load(app.config)
        app.config.update(LOGSTREAM_DIRECTORY=settings.directory, LOGSTREAM_SUFFIX=settings.suffix)
        if settings.log_level is not None:
            logging.getLogger("logstream").setLevel(settings.log_level)
        hide_tokens()
        access = Access(settings, self._authorize)
        endpoint = Endpoint(settings, access, Announcer(app))
        app.register_blueprint(endpoint.blueprint)
        app.extensions["logstream"] = endpoint
        self._app = app
        if settings.token is not None and len(settings.token) < _LONG_ENOUGH:
            logger.warning(
                "LOGSTREAM_TOKEN has only %d characters: guessing one of %d that are random takes for ever",
                len(settings.token),
                _LONG_ENOUGH,
            )
        logger.info("serving %s to %s", settings.describe(), access.describe())

    @property
    def manager(self) -> LogStreamManager:
        """The manager of the current app, or outside of one, of the app that was mounted on last."""
        return self._endpoint.manager

    def page(self) -> Blueprint:
        """A blueprint with the page, for `app.register_blueprint(logs.page(), url_prefix="/logs")`.

        It lists the sessions and shows each one live, with the whole log and the JavaScript client beside it. The
        rules of who may connect hold for it by themselves.
        """
        return create_page()

    def complete(self, session_name: str) -> bool:
        """Complete a session, on whichever host it runs. Any thread; may take seconds where it is another one.

        Returns False where the session's host is away: then nothing is complete. May be repeated.
        """
        return self.manager.notify_session_completed(session_name)

    def counts(self) -> dict[str, int]:
        """Totals for monitoring: open connections, and what the manager counts. Any thread.

        Where several workers share their metrics, those of all, with `workers`, `max_connections` and
        `max_connections_per_worker`.
        """
        return self._endpoint.counts()

    def metrics(self) -> Response:
        """A response with the metrics in Prometheus' text format; 501 where prometheus_client is not installed."""
        return self._endpoint.metrics.response()

    def check_access(self, monitoring: bool = False) -> Response | None:
        """The answer to the current request if it may not be served, else None: for `before_request`.

        The rules are those of the WebSocket endpoint, where they hold by themselves. A request for `monitoring`
        needs no token.
        """
        return self._endpoint.gate.check(monitoring=monitoring)

    @property
    def _endpoint(self) -> Endpoint:
        app = current_app if current_app and "logstream" in current_app.extensions else self._app
        if app is None:
            raise RuntimeError("LogStream has no app yet: call init_app(app)")
        return cast(Endpoint, app.extensions["logstream"])
