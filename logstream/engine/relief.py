"""Keeping the threads that wake followers going, when one of them is stuck with a file that cannot be read.

A loop is carried on by one thread at a time, its shift. A shift that does not come back from one follower for PATIENCE
is left to itself, and another thread takes the loop over; meanwhile that follower is put off. All that costs nothing
while all is well but a thread that looks ten times a second.

Where several followers are stuck with files of one device, all of that device take the slow lane: a few threads of
their own. So a disk that hangs costs so many threads, and not one for each session on it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from .logfile import Signature

logger = logging.getLogger(__name__)

PATIENCE = 0.1  # seconds that a follower may take before another thread goes on with the others
_TICK = 0.1  # seconds between two looks at the shifts
_SLOW = 3  # followers of a device that are stuck, from which on the device takes the slow lane
_LANE = 32  # threads of the slow lane


class Follower(Protocol):
    """Who is woken when something may have happened to the file at a path."""

    path: str
    seen: Signature | None  # the file as last looked at; the sweep wakes its follower for any other

    def wake(self) -> None:
        """Look at the file: something may have happened to it. May block as long as the file's disk does."""


class Shift:
    """One thread's time at a loop, and what it is doing."""

    __slots__ = ("_taking_over", "follower", "since", "stuck_with")

    def __init__(self, taking_over: threading.Lock) -> None:
        """`taking_over` is held where this shift's loop is taken over."""
        self._taking_over = taking_over
        # Only that thread changes these two.
        self.follower: Follower | None = None
        self.since = 0.0  # when the call for this follower began; 0 between calls
        self.stuck_with: Follower | None = None  # when it was relieved

    def enter(self, follower: Follower) -> None:
        """A call that may block begins."""
        self.follower = follower
        self.since = time.monotonic()

    def leave(self) -> None:
        """The call has ended."""
        with self._taking_over:
            self.since = 0.0


class Loop:
    """What is done over and over, on one thread at a time."""

    def __init__(self, name: str, run: Callable[[Shift], object]) -> None:
        """`run(shift)` goes on until there is nothing more to do, or until `shift` is not the loop's any more."""
        self._name = name
        self._run = run
        # Guards a shift's end: a loop is taken over in the middle of a call, or not at all. Or else a thread that has
        # just come back would go on beside the one that takes over, or would leave to one that never comes to be.
        self._taking_over = threading.Lock()
        self.shift = Shift(self._taking_over)
        self.thread = self._make_thread(self.shift)

    def take_over(self, since: float, follower: Follower) -> bool:
        """Have another thread go on, unless the call for `follower` that began at `since` has ended.

        Returns whether it does. Raises RuntimeError where there is no thread.
        """
        with self._taking_over:
            before = self.shift
            if before.since != since or before.follower is not follower:
                return False
            shift = Shift(self._taking_over)
            thread = self._make_thread(shift)
            before.stuck_with, self.shift = follower, shift
            try:
                thread.start()
            except RuntimeError:
                before.stuck_with, self.shift = None, before
                raise
            self.thread = thread
            return True

    def _make_thread(self, shift: Shift) -> threading.Thread:
        return threading.Thread(target=self._run, args=(shift,), name=self._name, daemon=True)


class Relief:
    """Watches over loops, and wakes followers for them. Any thread."""

    def __init__(self) -> None:
        # Guards all below.
        self._lock = threading.Lock()
        self._loops: list[Loop] = []
        self._stuck: dict[Follower, bool] = {}  # and whether each has been put off since
        self._devices: Counter[int | None] = Counter()  # of those that are stuck
        self._lane: deque[Follower] = deque()
        self._lane_threads = 0
        self._stopped = threading.Event()
        self.monitor = threading.Thread(target=self._watch_over, name="logstream-relief", daemon=True)

    def start(self, loops: list[Loop]) -> None:
        """Watch over these loops. Raises RuntimeError where there is no thread for that; may be called again."""
        self._loops = loops
        if not self.monitor.is_alive():
            self.monitor.start()

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        self._stopped.set()

    def wake(self, shift: Shift, follower: Follower) -> None:
        """Wake a follower, on the thread whose shift this is; or put it off, where it is stuck."""
        if self._stuck and self.put_off(follower):
            return
        shift.enter(follower)
        _wake(follower)
        shift.leave()

    @property
    def is_troubled(self) -> bool:
        """Whether any follower is stuck."""
        return bool(self._stuck)

    def put_off(self, follower: Follower) -> bool:
        """Whether a follower must not be dealt with here, but will be woken later."""
        with self._lock:
            if follower in self._stuck:
                self._stuck[follower] = True
                return True
            if self._devices[_device(follower)] < _SLOW:
                return False
            if follower not in self._lane:
                self._lane.append(follower)
        self._staff_lane()
        return True

    def is_relieved(self, loop: Loop, shift: Shift) -> bool:
        """Whether another thread has taken a loop over from this shift, which has nothing more to do then."""
        if loop.shift is shift:
            return False
        if shift.stuck_with is not None:
            self._take_back(shift.stuck_with)
        return True

    def _watch_over(self) -> None:
        while not self._stopped.wait(_TICK):
            for loop in self._loops:
                shift = loop.shift
                since, follower = shift.since, shift.follower
                if since and follower is not None and time.monotonic() - since > PATIENCE:
                    self._relieve(loop, since, follower)

    def _relieve(self, loop: Loop, since: float, follower: Follower) -> None:
        is_new = self._note_stuck(follower)
        logger.debug("%s does not come back from %s", loop.thread.name, follower.path)
        try:
            is_relieved = loop.take_over(since, follower)
        except RuntimeError:  # no thread to be had: the next tick tries again
            is_relieved = False
        if is_new and not is_relieved:
            self._take_back(follower)

    def _take_back(self, follower: Follower) -> None:
        """A follower is not stuck any more: have it woken, if it has been put off meanwhile."""
        if self._note_back(follower):
            with self._lock:
                self._lane.append(follower)
            self._staff_lane()

    def _note_stuck(self, follower: Follower) -> bool:
        """Returns whether no other thread is stuck with it already."""
        with self._lock:
            if follower in self._stuck:
                return False
            self._stuck[follower] = False
            self._devices[_device(follower)] += 1
            return True

    def _note_back(self, follower: Follower) -> bool:
        """Returns whether the follower has been put off meanwhile."""
        with self._lock:
            was_put_off = self._stuck.pop(follower, False)
            self._devices = Counter(_device(one) for one in self._stuck)
            return was_put_off

    def _staff_lane(self) -> None:
        with self._lock:
            if self._lane_threads >= _LANE:
                return
            self._lane_threads += 1
        try:
            threading.Thread(target=self._serve_lane, name="logstream-slow-lane", daemon=True).start()
        except RuntimeError:  # whoever is put off next tries again
            with self._lock:
                self._lane_threads -= 1

    def _serve_lane(self) -> None:
        while True:
            with self._lock:
                if not self._lane or self._stopped.is_set():
                    self._lane_threads -= 1
                    return
                follower = self._lane.popleft()
            self._note_stuck(follower)
            _wake(follower)
            if self._note_back(follower):
                with self._lock:
                    self._lane.append(follower)


def _device(follower: Follower) -> int | None:
    seen = follower.seen
    return seen[0] if seen is not None else None


def _wake(follower: Follower) -> None:
    try:
        follower.wake()
    except Exception:  # the thread that calls serves everyone
        logger.exception("waking a follower failed")
