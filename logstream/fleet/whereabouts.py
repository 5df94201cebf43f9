"""Where each session of a dashboard is: by its copy, by what a host has said, or by what hosts have announced."""

from __future__ import annotations

from collections.abc import Container

from ..engine.sessions import find_session
from .hosts import Hosts, Source
from .registry import Announced, Registry
from .spool import Spool

BEATS = 1.0  # seconds for which what is known of hosts is good for who asks


class Whereabouts:
    """Where sessions are. Any thread."""

    def __init__(self, spool: Spool, registry: Registry, hosts: Hosts) -> None:
        self._spool = spool
        self._registry = registry
        self._hosts = hosts
        self._said: dict[str, Source] = {}  # by the session's name here: what its host has said itself

    def find(self, name: str) -> Source | None:
        """Where a session is; None where no host has it. Asks Redis, and then the hosts, where it must.

        Raises SilentError where a host has not said whether it has it.
        """
        pinned = self.pinned(name)
        if pinned is not None:
            if not self._registry.is_live(pinned[0]):
                self._registry.refresh(age=BEATS)  # perhaps it was not looked at yet
            return pinned
        source = self._announced(name)
        if source is None:
            self._registry.refresh(age=BEATS)
            source = self._announced(name)
        return source or self._probe(name)

    def known(self, name: str) -> Source | None:
        """The same by what is known, without asking."""
        return self.pinned(name) or self._announced(name)

    def session(self, name: str) -> Announced | None:
        """A session as it was announced, or by its copy alone."""
        host, source_name = self.known(name) or ("", "")
        announced = self._registry.sessions().get(host, {}).get(source_name)
        if announced is not None:
            return announced
        kept = find_session(self._spool.directory, self._spool.suffix, name)
        return Announced(name, host, kept.size, kept.changed, None) if kept is not None else None

    def pinned(self, name: str) -> Source | None:
        """Where the copy that is here comes from: it stays that log's, unless its host is away and another has one."""
        host, _, source_name = self._spool.source(name).partition("\n")
        if not source_name or self._spool.size(name) is None:
            return None
        if self._registry.is_gone(host):
            other = self._registry.resolve(name)
            if other is not None and other[0] != host and self._registry.is_live(other[0]):
                return None
        return host, source_name

    def first(self, name: str) -> str | None:
        """Which host keeps the plain name that several have, where that is not the first one."""
        pinned = self.pinned(name)
        return pinned[0] if pinned is not None else None

    def note(self, name: str, source: Source) -> None:
        """A host has said that it has a session: that is newer than what it has announced."""
        self._said[name] = source

    def forget(self, name: str) -> None:
        """A host has said that it has a session no more."""
        self._said.pop(name, None)

    def keep(self, wanted: Container[str]) -> None:
        """Remember nothing of other sessions than these."""
        for name in [one for one in list(self._said) if one not in wanted]:
            self.forget(name)

    def _announced(self, name: str) -> Source | None:
        said = self._said.get(name)
        if said is not None and not self._registry.is_live(said[0]):
            self.forget(name)
            said = None
        return said or self._registry.resolve(name)

    def _probe(self, name: str) -> Source | None:
        found = self._hosts.probe(self._registry.live_hosts(), name)
        if not found:
            return None
        source = min(found), name
        self.note(name, source)
        return source
