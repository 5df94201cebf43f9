"""Answers in JSON that are asked for again and again: compressed, and only sent where they have changed."""

from __future__ import annotations

import gzip
import hashlib

import orjson
from flask import Response, request

_WORTH = 1024  # bytes from which an answer is compressed
_LEVEL = 1  # a list shrinks to a tenth with the least


def json_response(value: object) -> Response:
    """An answer to the current request; 304, without a body, where the client has the same one already."""
    body = orjson.dumps(value)
    response = Response(body, mimetype="application/json")
    response.set_etag(hashlib.blake2b(body, digest_size=16).hexdigest(), weak=True)
    response.headers["Cache-Control"] = "private, no-cache"  # kept, but asked about each time
    response.vary.add("Accept-Encoding")
    response.make_conditional(request)
    if response.status_code == 200 and len(body) >= _WORTH and request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(body, _LEVEL, mtime=0))
        response.content_encoding = "gzip"
    return response
