"""Searching one session's log or all of them, over HTTP: JSON lines, each as soon as it is found."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import orjson
from flask import Blueprint, Response, request

from ..engine.logfile import LogFile
from ..engine.manager import LogStreamManager
from ..engine.patterns import Pattern
from ..engine.search import MOST_CONTEXT, MOST_HITS, End, Hit, Progress, Query
from ..engine.sessions import unreadable
from ..engine.worker import HangsError, Worker
from ..protocol import ProtocolError
from .endpoint import current_endpoint
from .query import OptionError, check_options, flag, number
from .refusals import plain_answer
from .text import matching_lines, text_response

logger = logging.getLogger(__name__)

_OPTIONS = ("q", "regex", "case", "from", "to", "limit", "context", "reverse", "numbers")
_TEXT_OPTIONS = ("q", "regex", "case", "from", "to", "format")  # where all lines are wanted that match, as plain text
_PIECE = 16 * 1024  # bytes of an answer that are sent at once


def add_routes(page: Blueprint) -> None:
    """Add the routes to the page's blueprint, whose rules of who may ask hold for them too."""
    page.get("/sessions/<name>/search", endpoint="search")(_search)
    page.get("/search", endpoint="search_all")(_search_all)


def _search(name: str) -> Response:
    is_text = "format" in request.args
    query = _query(_TEXT_OPTIONS if is_text else _OPTIONS)
    if request.args.get("format", "text") != "text":
        raise OptionError("'format' must be text, or left out for JSON lines.")
    file = current_endpoint().open_log(name)  # an error is said by the status
    if is_text:
        return _begin(lambda worker: _text(worker, name, file, query))
    file.close()
    return _begin(lambda worker: _hits(worker, [name], query, named=False))


def _text(worker: Worker[Any], name: str, file: LogFile, query: Query) -> Response:
    searches = current_endpoint().manager.searches
    lines = worker.items(name, lambda live: matching_lines(searches, name, file, query, live))
    return text_response(name, f"{name}.matches.txt", lines)


def _search_all() -> Response:
    if "from" in request.args or "to" in request.args:
        raise OptionError("'from' and 'to' are places in one session's log.")
    query = _query(_OPTIONS)
    endpoint = current_endpoint()
    try:
        sessions = endpoint.manager.sessions.read()
    except OSError as error:
        return plain_answer(unreadable(error), 503)
    names = [session.name for session in sessions if endpoint.gate.allows(session.name)]
    return _begin(lambda worker: _hits(worker, names, query, named=True))


def _query(options: tuple[str, ...]) -> Query:
    """What the current request asks for, by no other options. Raises OptionError or PatternError."""
    check_options(*options)
    if "q" not in request.args:
        raise OptionError("'q' is missing: what is searched for.")
    return Query(
        Pattern(request.args["q"], regex=flag("regex"), case=flag("case")),
        start=number("from", 0),
        stop=number("to", 0) if "to" in request.args else None,
        limit=number("limit", 1000, least=1, most=MOST_HITS),
        context=number("context", 0, most=MOST_CONTEXT),
        reverse=flag("reverse"),
        numbers=flag("numbers"),
    )


def _begin(answer: Callable[[Worker[Any]], Response]) -> Response:
    """An answer that is made while it goes out, if there is a place for one more."""
    searches = current_endpoint().manager.searches
    with searches.enter() as place:
        worker = searches.worker()
        place.callback(worker.close)
        response = answer(worker)
        response.call_on_close(place.pop_all().close)
    return response


def _hits(worker: Worker[Any], names: list[str], query: Query, *, named: bool) -> Response:
    lines = _lines(current_endpoint().manager, worker, names, query, named)
    response = Response(lines, mimetype="application/x-ndjson")
    response.headers["X-Accel-Buffering"] = "no"  # or nginx would keep hits back
    return response


def _find(
    manager: LogStreamManager, name: str, query: Query, live: Callable[[], None]
) -> Generator[Hit | Progress | End]:
    return manager.searches.run(name, manager.open_log(name), query, live)


def _lines(
    manager: LogStreamManager, worker: Worker[Any], names: list[str], query: Query, named: bool
) -> Iterator[bytes]:
    """The answer. A client that is gone is noticed when it is written to, which is twice a second at least."""
    read, left = 0, query.limit
    end: dict[str, Any] = {"more": False}
    for name in names:
        if left == 0:
            end = {"more": True}
            break
        waiting = bytearray()  # what was found since the last piece of the answer
        try:
            limited = dataclasses.replace(query, limit=left)
            for found in worker.items(name, functools.partial(_find, manager, name, limited)):
                if isinstance(found, Hit):
                    left -= 1
                    waiting += _line(({"session": name} if named else {}) | _fields(found))
                    if len(waiting) < _PIECE:
                        continue
                elif isinstance(found, End):
                    read += found.read
                    end = {"more": found.more} | ({"next": found.next} if found.more and not named else {})
                elif not waiting:
                    waiting += _line({"read": read + found.read})
                yield bytes(waiting)
                waiting.clear()
        except (OSError, ProtocolError) as error:
            logger.warning("session %r cannot be searched: %s", name, error)
            if not named:
                problem = "does not answer just now" if isinstance(error, HangsError) else "cannot be read"
                waiting += _line({"error": f"Session {name!r} {problem}."})
            yield bytes(waiting)
            if not named:
                return
    yield _line({"read": read} | end)


def _fields(hit: Hit) -> dict[str, object]:
    return {name: getattr(hit, name) for name in Hit.__slots__}


def _line(fields: Mapping[str, object]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
