"""A dashboard: which copies there are to be, and who waits for them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ..engine.sessions import find_session
from ..protocol import ProtocolError, check_session_name
from ..ratelimit import RateLimitedLog
from .bus import Bus, BusError
from .copying import PATIENCE, Copy
from .registry import Announced, Registry, entry
from .spool import Spool, room
from .words import (
    PULL,
    START,
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

_TICK = 0.25  # seconds
_ROLL = 3.0  # seconds between two rolls to a host
_ROLLED = 1000  # names in one of its messages
_MISSING_ROLL = 1.0  # seconds between two questions for a log that nobody has
_BEATS = 1.0  # seconds between two looks at who is there
_LIST = 5.0  # seconds between two looks at what there is, where all is to be copied
_RECENT = 30.0  # seconds that a copy is kept up after somebody asked for it
_PROBE = 1.0  # seconds that hosts have to say whether they have a log
_CONNECT = 1.0  # seconds that who asks waits for Redis
_WHOLE_WAIT = 120.0  # seconds that who asks waits at most, however a copy gets on
_COMPLETION = 3.0  # seconds that a host has to complete a session
_BACKLOG = 128  # messages that wait to be written: at 256 KiB each, 32 MiB; more of them wait in Redis
_ROOM = 5.0  # seconds between two looks at how large the spool is
_CLOSE = 1.0  # seconds that the thread has to end


GAUGES = {
    "copies": "Sessions of other hosts that this process copies",
    "pulls": "Times that a part of a log was asked for",
    "copies_behind": "Copies that are not level with their logs, as far as is known",
    "lag_bytes": "Bytes that the copies are known to lack",
    "lag_seconds": "Seconds since that copy got on which is behind for the longest",
    "hosts": "Session hosts that are there",
    "hosts_away": "Session hosts that are not heard of any more",
    "relay_away": "Whether Redis cannot be reached",
}


class _Question:
    """What several hosts are asked at once, and have answered."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self.left = set(hosts)
        self.found: dict[str, int] = {}  # host: size of the log there
        self.answered = threading.Event()  # all have, or one has the log

    def answer(self, host: str, size: int | None) -> None:
        """A host has the log, of so many bytes; or has not."""
        self.left.discard(host)
        if size is not None:
            self.found[host] = size
        if self.found or not self.left:
            self.answered.set()


