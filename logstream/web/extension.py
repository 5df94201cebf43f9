"""The Flask extension: what an app puts on itself, and calls."""

from __future__ import annotations

import logging
from typing import cast

import click
from flask import Blueprint, Flask, Response, current_app

from ..config import ConfigurationError, Settings
from ..engine.manager import LogStreamManager
from .access import Access, Authorize
from .announcer import Announcer
from .endpoint import Endpoint
from .log import set_up_logging
from .operations import create_operations
from .page import create_page
from .redaction import hide_tokens

logger = logging.getLogger(__name__)

_LONG_ENOUGH = 16  # characters of a token


class LogStream:
    """Live logs for a Flask app: `LogStream(app)`, or `LogStream()` and `init_app(app)`.

    Registers the WebSocket endpoint `/ws`, or with a prefix all that the stand-alone server has, and sends the signals
    `session_completed` and `session_started`. Reads the LOGSTREAM_* config keys, else the environment variables of the
    same names.
    """

    def __init__(
        self, app: Flask | None = None, authorize: Authorize | None = None, url_prefix: str | None = None
    ) -> None:
        """Raises ConfigurationError where a setting of the app's makes no sense.

        With a `url_prefix`, such as `/logs`, everything is below it: the WebSocket (`/logs/ws`), the page (`/logs/`),
        and the routes for programs (`/logs/sessions/<name>/complete`, `/logs/healthz`, `/logs/metrics`). So it is the
        address of this server for every command and client. Without one, there is `/ws` alone, and what else the app
        asks for, by `page` and others.

        `authorize(session_name)` says whether the client of the current request may follow a session. It is called
        on the connection's thread: with None when a client is about to connect, and with the name when it subscribes,
        then in a new request context each time, made from the request that it connected with, after the app's
        `before_request` functions; so it is every LOGSTREAM_RECHECK seconds for all that a client follows. What it
        returns is taken as true or false. A response, such as a redirection to the app's form, says no too, and is what
        people get who ask for a page; it may be raised by `abort`.
        """
        if url_prefix is not None and not (url_prefix == "" or url_prefix.startswith("/")):
            raise ConfigurationError(f"the url_prefix of LogStream must begin with a slash, not {url_prefix!r}")
        self._authorize = authorize
        self._url_prefix = url_prefix
        self._app: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Mount the extension on an app. Raises ConfigurationError."""
        settings = Settings.load(app.config)
        app.config.update(LOGSTREAM_DIRECTORY=settings.directory, LOGSTREAM_SUFFIX=settings.suffix)
        set_up_logging()
        if settings.log_level is not None:
            logging.getLogger("logstream").setLevel(settings.log_level)
        hide_tokens()
        access = Access(settings, self._authorize)
        endpoint = Endpoint(settings, access, Announcer(app))
        app.extensions["logstream"] = endpoint
        app.register_blueprint(endpoint.blueprint, url_prefix=self._url_prefix)
        if self._url_prefix is not None:
            for blueprint in (self.page(), create_operations()):
                app.register_blueprint(blueprint, url_prefix=self._url_prefix)
        self._app = app
        if settings.token is not None and len(settings.token) < _LONG_ENOUGH:
            logger.warning(
                "LOGSTREAM_TOKEN has only %d characters: guessing one of %d that are random takes for ever",
                len(settings.token),
                _LONG_ENOUGH,
            )
        level = logging.INFO if _is_about_to_serve() else logging.DEBUG
        logger.log(level, "serving %s to %s", settings.describe(), access.describe())

    @property
    def manager(self) -> LogStreamManager:
        """The manager of the current app, or outside of one, of the app that was mounted on last."""
        return self._endpoint.manager

    def page(self) -> Blueprint:
        """A blueprint with the page alone, for `app.register_blueprint(logs.page(), url_prefix="/logs")`.

        It lists the sessions and shows each one live, with the whole log and the JavaScript client beside it. The
        rules of who may connect hold for it by themselves. An app that is given a `url_prefix` has it there already.
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
        gate = self._endpoint.gate
        refusal = gate.check(monitoring=monitoring)
        return None if refusal is None else gate.refuse(refusal)

    @property
    def _endpoint(self) -> Endpoint:
        app = current_app if current_app and "logstream" in current_app.extensions else self._app
        if app is None:
            raise RuntimeError("LogStream has no app yet: call init_app(app)")
        return cast(Endpoint, app.extensions["logstream"])


def _is_about_to_serve() -> bool:
    """Whether the app is made to be served, and not for a command such as `flask routes`."""
    context = click.get_current_context(silent=True)
    return context is None or context.info_name == "run"
