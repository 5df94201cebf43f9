"""A dashboard, for those who ask it: they wait until a session is here, and are told which there are."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from ..protocol import ProtocolError, check_session_name
from .bus import Bus
from .copier import LIST, Copier
from .copying import PATIENCE
from .hosts import Hosts, SilentError, Source
from .registry import Announced, Registry, entry
from .spool import Spool
from .whereabouts import BEATS, Whereabouts
from .words import Names

_CONNECT = 1.0  # seconds that who asks waits for Redis
_WHOLE_WAIT = 120.0  # seconds that who asks waits at most, however a copy gets on

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


class Replica:
    """One process of a dashboard. Any thread may call; threads start with the first call that needs them."""

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
        self._copy_all = copy_all
        dashboard = uuid.uuid4().hex[:16]
        self._bus = Bus(
            url,
            patterns=(names.answers(dashboard),),
            bell=names.to(dashboard, ""),
            on_message=lambda channel, message: self._copier.hear(channel, message),
            on_connect=lambda: self._copier.greet(),
            on_follow=lambda channel: self._copier.listen(channel),
        )
        self.registry = Registry(self._bus, names)
        self._hosts = Hosts(self._bus, names, dashboard)
        self._whereabouts = Whereabouts(spool, self.registry, self._hosts)
        self._copier = Copier(
            self._bus,
            names,
            spool,
            self.registry,
            self._hosts,
            self._whereabouts,
            followed=followed,
            complete=complete,
            copy_all=copy_all,
            spool_size=spool_size,
        )
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to work, unless that was done. Raises RuntimeError where there is no thread to be had."""
        self._copier.start()
        self._bus.start()

    def begin(self) -> None:
        """Start now if all is to be copied, whoever follows it. Raises RuntimeError as `start` does."""
        if self._copy_all:
            self.start()

    def close(self) -> None:
        """End everything; the copies stay. Idempotent."""
        self._stop.set()
        self._copier.close()
        self._bus.close()

    def bring(self, name: str, *, level: bool) -> bool:
        """Have the copy of a session here: its first piece, or where `level` all that its host has.

        Returns whether a log that is not here must be waited for, since it cannot be known now that there is none.
        """
        try:
            check_session_name(name, self._spool.suffix)
        except ProtocolError:
            return False
        self._copier.keep_up(name)
        copy = self._copier.copy(name)
        if copy is not None and copy.is_level and self._bus.is_connected:
            return False
        self.start()
        if not self._bus.settle(_CONNECT):
            return True
        try:
            source = self._whereabouts.find(name)
        except SilentError:
            return True
        if source is None:
            if self._bus.is_connected and self.registry.live_hosts() and not self.registry.hosts_away():
                self._copier.let_go(name)
                return False
            return True
        if self.registry.is_live(source[0]):
            self._await(name, source, level)
        copy = self._copier.copy(name)
        return copy is None or not copy.is_missing

    def complete(self, name: str) -> bool:
        """Have the host of a session complete it. Returns False where the host is away, or does not answer."""
        self.start()
        try:
            source = self._whereabouts.find(name) if self._bus.settle(_CONNECT) else None
        except SilentError:
            return False
        if source is None:
            return self._bus.is_connected and self._spool.size(name) is None and not self.registry.hosts_away()
        return self._hosts.complete(source)

    def counts(self) -> dict[str, int]:
        """Figures for monitoring."""
        now = time.monotonic()
        copies = self._copier.copies()
        return {
            "copies": len(copies),
            "pulls": self._copier.pulls,
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
        relay_away = not (self._bus.settle(_CONNECT) and self.registry.refresh(BEATS))
        entries = [
            entry(name, found, now, self.registry, relay_away)
            for name, found in self.registry.listed(self._whereabouts.first)
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
        relay_away = not (self._bus.settle(_CONNECT) and self.registry.refresh(LIST))
        found = self._whereabouts.session(name)
        if found is None and not relay_away:
            relay_away = not self.registry.refresh(BEATS)
            found = self._whereabouts.session(name)
        return entry(name, found, now, self.registry, relay_away) if found is not None else None

    def is_relay_away(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._copier.is_started and not self._bus.is_connected

    def _await(self, name: str, source: Source, level: bool) -> None:
        """Wait until there is something, or all; or until that does not get on."""
        begun = time.monotonic()
        self._copier.want(name, source)
        while time.monotonic() - begun < _WHOLE_WAIT and not self._stop.is_set():
            copy = self._copier.copy(name)
            if copy is None and (other := self._copier.elsewhere(name)) is not None:
                self._await_other(name, other, level)
                return
            if copy is not None:
                if (copy.is_missing and copy.moved >= begun) or copy.is_level or (copy.file.exists and not level):
                    return
                if time.monotonic() - max(copy.moved, begun) > PATIENCE or not self._bus.is_connected:
                    return
            elif time.monotonic() - begun > PATIENCE:
                return
            self._copier.wait(0.05)

    def _await_other(self, name: str, source: Source, level: bool) -> None:
        """The same where another process copies: it is level once it has what the host has now."""
        host, source_name = source
        size = self._hosts.ask({host: source_name}).get(host, 0) if level else 0
        moved, last = time.monotonic(), -1
        while time.monotonic() - moved < PATIENCE and not self._stop.is_set():
            there = self._spool.size(name)
            if there is not None and there >= size:
                return
            if there is not None and there != last:
                moved, last = time.monotonic(), there
            self._stop.wait(0.01)
