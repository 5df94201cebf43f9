"""Telling which sessions are complete, where a log's disk may not answer: the others' are told all the same."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

Report = Callable[[str, int | None], object]  # a session's name and its exit status, where that is known

_THREADS = 8  # for the logs of one device: so many may hang


class Reports:
    """Makes reports on threads of its own, which end when there is nothing more to report. Any thread."""

    def __init__(self, carry_out: Report, ended: Callable[[], object]) -> None:
        """`carry_out(name, exit_status)` makes one; what it raises is a failure. `ended()` is called after each."""
        self._carry_out = carry_out
        self._ended = ended
        # Guards all below; notified when a report has ended.
        self._changed = threading.Condition(threading.Lock())
        self._waiting: dict[int | None, deque[tuple[str, int | None]]] = defaultdict(deque)  # by device
        self._threads: dict[int | None, int] = defaultdict(int)
        self._names: set[str] = set()  # all that wait or are being made
        self._done: list[str] = []
        self._failed: list[str] = []
        self._closed = False

    def add(self, name: str, exit_status: int | None, device: int | None) -> None:
        """Report a session soon, unless that is under way; its log is on this device."""
        with self._changed:
            if name in self._names or self._closed:
                return
            self._names.add(name)
            self._waiting[device].append((name, exit_status))
            if self._threads[device] >= _THREADS:
                return
            self._threads[device] += 1
        thread = threading.Thread(target=self._serve, args=(device,), name="logstream-report", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # none to be had: it counts as failed, where no other thread will do it
            with self._changed:
                self._threads[device] -= 1
                if not self._threads[device]:
                    self._failed += [one for one, _ in self._waiting.pop(device, ())]
                    self._names.difference_update(self._failed)

    def done(self) -> list[str]:
        """The sessions that have been reported since this was asked last."""
        with self._changed:
            done, self._done = self._done, []
        return done

    def failed(self) -> list[str]:
        """Those that could not be."""
        with self._changed:
            failed, self._failed = self._failed, []
        return failed

    def await_all(self, patience: float) -> None:
        """Wait until nothing is left to report, but no longer than so many seconds."""
        deadline = time.monotonic() + patience
        with self._changed:
            self._changed.wait_for(lambda: not self._names, max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Begin no more reports."""
        with self._changed:
            self._closed = True
            self._waiting.clear()

    def _serve(self, device: int | None) -> None:
        while True:
            with self._changed:
                if not self._waiting[device]:
                    self._threads[device] -= 1
                    if not self._threads[device]:
                        del self._threads[device], self._waiting[device]
                    return
                name, exit_status = self._waiting[device].popleft()
            succeeded = False
            try:
                self._carry_out(name, exit_status)
                succeeded = True
            except Exception:
                pass  # which was said
            with self._changed:
                self._names.discard(name)
                (self._done if succeeded else self._failed).append(name)
                self._changed.notify_all()
            self._ended()
