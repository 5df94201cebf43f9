"""Which host has what: what hosts announce, and dashboards look up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from ..engine.completion import Completions
from ..engine.logfile import Signature
from ..engine.sessions import Session, SessionList, unreadable
from ..protocol import ProtocolError, check_session_name
from ..ratelimit import RateLimitedLog
from .bus import Bus, BusError
from .words import EXPIRY, Names, is_cursor, is_host

logger = logging.getLogger(__name__)

LIVE = 60.0  # seconds after its last change in which a log counts as live
GRACE = 5.0  # seconds for which a host that was just there keeps its names
_LOOK = 1.0  # seconds between two looks at the directory
_SHARE = 20  # or so many times what a look takes, where that is longer: thousands of logs are looked at less often
_PATIENCE = 5.0  # seconds that the first look may take; a disk may hang
_ENDING = 2.0  # seconds that each thread has to end
_HANDOVER = 3.0  # seconds without a beat after which another one that waits speaks for a host
_WHOLE = 5.0  # seconds after which all is announced again, as if Redis had forgotten it
_REMEMBERED = 24 * 3600.0  # seconds that a dashboard speaks of a host that is away
_MOST_SESSIONS = 100_000  # of one host
_MOST_BYTES = 64 * 1024 * 1024  # of Redis' memory that a host's sessions take; their names have up to 255 bytes
_MOST_HOSTS = 4096
_BEAT = 256  # bytes of a beat
_VALUE = 256  # bytes that tell of a session


@dataclass(frozen=True, slots=True)
class Announced:
    """A session as its host announces it."""

    name: str
    host: str
    size: int  # bytes
    changed: float  # seconds since the epoch
    completed: float | None  # seconds since the epoch; None while it is not complete
    cursor: str | None = None  # the final one of a complete session

    def pack(self) -> bytes:
        """The session as a hash's value has it."""
        return orjson.dumps([self.size, self.changed, self.completed, self.cursor])

    @classmethod
    def parse(cls, host: str, name: bytes, value: bytes) -> Announced | None:
        """What a hash has; None for what no host of ours has written."""
        try:
            if len(value) > _VALUE:
                return None
            session_name = name.decode()
            check_session_name(session_name)
            size, changed, completed, cursor = orjson.loads(value)
        except (ProtocolError, ValueError, TypeError):
            return None
        if type(size) is not int or size < 0 or not isinstance(changed, (int, float)):
            return None
        if not (completed is None or isinstance(completed, (int, float))) or not (cursor is None or is_cursor(cursor)):
            return None
        return cls(session_name, host, size, float(changed), completed, cursor)


