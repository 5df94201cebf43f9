"""Where `logstream tail` prints logs: as they are, to a terminal, or as plain text."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from .plain import PlainText
from .terminal import TerminalFilter

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PIECE = 4096  # bytes that a pipe takes as a whole once it takes any
_AGAIN = 1.0  # seconds until who was told to end, and has not begun to, is told again
_LAST_WORDS = 5.0  # seconds in which the rest must be taken once tail was told to end


class Output(contextlib.AbstractContextManager["Output"]):
    """Where logs are printed as they are, each below its name if that is wanted. Only for the main thread."""

    def __init__(self, *, headers: bool = False) -> None:
        """`headers`: whether a line says whose text comes next."""
        self._headers = headers
        self._session: str | None = None  # whose text was printed last

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def descriptor(self) -> int | None:
        """Standard output's; None where it has none."""
        try:
            return sys.stdout.fileno()
        except io.UnsupportedOperation:
            return None

    def begin(self, session: str) -> None:
        """A session's log begins here; it may be empty."""
        self._print(self._header(session))

    def write(self, session: str, text: str) -> None:
        """Print some more of a session's log."""
        if text:
            self._print(self._header(session) + text)

    def restart(self, session: str) -> None:
        """What comes next of this session is another log."""

    def _header(self, session: str) -> str:
        """What stands before a session's text."""
        before, self._session = self._session, session
        if before == session or not self._headers:
            return ""
        return f"{'' if before is None else chr(10)}==> {session} <==\n"

    def _print(self, text: str) -> None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()


class _LastingOutput(Output):
    """One with something left to do in the end, however that comes about."""

    def __init__(self, *, headers: bool = False) -> None:
        super().__init__(headers=headers)
        self._descriptor = sys.stdout.fileno()
        self._is_ending = False
        self._is_busy = False  # with what is not to be interrupted
        self._late: int | None = None  # the signal that came meanwhile

    def __enter__(self) -> Output:
        for number in _ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._end)
        return self

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
        if self._late is not None:
            self._end(self._late, None)

    def _end(self, number: int, _: FrameType | None) -> None:
        if self._is_ending:  # this one has come before all were blocked
            return
        if self._is_busy:
            self._late = number
            return
        self._is_ending = True
        # Or who is impatient would interrupt what is done in the end. To ignore them instead would have Python
        # complain of one that comes just then.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        # What is raised here is lost where it comes in the middle of a finalizer: it is raised again, then.
        signal.signal(signal.SIGALRM, lambda *_: _leave(number))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        _leave(number)

    def _disarm(self) -> None:
        """What was raised has arrived."""
        signal.setitimer(signal.ITIMER_REAL, 0)


def _leave(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


class TerminalOutput(_LastingOutput):
    """The reader's terminal. It is left as it was, however that comes about, and while it is lent to somebody else."""

    def __init__(self, *, headers: bool = False) -> None:
        super().__init__(headers=headers)
        self._filters: dict[str, TerminalFilter] = {}  # by session; the terminal is as that of the last one has it
        self._is_untouched = True  # or else it may not be as it was

    def __enter__(self) -> Output:
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._suspend)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._disarm()
        with contextlib.suppress(OSError):
            self._print(self._undo())

    def begin(self, session: str) -> None:
        self.write(session, "")

    def write(self, session: str, text: str) -> None:
        is_another = session != self._session
        before = self._undo() if is_another else ""
        passed = self._filters.setdefault(session, TerminalFilter())
        if is_another:
            before += self._header(session) + passed.redo()
        self._is_untouched = False
        self._print(before + passed.feed(text))

    def restart(self, session: str) -> None:
        if session == self._session:
            self._print(self._undo())
            self._is_untouched = True
        if session in self._filters:
            self._filters[session].restart()

    def _undo(self) -> str:
        """What leaves the terminal as it was."""
        return "" if self._session is None or self._is_untouched else self._filters[self._session].undo()

    def _print(self, text: str) -> None:
        data = memoryview(text.encode())
        while data:  # not by Python's buffer, which cannot be used in a signal's handler while it is being used
            data = data[os.write(self._descriptor, data) :]

    def _suspend(self, number: int, _: FrameType | None) -> None:
        self._print(self._undo())
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # and here it stands until it is told to go on
        signal.signal(number, self._suspend)
        if self._session is not None and not self._is_untouched:
            self._print(self._filters[self._session].redo())


class PlainOutput(_LastingOutput):
    """Where logs are printed as the text that a terminal would have shown in the end.

    What was on the screen is printed in the end, when it is final.
    """

    def __init__(self, columns: int | None, *, headers: bool = False) -> None:
        """`columns`: the width of that terminal, if it is chosen."""
        super().__init__(headers=headers)
        self._columns = columns
        self._texts: dict[str, PlainText] = {}  # by session
        self._unprinted = memoryview(b"")

    def __exit__(self, *raised: object) -> None:
        self._disarm()
        if not isinstance(raised[1], OSError):  # or nothing can be printed
            for session in self._texts:
                self.restart(session)

    def begin(self, session: str) -> None:
        with self._uninterrupted():
            self._add(self._header(session))
        self._flush()

    def write(self, session: str, text: str) -> None:
        with self._uninterrupted():
            self._show(session, self._text(session).feed(text))
        self._flush()

    def restart(self, session: str) -> None:
        with self._uninterrupted():
            self._show(session, self._text(session).finish())
        self._flush()

    def _text(self, session: str) -> PlainText:
        if session not in self._texts:
            self._texts[session] = PlainText(self._columns)
        return self._texts[session]

    def _show(self, session: str, text: str) -> None:
        if text:
            self._add(self._header(session) + text)

    def _add(self, text: str) -> None:
        if text:
            self._unprinted = memoryview(bytes(self._unprinted) + text.encode())

    def _flush(self) -> None:
        """Print what is final; a signal that ends it loses nothing of that, and prints nothing twice."""
        writable = select.poll()
        writable.register(self._descriptor, select.POLLOUT)
        while self._unprinted:
            if not writable.poll(_LAST_WORDS * 1000 if self._is_ending else None):
                raise BrokenPipeError  # whoever reads does not
            with self._uninterrupted():
                self._unprinted = self._unprinted[os.write(self._descriptor, self._unprinted[:_PIECE]) :]
