"""`logstream tail`: following sessions from a terminal, in tail's manner.

Each session is followed on a thread of its own, and the main thread prints what comes: first each log up to its end,
one after the other, and then whatever is appended to any of them. It waits for that and for standard output together,
and so ends when nobody reads that any more, though there is nothing to print.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .client import Backoff, Event, NoServerError, SessionError, follow, server_address
from .console import say
from .output import Output

_LARGE = 4 * 1024 * 1024  # bytes of a first load whose progress is worth showing
_ANEW = 1.0  # seconds between looks for a session that begins again
_AHEAD = 4  # pieces of a log that are taken before they can be printed
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGALRM)


class Filter(Protocol):
    """What chooses some of a log's lines."""

    def feed(self, text: str, *, final: bool = False) -> str:
        """Those of them that are whole with some more of it; with `final` the last one is whole, too."""

    def restart(self) -> None:
        """What comes next is the beginning of a log."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be printed of each session."""

    last: int | None = None  # so many last lines
    first: int = 1  # or from this line on
    wait: bool = False  # for a session that is not there yet
    follow: bool = True  # what is appended, too
    until_complete: bool = False
    filters: Callable[[], Filter] | None = None  # makes one for each session


@dataclass(frozen=True, slots=True)
class _News:
    """What a session's thread tells the main one."""

    event: Event | None = None
    text: str = ""  # of that, to be printed
    is_again: bool = False  # the log begins with it, and is not the first one
    sentence: str | None = None  # for whoever reads
    is_level: bool = False  # there is no more for now
    is_over: bool = False  # there will be no more
    error: BaseException | None = None  # why


def tail_sessions(url: str, token: str | None, names: list[str], wanted: Wanted, out: Output) -> int:
    """Print sessions' logs until they end, for ever if they go on; returns the exit code. On the main thread.

    Raises FollowError where no session can be followed, and OSError where nothing can be printed.
    """
    server_address(url)
    bell = Bell(out.descriptor())
    sources = [_Source(name, url, token, wanted, bell.ring) for name in names]
    try:
        _start(sources)
        return _print(sources, out, bell)
    finally:
        for source in sources:
            source.leave()


