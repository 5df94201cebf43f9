"""What a dashboard asks session hosts, and what they answer to who waits for it. Sizes are bytes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable

from .bus import Bus, BusError
from .words import PULL, START, Complete, Done, Message, Missing, Names, Read, Reply, Roll

_PROBE = 1.0  # seconds that hosts have to say whether they have a log
_COMPLETION = 3.0  # seconds that a host has to complete a session
_ROLLED = 1000  # names in one roll

Source = tuple[str, str]  # a host, and a session as that has it


class SilentError(Exception):
    """A host has not said in time whether it has a log, so that nobody knows that there is none."""


class _Question:
    """What several hosts are asked at once, and have answered."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self.left = set(hosts)
        self.found: dict[str, int] = {}  # host: size of the log there
        self.answered = threading.Event()  # all have, or one has the log

    def answer(self, host: str, size: int | None) -> None:
        """A host has the log, of so many bytes; or has not."""
        if size is not None:
            self.found[host] = size
        self.left.discard(host)
        if self.found or not self.left:
            self.answered.set()


class Hosts:
    """Speaks to the session hosts for one process of a dashboard. Any thread."""

    def __init__(self, bus: Bus, names: Names, dashboard: str) -> None:
        """`dashboard` is the name by which hosts answer this process."""
        self._bus = bus
        self._names = names
        self._dashboard = dashboard
        self._numbers = itertools.count(1)
        self._questions: dict[int, _Question] = {}
        self._completing: dict[Source, threading.Event] = {}

    def number(self) -> int:
        """A number for a pull, which nothing else has that is asked here."""
        return next(self._numbers)

    def pull(self, source: Source, cursor: str, number: int) -> None:
        """Ask for what is behind a cursor; the answers have the number. Raises BusError."""
        host, name = source
        self._say(host, Read(name, cursor, self._dashboard, number, PULL))

    def roll(self, host: str, cursors: dict[str, str]) -> None:
        """Say what is followed of a host, and where that stands, in parts of which none is long. Raises BusError."""
        names = list(cursors)
        for start in range(0, len(names), _ROLLED):
            part = {name: cursors[name] for name in names[start : start + _ROLLED]}
            self._say(host, Roll(self._dashboard, part))

    def ask(self, asked: dict[str, str]) -> dict[str, int]:
        """Which hosts have the log that each is asked for, and of how many bytes. Blocks for a second at most."""
        return dict(self._ask(asked).found)

    def probe(self, hosts: Iterable[str], name: str) -> dict[str, int]:
        """Which of some hosts have a log. Raises SilentError where none says so, and not all say no."""
        asked = dict.fromkeys(hosts, name)
        if not asked:
            return {}
        question = self._ask(asked)
        is_silent = bool(question.left)  # before what was found: who answers just now is in one of them
        found = dict(question.found)
        if is_silent and not found:
            raise SilentError
        return found

    def _ask(self, asked: dict[str, str]) -> _Question:
        number = self.number()
        question = self._questions[number] = _Question(asked)
        try:
            for host, name in asked.items():
                self._say(host, Read(name, START, self._dashboard, number, 0))
            question.answered.wait(_PROBE)
        except BusError:
            pass
        finally:
            del self._questions[number]
        return question

    def complete(self, source: Source) -> bool:
        """Have a host complete a session. Returns False where it does not answer in three seconds."""
        host, name = source
        answered = self._completing.setdefault(source, threading.Event())
        try:
            self._say(host, Complete(name, self._dashboard, self.number()))
            return answered.wait(_COMPLETION)
        except BusError:
            return False
        finally:
            self._completing.pop(source, None)

    def is_answer(self, host: str, said: Message) -> bool:
        """Tell who waits what a host has said. Returns whether it was the answer to an `ask`, and no news of a copy."""
        if isinstance(said, (Reply, Missing)) and (question := self._questions.get(said.number)) is not None:
            question.answer(host, said.size if isinstance(said, Reply) else None)
            return True
        if isinstance(said, (Done, Missing)) and (answered := self._completing.get((host, said.name))) is not None:
            answered.set()
        return False

    def _say(self, host: str, message: Message) -> None:
        self._bus.publish(self._names.ask(host), message.pack())
