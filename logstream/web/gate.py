"""Letting requests in by an app's rules, and answering those that stay outside."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from ..ratelimit import RateLimitedLog
from .access import WRONG_TOKEN, Access, Refusal
from .guesses import DELAY, Guesses

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)


class Gate:
    """The rules of one app, as its routes ask for them. Any thread."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.refusals = RateLimitedLog(logger)  # what the operator reads of who was refused
        self._guesses = Guesses()

    def check(self, *, monitoring: bool = False) -> Response | None:
        """The answer to the current request if it is refused; None if it is not."""
        refusal = self.access.check(request, monitoring=monitoring)
        return None if refusal is None else self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> Response:
        """The answer to the current request, which is refused. Tells the operator, and lets who guesses wait."""
        path, client = ascii(request.path[:100]), ascii(request.remote_addr or "a Unix socket").strip("'")
        self.refusals.warning("refused a request for %s: %s; it came from %s", path, refusal.advice, client)
        if refusal is WRONG_TOKEN and self._guesses.are_too_many(request.remote_addr or ""):
            time.sleep(DELAY)
        response = Response(f"{refusal.sentence}\n", status=refusal.status, mimetype="text/plain")
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def allows(self, session_name: str) -> bool:
        """Whether the client of the current request may see a session; not where the hook fails."""
        return _or_false(lambda: self.access.allows(session_name))

    def allows_later(self, app: Flask, environ: WSGIEnvironment, session_name: str) -> bool:
        """The same for a request that is over, as if it were made again."""
        return _or_false(lambda: self.access.allows_later(app, environ, session_name))


def _or_false(allows: Callable[[], bool]) -> bool:
    try:
        return allows()
    except Exception:
        logger.exception("the authorize hook failed")
        return False
