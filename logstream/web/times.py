"""When the lines of a log arrived, over HTTP."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, request

from ..engine.arrivals import Span, place_at, spans
from ..engine.lines import lines_around
from ..engine.logfile import LogFile
from .endpoint import current_endpoint
from .query import OptionError, check_options, moment, number
from .refusals import cannot_be_read


def add_routes(page: Blueprint) -> None:
    """Add the route to the page's blueprint, whose rules of who may ask hold for it too."""
    page.get("/sessions/<name>/times", endpoint="times")(_times)


def _times(name: str) -> Response:
    check_options("from", "to", "at")
    start, stop = number("from", 0), number("to", 0) if "to" in request.args else None
    at = moment("at")
    if at is not None and len(request.args.keys() & {"from", "to"}):
        raise OptionError("'at' is a time, and asks for a place: 'from' and 'to' are places, and ask for times.")
    file = current_endpoint().open_log(name, level=False)
    try:
        fields = _arrivals(name, file, start, stop) if at is None else _place(name, file, at)
    except OSError as error:
        return cannot_be_read(name, error)
    return Response(orjson.dumps(fields), mimetype="application/json")


def _arrivals(name: str, file: LogFile, start: int, stop: int | None) -> dict[str, object]:
    """When the bytes between two offsets came. Raises OSError."""
    standings = current_endpoint().manager.times.of(name, file)
    size = standings[-1].size
    return {
        "size": size,
        "spans": [_fields(span) for span in spans(standings, start, size if stop is None else min(stop, size))],
    }


def _place(name: str, file: LogFile, at: int) -> dict[str, object]:
    """The line that came at a time, or else the next one; the last one where there is none. Raises OSError."""
    standings = current_endpoint().manager.times.of(name, file)
    size = standings[-1].size
    lines = lines_around(file, place_at(standings, at), 0, 0)
    if not lines:
        return {"size": size, "offset": 0, "end": 0, "earliest": None, "latest": None}
    offset, end = lines[0].offset, lines[0].end
    earliest, latest = spans(standings, offset, offset + 1)[0][2:]
    return {"size": size} | _fields(Span(offset, end, earliest, latest))


def _fields(span: Span) -> dict[str, object]:
    """Times as all of the page's are: seconds since the epoch."""
    earliest, latest = (None if time is None else time / 1000 for time in (span.earliest, span.latest))
    return {"offset": span.offset, "end": span.end, "earliest": earliest, "latest": latest}
