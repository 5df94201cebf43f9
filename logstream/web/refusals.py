"""What a request is answered with that cannot be carried out: a sentence, under a status that fits."""

from __future__ import annotations

import logging

from flask import Blueprint, Response

from ..engine.patterns import PatternError
from ..engine.places import BusyError
from ..protocol import ProtocolError
from .query import OptionError

logger = logging.getLogger(__name__)


def plain_answer(sentence: str, status: int) -> Response:
    """The answer."""
    return Response(f"{sentence}\n", status=status, mimetype="text/plain")


def cannot_be_read(session_name: str, error: OSError) -> Response:
    """The answer where a log is there, and reading it fails."""
    logger.warning("session %r cannot be read: %s", session_name, error)
    return plain_answer(f"Session {session_name!r} cannot be read.", 503)


def refuse_errors(blueprint: Blueprint) -> None:
    """Have what a view raises of what is asked for, of its session, and for want of a place, answered by its text."""
    blueprint.register_error_handler(OptionError, lambda error: plain_answer(str(error), 400))
    blueprint.register_error_handler(PatternError, lambda error: plain_answer(str(error), 400))
    blueprint.register_error_handler(ProtocolError, lambda error: plain_answer(str(error), 404))
    blueprint.register_error_handler(BusyError, _refuse_for_now)


def _refuse_for_now(error: BusyError) -> Response:
    response = plain_answer(str(error), 503)
    response.headers["Retry-After"] = "1"
    return response
