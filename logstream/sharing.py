"""Pieces of logs that several clients load at the same time: decoded, encoded and compressed once for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from .logfile import decode_utf8
from .protocol import Message

_PIECES = 6  # that are kept: as far apart may clients be that share; a piece takes at most 2 MB


class _Piece:
    """What was made of some bytes of a file."""

    __slots__ = ("before", "data", "final", "messages", "text", "used")

    def __init__(self, data: bytes, before: int, final: bool) -> None:
        self.data = data
        self.before = before
        self.final = final
        self.text, self.used = decode_utf8(data, before, final)
        self.messages: dict[Hashable, Message] = {}


class Sharing:
    """The pieces of one manager's logs that were made last. Any thread, with or without locks.

    A piece is found by its bytes, which each client has read for itself, so it can never be out of date.
    """

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque(maxlen=_PIECES)

    def decode(self, data: bytes, before: int, final: bool) -> tuple[str, int]:
        """As `decode_utf8` does, for bytes that others are likely to have read as well."""
        for piece in tuple(self._pieces):
            if piece.data == data and piece.before == before and piece.final == final:
                return piece.text, piece.used
        piece = _Piece(data, before, final)
        self._pieces.append(piece)
        return piece.text, piece.used

    def message(self, text: str, form: Hashable, make: Callable[[], Message]) -> Message:
        """The message that was made of this very text in this form, or else what `make()` makes."""
        for piece in tuple(self._pieces):
            if piece.text is text:
                return piece.messages.get(form) or piece.messages.setdefault(form, make())
        return make()

    def clear(self) -> None:
        """Forget all: nobody is loading what others load."""
        self._pieces.clear()
