"""A session host: says which sessions there are, pushes what is appended to those that are followed, answers pulls.

Each followed log has its turn when it has changed, or when a dashboard has asked for something of it. One thread gives
the turns; where a log's disk does not answer, another one goes on with the others (`engine.relief`).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable

from ..engine.completion import Completion, Completions
from ..engine.logfile import LogFile, Signature, signature_of, stat_log
from ..engine.relief import Loop, Relief, Shift
from ..engine.sessions import log_path
from ..engine.state import DIRECTORY_NAME, StateDirectory
from ..engine.subscription import LogEnd
from ..engine.watcher import NoThreadError, Watcher
from ..ratelimit import RateLimitedLog
from .bus import Bus, BusError
from .outbox import Outbox
from .registry import Announcer
from .shipped import Lease, ShippedLog
from .sole import sole
from .words import LEASE, START, Complete, Done, Message, Missing, More, Names, Read, Roll, WordsError, parse

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds
_CALM = 3.0  # times what a message takes to Redis, between two changes of files
_MOST_JOBS = 1000  # that wait for one log; dashboards ask again for what is dropped
_AGAIN = 0.02  # seconds until the end of a log is looked for again
_ENDING = 5.0  # seconds that the threads have to end

Job = Callable[[ShippedLog], object]


class _Turn:
    """Something to be done, by the thread that gives the turns; it may block as long as a disk does."""

    def __init__(self, path: str, do: Callable[[], object], seen: Signature | None = None) -> None:
        """`seen` is of the file at the path, which tells its disk."""
        self.path = path
        self.seen = seen
        self._do = do

    def wake(self) -> None:
        """Do it."""
        self._do()


class Ship:
    """Ships the logs of a directory, until it is closed. Any thread may call.

    One thread pushes and answers, and is relieved when it is stuck; two announce; the bus' thread listens.
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
        self._outbox = Outbox(self.bus)
        self._announcer = Announcer(self.bus, names, host, uuid.uuid4().hex, directory, suffix, self._completions)
        self._strange = RateLimitedLog(logger)
        self._troubles = RateLimitedLog(logger)
        self._stop = threading.Event()
        self._relief = Relief()
        self._loop = Loop("logstream-ship", self._work)
        self._turns: queue.SimpleQueue[_Turn] = queue.SimpleQueue()  # one for each log at most
        # Guards the four below, and of each log what is to be done and who follows it. Never held while a file is read.
        self._lock = threading.Lock()
        self._logs: dict[str, ShippedLog] = {}
        self._woken = 0.0  # when a file changed last
        self._pulls = 0  # so far
        self._pushed = 0  # bytes, of logs that are followed no more
        # Only for the tick, of which there is one at a time:
        self._ticking = _Turn(directory, self._tick)
        self._ticked = 0.0
        self._news: Signature | None = None

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set."""
        with sole(self._place, self._directory, self._host, stop) as origin:
            if stop.is_set():
                return
            self._announcer.origin = origin or self._announcer.origin
            self.start()
            try:
                while not stop.wait(_TICK):
                    pass  # a signal that the system has given another thread is handled when this one wakes
            finally:
                self.close()

    def start(self) -> None:
        """Begin. Once only."""
        self.bus.start()
        self._announcer.start()
        self._loop.thread.start()
        self._relief.start([self._loop])

    def close(self) -> None:
        """End everything; the host is away at once. Idempotent."""
        self._stop.set()
        self._relief.stop()
        self._turns.put(_Turn(self._directory, lambda: None))
        if self._loop.thread.ident is not None:
            self._loop.thread.join(_ENDING)
        self._announcer.close()
        self.bus.close()
        self._watcher.close()

    def complete(self, session_name: str, exit_status: int | None = None) -> None:
        """A session is over, says who watches it here, and how its program has ended, where that is known."""
        self._ask(session_name, lambda log: self._complete(log, exit_status))

    def followed_sessions(self) -> list[str]:
        """The sessions that some dashboard follows."""
        with self._lock:
            return [log.name for log in self._logs.values() if log.is_followed]

    def counts(self) -> dict[str, int]:
        """Figures for monitoring. A lag is what a dashboard lacked when it was last heard of, the largest one."""
        now = time.monotonic()
        with self._lock:
            logs = list(self._logs.values())
            leases = [lease for log in logs for lease in log.leases.values()]
            pushed = self._pushed + sum(log.pushed for log in logs)
        behind = [lease.behind_since for lease in leases if lease.behind_since is not None]
        return {
            "followed_sessions": sum(log.is_followed for log in logs),
            "pulls": self._pulls,
            "bytes_pushed": pushed,
            "waiting": self._turns.qsize() + len(self._outbox),
            "lag_bytes": max((lease.lag for lease in leases), default=0),
            "lag_seconds": round(now - min(behind, default=now)),
            "disk_hangs": int(self._relief.is_troubled),
            "relay_away": int(not self.bus.is_connected),
        }

    # On the thread of the bus.

    def _hear(self, channel: str, message: bytes) -> None:
        if not self._announcer.is_sole:
            return  # another one answers
        try:
            asked = parse(message)
        except WordsError as error:
            self._strange.warning("a message on %s is not understood: %s", ascii(channel[:100]), error)
            return
        match asked:
            case Read():
                self._ask(asked.name, functools.partial(self._read, asked=asked))
            case Roll():
                for name, cursor in asked.cursors.items():
                    self._ask(name, functools.partial(self._roll, dashboard=asked.dashboard, cursor=cursor))
            case Complete():
                self._ask(asked.name, functools.partial(self._be_told, asked=asked))

    def _ask(self, session_name: str, job: Job) -> None:
        """Have something done for a log, in its turn."""
        with self._lock:
            log = self._logs.get(session_name)
            if log is None:
                log = self._logs[session_name] = self._make_log(session_name)
            if len(log.jobs) < _MOST_JOBS:
                log.jobs.append(job)
            self._queue(log)

    def _make_log(self, session_name: str) -> ShippedLog:
        def say(message: Message, dashboard: str | None) -> None:
            if self._announcer.is_sole:
                self._outbox.put(channel if dashboard is None else self._names.to(dashboard, self._host), message)

        channel = self._names.log(self._host, session_name)
        path = log_path(self._directory, session_name, self._suffix)
        return ShippedLog(session_name, path, say=say, watch=self._watch, on_wake=self._wake)

    def _queue(self, log: ShippedLog) -> None:
        """Give a log a turn, with the lock held."""
        if not log.is_queued:
            log.is_queued = True
            self._turns.put(_Turn(log.path, lambda: self._serve(log), log.seen))

    # On the watcher's threads.

    def _wake(self, log: ShippedLog) -> None:
        """Give a log its turn here and now, where little happens: this thread is sooner at hand than another one.

        Where much does, many messages go out in one go, while others are read. Who wakes is relieved too.
        """
        now = time.monotonic()
        with self._lock:
            is_calm = now - self._woken > _CALM * self._outbox.took
            self._woken = now
            log.is_due = True
            if log.is_queued:
                return
            if not is_calm:
                self._queue(log)
                return
            log.is_queued = True
        self._serve(log)
        self._send()

    # What follows is for the thread that gives the turns, or has been relieved of that.

    def _work(self, shift: Shift) -> None:
        while not self._stop.is_set():
            try:
                turn = self._turns.get(timeout=_TICK / 2)
            except queue.Empty:
                turn = self._ticking
            if not self._relief.wake_and_go_on(shift, turn):
                return
            is_due = time.monotonic() - self._ticked > _TICK
            if is_due and not self._relief.wake_and_go_on(shift, self._ticking):
                return

    def _serve(self, log: ShippedLog) -> None:
        """A log's turn: one thing of what is to be done for it, so that no log keeps the others waiting."""
        with log.lock:
            with self._lock:
                is_due, log.is_due = log.is_due, False
                job = log.jobs.popleft() if log.jobs else None
            if is_due:
                self._do(ShippedLog.push, log)
            if job is not None:
                self._do(job, log)
        with self._lock:
            log.is_queued = False
            if log.is_due or log.jobs:
                self._queue(log)
        if self._turns.empty():
            self._send()

    def _do(self, job: Job, log: ShippedLog) -> None:
        try:
            job(log)
        except BusError:
            pass  # dashboards find what they miss
        except (OSError, NoThreadError) as error:
            self._troubles.warning("a log cannot be shipped just now: %s", str(error))
        except Exception:
            logger.exception("shipping failed")

    def _send(self) -> None:
        with contextlib.suppress(BusError):
            self._outbox.send()

    def _watch(self, log: ShippedLog, file: LogFile) -> None:
        with self._watcher.running():
            self._watcher.follow(log, file)
        self._watcher.wake_again(log)  # a new watch tells nothing of what was written before it

    def _lease(self, log: ShippedLog, dashboard: str, lag: int) -> None:
        """A dashboard follows a log; where no other one does, that is told."""
        now = time.monotonic()
        with self._lock:
            is_first = not log.leases
            lease = log.leases.setdefault(dashboard, Lease(0.0))
            lease.until, lease.lag = now + LEASE, lag
            lease.behind_since = None if lag == 0 else lease.behind_since or now
        if is_first:
            self._on_follow()

    def _read(self, log: ShippedLog, asked: Read) -> None:
        whole = log.read(asked)
        if not asked.most:
            return
        with self._lock:
            self._pulls += 1
        if log.is_followed:
            self._lease(log, asked.dashboard, 0 if whole is not None else log.lag(asked.cursor))
        if whole is not None:
            self._tell_if_complete(log, whole, asked.dashboard)

    def _tell_if_complete(self, log: ShippedLog, file: LogFile, dashboard: str | None) -> None:
        completion = self._completions.find(log.name)
        if completion is not None and completion.end_in(file) is not None:
            log.say(Done(log.name, completion.cursor), dashboard)

    def _roll(self, log: ShippedLog, dashboard: str, cursor: str) -> None:
        if not log.follow():
            return
        with self._lock:
            waits = cursor == START and dashboard not in log.leases  # it may not know that there is an empty log
        is_level = log.stands_at(cursor) and not waits
        self._lease(log, dashboard, 0 if is_level else log.lag(cursor))
        if is_level and log.file is not None:
            self._tell_if_complete(log, log.file, dashboard)
        else:
            log.say(More(log.name, log.offset), dashboard)

    def _be_told(self, log: ShippedLog, asked: Complete) -> None:
        cursor = self._complete(log)
        answer = Missing(asked.name, asked.number) if cursor is None else Done(asked.name, cursor)
        log.say(answer, asked.dashboard)

    def _complete(self, log: ShippedLog, exit_status: int | None = None) -> str | None:
        """Note that a session is complete, and tell all who follow. Returns its last cursor; None without a log."""
        with contextlib.suppress(BusError):
            log.push()
        completion = None
        while completion is None:  # or else it has gone on meanwhile, or cannot be read just now
            end = LogEnd.at(log.path)
            if end.file is None:
                return None
            completion = Completion.at(end, exit_status)
            if completion is None and self._stop.wait(_AGAIN):
                return None
        self._completions.note(log.name, completion)
        self._announcer.announce_soon()
        if log.is_followed:
            with contextlib.suppress(BusError):
                log.say(Done(log.name, completion.cursor), None)
        return completion.cursor

    def _tick(self) -> None:
        """Let go of what nobody follows any more, and hear of completions by others."""
        before, self._ticked = self._ticked, time.monotonic()
        now = self._ticked
        late = now - before - 2 * _TICK if before else 0.0
        with self._lock:
            logs = list(self._logs.values())
            if late > 0:  # this process was stopped, and what dashboards have said meanwhile is still to be heard
                for lease in [lease for log in logs for lease in log.leases.values()]:
                    lease.until += late
        for log in logs:
            if log.lock.acquire(blocking=False):  # or else it is busy, or stuck
                try:
                    self._let_go(log, now)
                finally:
                    log.lock.release()
        self._send()
        found = stat_log(self._completions.news_path)
        news = signature_of(found) if found is not None else None
        if news != self._news:
            self._news = news
            for name in self.followed_sessions():
                self._ask(name, self._hear_of_completion)

    def _hear_of_completion(self, log: ShippedLog) -> None:
        if log.file is not None:
            self._tell_if_complete(log, log.file, None)

    def _let_go(self, log: ShippedLog, now: float) -> None:
        log.forget_earlier(now)
        with self._lock:
            log.leases = {dashboard: lease for dashboard, lease in log.leases.items() if lease.until > now}
            if log.leases or log.is_queued:
                return
            del self._logs[log.name]
            self._pushed += log.pushed
        log.let_go()
        self._watcher.forget(log)
