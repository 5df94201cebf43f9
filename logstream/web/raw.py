"""A whole log as the answer to an HTTP request."""

from __future__ import annotations

import errno
import logging
from typing import IO, cast

from flask import Response, g, request
from werkzeug.utils import send_file
from werkzeug.wsgi import FileWrapper

from ..engine.logfile import LogFile, signature_of

logger = logging.getLogger(__name__)

_BLOCK = 256 * 1024  # bytes that are read at once


def raw_response(file: LogFile, name: str) -> Response:
    """The log as it is now, or the range of it that the current request asks for, under a file's name.

    The file is read while the response goes out. Raises OSError, or the HTTP error for a range that cannot be had.
    """
    g.logstream_raw = file
    try:
        return _response(file, name)
    except BaseException:  # such as a range that cannot be had
        file.close()
        raise


def close_unsent(error: BaseException | None) -> None:
    """After a request: where an error has taken the place of a log, nobody else closes that."""
    file = g.pop("logstream_raw", None)
    if file is not None and error is not None:
        file.close()


def _response(file: LogFile, name: str) -> Response:
    state = file.state()
    content = cast(IO[bytes], _Snapshot(file, state.st_size))
    response = send_file(content, {}, "text/plain", download_name=name, conditional=False, response_class=Response)
    response = cast(Response, response)
    response.response = FileWrapper(content, _BLOCK)  # gunicorn's own reads up to a range from the beginning
    response.content_length = state.st_size
    response.last_modified = state.st_mtime  # type: ignore[assignment]  # seconds are taken too
    response.set_etag("-".join(f"{part:x}" for part in signature_of(state)))
    response.make_conditional(request.environ, accept_ranges=True, complete_length=state.st_size)
    return response


class _Snapshot:
    """The bytes that a log has now, as a file: what is appended meanwhile is no part of an answer whose length is said.

    A read that cannot give what was said raises ConnectionResetError, so that the answer is cut off.
    """

    def __init__(self, file: LogFile, size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the position; none at the end."""
        wanted = max(0, min(size, self._size - self._position))
        try:
            data = self._file.read(self._position, wanted)
        except OSError as error:
            logger.warning("a log that is downloaded cannot be read: %s", error)
            raise ConnectionResetError(errno.ECONNRESET, "the log cannot be read") from None
        if wanted and not data:
            raise ConnectionResetError(errno.ECONNRESET, "the log was truncated")
        self._position += len(data)
        return data

    def seekable(self) -> bool:
        """Whether `seek` may be called."""
        return True

    def seek(self, offset: int) -> None:
        """Go to an offset."""
        self._position = offset

    def tell(self) -> int:
        """The position."""
        return self._position

    def close(self) -> None:
        """Close the log."""
        self._file.close()
