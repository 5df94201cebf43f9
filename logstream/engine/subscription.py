"""One client's place in one session, and the messages made from there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, NamedTuple

from ..protocol import Message, data_message
from .logfile import LogFile
from .reading import Reader, RewrittenError, cursor_text

if TYPE_CHECKING:
    from .feed import Feed
    from .sharing import Sharing

WHOLE = 1024 * 1024  # bytes of a log that still come in one first message
CHUNK = 256 * 1024  # bytes of a log in any other message, so that the first text of a large log is there at once


class End(NamedTuple):
    """Where a completed session ends. `file` is None where its file was gone by then."""

    file: LogFile | None
    offset: int

    @classmethod
    def at(cls, path: str) -> End:
        """Where a session ends whose file is at `path` now."""
        try:
            file = LogFile.open(path)
        except OSError:
            return cls(None, 0)
        return cls(file, file.size())

    def share(self) -> End:
        """The same for one more holder of the file."""
        return End(self.file and self.file.share(), self.offset)

    def close(self) -> None:
        """Give up this holder's share."""
        if self.file is not None:
            self.file.close()

    def size(self, file: LogFile) -> int:
        """The size to read a file to."""
        ends_here = self.file is not None and self.is_in(file)
        return min(file.size(), self.offset) if ends_here else file.size()

    def is_in(self, file: LogFile) -> bool:
        """Whether the session ends in this file; so it does in any where its own was gone."""
        return self.file is None or self.file.identity == file.identity


class Increment:
    """Text that was just read; each form of its message is made at most once, when first asked for."""

    __slots__ = ("_place", "complete", "forms", "initial", "session_name", "text")

    def __init__(
        self, session_name: str, text: str, reader: Reader | None, size: int, *, initial: bool, complete: bool
    ) -> None:
        """`reader` stands behind the text, in a file of `size` bytes."""
        self.session_name = session_name
        self.text = text
        self.initial = initial
        self.complete = complete
        self._place = (reader.offset, reader.known, size) if reader else (0, b"", size)
        self.forms: list[Message | None] = [None, None]  # without a cursor, and with one

    def form(self, with_cursor: bool) -> Hashable:
        """What tells the messages of the same text apart."""
        return self.session_name, self.initial, self.complete, self._place if with_cursor else None

    def message(self, with_cursor: bool) -> Message:
        """The message for clients that did, or did not, ask for cursors."""
        form = self.forms[with_cursor]
        if form is None:
            offset, known, size = self._place
            form = self.forms[with_cursor] = data_message(
                self.session_name,
                self.text,
                initial=self.initial,
                complete=self.complete,
                position=(cursor_text(offset, known), size) if with_cursor else None,
            )
        return form


def next_limit(initial: bool, remaining: int) -> int:
    """The bytes of file that the next message may carry."""
    return WHOLE if initial and remaining <= WHOLE else CHUNK


class Subscription:
    """One client following one session.

    It is live (the feed offers it each increment), behind (it reads on from a place of its own), waiting
    for its file, or over. The feed's lock guards the change from one to another. `reader`, `pending` and
    what `next_message` changes belong to the one thread that drives it while it is behind.
    """

    __slots__ = (
        *("at_end", "cursors", "driver", "end", "feed", "first"),
        *("initial", "on_behind", "over", "pending", "reader", "ws"),
    )

    def __init__(
        self,
        ws: Hashable,
        feed: Feed,
        reader: Reader | None,
        on_behind: Callable[[Subscription], None],
        *,
        cursors: bool,
        resumed: bool,
    ) -> None:
        """Take over `reader`, which stands where the text is to begin; None while there is no file.

        `on_behind(subscription)` has it driven until it is live.
        """
        self.ws = ws
        self.feed = feed
        self.reader = reader
        self.on_behind = on_behind
        self.cursors = cursors
        self.initial = not resumed  # the next message starts the client's text over
        self.first = True  # nothing was sent yet, so a message is due even if it is empty
        self.pending: Message | None = None  # refused when live, and now to be sent first
        self.end: End | None = None  # once the session is complete
        self.over = False
        self.at_end = False  # the last message carried all that the file held
        self.driver: int | None = None  # the thread that drives it now; guarded by its client's catch-up

    def next_message(self) -> Message | None:
        """Read the next message; None at the end of what there is.

        Raises OSError where the file cannot be read. Only for the thread that drives the subscription.
        """
        if self.pending is not None:
            message, self.pending, self.at_end = self.pending, None, False
            return message
        while True:
            end, reader = self.end, self._reader()
            if reader is None:
                return None if end is None else self._message("", None, 0, complete=True)
            final = end is not None and end.is_in(reader.file)
            size = end.size(reader.file) if end is not None else reader.file.size()
            due = self.first or self.initial
            try:
                text = reader.read(size, next_limit(due, size - reader.offset), final=final, sharing=self._sharing())
            except RewrittenError:
                reader.start_over()
                self.initial = True
                continue
            self.at_end = size - reader.offset < 4  # what is left is at most a character that is not finished
            complete = final and reader.offset >= size
            if text or due or complete:
                return self._message(text, reader, size, complete=complete)
            if final or end is None or end.file is None:
                return None
            self.start_over(end.file.share())  # all that the rotated file still held is out

    def _reader(self) -> Reader | None:
        if self.reader is None and self.end is not None and self.end.file is not None:
            self.reader = Reader(self.end.file.share())
        return self.reader

    def _message(self, text: str, reader: Reader | None, size: int, *, complete: bool) -> Message:
        if self.initial and not self.first:
            self.feed.meter.started_over(1)
        increment = Increment(self.feed.name, text, reader, size, initial=self.initial, complete=complete)
        self.initial = self.first = False
        return self.feed.sharing.message(text, increment.form(self.cursors), lambda: increment.message(self.cursors))

    def _sharing(self) -> Sharing | None:
        return self.feed.sharing if self.feed.is_loaded_by_several() else None

    def start_over(self, file: LogFile) -> None:
        """Go on from the beginning of a file, taking over the caller's share of it."""
        if self.reader is None:
            self.reader = Reader(file)
        else:
            self.reader.start_over(file)
        self.initial = True

    def close(self) -> None:
        """Give up the files. Once it is over and nobody drives it any more; idempotent."""
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.close()
        end, self.end = self.end, None
        if end is not None:
            end.close()
