"""A log as plain text over HTTP: all of it as a terminal shows it, or the lines that match."""

from __future__ import annotations

import dataclasses
import errno
import logging
import select
import socket
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator
from urllib.parse import quote

from flask import Blueprint, Response, request

from ..engine.escapes import plain
from ..engine.logfile import LogFile
from ..engine.reading import RewrittenError
from ..engine.search import MOST_HITS, End, Hit, Query, Searches
from ..plain import MAX_COLUMNS, MIN_COLUMNS
from .endpoint import current_endpoint
from .query import check_options, number
from .sockets import find_socket

logger = logging.getLogger(__name__)

_PIECE = 16 * 1024  # bytes of an answer that are sent at once
_PATIENCE = 0.5  # seconds without any, after which it is looked whether the client is there


def add_routes(page: Blueprint) -> None:
    """Add the route to the page's blueprint, whose rules of who may ask hold for it too."""
    page.get("/sessions/<name>/text", endpoint="text")(_text)


def _text(name: str) -> Response:
    endpoint = current_endpoint()
    check_options("columns")
    columns = number("columns", 0, least=MIN_COLUMNS, most=MAX_COLUMNS) or None
    file = endpoint.open_log(name)
    texts = endpoint.manager.texts
    place = texts.places.enter()
    response = text_response(name, f"{name}.txt", texts.run(file, columns))
    response.call_on_close(place.close)
    return response


def text_response(session_name: str, file_name: str, parts: Iterable[str]) -> Response:
    """Text as it comes, under a file's name. An error in it cuts the answer off, so that nobody takes it for whole.

    Empty parts are for who goes on without saying anything, and might not notice that the client has left.
    """
    response = Response(_pieces(session_name, parts, find_socket(request.environ)), mimetype="text/plain")
    simple = unicodedata.normalize("NFKD", file_name).encode("ascii", "ignore").decode()
    exact = {} if simple == file_name else {"filename*": f"UTF-8''{quote(file_name, safe='')}"}
    response.headers.set("Content-Disposition", "inline", filename=simple, **exact)
    response.headers["X-Accel-Buffering"] = "no"  # or nginx would keep on reading for a client that has left
    return response


def _pieces(session_name: str, parts: Iterable[str], client: socket.socket | None) -> Iterator[bytes]:
    yield b""  # the head of the answer goes out, however long there is nothing to say
    waiting = bytearray()
    looked = time.monotonic()
    try:
        for part in parts:
            waiting += part.encode(errors="replace")
            if len(waiting) >= _PIECE:
                yield bytes(waiting)
                waiting.clear()
                looked = time.monotonic()
            elif time.monotonic() - looked > _PATIENCE:
                if client is not None and _has_left(client):
                    return
                looked = time.monotonic()
    except (OSError, RewrittenError) as error:
        logger.warning("session %r cannot be read as text: %s", session_name, str(error) or "it was rewritten")
        raise ConnectionResetError(errno.ECONNRESET, "the log cannot be read") from None
    yield bytes(waiting)


def _has_left(client: socket.socket) -> bool:
    """Whether a client has closed its connection."""
    poller = select.poll()
    try:
        poller.register(client, select.POLLRDHUP)
        return bool(poller.poll(0))
    except (OSError, ValueError):  # it is closed here, too
        return True


def matching_lines(
    searches: Searches, session_name: str, file: LogFile, query: Query, live: Callable[[], object]
) -> Generator[str]:
    """All lines of a log as it is now that match, as a terminal shows them. Calls `live()` now and then.

    Raises OSError.
    """
    start: int | None = query.start
    stop = file.size() if query.stop is None else query.stop
    ended, place = True, -1  # whether the last line that was given is whole, and where what follows it begins
    while start is not None:
        part = dataclasses.replace(query, start=start, stop=stop, limit=MOST_HITS)
        start = None
        for found in searches.run(session_name, file, part, live):
            if isinstance(found, Hit):
                data = file.read(found.offset, found.end - found.offset)
                text = plain(data.removesuffix(b"\n")).decode(errors="replace")
                line_end = "\n" if data.endswith(b"\n") else ""
                yield ("" if ended or place == found.offset else "\n") + text + line_end
                ended, place = line_end != "", found.end
            else:
                start = found.next if isinstance(found, End) else start
                yield ""
    if not ended:
        yield "\n"
