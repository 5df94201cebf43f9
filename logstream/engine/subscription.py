"""One client's place in one session, and the messages made from there."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

from ..protocol import Message, data_message
from .logfile import LogFile
from .meter import Meter
from .reading import Reader, RewrittenError, cursor_text
from .sharing import Sharing

WHOLE = 1024 * 1024  # bytes of a log that still come in one first message
CHUNK = 256 * 1024  # bytes of a log in any other message, so that the first text of a large log is there at once


class State(enum.Enum):
    """Where a subscription stands; `feed` has the diagram."""

    WAITING = "waiting"  # for its file to be there
    BEHIND = "behind"  # its client's catch-up reads on from a place of its own
    LIVE = "live"  # the feed offers it each increment
    OVER = "over"  # it gets no further message


class LogEnd(NamedTuple):
    """Where the log of a completed session ends. `file` is None where it was gone by then."""

    file: LogFile | None
    offset: int

    @classmethod
    def at(cls, path: str) -> LogEnd:
        """The end of the log that is at a path now."""
        try:
            file = LogFile.open(path)
            return cls(file, file.size())
        except OSError:
            return cls(None, 0)

    def size(self, file: LogFile) -> int:
        """The size to read a file to."""
        ends_here = self.file is not None and self.is_in(file)
        return min(file.size(), self.offset) if ends_here else file.size()

    def is_in(self, file: LogFile) -> bool:
        """Whether the session ends in this file; so it does in any where its own was gone."""
        return self.file is None or self.file.identity == file.identity


def make_message(
    session_name: str,
    text: str,
    reader: Reader | None,
    size: int,
    *,
    initial: bool,
    complete: bool,
    with_cursor: bool,
) -> Message:
    """Text that was just read as a message. `reader` stands behind it, in a file of `size` bytes."""
    if not with_cursor:
        return data_message(session_name, text, initial=initial, complete=complete)
    cursor = reader.cursor if reader is not None else cursor_text(0, b"")
    return data_message(session_name, text, initial=initial, complete=complete, position=(cursor, size))


def next_limit(initial: bool, remaining: int) -> int:
    """The bytes of file that the next message may carry."""
    return WHOLE if initial and remaining <= WHOLE else CHUNK


class Followed(Protocol):
    """The session that a subscription follows, as those see it who serve its client. A `Feed` is one."""

    name: str
    path: str
    meter: Meter
    sharing: Sharing

    def is_loaded_by_several(self) -> bool:
        """Whether others may read the same just now."""

    def join(self, subscription: Subscription) -> bool:
        """Make a subscription live, or wait, that has sent all it could read; False if there is more to send."""

    def try_again(self, subscription: Subscription) -> None:
        """Hand a subscription that is behind over to its client's catch-up once more, in a while."""

    def remove(self, subscription: Subscription) -> bool:
        """Let a subscription be over. Returns whether that was the last one."""


class Subscription:
    """One client following one session.

    The feed's locks guard `state` and `end`. `reader`, `pending` and what `next_message` changes belong to the one
    thread that drives the subscription while it is behind.
    """

    __slots__ = (
        *("at_end", "before", "cursors", "driver", "due", "end", "feed"),
        *("initial", "on_behind", "pending", "reader", "reading", "state", "ws"),
    )

    def __init__(
        self,
        ws: Hashable,
        feed: Followed,
        reader: Reader | None,
        on_behind: Callable[[Subscription], None],
        *,
        cursors: bool,
        resumed: bool,
    ) -> None:
        """`reader` stands where the text is to begin, and becomes the subscription's; None while there is no file.

        `on_behind(subscription)` has it driven until it is live.
        """
        self.ws = ws
        self.feed = feed
        self.state = State.BEHIND
        self.reader = reader
        self.on_behind = on_behind
        self.cursors = cursors
        self.initial = not resumed  # the next message starts the client's text over
        self.due = True  # the next message is sent even if it is empty
        self.pending: Message | None = None  # refused when live, and now to be sent first
        self.end: LogEnd | None = None  # once the session is complete
        self.at_end = False  # the last message carried all that the file held
        self.before: Subscription | None = None  # its client's earlier one of the session, until that is ended
        self.driver: int | None = None  # the thread that drives it now; guarded by its client's catch-up
        self.reading: object = None  # another one with each read of its driver's, which may hang; None between them

    @property
    def over(self) -> bool:
        """Whether it gets no further message."""
        return self.state is State.OVER

    def next_message(self) -> Message | None:
        """Read the next message; None at the end of what there is.

        Where the file cannot be read, the one that is at the path now is; raises OSError where that cannot be, either.
        Only for the thread that drives the subscription.
        """
        if self.pending is not None:
            message, self.pending, self.at_end = self.pending, None, False
            return message
        try:
            return self._read_message()
        except OSError:
            if self.end is not None:
                raise
            self._open_again()
            return self._read_message()

    def _read_message(self) -> Message | None:
        while True:
            end, reader = self.end, self._reader()
            if reader is None:
                return None if end is None else self._message("", None, 0, complete=True)
            final = end is not None and end.is_in(reader.file)
            size = end.size(reader.file) if end is not None else reader.file.size()
            limit = next_limit(self.due, size - reader.offset)
            try:
                text = reader.read(size, limit, final=final, sharing=self._sharing())
            except RewrittenError:
                self.start_over(reader.file)
                continue
            self.at_end = reader.at_end or size - reader.offset < 4  # or else a character that is not finished
            complete = final and (reader.at_end or reader.offset >= size)
            if text or self.due or complete:
                return self._message(text, reader, size, complete=complete)
            if final or end is None or end.file is None:
                return None
            self.start_over(end.file)  # all that the rotated file still held is out

    def _reader(self) -> Reader | None:
        if self.reader is None and self.end is not None and self.end.file is not None:
            self.reader = Reader(self.end.file)
        return self.reader

    def _open_again(self) -> None:
        """Go on from the file that is at the path, at the same place if it is the same file. Raises OSError."""
        try:
            file = LogFile.open(self.feed.path)
        except FileNotFoundError:
            self.reader = None  # it is waited for
            return
        if self.reader is not None and file.identity == self.reader.file.identity:
            self.reader.file = file
        else:
            self.start_over(file)

    def _message(self, text: str, reader: Reader | None, size: int, *, complete: bool) -> Message:
        name, initial, with_cursor = self.feed.name, self.initial, self.cursors
        self.initial = self.due = False
        place = (reader.offset, reader.check) if reader is not None else (0, b"")
        form = name, initial, complete, (place, size) if with_cursor else None  # tells messages of the same text apart
        return self.feed.sharing.message(
            text,
            form,
            lambda: make_message(name, text, reader, size, initial=initial, complete=complete, with_cursor=with_cursor),
        )

    def _sharing(self) -> Sharing | None:
        return self.feed.sharing if self.feed.is_loaded_by_several() else None

    def start_over(self, file: LogFile) -> None:
        """Go on from the beginning of a file."""
        if not self.due:
            self.feed.meter.started_over(1)
        if self.reader is None:
            self.reader = Reader(file)
        else:
            self.reader.start_over(file)
        self.initial = self.due = True

    def release(self) -> None:
        """Let go of the files, once it is over and nobody drives it any more. Idempotent."""
        self.reader = self.end = self.pending = None
