"""The thread that asks tmux, and says which logs are complete."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..engine.state import StateDirectory
from ..ratelimit import RateLimitedLog
from .endings import GRACE, Contest, Ending, Verdict
from .logs import Logs
from .ownership import Ownership
from .processes import await_end, make_bell, open_for_writing
from .records import Records, Seen, host_key
from .reports import Report, Reports
from .server import Answer, NobodyError, TmuxError, ask, socket_path
from .sightings import Sighting, Sightings
from .turn import Turn

logger = logging.getLogger(__name__)

POLL_INTERVAL = 1.0  # seconds
REFRESH = 30.0  # seconds after which it is written down again how the logs are

_STIRRED = 3.0  # seconds that tmux has to notice that a process in it has ended
_UNSEEN_GRACE = 2.0  # seconds without a change until a log is complete that was written to while nobody looked
_TICK = 0.01  # seconds
_PLACE = "tmux"  # in the state directory


@dataclass(frozen=True, slots=True)
class Running:
    """A session that tmux has."""

    since: float  # seconds since the epoch
    size: tuple[int, int] | None  # columns and rows of the pane that is piped, else of the active one
    exit_status: int | None  # of that pane's program, where it has ended and tmux keeps the pane


class TmuxWatcher:
    """Completes the logs whose tmux sessions have ended.

    While somebody follows any log, tmux is asked once a second, by one process of a host. While nobody does, and
    sessions that were seen are alive, it is asked when a process of theirs ends. A log is complete when its session
    was seen and is over, and nobody writes to it any more; one whose session was never seen is left alone. What is
    seen is written down, for the other processes and over restarts. Any thread may call.
    """

    def __init__(
        self,
        socket: str | None,
        followed: Callable[[], Iterable[str]],
        report: Report,
        directory: str,
        suffix: str,
        *,
        state: StateDirectory | None = None,
        started: Callable[[str], object] = lambda name: None,
        is_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`socket` is the name or path of a tmux server's socket, None for the default one.

        `followed()` are the names of the sessions that somebody follows; `is_wanted()` tells whether tmux is to be
        asked even so. `report(name, exit_status)` is told of a session that is complete, whose log is
        `<directory>/<name><suffix>`, on a thread of its own; the exit status may be None. `started(name)` is told of
        a session that tmux has and that was not seen before; it must not block. `state` is where it is written down
        what was seen; without it, each process knows only its own. None is called with a lock held.
        """
        self._socket = socket
        self._followed = followed
        self._report = report
        self._started = started
        self._is_wanted = is_wanted
        self._silence = RateLimitedLog(logger, lines=1)
        self._failures = RateLimitedLog(logger, lines=1)
        self._stop = threading.Event()
        # Guards the five below: the thread ends by itself, and whoever comes then starts the next one.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = False  # somebody has come since the thread last looked
        self._bell: int | None = None  # wakes the thread while nobody follows
        self._failed = False  # no thread was to be had
        self._looks = 0
        self._looked = threading.Condition(self._lock)  # notified after each look
        place = state.within(_PLACE) if state is not None else None
        key = host_key(socket_path(socket))
        self._turn = Turn(place, f"{key}.lock")
        self._records = Records(place, f"{key}.json")
        self._reports = Reports(self._carry_out, self.wake)
        self._seen: tuple[Seen, ...] = ()  # by this process
        # Only for the thread.
        self._logs = Logs(directory, suffix)
        self._sightings = Sightings()
        self._ownership = Ownership(self._logs)
        self._over: list[tuple[str, Sighting]] = []  # sessions whose logs are not yet looked for
        self._endings: dict[str, Ending] = {}
        self._contests: list[Contest] = []
        self._unsettled: dict[str, Sighting] = {}  # sessions that are over, and whose logs are not complete yet
        self._saved_at = 0.0

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

    def refresh(self, patience: float = 0.2) -> None:
        """Have tmux asked, unless that was within the last second, by whichever process.

        Waits for its answer, and for logs that are complete by it, but no longer than `patience` seconds.
        """
        if self._turn.asked_ago() < POLL_INTERVAL:
            return
        deadline = time.monotonic() + patience
        looks = self._looks
        self.wake()
        with self._lock:
            self._looked.wait_for(lambda: self._looks > looks or self._failed, patience)
        while self._turn.asked_ago() >= POLL_INTERVAL and time.monotonic() < deadline:
            time.sleep(_TICK)  # another process is about to ask
        self._reports.await_all(deadline - time.monotonic())

    def running(self) -> Mapping[str, Running]:
        """The sessions that tmux has, as far as any process of this host has seen, by the names of their logs."""
        seen = self._records.read() if self._turn.is_shared else self._seen
        return {
            one.log: Running(one.session.created, one.session.size, one.session.exit_status)
            for one in seen
            if one.running and not one.over
        }

    def close(self) -> None:
        """End the thread, soon."""
        self._stop.set()
        self._reports.close()
        with self._lock:
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None:
            with contextlib.suppress(BlockingIOError):  # it rings already
                os.write(self._bell, b"!")

    def _run(self) -> None:
        stirred = 0.0  # when a process of a session ended while nobody followed
        while not self._stop.is_set():
            with self._lock:
                self._asked = False
            followed: set[str] | None = None
            is_ours = False
            try:
                followed = set(self._followed())
                is_ours = self._turn.take()
                self._recall()
                if is_ours:
                    try:
                        with self._logs.listed_once():
                            self._look(followed)
                    finally:
                        self._turn.note_asked()
            except Exception:
                self._failures.warning("looking for tmux sessions failed", exc_info=True)
            with self._lock:
                self._looks += 1
                self._looked.notify_all()
            is_busy = is_ours and (self._over or self._endings or self._unsettled)
            if followed is None or followed or is_busy or self._is_wanted() or time.monotonic() < stirred + _STIRRED:
                self._stop.wait(GRACE if self._endings else POLL_INTERVAL)
                continue
            self._turn.give_up()
            if self._await_stir():
                stirred = time.monotonic()
            else:
                self._pause()
                with self._lock:
                    if not self._asked:
                        self._thread = None
                        return
        self._turn.give_up()

    def _recall(self) -> None:
        """Go on from what another process has seen, if it has looked since this one did."""
        seen = self._records.recall() if self._turn.is_shared else None
        if seen is None:
            return
        self._endings.clear()
        self._contests.clear()
        self._over.clear()
        # Of a server that cannot be seen from here, nobody could tell whether it is the same one.
        known = [(one, one.sighting()) for one in seen if one.server.started is not None]
        self._sightings.recall((one.log, sighting) for one, sighting in known if not one.over)
        for one, sighting in known:
            self._ownership.recall(one.log, sighting, set(one.written), set(one.named))
            if one.over:
                self._over.append((one.log, sighting))
        self._unsettled = dict(self._over)

    def _await_stir(self) -> bool:
        """With nobody following: wait until a process of a session ends, or somebody comes. False: for nothing."""
        pids = {pid for _, sighting in self._sightings.all() for pid in sighting.session.panes.values() if pid}
        pids |= {sighting.server.pid for _, sighting in self._sightings.all() if sighting.server.started is not None}
        try:
            heard, bell = make_bell()
        except OSError:
            return False
        try:
            with self._lock:
                if self._asked or self._stop.is_set():
                    return True
                self._bell = bell
            return await_end(pids, heard)
        finally:
            with self._lock:
                self._bell = None
            os.close(heard)
            os.close(bell)

    def _pause(self) -> None:
        """Take down the logs as they are: nobody looks at tmux from here on."""
        with self._logs.listed_once():
            self._logs.look_at(name for name, _ in self._sightings.all())
            for name, sighting in self._sightings.all():
                sighting.unwatched, sighting.left = True, self._logs.state(name)

    def _look(self, followed: set[str]) -> None:
        for name in self._reports.done():
            self._unsettled.pop(name, None)
        for name in self._reports.failed():
            self._endings[name] = Ending(self._logs.state(name), time.monotonic())
        answer = self._ask()
        started: list[tuple[str, Sighting]] = []
        if answer is not None:
            started = self._sightings.note(followed, answer, self._logs.called)
        self._logs.look_at([*(name for name, _ in self._sightings.all()), *self._unsettled, *self._endings])
        if answer is not None:
            self._ownership.observe(self._sightings.all())
        # Or anybody could fill the memory with names that tmux makes one of.
        self._sightings.forget_unless(lambda name: name in followed or self._logs.may_be_there(name))
        over = self._sightings.take_over(answer)
        self._over += over
        self._unsettled.update(over)
        now = time.monotonic()
        self._find_logs(now)
        self._settle(followed, now)
        self._judge(now)
        self._write_down(now)
        for name, sighting in started:
            if name in self._ownership.contenders(name, sighting):
                self._started(name)

    def _write_down(self, now: float) -> None:
        """Keep what is seen for other processes, and for those that come after a restart."""
        files = {(one.log, one.server): one.file for one in self._seen}
        refresh = now - self._saved_at > REFRESH
        seen = []
        for over, sightings in ((False, self._sightings.all()), (True, self._unsettled.items())):
            for name, sighting in sightings:
                if not _is_utf8(name):
                    continue
                state = self._logs.state(name)
                file = files.get((name, sighting.server))
                is_new = file is None or (state is not None and not file.is_continued_by(state))
                if (refresh or is_new) and not self._logs.is_silent(name):
                    file = sighting.left if sighting.recalled else state
                mine = not over and name in self._ownership.contenders(name, sighting)
                written, named = map(tuple, map(sorted, self._ownership.evidence(sighting)))
                seen.append(Seen(name, sighting.session, sighting.server, file, over, mine, written, named))
        self._seen = tuple(seen)
        if refresh:
            self._saved_at = now
        if self._turn.is_shared:
            self._records.save(self._seen)

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

    def _find_logs(self, now: float) -> None:
        """Some sessions are over: see which logs are theirs."""
        for one in list(self._over):
            name, sighting = one
            if self._logs.is_silent(name):
                continue  # it is known when the disk answers
            self._find_log(name, sighting, now)
            if name not in self._endings and not any(name in contest.names() for contest in self._contests):
                self._unsettled.pop(name, None)
            self._over.remove(one)

    def _find_log(self, name: str, sighting: Sighting, now: float) -> None:
        """A session is over: see whether this log is its."""
        state = self._logs.state(name)
        if sighting.unwatched and state != sighting.left:
            logger.info("session %r has ended in tmux some time ago; its log has gone on since", name)
            return
        if sighting.recalled and (state is None or sighting.left is None or not sighting.left.is_continued_by(state)):
            logger.info("session %r has ended in tmux while nobody looked; its log is not what it was then", name)
            return
        contenders = self._ownership.contenders(name, sighting)
        if contenders == {name}:
            if state is not None and sighting.recalled:
                grace = GRACE if state == sighting.left else _UNSEEN_GRACE
                self._endings[name] = Ending(state, now, grace, max(0.0, time.time() - state.changed / 1e9))
            else:
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
                for name in names:
                    self._unsettled.pop(name, None)
                continue
            if any(self._logs.is_silent(name) for name in names):
                continue
            contest.look({name: self._logs.state(name) for name in names}, now)
            if len(contest.names()) <= 1:
                self._contests.remove(contest)
                for name in names - contest.names():
                    self._unsettled.pop(name, None)
                for name in contest.names():
                    self._endings[name] = Ending(self._logs.state(name), now)

    def _judge(self, now: float) -> None:
        """See which logs are complete by now."""
        complete = []
        for name, ending in list(self._endings.items()):
            if name in self._sightings:  # it has begun again
                self._settled(name)
                continue
            if self._logs.is_silent(name):
                self._endings[name] = Ending(None, now)  # what was written meanwhile is seen when the disk answers
                continue
            state = self._logs.state(name)
            verdict = ending.judge(state, now)
            if verdict is Verdict.COMPLETE:
                complete.append((name, state))
            elif verdict is Verdict.IN_USE:
                self._say_in_use(name)
        # Whoever has begun to write while nobody looked may pause longer than a session that is over.
        recalled = {self._logs.path(name) for name, _ in complete if self._is_recalled(name)}
        written = open_for_writing(recalled) if recalled else set()
        for name, state in complete:
            if self._logs.path(name) in written:
                self._say_in_use(name)
                continue
            del self._endings[name]
            sighting = self._unsettled.get(name)
            exit_status = sighting.session.exit_status if sighting is not None else None
            self._reports.add(name, exit_status, state.device if state is not None else None)

    def _is_recalled(self, name: str) -> bool:
        sighting = self._unsettled.get(name)
        return sighting is not None and sighting.recalled

    def _say_in_use(self, name: str) -> None:
        logger.info("session %r has ended in tmux, but its log goes on, so it is not complete", name)
        self._settled(name)

    def _settled(self, name: str) -> None:
        self._endings.pop(name, None)
        self._unsettled.pop(name, None)

    def _carry_out(self, name: str, exit_status: int | None) -> None:
        """Report a session, on a thread of its own: its log may be on a disk that does not answer."""
        try:
            self._report(name, exit_status)
        except Exception:
            self._failures.warning("session %r could not be completed; it is tried again", name, exc_info=True)
            raise


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
