"""Where `logstream tail` prints a log: as it is, to a terminal, or as plain text."""

from __future__ import annotations

import contextlib
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
    """Where a log is printed as it is."""

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def write(self, text: str) -> None:
        """Print some more."""
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    def restart(self) -> None:
        """What comes next is another log."""


class _LastingOutput(Output):
    """One with something left to do in the end, however that comes about. Only for the main thread."""

    def __init__(self) -> None:
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

    def __init__(self) -> None:
        super().__init__()
        self._filter = TerminalFilter()

    def __enter__(self) -> Output:
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._suspend)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._disarm()
        with contextlib.suppress(OSError):
            self.restart()

    def write(self, text: str) -> None:
        self._put(self._filter.feed(text))

    def restart(self) -> None:
        self._put(self._filter.restart())

    def _put(self, text: str) -> None:
        data = memoryview(text.encode())
        while data:  # not by Python's buffer, which cannot be used in a signal's handler while it is being used
            data = data[os.write(self._descriptor, data) :]

    def _suspend(self, number: int, _: FrameType | None) -> None:
        self._put(self._filter.undo())
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # and here it stands until it is told to go on
        signal.signal(number, self._suspend)
        self._put(self._filter.redo())


class PlainOutput(_LastingOutput):
    """Where a log is printed as the text that a terminal would have shown in the end.

    What was on the screen is printed in the end, when it is final.
    """

    def __init__(self, columns: int | None) -> None:
        """`columns`: the width of that terminal, if it is chosen."""
        super().__init__()
        self._plain = PlainText(columns)
        self._unprinted = memoryview(b"")

    def __exit__(self, *raised: object) -> None:
        self._disarm()
        if not isinstance(raised[1], OSError):  # or nothing can be printed
            self.restart()

    def write(self, text: str) -> None:
        with self._uninterrupted():
            self._add(self._plain.feed(text))
        self._print()

    def restart(self) -> None:
        with self._uninterrupted():
            self._add(self._plain.finish())
        self._print()

    def _add(self, text: str) -> None:
        if text:
            self._unprinted = memoryview(bytes(self._unprinted) + text.encode())

    def _print(self) -> None:
        """Print what is final; a signal that ends it loses nothing of that, and prints nothing twice."""
        writable = select.poll()
        writable.register(self._descriptor, select.POLLOUT)
        while self._unprinted:
            if not writable.poll(_LAST_WORDS * 1000 if self._is_ending else None):
                raise BrokenPipeError  # whoever reads does not
            with self._uninterrupted():
                self._unprinted = self._unprinted[os.write(self._descriptor, self._unprinted[:_PIECE]) :]
