"""The lines around any place of a log, over HTTP."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response

from ..engine.lines import MOST_LINES, lines_around
from .endpoint import current_endpoint
from .query import check_options, number
from .refusals import cannot_be_read

_USUAL = 50  # lines on each side


def add_routes(page: Blueprint) -> None:
    """Add the route to the page's blueprint, whose rules of who may ask hold for it too."""
    page.get("/sessions/<name>/lines", endpoint="lines")(_lines)


def _lines(name: str) -> Response:
    endpoint = current_endpoint()
    check_options("at", "before", "after")
    at = number("at", 0)
    before, after = (number(side, _USUAL, most=MOST_LINES) for side in ("before", "after"))
    file = endpoint.open_log(name, level=False)
    try:
        lines = lines_around(file, at, before, after)
        first = endpoint.manager.line_indexes.of(name, file).line_at(file, lines[0].offset) if lines else None
        size = file.size()
    except OSError as error:
        return cannot_be_read(name, error)
    entries = []
    for line in lines:
        text = line.data.decode(errors="replace")
        entry = {"offset": line.offset, "end": line.end, "line": first, "text": text}
        if line.end - line.offset == len(line.data):
            entry["open"] = True  # it goes on, or will
        elif first is not None:
            first += 1
        entries.append(entry)
    which = "{:x}.{:x}".format(*file.identity)  # another one where the file was replaced
    return Response(orjson.dumps({"log": which, "size": size, "lines": entries}), mimetype="application/json")
