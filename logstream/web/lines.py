"""The lines around any place of a log, over HTTP."""

from __future__ import annotations

import logging
from typing import cast

import orjson
from flask import Blueprint, Response, current_app

from ..engine.lines import MOST_LINES, lines_around
from ..protocol import ProtocolError
from .endpoint import Endpoint
from .query import OptionError, check_options, number

logger = logging.getLogger(__name__)

_USUAL = 50  # lines on each side


def add_routes(page: Blueprint) -> None:
    """Add the route to the page's blueprint, whose rules of who may ask hold for it too."""
    page.get("/sessions/<name>/lines", endpoint="lines")(_lines)


def _lines(name: str) -> Response:
    endpoint = cast(Endpoint, current_app.extensions["logstream"])
    manager = endpoint.manager
    try:
        check_options("at", "before", "after")
        at = number("at", 0)
        before, after = (number(side, _USUAL, most=MOST_LINES) for side in ("before", "after"))
        file = endpoint.open_log(name, level=False)
    except OptionError as error:
        return Response(f"{error}\n", status=400, mimetype="text/plain")
    except ProtocolError as error:
        return Response(f"{error}\n", status=404, mimetype="text/plain")
    try:
        lines = lines_around(file, at, before, after)
        first = manager.line_indexes.of(name, file).line_at(file, lines[0].offset) if lines else None
        size = file.size()
    except OSError as error:
        logger.warning("session %r cannot be read: %s", name, error)
        return Response(f"Session {name!r} cannot be read.\n", status=503, mimetype="text/plain")
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
