"""The copies of one process of a dashboard: which there are to be, and the thread that writes them."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from ..ratelimit import RateLimitedLog
from .bus import Bus, BusError
from .copying import Copy
from .hosts import Hosts, Source
from .registry import Registry
from .spool import Spool, room
from .whereabouts import BEATS, Whereabouts
from .words import START, Data, Done, Message, Missing, More, Names, Reply, WordsError, parse

logger = logging.getLogger(__name__)

LIST = 5.0  # seconds between two looks at what there is, where all is to be copied

_TICK = 0.25  # seconds
_ROLL = 3.0  # seconds between two rolls to a host
_MISSING_ROLL = 1.0  # seconds between two questions for a log that nobody has
_RECENT = 30.0  # seconds that a copy is kept up after somebody asked for it
_BACKLOG = 128  # messages that wait to be written: at 256 KiB each, 32 MiB; more of them wait in Redis
_ROOM = 5.0  # seconds between two looks at how large the spool is
_CLOSE = 1.0  # seconds that the thread has to end


class Copier:
    """Copies what is wanted. Any thread may call; the thread starts with `start`.

    One thread works: it writes the copies, and decides what is copied. The bus' thread listens, and while the other one
    has nothing to do, writes what it hears.
    """

    def __init__(
        self,
        bus: Bus,
        names: Names,
        spool: Spool,
        registry: Registry,
        hosts: Hosts,
        whereabouts: Whereabouts,
        *,
        followed: Callable[[], Iterable[str]],
        complete: Callable[[str], object],
        copy_all: bool,
        spool_size: int,
    ) -> None:
        """`followed()` are the sessions that somebody follows here; `complete(name)` is told of one that is complete.

        The spool holds up to `spool_size` bytes of what nobody follows; no log may be larger.
        """
        self._bus = bus
        self._names = names
        self._spool = spool
        self._spool_size = spool_size
        self._registry, self._hosts, self._whereabouts = registry, hosts, whereabouts
        self._followed, self._complete = followed, complete
        self._copy_all = copy_all
        self._jobs: queue.Queue[Callable[[], object]] = queue.Queue(_BACKLOG)
        self._strange, self._unwritable = RateLimitedLog(logger), RateLimitedLog(logger, lines=3)
        self._stop = threading.Event()
        # Held by who works: one thread does, and the bus' takes its place where it is idle. Nobody else waits for it.
        self._working = threading.Lock()
        # Guards the start; notified when a copy gets on, and that guards nothing.
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._recent: dict[str, float] = {}  # until when each session that was asked for is copied anyway
        # Guarded by _working, though others look:
        self._copies: dict[str, Copy] = {}
        self._guests: dict[str, Source] = {}  # sessions that another process copies, and where they are
        self._by_source: defaultdict[Source, dict[str, Copy]] = defaultdict(dict)
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

    def close(self) -> None:
        """End the thread; the copies stay. Idempotent."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(lambda: None)
        if self._thread is not None:
            self._thread.join(_CLOSE)

    @property
    def is_started(self) -> bool:
        """Whether it has begun to work."""
        return self._thread is not None

    def copies(self) -> list[Copy]:
        """All that there are now."""
        return list(self._copies.values())

    def copy(self, name: str) -> Copy | None:
        """A session's copy; None where this process has none."""
        return self._copies.get(name)

    def elsewhere(self, name: str) -> Source | None:
        """Where a session is that another process copies; None where none does."""
        return self._guests.get(name)

    def keep_up(self, name: str) -> None:
        """Somebody asks for a session: it is wanted for a while, whoever follows it."""
        self._recent[name] = time.monotonic() + _RECENT

    def let_go(self, name: str) -> None:
        """There is no such session."""
        self._recent.pop(name, None)

    def want(self, name: str, source: Source) -> None:
        """Somebody waits for a session, which is there: have it copied, and what is missing pulled."""
        self._jobs.put(lambda: self._want(name, source))

    def wait(self, seconds: float) -> None:
        """Wait until some copy gets on, for so long."""
        with self._changed:
            self._changed.wait(seconds)

    # On the thread of the bus.

    def hear(self, channel: str, message: bytes) -> None:
        """A message has come."""
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

    def greet(self) -> None:
        """Redis is there, perhaps again."""
        self._jobs.put(self._greet)

    def listen(self, channel: str) -> None:
        """What is pushed on a channel is heard from now on."""
        self._jobs.put(lambda: self._listen(channel))

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

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self, host: str, said: Message) -> None:
        """A host has said something."""
        if self._hosts.is_answer(host, said) or not isinstance(said, (Data, More, Done, Reply, Missing)):
            return
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
        self._whereabouts.forget(copy.name)
        if not copy.file.exists and self._registry.resolve(copy.name) not in (None, (copy.host, copy.source_name)):
            self._end(copy)

    def _pull(self, copy: Copy) -> None:
        number = self._hosts.number()
        copy.begin_pull(number)
        self.pulls += 1
        self._hosts.pull((copy.host, copy.source_name), copy.file.cursor, number)

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
        away = not self._registry.is_live(copy.host)
        return away and self._whereabouts.pinned(copy.name) is None and copy.name not in set(self._followed())

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
        if self._is_due("beats", BEATS):
            for host in self._registry.look():
                self._due.pop(f"roll {host}", None)
        if self._copy_all and self._is_due("list", LIST):
            self._registry.refresh()
        wanted = self._wanted()
        for copy in list(self._copies.values()):
            if copy.name not in wanted or self._is_left(copy):
                self._end(copy)
        for name in [one for one in self._guests if one not in wanted]:
            del self._guests[name]
        self._whereabouts.keep(wanted)
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
            wanted |= set(self._registry.names()) - self._evicted
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
        source = self._whereabouts.known(name)
        if source is not None:
            self._begin(name, source)
        return source is not None

    def _discover(self, host: str, source_name: str) -> None:
        """A host has a log that was asked for."""
        for name in (source_name, f"{source_name}@{host}"):
            if name not in self._copies and name in self._wanted() and self._whereabouts.pinned(name) is None:
                if name == source_name and self._registry.resolve_at(name) is not None:
                    continue
                self._whereabouts.note(name, (host, source_name))
                self._begin(name, (host, source_name))

    def _look_after(self, copies: Iterable[Copy]) -> None:
        """Pull what was lost, and what somebody else has changed."""
        intact = self._is_due("intact", 1.0)
        for copy in copies:
            try:
                if intact and not copy.file.is_intact():
                    copy.file.open_again()
                    copy.lose_touch()
                if copy.is_listening and copy.is_overdue() and self._registry.is_live(copy.host):
                    self._pull(copy)
            except OSError as error:
                copy.fail()
                self._unwritable.warning("the copy of session %r cannot be read: %s", copy.name, error.strerror)

    def _roll(self, missing: list[str]) -> None:
        """Say what is followed, and where it stands; and ask all for what nobody is known to have."""
        for host in {copy.host for copy in self._copies.values()}:
            if self._is_due(f"roll {host}", _ROLL):
                copies = [copy for copy in self._copies.values() if copy.host == host]
                self._hosts.roll(host, {copy.source_name: copy.file.cursor for copy in copies})
        if missing and self._is_due("missing", _MISSING_ROLL):
            for host in self._registry.live_hosts():
                self._hosts.roll(host, {one.removesuffix(f"@{host}"): START for one in missing})

    def _is_due(self, what: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + interval
        return True