def _start(sources: list[_Source]) -> None:
    """Start the threads, none of which takes a signal: the main one does, and may have reasons to block it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        for source in sources:
            source.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Bell:
    """Wakes the main thread, which waits for it. Any thread may ring.

    Its descriptors stay open for as long as the process is there: a thread that is left may ring yet.
    """

    def __init__(self, output: int | None) -> None:
        """`output` is the descriptor of standard output, if it has one."""
        self._inner, self._outer = os.pipe()
        for end in (self._inner, self._outer):
            os.set_blocking(end, False)
        self._poll = select.poll()
        self._poll.register(self._inner, select.POLLIN)
        if output is not None:
            self._poll.register(output, 0)  # which is told of errors and hang-ups all the same

    def ring(self) -> None:
        """Wake the main thread, now or as soon as it waits."""
        with contextlib.suppress(BlockingIOError):  # it has been rung often enough
            os.write(self._outer, b"x")

    def wait(self) -> None:
        """Wait until it is rung, or for a second. Raises BrokenPipeError where nobody reads what is printed any more.

        A signal that the system has given another thread is handled when this one wakes.
        """
        if any(descriptor != self._inner for descriptor, _ in self._poll.poll(1000)):
            raise BrokenPipeError
        with contextlib.suppress(BlockingIOError):
            os.read(self._inner, 4096)


class _Source(threading.Thread):
    """One session, and what has come of it and is not printed yet."""

    def __init__(self, name: str, url: str, token: str | None, wanted: Wanted, ring: Callable[[], object]) -> None:
        super().__init__(name=f"logstream-tail-{name}", daemon=True)
        self.session = name
        self.filter = wanted.filters() if wanted.filters is not None else None
        self._url, self._token = url, token
        self._wanted = wanted
        self._ring = ring
        self._news: queue.Queue[_News] = queue.Queue(_AHEAD)
        self._left = threading.Event()

    def take(self) -> _News | None:
        """What has come next; None where nothing has. On the main thread."""
        try:
            return self._news.get_nowait()
        except queue.Empty:
            return None

    def leave(self) -> None:
        """End, as soon as something comes."""
        self._left.set()
        self.take()

    def run(self) -> None:
        """Follow the session, and then the next one of its name, whatever keeps it from being followed meanwhile."""
        try:
            self._follow()
            self._tell(_News(is_over=True))
        except _LeftError:
            pass
        except BaseException as error:
            with contextlib.suppress(_LeftError):
                self._tell(_News(is_over=True, error=error))

    def _follow(self) -> None:
        wanted, backoff = self._wanted, Backoff()
        cursor: str | None = None
        waits = is_told = False
        left_out = wanted.first - 1  # lines that are not wanted
        while True:
            try:
                for event in follow(
                    self._url,
                    self.session,
                    token=self._token,
                    tail=wanted.last,
                    cursor=cursor,
                    wait=waits,
                    trouble=self._say,
                ):
                    is_again = event.reset and cursor is not None
                    left_out = 0 if is_again else left_out
                    text, left_out = _without_lines(event.text, left_out)
                    is_level = event.complete or event.offset >= event.size
                    self._tell(_News(event, text, is_again, is_level=is_level))
                    cursor, is_told = event.cursor, False
                    if is_level and not wanted.follow:
                        return
                if wanted.until_complete:
                    return
                backoff.reset()
                self._left.wait(_ANEW)
            except (NoServerError, SessionError) as error:
                if cursor is None and not waits and not (wanted.wait and isinstance(error, SessionError)):
                    raise
                if not is_told:
                    self._say(str(error) if cursor is not None else f"{str(error).rstrip('.')}; waiting for it.")
                waits = is_told = True
                backoff.pause()

    def _say(self, sentence: str) -> None:
        self._tell(_News(sentence=sentence, is_level=True))

    def _tell(self, news: _News) -> None:
        """Raises _LeftError where nobody listens any more."""
        self._news.put(news)
        self._ring()
        if self._left.is_set():
            raise _LeftError


class _LeftError(Exception):
    """The main thread has ended."""


def _without_lines(text: str, count: int) -> tuple[str, int]:
    """A text without so many lines at its beginning, and how many of them are yet to come."""
    place = 0
    while count and (end := text.find("\n", place) + 1):
        place, count = end, count - 1
    return ("" if count else text[place:]), count


def _print(sources: list[_Source], out: Output, bell: Bell) -> int:
    """Print what comes, until all is over; returns the exit code. Raises what ends them all."""
    code = 0
    beginning = list(sources)  # those whose logs are not printed up to their ends yet
    going_on = list(sources)
    progress = _Progress()
    while going_on:
        is_idle = True
        for source in beginning[:1] or list(going_on):
            for _ in range(_AHEAD):  # and then it is the others' turn
                news = source.take()
                if news is None:
                    break
                is_idle = False
                _print_news(source, news, out, progress)
                if news.is_level or news.is_over:
                    beginning = [one for one in beginning if one is not source]
                if news.is_over:
                    going_on.remove(source)
                    code = code if news.error is None else 1
        if is_idle:
            bell.wait()
    return code


def _print_news(source: _Source, news: _News, out: Output, progress: _Progress) -> None:
    event = news.event
    if event is not None:
        progress.show(event)
        if news.is_again:
            out.restart(source.session)
            say(f"{source.session} has begun again")
        elif event.reset:
            out.begin(source.session)
        if event.reset and source.filter is not None:
            source.filter.restart()
        chosen = news.text if source.filter is None else source.filter.feed(news.text, final=event.complete)
        out.write(source.session, chosen)
        if event.complete:
            out.restart(source.session)
    if news.is_over:
        out.restart(source.session)
    if news.sentence is not None:
        say(news.sentence)
    if isinstance(news.error, SessionError):  # the others go on
        say(str(news.error))
    elif news.error is not None:
        raise news.error


class _Progress:
    """How far a large first load is, on a terminal's last line."""

    def __init__(self) -> None:
        self._wanted = sys.stderr is not None and sys.stderr.isatty()
        self._shown = False

    def show(self, event: Event) -> None:
        """Show, or when all is there, wipe it."""
        loading = self._wanted and event.size - event.offset > _LARGE
        if loading or self._shown:
            share = f"{event.offset / event.size:4.0%} of {event.size:,} bytes" if loading else ""
            sys.stderr.write(f"\r\x1b[K{share}")
            sys.stderr.flush()
            self._shown = loading
