"""A whole log as the answer to an HTTP request."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from flask import Response, request, send_file

from ..engine.logfile import LogFile, signature_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 256 * 1024  # bytes that are read at once


def raw_response(file: LogFile, name: str) -> Response:
    """The log as it is now, or the range of it that the current request asks for, under a file's name.

    The file is read while the response goes out.
    """
    state = file.state()
    content = io.BufferedReader(_Snapshot(file, state.st_size), _BLOCK)
    response = send_file(content, mimetype="text/plain", download_name=name)
    response.content_length = state.st_size
    response.last_modified = state.st_mtime  # type: ignore[assignment]  # seconds are taken too
    response.set_etag("-".join(f"{part:x}" for part in signature_of(state)))
    response.make_conditional(request.environ, accept_ranges=True, complete_length=state.st_size)
    return response


class _Snapshot(io.RawIOBase):
    """The bytes that a log has now: what is appended meanwhile is not part of the answer, whose length is said."""

    def __init__(self, file: LogFile, size: int) -> None:
        self._file: LogFile | None = file
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._file is None:
            raise ValueError("read of closed file")
        view = memoryview(buffer)
        data = self._file.read(self._position, max(0, min(len(view), self._size - self._position)))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file = None
        super().close()
