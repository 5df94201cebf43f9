"""A session host: says which sessions there are, pushes what is appended to those that are followed, answers pulls."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..engine.completion import Completion, Completions
from ..engine.logfile import LogFile, Signature, identity_of, signature_of, stat_log
from ..engine.reading import Reader, RewrittenError, place_of
from ..engine.sessions import log_path
from ..engine.state import DIRECTORY_NAME, StateDirectory
from ..engine.subscription import LogEnd
from ..engine.watcher import NoThreadError, Watcher
from ..ratelimit import RateLimitedLog
from .bus import Bus, BusError
from .registry import Announcer
from .words import (
    LEASE,
    PIECE,
    PUSH,
    Complete,
    Data,
    Done,
    Message,
    Missing,
    More,
    Names,
    Read,
    Reply,
    Roll,
    WordsError,
    parse,
)

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds
_AT_ONCE = 64  # messages that go out in one go
_BACKLOG = 10_000  # messages and wake-ups that may wait; dashboards ask again for what is dropped
_ENDING = 5.0  # seconds that the threads have to end

Job = Callable[[], object]


@dataclass(eq=False, slots=True)
class _Shipped:
    """One followed log, as the watcher knows it."""

    name: str
    path: str
    on_wake: Callable[[_Shipped], object]
    seen: Signature | None = None
    # Only for the thread that works:
    reader: Reader | None = None  # what was pushed so far
    watched: LogFile | None = None
    leases: dict[str, float] = field(default_factory=dict)  # until when each dashboard follows it
    is_waiting: bool = False  # it is woken, and its turn is to come

    def wake(self) -> None:
        """The file may have changed."""
        self.on_wake(self)


class Ship:
    """Ships the logs of a directory, until it is closed. Any thread may call.

    One thread pushes and answers, so that both arrive in their order; one announces; the bus' thread listens.
    """

    def __init__(
        self,
        directory: str,
        suffix: str,
        host: str,
        url: str,
        *,
        names: Names,
        state: str | None = None,
        on_follow: Callable[[], object] = lambda: None,
        watcher: str = "auto",
    ) -> None:
        """`on_follow()` is called when one more log is followed; `state` is where completions are written down;
        `watcher` is the kind of what tells of changes.

        Raises ConfigurationError where the address is none. Nothing is connected yet.
        """
        self._directory, self._suffix = directory, suffix
        self._host = host
        self._names = names
        self._on_follow = on_follow
        self._place = StateDirectory(state or os.path.join(directory, DIRECTORY_NAME))
        self._completions = Completions(directory, suffix, self._place)
        self._watcher = Watcher(watcher)
        self.bus = Bus(
            url, channels=(names.ask(host),), on_message=self._hear, on_connect=lambda: self._announcer.announce_soon()
        )
        self._announcer = Announcer(self.bus, names, host, uuid.uuid4().hex, directory, suffix, self._completions)
        self._jobs: queue.Queue[Job] = queue.Queue(_BACKLOG)
        self._strange = RateLimitedLog(logger)
        self._troubles = RateLimitedLog(logger)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="logstream-ship", daemon=True)
        # Only for the thread that works:
        self._shipped: dict[str, _Shipped] = {}
        self._outbox: list[tuple[str, bytes]] = []  # channels, and messages that are about to go out
        self._outbox_size = 0  # bytes
        self._news: Signature | None = None
        self._ticked = 0.0
        self.pulls = 0  # so far
        self.pushed = 0  # bytes so far

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set."""
        with self._sole(stop):
            if stop.is_set():
                return
            self.start()
            try:
                stop.wait()
            finally:
                self.close()

    def start(self) -> None:
        """Begin. Once only."""
        self.bus.start()
        self._announcer.start()
        self._thread.start()

    def close(self) -> None:
        """End everything; the host is away at once. Idempotent."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(lambda: None)
        if self._thread.ident is not None:
            self._thread.join(_ENDING)
        self._announcer.close()
        self.bus.close()
        self._watcher.close()

    def complete(self, session_name: str, exit_status: int | None = None) -> None:
        """A session is over, says who watches it here, and how its program has ended, where that is known."""
        self._jobs.put(lambda: self._complete(session_name, exit_status))

    def followed_sessions(self) -> list[str]:
        """The sessions that some dashboard follows."""
        return list(self._shipped)

    def counts(self) -> dict[str, int]:
        """Figures for monitoring."""
        return {
            "followed_sessions": len(self._shipped),
            "pulls": self.pulls,
            "bytes_pushed": self.pushed,
            "waiting": self._jobs.qsize(),
            "relay_away": int(not self.bus.is_connected),
        }

    @contextlib.contextmanager
    def _sole(self, stop: threading.Event) -> Iterator[None]:
        """Be the only one that ships this directory under this host's name: wait until the other one has ended."""
        fd = -1
        try:
            with self._place.opened(make=True) as place:
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(f"ship-{self._host}.lock", flags, 0o600, dir_fd=place)
        except OSError as error:
            logger.warning("whether another one ships these logs cannot be known: %s", error)
        try:
            self._await_turn(fd, stop)
            yield
        finally:
            if fd >= 0:
                os.close(fd)

    def _await_turn(self, fd: int, stop: threading.Event) -> None:
        said = False
        while fd >= 0 and not stop.wait(_TICK / 4 if said else 0):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    logger.warning(
                        "another one ships %s as host %s already: waiting for its end", self._directory, self._host
                    )
                said = True
            else:
                return

    # On the thread of the bus.

    def _hear(self, channel: str, message: bytes) -> None:
        try:
            asked = parse(message)
        except WordsError as error:
            self._strange.warning("a message on %s is not understood: %s", ascii(channel[:100]), error)
            return
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(lambda: self._answer(asked))

    # On the watcher's threads.

    def _wake(self, shipped: _Shipped) -> None:
        if not shipped.is_waiting:
            shipped.is_waiting = True
            try:
                self._jobs.put_nowait(lambda: self._push(shipped))
            except queue.Full:
                shipped.is_waiting = False
                self._watcher.wake_later(shipped)

    # What follows is for the thread that works.

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                job = self._jobs.get(timeout=_TICK / 2)
            except queue.Empty:
                job = self._tick
            try:
                job()
                if self._jobs.empty():
                    self._flush()
                if time.monotonic() - self._ticked > _TICK:
                    self._tick()
            except BusError:
                pass  # dashboards find what they miss
            except (OSError, NoThreadError) as error:
                self._troubles.warning("a log cannot be shipped just now: %s", str(error))
            except Exception:
                logger.exception("shipping failed")

    def _answer(self, asked: Message) -> None:
        match asked:
            case Read():
                self._read(asked)
            case Roll():
                self._roll(asked)
            case Complete():
                self._be_told(asked)

    def _publish(self, channel: str, message: Message) -> None:
        """Have a message go out, with those of other sessions that are due now. Raises BusError."""
        packed = message.pack()
        self._outbox.append((channel, packed))
        self._outbox_size += len(packed)
        if self._outbox_size >= PUSH or len(self._outbox) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        messages, self._outbox, self._outbox_size = self._outbox, [], 0
        if messages:
            self.bus.publish_all(messages)

    def _path(self, session_name: str) -> str:
        return log_path(self._directory, session_name, self._suffix)

    def _follow(self, session_name: str, dashboard: str) -> _Shipped | None:
        """Push a log from now on; None where there is none."""
        shipped = self._shipped.get(session_name)
        if shipped is None:
            path = self._path(session_name)
            try:
                file = LogFile.open(path)
            except OSError:
                return None
            shipped = _Shipped(session_name, path, self._wake)
            shipped.seen = file.signature()
            shipped.reader = Reader.at(file, file.size())
            self._shipped[session_name] = shipped
            try:
                self._watch(shipped, file)
            except BaseException:
                del self._shipped[session_name]
                raise
            self._on_follow()
        shipped.leases[dashboard] = time.monotonic() + LEASE
        return shipped

    def _watch(self, shipped: _Shipped, file: LogFile) -> None:
        shipped.watched = file
        with self._watcher.running():
            self._watcher.follow(shipped, file)
        self._watcher.wake_again(shipped)  # a new watch tells nothing of what was written before it

    def _push(self, shipped: _Shipped) -> None:
        """Send what is new to all who follow."""
        shipped.is_waiting = False
        if shipped.name not in self._shipped:
            return
        channel = self._names.log(self._host, shipped.name)
        reader = shipped.reader
        if reader is not None:
            state = reader.file.state()
            shipped.seen = signature_of(state)
            self._advance(shipped, channel, reader, state.st_size)
        found = stat_log(shipped.path)
        if found is None or (reader is not None and identity_of(found) == reader.file.identity):
            return
        try:
            file = LogFile.open(shipped.path)
        except OSError:
            return  # it is found by the sweep
        size = file.size()
        shipped.seen = file.signature()
        shipped.reader = Reader.at(file, size)
        self._watch(shipped, file)
        self._publish(channel, More(shipped.name, size))

    def _advance(self, shipped: _Shipped, channel: str, reader: Reader, size: int) -> None:
        if size - reader.offset > PUSH:
            shipped.reader = Reader.at(reader.file, size)
            self._publish(channel, More(shipped.name, size))
            return
        try:
            while True:
                cursor = reader.cursor
                data = reader.read_bytes(size, PIECE)  # where there is nothing new, too: it may be another text
                if not data:
                    break
                self._publish(channel, Data(shipped.name, cursor, size, data))
                self.pushed += len(data)
        except RewrittenError:
            size = reader.file.size()
            shipped.reader = Reader.at(reader.file, size)
            self._publish(channel, More(shipped.name, size))

    def _read(self, asked: Read) -> None:
        channel = self._names.to(asked.dashboard, self._host)
        shipped = self._follow(asked.name, asked.dashboard) if asked.most else None
        if shipped is not None:
            self._push(shipped)  # so that what is sent now ends where the next push begins
        try:
            file = LogFile.open(self._path(asked.name))
        except OSError:
            self._publish(channel, Missing(asked.name, asked.number))
            return
        self.pulls += asked.most > 0
        reader = place_of(file, asked.cursor)
        start_over = reader is None
        reader = reader or Reader(file)
        end = file.size()
        if shipped is not None and shipped.reader is not None and shipped.reader.file.identity == file.identity:
            end = min(end, shipped.reader.offset)
        stop = min(end, reader.offset + asked.most)
        while True:
            cursor = reader.cursor
            try:
                data = reader.read_bytes(max(stop, reader.offset), PIECE)
            except RewrittenError:
                reader, data, start_over, stop = Reader(file), b"", True, 0
                cursor = reader.cursor
            last = not data or reader.offset >= stop
            self._publish(
                channel, Reply(asked.name, asked.number, cursor, max(end, reader.offset), start_over, last, data)
            )
            start_over = False
            if last:
                break
        if asked.most and reader.offset == file.size():
            self._tell_if_complete(asked.name, file, channel)

    def _tell_if_complete(self, session_name: str, file: LogFile, channel: str) -> None:
        completion = self._completions.find(session_name)
        if completion is not None and completion.end_in(file) is not None:
            self._publish(channel, Done(session_name, completion.cursor))

    def _roll(self, asked: Roll) -> None:
        channel = self._names.to(asked.dashboard, self._host)
        for name, cursor in asked.cursors.items():
            shipped = self._follow(name, asked.dashboard)
            if shipped is None:
                continue
            reader = shipped.reader
            if reader is None or reader.cursor != cursor:
                self._publish(channel, More(name, reader.offset if reader is not None else 0))
            else:
                self._tell_if_complete(name, reader.file, channel)

    def _be_told(self, asked: Complete) -> None:
        channel = self._names.to(asked.dashboard, self._host)
        cursor = self._complete(asked.name)
        if cursor is None:
            self._publish(channel, Missing(asked.name, asked.number))
        else:
            self._publish(channel, Done(asked.name, cursor))

    def _complete(self, session_name: str, exit_status: int | None = None) -> str | None:
        """Note that a session is complete, and tell all who follow. Returns its last cursor; None without a log."""
        shipped = self._shipped.get(session_name)
        if shipped is not None:
            with contextlib.suppress(BusError):
                self._push(shipped)
        completion = None
        while completion is None:  # or else it has gone on meanwhile
            end = LogEnd.at(self._path(session_name))
            if end.file is None:
                return None
            completion = Completion.at(end, exit_status)
        self._completions.note(session_name, completion)
        self._announcer.announce_soon()
        if shipped is not None:
            with contextlib.suppress(BusError):
                self._publish(self._names.log(self._host, session_name), Done(session_name, completion.cursor))
        return completion.cursor

    def _tick(self) -> None:
        """Let go of what nobody follows any more, and hear of completions by others."""
        now = self._ticked = time.monotonic()
        for shipped in list(self._shipped.values()):
            shipped.leases = {dashboard: until for dashboard, until in shipped.leases.items() if until > now}
            if not shipped.leases:
                del self._shipped[shipped.name]
                self._watcher.forget(shipped)
        found = stat_log(self._completions.news_path)
        news = signature_of(found) if found is not None else None
        if news != self._news:
            self._news = news
            for shipped in list(self._shipped.values()):
                if shipped.reader is not None:
                    self._tell_if_complete(shipped.name, shipped.reader.file, self._names.log(self._host, shipped.name))