class Announcer:
    """Announces the sessions of a directory: one thread looks at it, and another one speaks, whatever the disk does."""

    def __init__(
        self, bus: Bus, names: Names, host: str, ship: str, directory: str, suffix: str, completions: Completions
    ) -> None:
        """`ship` tells this process from any other that announces itself as the same host.

        Of several machines, or directories, under one name, the first one speaks; `origin` tells them apart.
        """
        self._bus = bus
        self._names = names
        self._host = host
        self._ship = ship
        self.origin = ship  # stays the same when the process is started anew; to be set before `start`
        self.is_sole = False  # nobody else speaks for this host; any thread may read this
        self._listed = SessionList(directory, suffix)
        self._completions = completions
        self._rivals, self._refusals = RateLimitedLog(logger, lines=1), RateLimitedLog(logger, lines=1)
        self._troubles = RateLimitedLog(logger, lines=1)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._look_on, name="logstream-look", daemon=True),
            threading.Thread(target=self._speak_on, name="logstream-announcer", daemon=True),
        ]
        self._look = threading.Event()  # now, without waiting
        self._speak = threading.Event()
        self._found: dict[str, bytes] = {}  # as last looked at
        # Only for the thread that looks: the final cursors of logs as they were.
        self._cursors: dict[str, tuple[Signature, str | None]] = {}
        self._again = 0.0  # when all is announced again; any thread may set it to 0
        # Only for the thread that speaks:
        self._announced: dict[str, bytes] = {}
        self._yielded = float("-inf")  # when another one spoke for this host last

    def start(self) -> None:
        """Begin. Once only."""
        for thread in self._threads:
            thread.start()

    def announce_soon(self) -> None:
        """Announce everything: Redis may know nothing of it."""
        self._again = 0.0
        self._look.set()

    def close(self) -> None:
        """End the threads, and say that the host is away. Idempotent."""
        self._stop.set()
        self._look.set()
        self._speak.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_ENDING)
        if not self.is_sole:
            return
        try:
            self._bus.do(lambda client: client.delete(self._names.host(self._host), self._names.sessions(self._host)))
        except BusError:
            pass  # it expires

    def _look_on(self) -> None:
        while not self._stop.is_set():
            self._look.clear()
            began = time.monotonic()
            try:
                self._found = self._sessions()
            except Exception:
                logger.exception("looking for sessions failed")
            self._speak.set()
            self._look.wait(max(_LOOK, _SHARE * (time.monotonic() - began)))

    def _speak_on(self) -> None:
        self._speak.wait(_PATIENCE)
        while not self._stop.is_set():
            self._speak.clear()
            try:
                if self._bus.is_connected and self._has_turn():
                    self._announce(self._found)
            except BusError as error:
                self._again = 0.0
                if self._bus.is_connected:
                    self._refusals.warning("Redis refuses what announces this host's sessions: %s", error)
            except Exception:
                logger.exception("announcing the sessions failed")
            self._speak.wait(2 * _LOOK)  # and where nobody looks, this host is there all the same

    def _announce(self, sessions: dict[str, bytes]) -> None:
        now = time.monotonic()
        whole = now >= self._again
        if whole:
            self._again = now + _WHOLE
        changed = {name: value for name, value in sessions.items() if whole or self._announced.get(name) != value}
        gone = [name for name in self._announced if name not in sessions]
        key, beat_key = self._names.sessions(self._host), self._names.host(self._host)
        beat = orjson.dumps([time.time(), self._ship, self.origin])

        def fill(pipeline: object) -> None:
            assert hasattr(pipeline, "hset")
            if whole:
                pipeline.delete(key)  # type: ignore[attr-defined]
            elif gone:
                pipeline.hdel(key, *gone)  # type: ignore[attr-defined]
            if changed:
                pipeline.hset(key, mapping=changed)
            pipeline.expire(key, EXPIRY)  # type: ignore[attr-defined]
            pipeline.set(beat_key, beat, ex=EXPIRY)  # type: ignore[attr-defined]

        self._bus.pipeline(fill)
        self._announced = sessions

    def _sessions(self) -> dict[str, bytes]:
        try:
            sessions = self._listed.read()[:_MOST_SESSIONS]
        except OSError as error:
            self._troubles.warning("%s", unreadable(error))
            return self._found  # what there is now is not known
        with self._completions.listed() as completed_since:
            return {one.name: self._entry(one, completed_since(one.name, one.signature)).pack() for one in sessions}

    def _entry(self, session: Session, completed: float | None) -> Announced:
        if completed is None:
            self._cursors.pop(session.name, None)
            return Announced(session.name, self._host, session.size, session.changed, None)
        signature, cursor = self._cursors.get(session.name, (None, None))
        if signature != session.signature:
            known = self._completions.find(session.name)
            cursor = known.cursor if known is not None else None
            self._cursors[session.name] = session.signature, cursor
        return Announced(session.name, self._host, session.size, session.changed, completed, cursor)

    def _has_turn(self) -> bool:
        """Whether this process speaks for its host: not while another machine or directory does. Raises BusError."""
        beat = self._bus.do(lambda client: client.get(self._names.host(self._host)))
        if beat is not None and _origin_of(beat) != self.origin:
            self.is_sole, self._yielded, self._again = False, time.monotonic(), 0.0
            self._rivals.warning(
                "another machine or directory is shipped as host %s already, and this one waits: "
                "give it another name with --host",
                self._host,
            )
        else:
            self.is_sole = beat is not None or time.monotonic() - self._yielded > _HANDOVER
        return self.is_sole