class Replica:
    """The copies of one process of a dashboard. Any thread may call; threads start with the first call that needs them.

    One thread works: it writes the copies, and decides what is copied. The bus' thread listens, and while the other one
    has nothing to do, writes what it hears.
    """

    def __init__(
        self,
        spool: Spool,
        url: str,
        names: Names,
        *,
        followed: Callable[[], Iterable[str]],
        complete: Callable[[str], object],
        copy_all: bool = False,
        spool_size: int,
    ) -> None:
        """`followed()` are the sessions that somebody follows here; `complete(name)` is told of one that is complete.

        A spool holds up to `spool_size` bytes of what nobody follows; no log may be larger.
        Raises ConfigurationError.
        """
        spool.prepare()
        self._spool = spool
        self._spool_size = spool_size
        self._names = names
        self._followed, self._complete = followed, complete
        self._copy_all = copy_all
        self._dashboard = uuid.uuid4().hex[:16]
        self._bus = Bus(
            url,
            patterns=(names.answers(self._dashboard),),
            bell=names.to(self._dashboard, ""),
            on_message=self._hear,
            on_connect=lambda: self._jobs.put(self._greet),
            on_follow=lambda channel: self._jobs.put(lambda: self._listen(channel)),
        )
        self.registry = Registry(self._bus, names)
        self._jobs: queue.Queue[Callable[[], object]] = queue.Queue(_BACKLOG)
        self._numbers = itertools.count(1)
        self._strange, self._unwritable = RateLimitedLog(logger), RateLimitedLog(logger, lines=3)
        self._stop = threading.Event()
        # Held by who works: one thread does, and the bus' takes its place where it is idle. Nobody else waits for it.
        self._working = threading.Lock()
        # Guards the start; notified when a copy gets on, and that guards nothing.
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._questions: dict[int, _Question] = {}
        self._completing: dict[tuple[str, str], threading.Event] = {}
        self._recent: dict[str, float] = {}  # until when each session that was asked for is copied anyway
        self._resolved: dict[str, tuple[str, str]] = {}  # where sessions are, as their hosts have said
        # Guarded by _working, though others look:
        self._copies: dict[str, Copy] = {}
        self._guests: dict[str, tuple[str, str]] = {}  # sessions that another process copies, and where they are
        self._by_source: defaultdict[tuple[str, str], dict[str, Copy]] = defaultdict(dict)
        self._due: dict[str, float] = defaultdict(float)  # when each thing is to be done next
        self._evicted: set[str] = set()
        self.pulls = 0  # so far

    def start(self) -> None:
        """Begin to work, unless that was done. Raises RuntimeError where there is no thread to be had."""
        with self._changed:
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._work, name="logstream-replica", daemon=True)
                thread.start()
                self._thread = thread
        self._bus.start()

    def begin(self) -> None:
        """Start now if all is to be copied, whoever follows it. Raises RuntimeError as `start` does."""
        if self._copy_all:
            self.start()

    def close(self) -> None:
        """End everything; the copies stay. Idempotent."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(lambda: None)
        if self._thread is not None:
            self._thread.join(_CLOSE)
        self._bus.close()

    def bring(self, name: str, *, level: bool) -> bool:
        """Have the copy of a session here: its first piece, or where `level` all that its host has.

        Returns whether a log that is not here must be waited for, since it cannot be known now that there is none.
        """
        try:
            check_session_name(name, self._spool.suffix)
        except ProtocolError:
            return False
        self._recent[name] = time.monotonic() + _RECENT
        copy = self._copies.get(name)
        if copy is not None and copy.is_level and self._bus.is_connected:
            return False
        self.start()
        if not self._bus.settle(_CONNECT):
            return True
        source = self._find(name)
        if source is None:
            if self._bus.is_connected and self.registry.live_hosts() and not self.registry.hosts_away():
                self._recent.pop(name, None)
                return False
            return True
        if self.registry.is_live(source[0]):
            self._await(name, source, level)
        copy = self._copies.get(name)
        return copy is None or not copy.is_missing

    def complete(self, name: str) -> bool:
        """Have the host of a session complete it. Returns False where the host is away."""
        self.start()
        source = self._find(name) if self._bus.settle(_CONNECT) else None
        if source is None:
            return self._bus.is_connected and self._spool.size(name) is None and not self.registry.hosts_away()
        host, source_name = source
        answered = self._completing.setdefault(source, threading.Event())
        try:
            number = next(self._numbers)
            self._publish(self._names.ask(host), Complete(source_name, self._dashboard, number))
            return answered.wait(_COMPLETION)
        except BusError:
            return False
        finally:
            self._completing.pop(source, None)

    def counts(self) -> dict[str, int]:
        """Figures for monitoring."""
        now = time.monotonic()
        copies = list(self._copies.values())
        return {
            "copies": len(copies),
            "pulls": self.pulls,
            "copies_behind": sum(not copy.is_level for copy in copies),
            "lag_bytes": sum(copy.lag for copy in copies),
            "lag_seconds": max((round(now - copy.moved) for copy in copies if not copy.is_level), default=0),
            "hosts": len(self.registry.live_hosts()),
            "hosts_away": len(self.registry.hosts_away()),
            "relay_away": int(self.is_relay_away()),
        }

    def sessions(self, now: float) -> list[dict[str, Any]]:
        """All sessions, the one that changed last first, as the list on the page has them.

        Beside what the list of one host has, each has its host, whether that is away, and whether the relay is.
        """
        self.start()
        relay_away = not (self._bus.settle(_CONNECT) and self.registry.refresh(_BEATS))
        entries = [
            entry(name, found, now, self.registry, relay_away) for name, found in self.registry.listed(self._first)
        ]
        listed = {one["name"] for one in entries}
        for session in self._spool.copies():
            if session.name not in listed:
                host, _, _ = self._spool.source(session.name).partition("\n")
                kept = Announced(session.name, host, session.size, session.changed, None)
                entries.append(entry(session.name, kept, now, self.registry, relay_away))
        return sorted(entries, key=lambda one: one["changed"], reverse=True)

    def session(self, name: str, now: float) -> dict[str, Any] | None:
        """A session as the list has it; None where nobody is known to have it."""
        self.start()
        relay_away = not (self._bus.settle(_CONNECT) and self.registry.refresh(_LIST))
        found = self._known(name)
        if found is None and not relay_away:
            relay_away = not self.registry.refresh(_BEATS)
            found = self._known(name)
        return entry(name, found, now, self.registry, relay_away) if found is not None else None

    def is_relay_away(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._thread is not None and not self._bus.is_connected

    # Who waits.

    def _known(self, name: str) -> Announced | None:
        """A session as it was announced, or by its copy alone."""
        host, source_name = self._pinned(name) or self._resolve(name) or ("", "")
        announced = self.registry.sessions().get(host, {}).get(source_name)
        if announced is not None:
            return announced
        kept = find_session(self._spool.directory, self._spool.suffix, name)
        return Announced(name, host, kept.size, kept.changed, None) if kept is not None else None

    def _find(self, name: str) -> tuple[str, str] | None:
        """Where a session is; None where no host says that it has it."""
        pinned = self._pinned(name)
        if pinned is not None:
            if not self.registry.is_live(pinned[0]):
                self.registry.refresh(age=_BEATS)  # perhaps it was not looked at yet
            return pinned
        source = self._resolve(name)
        if source is None:
            self.registry.refresh(age=_BEATS)
            source = self._resolve(name)
        if source is None:
            source = self._probe(name)
        return source

    def _pinned(self, name: str) -> tuple[str, str] | None:
        """Where the copy that is here comes from: it stays that log's, unless its host is away and another has one."""
        host, _, source_name = self._spool.source(name).partition("\n")
        if not source_name or self._spool.size(name) is None:
            return None
        if not self.registry.is_live(host):
            other = self.registry.resolve(name)
            if other is not None and other[0] != host and self.registry.is_live(other[0]):
                return None
        return host, source_name

    def _resolve(self, name: str) -> tuple[str, str] | None:
        """Where a session is by what is known: what a host has said itself is newer than what it has announced."""
        said = self._resolved.get(name)
        if said is not None and not self.registry.is_live(said[0]):
            self._resolved.pop(name, None)
            said = None
        return said or self.registry.resolve(name)

    def _first(self, name: str) -> str | None:
        """Which host keeps the plain name that several have, where that is not the first one."""
        pinned = self._pinned(name)
        return pinned[0] if pinned is not None else None

    def _probe(self, name: str) -> tuple[str, str] | None:
        asked = dict.fromkeys(self.registry.live_hosts(), name)
        if not asked:
            return None
        found = self._ask(asked)
        if not found:
            return None
        source = self._resolved[name] = min(found), name
        return source

    def _ask(self, asked: dict[str, str]) -> dict[str, int]:
        """Which hosts have a log, and of how many bytes."""
        number = next(self._numbers)
        question = self._questions[number] = _Question(asked)
        try:
            for host, source_name in asked.items():
                self._publish(self._names.ask(host), Read(source_name, START, self._dashboard, number, 0))
            question.answered.wait(_PROBE)
        except BusError:
            pass
        finally:
            del self._questions[number]
        return dict(question.found)

    def _await(self, name: str, source: tuple[str, str], level: bool) -> None:
        """Wait until there is something, or all; or until that does not get on."""
        begun = time.monotonic()
        self._jobs.put(lambda: self._want(name, source))
        while time.monotonic() - begun < _WHOLE_WAIT and not self._stop.is_set():
            copy = self._copies.get(name)
            if copy is None and name in self._guests:
                self._await_other(name, level)
                return
            if copy is not None:
                if (copy.is_missing and copy.moved >= begun) or copy.is_level or (copy.file.exists and not level):
                    return
                if time.monotonic() - max(copy.moved, begun) > PATIENCE or not self._bus.is_connected:
                    return
            elif time.monotonic() - begun > PATIENCE:
                return
            with self._changed:
                self._changed.wait(0.05)

    def _await_other(self, name: str, level: bool) -> None:
        """The same where another process copies: it is level once it has what the host has now."""
        source = self._guests.get(name)
        if source is None:
            return
        size = self._ask({source[0]: source[1]}).get(source[0], 0) if level else 0
        moved, last = time.monotonic(), -1
        while time.monotonic() - moved < PATIENCE and not self._stop.is_set():
            there = self._spool.size(name)
            if there is not None and there >= size:
                return
            if there is not None and there != last:
                moved, last = time.monotonic(), there
            self._stop.wait(0.01)

    # On the thread of the bus.

    def _hear(self, channel: str, message: bytes) -> None:
        try:
            host, session_name = self._names.sender(channel)
            said = parse(message)
            if session_name is not None and getattr(said, "name", None) != session_name:
                raise WordsError("it is of another session")
        except WordsError as error:
            self._strange.warning("a message on %s is not understood: %s", ascii(channel[:100]), error)
            return
        if not self._take_at_once(host, said):
            self._jobs.put(lambda: self._take(host, said))

    def _take_at_once(self, host: str, said: Message) -> bool:
        """Do what the thread that works would do, where it has nothing to do: it would only have to be woken."""
        if self._jobs.unfinished_tasks or not self._working.acquire(blocking=False):
            return False
        try:
            if self._jobs.unfinished_tasks or self._stop.is_set():
                return False
            self._do(lambda: self._take(host, said))
        finally:
            self._working.release()
        return True

    # What follows is for the thread that works, which holds `_working`.

    def _work(self) -> None:
        ticked = 0.0
        while not self._stop.is_set():
            try:
                job = self._jobs.get(timeout=_TICK)
            except queue.Empty:
                pass
            else:
                with self._working:
                    self._do(job)
                self._jobs.task_done()
            if time.monotonic() - ticked >= _TICK:
                with self._working:
                    self._do(self._tick)
                ticked = time.monotonic()
        with self._working:
            for copy in list(self._copies.values()):
                copy.close()
            self._copies.clear()
            self._by_source.clear()

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        except BusError:
            pass  # what is missing is found when it is connected again
        except Exception:
            logger.exception("copying failed")

    def _publish(self, channel: str, message: Message) -> None:
        self._bus.publish(channel, message.pack())

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self, host: str, said: Message) -> None:
        """A host has said something."""
        match said:
            case Reply() | Missing():
                question = self._questions.get(said.number)
                if question is not None:
                    question.answer(host, said.size if isinstance(said, Reply) else None)
                    return
            case Data() | More() | Done():
                pass
            case _:
                return
        if isinstance(said, (Done, Missing)):
            answered = self._completing.get((host, said.name))
            if answered is not None:
                answered.set()
        known = self._by_source.get((host, said.name))
        if not known and isinstance(said, More):
            self._discover(host, said.name)
        for copy in list((known or {}).values()):
            self._carry(copy, said)

    def _carry(self, copy: Copy, said: Message) -> None:
        """Have a copy take a message."""
        try:
            match said:
                case Data():
                    wanted = copy.data(said)
                case More():
                    wanted = copy.more(said)
                case Reply():
                    wanted = copy.reply(said)
                    self._notify()
                case Done():
                    wanted = copy.done(said)
                case Missing():
                    copy.missing(said.number)
                    wanted = False
                    self._notify()
                    self._look_elsewhere(copy)
                case _:
                    return
        except OSError as error:
            copy.fail()
            self._unwritable.warning("the copy of session %r cannot be written: %s", copy.name, error.strerror)
            return
        if copy.is_at_end():
            copy.completed = copy.final
            self._complete(copy.name)
        if wanted:
            self._pull(copy)

    def _look_elsewhere(self, copy: Copy) -> None:
        """A host has no such log any more: perhaps another one has."""
        self._resolved.pop(copy.name, None)
        if not copy.file.exists and self.registry.resolve(copy.name) not in (None, (copy.host, copy.source_name)):
            self._end(copy)

    def _pull(self, copy: Copy) -> None:
        number = next(self._numbers)
        copy.begin_pull(number)
        self.pulls += 1
        asked = Read(copy.source_name, copy.file.cursor, self._dashboard, number, PULL)
        self._publish(self._names.ask(copy.host), asked)

    def _want(self, name: str, source: tuple[str, str]) -> None:
        """Somebody waits for a session."""
        copy = self._copies.get(name)
        if copy is not None and self._is_left(copy):
            self._end(copy)
            copy = None
        if copy is not None:
            copy.look_again()
        if copy is None:
            self._begin(name, source)
        elif copy.is_listening and copy.number is None and not copy.is_level and not copy.is_pausing:
            self._pull(copy)
        self._notify()

    def _is_left(self, copy: Copy) -> bool:
        """Whether a name goes on at another host, since its own is away, and nobody is looking at it."""
        away = not self.registry.is_live(copy.host)
        return away and self._pinned(copy.name) is None and copy.name not in set(self._followed())

    def _begin(self, name: str, source: tuple[str, str]) -> None:
        """Copy a session from now on, unless another process does."""
        try:
            lock = self._spool.lock(name)
            if lock is None:
                self._guests[name] = source
                return
            self._guests.pop(name, None)
            try:
                self._keep_earlier(name, source)
                lock.note_source("\n".join(source))
                file = self._spool.open(name, self._spool_size)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            self._unwritable.warning("the copy of session %r cannot be written: %s", name, error.strerror)
            return
        copy = self._copies[name] = Copy(name, *source, file, lock)
        self._by_source[source][name] = copy
        self._bus.follow(self._names.log(*source))

    def _keep_earlier(self, name: str, source: tuple[str, str]) -> None:
        """A copy of another host's log is kept, by that host's name, where another one's takes its place."""
        host, _, source_name = self._spool.source(name).partition("\n")
        if source_name and host != source[0] and self._spool.size(name) is not None:
            self._spool.rename(name, f"{source_name}@{host}", f"{host}\n{source_name}")

    def _listen(self, channel: str) -> None:
        """What is pushed on a channel is heard from now on."""
        host, source_name = self._names.sender(channel)
        for copy in list(self._by_source.get((host, source_name or ""), {}).values()):
            copy.is_listening = True
            if copy.number is None and not copy.is_pausing:
                self._pull(copy)

    def _end(self, copy: Copy) -> None:
        """Copy a session no more; another process may."""
        del self._copies[copy.name]
        source = copy.host, copy.source_name
        self._by_source[source].pop(copy.name, None)
        if not self._by_source[source]:
            del self._by_source[source]
            self._bus.unfollow(self._names.log(*source))
        copy.close()

    def _greet(self) -> None:
        """Redis is there, perhaps again: everything that was under way is lost."""
        for copy in self._copies.values():
            copy.lose_touch()
            copy.is_listening = True
        self._due.clear()
        self._tick()

    def _tick(self) -> None:
        if not self._bus.is_connected:
            for copy in self._copies.values():
                copy.is_level = False
            return
        if self._is_due("beats", _BEATS):
            for host in self.registry.look():
                self._due.pop(f"roll {host}", None)
        if self._copy_all and self._is_due("list", _LIST):
            self.registry.refresh()
        wanted = self._wanted()
        for copy in list(self._copies.values()):
            if copy.name not in wanted or self._is_left(copy):
                self._end(copy)
        for name in [one for one in self._guests if one not in wanted]:
            del self._guests[name]
        for name in [one for one in list(self._resolved) if one not in wanted]:
            self._resolved.pop(name, None)
        missing = [name for name in wanted if name not in self._copies and not self._begin_known(name)]
        if self._is_due("room", _ROOM):
            self._make_room()
        self._look_after(self._copies.values())
        self._roll(missing)

    def _wanted(self) -> set[str]:
        now = time.monotonic()
        for name, until in list(self._recent.items()):
            if until < now:
                self._recent.pop(name, None)
        wanted = {*self._followed(), *self._recent}
        if self._copy_all:
            wanted |= set(self.registry.names()) - self._evicted
        return wanted

    def _make_room(self) -> None:
        """Evict the copies that nobody follows, those first that were written to longest ago, where there are too many.

        Where all is to be copied, what was evicted is copied again when somebody asks for it.
        """
        try:
            excess = self._spool.total() - self._spool_size
        except OSError:
            return  # something has just gone
        kept = {*self._followed(), *self._recent}
        for session in reversed(self._spool.copies() if excess > 0 else []):
            if excess <= 0:
                break
            if session.name in kept:
                continue
            if session.name in self._copies:
                self._evicted.add(session.name)
                self._end(self._copies[session.name])  # and when that is some while ago, it is evicted
            try:
                if self._spool.evict(session.name):
                    self._evicted.add(session.name)
                    excess -= room(session.size)
            except OSError as error:
                self._unwritable.warning("the spool cannot be made smaller: %s", error.strerror)

    def _begin_known(self, name: str) -> bool:
        """Begin with a session that is wanted; False where nobody knows which host has it."""
        source = self._pinned(name) or self._resolve(name)
        if source is not None:
            self._begin(name, source)
        return source is not None

    def _discover(self, host: str, source_name: str) -> None:
        """A host has a log that was asked for."""
        for name in (source_name, f"{source_name}@{host}"):
            if name not in self._copies and name in self._wanted() and self._pinned(name) is None:
                if name == source_name and self.registry.resolve_at(name) is not None:
                    continue
                self._resolved[name] = host, source_name
                self._begin(name, (host, source_name))

    def _look_after(self, copies: Iterable[Copy]) -> None:
        """Pull what was lost, and what somebody else has changed."""
        intact = self._is_due("intact", 1.0)
        for copy in copies:
            try:
                if intact and not copy.file.is_intact():
                    copy.file.open_again()
                    copy.lose_touch()
                if copy.is_listening and copy.is_overdue() and self.registry.is_live(copy.host):
                    self._pull(copy)
            except OSError as error:
                copy.fail()
                self._unwritable.warning("the copy of session %r cannot be read: %s", copy.name, error.strerror)

    def _roll(self, missing: list[str]) -> None:
        """Say what is followed, and where it stands; and ask all for what nobody is known to have."""
        for host in {copy.host for copy in self._copies.values()}:
            if self._is_due(f"roll {host}", _ROLL):
                copies = [copy for copy in self._copies.values() if copy.host == host]
                self._call(host, {copy.source_name: copy.file.cursor for copy in copies})
        if missing and self._is_due("missing", _MISSING_ROLL):
            for host in self.registry.live_hosts():
                self._call(host, {one.removesuffix(f"@{host}"): START for one in missing})

    def _call(self, host: str, cursors: dict[str, str]) -> None:
        """Send a roll, in parts of which none is long."""
        names = list(cursors)
        for start in range(0, len(names), _ROLLED):
            part = {name: cursors[name] for name in names[start : start + _ROLLED]}
            self._publish(self._names.ask(host), Roll(self._dashboard, part))

    def _is_due(self, what: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + interval
        return True
