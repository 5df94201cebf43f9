"""Pieces of logs that several clients load at the same time: read, decoded, encoded and compressed once for all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable

from ..protocol import Message
from .logfile import LogFile, Signature, signature_of
from .utf8 import decode_utf8

_PIECES = 6  # that are kept: as far apart may clients be that share; a piece takes at most 2 MB
_AT_REST = 100_000_000  # nanoseconds after a change in which another one may bear the same time

Place = tuple[Signature, int, int]  # the file as it was, offset and length


class Piece:
    """Some bytes of a file, their text, and the messages that were made of it."""

    __slots__ = ("before", "consumed", "data", "final", "messages", "place", "text")

    def __init__(self, data: bytes, before: int, final: bool, place: Place | None) -> None:
        self.data = data
        self.before = before  # bytes at the beginning that are not part of the text
        self.final = final
        self.place = place  # None where the file may have changed without a trace
        self.text, self.consumed = decode_utf8(data, before, final)
        self.messages: dict[Hashable, Message] = {}


class Sharing:
    """The pieces of one manager's logs that were made last. Any thread, with or without locks.

    A piece is never out of date: it is found by a file that has not changed since, or else by its bytes.
    """

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque(maxlen=_PIECES)

    def read(self, file: LogFile, offset: int, length: int, before: int, final: bool) -> Piece:
        """Up to `length` bytes from `offset`, all but the first `before` of them as text. Raises OSError.

        A character that is cut at the end is left, unless the bytes are `final`.
        """
        state = file.state()
        at_rest = time.time_ns() - state.st_mtime_ns > _AT_REST
        place = (signature_of(state), offset, length) if at_rest else None
        pieces = tuple(self._pieces)
        for piece in pieces:
            if piece.place == place is not None and piece.before == before and piece.final == final:
                return piece
        data = file.read(offset, length)
        for piece in pieces:
            if piece.data == data and piece.before == before and piece.final == final:
                return piece
        piece = Piece(data, before, final, place)
        self._pieces.append(piece)
        return piece

    def message(self, text: str, form: Hashable, make: Callable[[], Message]) -> Message:
        """The message that was made of this very text in this form, or else what `make()` makes."""
        for piece in tuple(self._pieces):
            if piece.text is text:
                return piece.messages.get(form) or piece.messages.setdefault(form, make())
        return make()

    def clear(self) -> None:
        """Forget all: nobody is loading what others load."""
        self._pieces.clear()
