"""Letting requests in by an app's rules, and answering those that stay outside."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from ..ratelimit import RateLimitedLog
from .access import WRONG_TOKEN, Access, Refusal
from .guesses import DELAY, Guesses

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)

_FAILED = "the authorize hook failed"


class Gate:
    """The rules of one app, as its routes ask for them. Any thread."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.refusals = RateLimitedLog(logger)  # what the operator reads of who was refused
        self._guesses = Guesses()

    def check(self, *, monitoring: bool = False) -> Refusal | None:
        """Why the current request is refused; None if it is not. Raises what the hook raises."""
        return self.access.check(request, monitoring=monitoring)

    def check_view(self, *, monitoring: bool = False) -> Refusal | None:
        """The same for a request that may be about a session, by the name in its address."""
        session_name: str | None = (request.view_args or {}).get("name")
        refusal = self.check(monitoring=monitoring)
        return refusal if refusal is not None or session_name is None else self.check_session(session_name)

    def check_session(self, session_name: str) -> Refusal | None:
        """Why the current request is refused a session; also where the hook fails."""
        try:
            return self.access.check_session(session_name)
        except Exception:
            logger.exception(_FAILED)
            return Refusal(403, f"Session {session_name!r} is not for you to see.", "the authorize hook fails")

    def refuse(self, refusal: Refusal) -> Response:
        """The answer to the current request, which is refused. Tells the operator, and lets who guesses wait."""
        path, client = ascii(request.path[:100]), client_of(request.environ)
        self.refusals.warning("refused a request for %s: %s; it came from %s", path, refusal.advice, client)
        if refusal is WRONG_TOKEN and self._guesses.are_too_many(request.remote_addr or ""):
            time.sleep(DELAY)
        response = Response(f"{refusal.sentence}\n", status=refusal.status, mimetype="text/plain")
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        # Or a browser would keep the reason from the page: from one of a stranger's only that which is no secret.
        origin = request.headers.get("Origin")
        if refusal.of_origin:
            response.headers["Access-Control-Allow-Origin"] = "*"
        elif origin is not None and self.access.admits(origin, request):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.vary.add("Origin")
        return response

    def allows(self, session_name: str) -> bool:
        """Whether the client of the current request may see a session; not where the hook fails."""
        return self.check_session(session_name) is None

    def allows_later(self, app: Flask, environ: WSGIEnvironment, session_name: str | None) -> bool | None:
        """What the hook says of a request that is over, as if it were made again; None where it fails.

        With None for the name: whether it may connect.
        """
        try:
            return self.access.allows_later(app, environ, session_name)
        except Exception:
            logger.exception(_FAILED)
            return None


def client_of(environ: WSGIEnvironment) -> str:
    """How the log calls the client of a request: by its address, or the one that a trusted proxy has said."""
    return ascii(environ.get("REMOTE_ADDR") or "a Unix socket").strip("'")
