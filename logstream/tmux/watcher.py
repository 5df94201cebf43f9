"""The thread that asks tmux, and says which logs are complete."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from ..ratelimit import RateLimitedLog
from .endings import GRACE, Contest, Ending, Verdict
from .logs import Logs
from .ownership import Ownership
from .processes import await_end
from .server import Answer, NobodyError, TmuxError, ask
from .sightings import Sighting, Sightings

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0  # seconds

_STIRRED = 3.0  # seconds that tmux has to notice that a process in it has ended


class TmuxWatcher:
    """Completes the logs whose tmux sessions have ended.

    While somebody follows any log, tmux is asked once a second. While nobody does, and sessions that were seen are
    alive, it is asked when a process of theirs ends. A log is complete when its session was seen and is over, and
    nobody writes to it any more; one whose session was never seen is left alone. Any thread may call.
    """

    def __init__(
        self,
        socket: str | None,
        followed: Callable[[], Iterable[str]],
        report: Callable[[str], object],
        directory: str,
        suffix: str,
    ) -> None:
        """`socket` is the name or path of a tmux server's socket, None for the default one.

        `followed()` are the names of the sessions that somebody follows; `report(name)` is told of one that is
        complete, whose log is `<directory>/<name><suffix>`. Neither is called with a lock held.
        """
        self._socket = socket
        self._followed = followed
        self._report = report
        self._silence = RateLimitedLog(logger, lines=1)
        self._failures = RateLimitedLog(logger, lines=1)
        self._stop = threading.Event()
        # Guards the four below: the thread ends by itself, and whoever comes then starts the next one.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = False  # somebody has come since the thread last looked
        self._bell: int | None = None  # wakes the thread while nobody follows
        self._failed = False  # no thread was to be had
        # Only for the thread.
        self._logs = Logs(directory, suffix)
        self._sightings = Sightings()
        self._ownership = Ownership(self._logs)
        self._over: list[tuple[str, Sighting]] = []  # sessions whose logs are not yet looked for
        self._endings: dict[str, Ending] = {}
        self._contests: list[Contest] = []

    def wake(self) -> None:
        """Somebody follows a log, perhaps the first one."""
        with self._lock:
            self._asked = True
            self._ring()
            if self._thread is not None or self._stop.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="logstream-tmux", daemon=True)
            try:
                self._thread.start()
                self._failed = False
            except RuntimeError:  # none to be had
                self._thread = None
                self._failed = True

    def retry(self) -> None:
        """Try again where no thread could be started; costs nothing where one could, so it may be called often."""
        if self._failed:
            self.wake()

    def close(self) -> None:
        """End the thread, soon."""
        self._stop.set()
        with self._lock:
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None:
            os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        stirred = 0.0  # when a process of a session ended while nobody followed
        while not self._stop.is_set():
            with self._lock:
                self._asked = False
            followed: set[str] | None = None
            try:
                followed = set(self._followed())
                self._look(followed)
            except Exception:
                self._failures.warning("looking for tmux sessions failed", exc_info=True)
            if followed is None or followed or self._over or self._endings or time.monotonic() < stirred + _STIRRED:
                self._stop.wait(GRACE if self._endings else POLL_INTERVAL)
            elif self._await_stir():
                stirred = time.monotonic()
            else:
                self._pause()
                with self._lock:
                    if not self._asked:
                        self._thread = None
                        return

    def _await_stir(self) -> bool:
        """With nobody following: wait until a process of a session ends, or somebody comes. False: for nothing."""
        pids = {pid for _, sighting in self._sightings.all() for pid in sighting.session.panes.values() if pid}
        pids |= {sighting.server.pid for _, sighting in self._sightings.all() if sighting.server.started is not None}
        try:
            bell = os.eventfd(0)
        except OSError:
            return False
        try:
            with self._lock:
                if self._asked or self._stop.is_set():
                    return True
                self._bell = bell
            return await_end(pids, bell)
        finally:
            with self._lock:
                self._bell = None
            os.close(bell)

    def _pause(self) -> None:
        """Take down the logs as they are: nobody looks at tmux from here on."""
        for name, sighting in self._sightings.all():
            sighting.unwatched, sighting.left = True, self._logs.state(name)

    def _look(self, followed: set[str]) -> None:
        answer = self._ask()
        if answer is not None:
            self._sightings.note(followed, answer)
            self._ownership.observe(self._sightings.all())
        # Or anybody could fill the memory with names that tmux makes one of.
        self._sightings.forget_unless(lambda name: name in followed or self._logs.stat(name) is not None)
        self._over += self._sightings.take_over(answer)
        now = time.monotonic()
        while self._over:
            self._find_log(*self._over[0], now)
            del self._over[0]
        self._settle(followed, now)
        for name, ending in list(self._endings.items()):
            self._judge(name, ending, now)

    def _ask(self) -> Answer | None:
        try:
            answer = ask(self._socket)
            problem = "another one answers in its place"
        except NobodyError as error:
            answer, problem = None, str(error)
        except TmuxError as error:
            self._silence.warning("tmux does not answer, so sessions that end now are not noticed: %s", error)
            return None
        for server in self._sightings.silent_servers(answer):
            if server.started is not None and not server.is_gone():
                self._silence.warning(
                    "the tmux server with process %d cannot be asked, so sessions of it that end now are not noticed: "
                    "%s. Where its socket is missing, `kill -USR1 %d` makes it again",
                    server.pid,
                    problem,
                    server.pid,
                )
        return answer

    def _find_log(self, name: str, sighting: Sighting, now: float) -> None:
        """A session is over: see whether this log is its."""
        state = self._logs.state(name)
        if sighting.unwatched and state != sighting.left:
            logger.info("session %r has ended in tmux some time ago; its log has gone on since", name)
            return
        contenders = self._ownership.contenders(name, sighting)
        if contenders == {name}:
            self._endings[name] = Ending(state, now)
        elif name in contenders and not any(name in contest.names() for contest in self._contests):
            names = ", ".join(map(repr, sorted(contenders)))
            logger.info("a tmux session has ended, and nobody knows of which log: %s", names)
            self._contests.append(Contest({one: self._logs.state(one) for one in contenders}, now))

    def _settle(self, followed: set[str], now: float) -> None:
        """See which contests are decided, or are of no use any more."""
        for contest in list(self._contests):
            names = contest.names()
            if names.isdisjoint(followed) or any(name in self._sightings for name in names):
                self._contests.remove(contest)
                continue
            contest.look({name: self._logs.state(name) for name in names}, now)
            if len(contest.names()) <= 1:
                self._contests.remove(contest)
                for name in contest.names():
                    self._endings[name] = Ending(self._logs.state(name), now)

    def _judge(self, name: str, ending: Ending, now: float) -> None:
        if name in self._sightings:  # it has begun again
            del self._endings[name]
            return
        state = self._logs.state(name)
        verdict = ending.judge(state, now)
        if verdict is Verdict.COMPLETE:
            try:
                self._report(name)
            except Exception:
                self._failures.warning("session %r could not be completed; it is tried again", name, exc_info=True)
                self._endings[name] = Ending(state, now)
                return
        elif verdict is Verdict.IN_USE:
            logger.info("session %r has ended in tmux, but its log goes on, so it is not complete", name)
        if verdict is not Verdict.OPEN:
            del self._endings[name]
