"""Asking the same of many files, some of which may be on a disk that does not answer: the others' answers come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

_PATIENCE = 0.25  # seconds without an answer after which who is asked counts as silent: one or two of them
_IMPATIENCE = 0.05  # the same, once another one was silent: there may be many on the same disk
_SILENT = 32  # questions that may be without an answer at a time: each holds a thread

_Answer = TypeVar("_Answer")


class Questions(Generic[_Answer]):
    """One question, put to many by their names. Any thread."""

    def __init__(self, question: Callable[[str], _Answer]) -> None:
        """`question(name)` may take as long as a disk does, and is called on a thread of its own. It must not raise."""
        self._question = question
        # Guards the names whose answers are overdue, and who goes on with a round.
        self._lock = threading.Lock()
        self._silent: set[str] = set()

    def ask(self, names: Iterable[str]) -> dict[str, _Answer]:
        """The answers; without those that do not come in time.

        Who owes an earlier one is not asked again before that has come. Where too many do, the rest are not asked.
        """
        with self._lock:
            asked = [name for name in dict.fromkeys(names) if name not in self._silent]
        if not asked:
            return {}
        round_, patience = _Round[_Answer](asked), _PATIENCE
        while len(self._silent) < _SILENT:
            try:
                threading.Thread(target=self._go_on, args=(round_,), name="logstream-question", daemon=True).start()
            except RuntimeError:  # none to be had
                self._go_on(round_)
            if self._is_over(round_, patience):
                break
            patience = _IMPATIENCE
        with self._lock:
            return dict(round_.answers)

    def _go_on(self, round_: _Round[_Answer]) -> None:
        """Ask one after the other, until there is none left or another thread has taken over."""
        for name in round_.left:
            round_.asked = name
            answer = self._question(name)
            with self._lock:
                round_.answers[name] = answer  # late, perhaps, but not too late
                if round_.asked is not name:
                    self._silent.discard(name)
                    return
                round_.asked = None
        round_.done.set()

    def _is_over(self, round_: _Round[_Answer], patience: float) -> bool:
        """Wait for the end of a round; False as soon as somebody does not answer in time, who is silent then."""
        found = None
        while not round_.done.wait(patience):
            with self._lock:
                if round_.asked is not None and round_.asked is found:
                    self._silent.add(found)
                    round_.asked = None
                    return False
                found = round_.asked
        return True


class _Round(Generic[_Answer]):
    """Who is asked, and what they have answered so far."""

    def __init__(self, names: Iterable[str]) -> None:
        self.left: Iterator[str] = iter(names)
        self.asked: str | None = None  # who is being asked
        self.answers: dict[str, _Answer] = {}
        self.done = threading.Event()