class Registry:
    """What a dashboard knows of the hosts. Any thread."""

    def __init__(self, bus: Bus, names: Names) -> None:
        self._bus = bus
        self._names = names
        # Held while Redis is asked, so that who comes meanwhile shares the answer.
        self._asking = threading.Lock()
        self._asked = 0.0
        self._sessions: dict[str, dict[str, Announced]] = {}  # by host, then by name; replaced as a whole
        self._heard: dict[str, float] = {}  # when each host was last heard of
        self._live: frozenset[str] = frozenset()
        # What was read last of each host's hash, so that only what has changed is read again.
        self._parsed: dict[str, dict[tuple[bytes, bytes], Announced | None]] = {}
        self._ships: dict[str, bytes] = {}  # which process ships for each host
        self._excess = RateLimitedLog(logger, lines=1)

    def look(self) -> list[str]:
        """See who is there, and return those hosts that were not, or were started anew. Raises BusError."""
        with self._asking:
            prefix = self._names.host("")
            keys = self._bus.do(lambda client: list(client.scan_iter(match=_escape(prefix) + "*", count=1000)))
            found = {key.decode("utf-8", "replace").removeprefix(prefix): key for key in keys}
            hosts = sorted(host for host in found if is_host(host))
            if len(hosts) > _MOST_HOSTS:
                self._excess.warning("there are %d session hosts: all but %d are left out", len(hosts), _MOST_HOSTS)
                del hosts[_MOST_HOSTS:]
            beats = self._bus.pipeline(lambda pipeline: [pipeline.getrange(found[host], 0, _BEAT) for host in hosts])
            ships = {host: _ship_of(beat) for host, beat in zip(hosts, beats, strict=True) if beat}
            anew = [host for host, ship in ships.items() if self._ships.get(host) != ship or host not in self._live]
            self._ships.update(ships)
            now = time.monotonic()
            self._heard.update(dict.fromkeys(ships, now))
            for host in [one for one, heard in self._heard.items() if now - heard > _REMEMBERED]:
                del self._heard[host]
                self._parsed.pop(host, None)
                self._sessions = {one: entries for one, entries in self._sessions.items() if one != host}
            self._live = frozenset(ships)
            return anew

    def names(self) -> list[str]:
        """All sessions, as viewers have them."""
        return [name for name, _ in self.listed()]

    def listed(self, first: Callable[[str], str | None] = lambda name: None) -> list[tuple[str, Announced]]:
        """All sessions that were announced, each with its name as viewers have it.

        `first(name)` is asked for a name that several hosts have: the host that keeps it, None for the first one.
        """
        plain: dict[str, Announced] = {}
        further: list[Announced] = []
        for host in self._order():
            for name, announced in self._sessions[host].items():
                if plain.setdefault(name, announced) is not announced:
                    further.append(announced)
        found = []
        for announced in further:
            before = plain[announced.name]
            if before.host != announced.host and first(announced.name) == announced.host:
                plain[announced.name], announced = announced, before
            found.append((f"{announced.name}@{announced.host}", announced))
        return [*plain.items(), *found]

    def refresh(self, age: float = 0.0) -> bool:
        """Ask Redis, unless that was done in the last `age` seconds. Returns whether what is known is of now."""
        with self._asking:
            if self._asked and time.monotonic() - self._asked <= age:
                return True
        try:
            self.look()
            with self._asking:
                hosts = self._bounded_hosts()
                keys = [self._names.sessions(host) for host in hosts]
                hashes = self._bus.pipeline(lambda pipeline: [pipeline.hgetall(key) for key in keys])
                for host, entries in zip(hosts, hashes, strict=True):
                    known = self._parsed.get(host, {})
                    parsed = self._parsed[host] = {
                        (name, value): known.get((name, value)) or Announced.parse(host, name, value)
                        for name, value in entries.items()
                    }
                    found = {one.name: one for one in parsed.values() if one is not None}
                    self._sessions = {**self._sessions, host: found}
                self._asked = time.monotonic()
        except BusError:
            return False
        return True

    def _bounded_hosts(self) -> list[str]:
        """The live hosts whose announcements are no larger than any host's of ours. Raises BusError."""
        hosts = self.live_hosts()
        keys = [self._names.sessions(host) for host in hosts]
        answers = self._bus.pipeline(
            lambda pipeline: [(pipeline.hlen(key), pipeline.memory_usage(key, samples=0)) for key in keys]
        )
        bounded = []
        for host, count, size in zip(hosts, answers[::2], answers[1::2], strict=True):
            if count > _MOST_SESSIONS or (size or 0) > _MOST_BYTES:
                self._excess.warning(
                    "host %s announces %d sessions in %d bytes: more than %d in %d are not looked at",
                    *(host, count, size or 0, _MOST_SESSIONS, _MOST_BYTES),
                )
            else:
                bounded.append(host)
        return bounded

    def live_hosts(self) -> list[str]:
        """The hosts that were heard of lately, in the order in which they come first to a name."""
        return sorted(self._live)

    def hosts_away(self) -> list[str]:
        """The hosts that were there once and are not heard of any more."""
        return sorted(set(self._heard) - self._live)

    def is_live(self, host: str) -> bool:
        """Whether a host was heard of lately."""
        return host in self._live

    def is_gone(self, host: str) -> bool:
        """Whether a host is away, and not only forgotten by Redis, or started anew, a moment ago."""
        heard = self._heard.get(host)
        return host not in self._live and (heard is None or time.monotonic() - heard > GRACE)

    def sessions(self) -> dict[str, dict[str, Announced]]:
        """What each host has announced last, also those that are away; by host, then by name."""
        return self._sessions

    def resolve(self, name: str) -> tuple[str, str] | None:
        """The host, and the session's name there, for a name as a viewer has it; None where no host has it.

        The first live host that has it keeps the plain name, `name@host` is the one of that host.
        """
        sessions = self._sessions
        for host in self._order():
            if name in sessions[host]:
                return host, name
        return self.resolve_at(name)

    def resolve_at(self, name: str) -> tuple[str, str] | None:
        """The same for a name of the form `name@host` only."""
        plain, at, host = name.rpartition("@")
        return (host, plain) if at and plain and host in self._heard else None

    def _order(self) -> list[str]:
        """The hosts, in the order in which they come first to a name."""
        return sorted(self._sessions, key=lambda one: (one not in self._live, one))


def entry(name: str, session: Announced, now: float, registry: Registry, relay_away: bool) -> dict[str, Any]:
    """A session as the list has it, at `now` seconds since the epoch."""
    away = relay_away or not registry.is_live(session.host)
    if session.completed is not None:
        state, since = "complete", session.completed
    else:
        state, since = "live" if now - session.changed < LIVE and not away else "quiet", session.changed
    return {
        "name": name,
        "size": session.size,
        "changed": session.changed,
        "complete": session.completed is not None,
        "state": state,
        "since": since,
        "host": session.host,
        "away": ("relay" if relay_away else "host") if away else None,
    }


def _ship_of(beat: bytes) -> bytes:
    """What tells one process of a host from the next; the beat itself where it is none of ours."""
    try:
        return orjson.dumps(orjson.loads(beat)[1])
    except (ValueError, LookupError, TypeError):
        return beat


def _origin_of(beat: bytes) -> object:
    """What tells the machine and directory that speaks for a host from another one."""
    try:
        return orjson.loads(beat)[2]
    except (ValueError, LookupError, TypeError):
        return None


def _escape(text: str) -> str:
    return "".join(f"\\{one}" if one in "*?[]\\^-" else one for one in text)
