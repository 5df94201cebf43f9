"""Keeping the threads that wake followers going, when one of them is stuck with a file that cannot be read.

A loop is carried on by one thread at a time, its shift. A shift that is found in the same call of a follower twice in a
row is left to itself, and another thread takes the loop over; meanwhile that follower is put off. All that costs
nothing while all is well but a thread that looks ten times a second.

Where several followers are stuck with files of one device, all of that device take the slow lane: a few threads of
their own. So a disk that hangs costs so many threads, and not one for each session on it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from .logfile import Signature

logger = logging.getLogger(__name__)

PATIENCE = 0.1  # seconds between two looks at the shifts
_IN_TROUBLE = 0.05  # the same, while a follower is stuck already: others of its disk may be next
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

    __slots__ = ("calls", "follower", "stuck_with")

    def __init__(self) -> None:
        # Only that thread changes these two, in this order, around each call that may block.
        self.calls = 0  # made so far, which tells one from the next
        self.follower: Follower | None = None  # who is being called; None between calls
        # Whom it does not come back from, as the monitor has it; guarded by the relief's lock, and looked at by the
        # thread after each call.
        self.stuck_with: Follower | None = None


class Loop:
    """What is done over and over, on one thread at a time."""

    def __init__(self, name: str, run: Callable[[Shift], object]) -> None:
        """`run(shift)` goes on until there is nothing more to do, or until `shift` is not the loop's any more."""
        self._name = name
        self._run = run
        self.shift = Shift()
        self.thread = self._make_thread(self.shift)

    def take_over(self, shift: Shift) -> None:
        """Have another thread go on. Raises RuntimeError where there is none."""
        thread = self._make_thread(shift)
        before, self.shift = self.shift, shift
        try:
            thread.start()
        except RuntimeError:
            self.shift = before
            raise
        self.thread = thread

    def _make_thread(self, shift: Shift) -> threading.Thread:
        return threading.Thread(target=self._run, args=(shift,), name=self._name, daemon=True)


class Relief:
    """Watches over loops, and wakes followers for them. Any thread."""

    def __init__(self) -> None:
        # Guards all below, and each shift's end: a loop is taken over in the middle of a call, or not at all.
        self._lock = threading.Lock()
        self._loops: list[Loop] = []
        self._stuck: dict[Follower, bool] = {}  # and whether each has been put off since
        self._devices: Counter[int | None] = Counter()  # of those that are stuck
        self.is_troubled = False  # whether any follower is stuck; may be asked without the lock
        self._lane: deque[Follower] = deque()
        self._lane_threads = 0
        # Guards nothing: it is held until all ends, and waiting for that is waiting for it, at a lock's low cost.
        self._stopping = threading.Lock()
        self._stopping.acquire()
        self._stopped = False
        self.monitor = threading.Thread(target=self._watch_over, name="logstream-relief", daemon=True)

    def start(self, loops: list[Loop]) -> None:
        """Watch over these loops. Raises RuntimeError where there is no thread for that; may be called again."""
        self._loops = loops
        if not self.monitor.is_alive():
            self.monitor.start()

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._stopping.release()

    def wake(self, shift: Shift, follower: Follower) -> None:
        """Wake a follower, on the thread whose shift this is; or put it off, where it is stuck."""
        if self.is_troubled and self.put_off(follower):
            return
        shift.calls += 1
        shift.follower = follower
        _wake(follower)
        shift.follower = None

    def wake_and_go_on(self, shift: Shift, follower: Follower) -> bool:
        """Wake a follower as `wake` does. Returns whether the loop is still this shift's."""
        self.wake(shift, follower)
        return shift.stuck_with is None or not self.come_back(shift)

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

    def come_back(self, shift: Shift) -> bool:
        """Whether another thread has taken a loop over, so that this one has nothing more to do.

        To be asked after each call that was found to be `stuck_with` somebody. Who was put off meanwhile is woken.
        """
        with self._lock:
            follower = shift.stuck_with
            if follower is None:  # the monitor has seen in time that the call was over
                return False
            if not self._free(follower):
                return True
            self._lane.append(follower)
        self._staff_lane()
        return True

    def _watch_over(self) -> None:
        found: dict[Loop, tuple[Shift, int]] = {}  # whose shift each was at the last look, and in which call
        while not self._stopping.acquire(timeout=_IN_TROUBLE if self.is_troubled else PATIENCE):
            for loop in self._loops:
                shift = loop.shift
                follower, calls = shift.follower, shift.calls  # in this order, it is the call of that follower
                if follower is not None and found.get(loop) == (shift, calls):
                    self._relieve(loop, shift, follower, calls)
                found[loop] = shift, calls
            if self._lane:  # and perhaps there was no thread to be had for it
                self._staff_lane()

    def _relieve(self, loop: Loop, shift: Shift, follower: Follower, calls: int) -> None:
        with self._lock:
            shift.stuck_with = follower
            if shift.follower is None or shift.calls != calls:  # it has come back, and perhaps did not see that
                shift.stuck_with = None
                return
            is_new = follower not in self._stuck  # or else another thread is stuck with it already
            self._hold(follower)
            try:
                loop.take_over(Shift())
            except RuntimeError:  # no thread to be had: the next look tries again
                shift.stuck_with = None
                if is_new and self._free(follower):
                    self._lane.append(follower)
                return
        logger.debug("%s does not come back from %s", loop.thread.name, follower.path)

    # What follows, up to _free, is called with the lock held.

    def _hold(self, follower: Follower) -> None:
        """Note that a follower is stuck."""
        if follower not in self._stuck:
            self._stuck[follower] = False
            self._devices[_device(follower)] += 1
            self.is_troubled = True

    def _free(self, follower: Follower) -> bool:
        """Note that a follower is not stuck any more. Returns whether it has been put off meanwhile."""
        was_put_off = self._stuck.pop(follower, False)
        self._devices = Counter(_device(one) for one in self._stuck)
        self.is_troubled = bool(self._stuck)
        return was_put_off

    def _staff_lane(self) -> None:
        with self._lock:
            if self._lane_threads >= _LANE:
                return
            self._lane_threads += 1
        try:
            threading.Thread(target=self._serve_lane, name="logstream-slow-lane", daemon=True).start()
        except RuntimeError:  # the monitor tries again
            with self._lock:
                self._lane_threads -= 1

    def _serve_lane(self) -> None:
        while True:
            with self._lock:
                if not self._lane or self._stopped:
                    self._lane_threads -= 1
                    return
                follower = self._lane.popleft()
                self._hold(follower)
            _wake(follower)
            with self._lock:
                if self._free(follower):
                    self._lane.append(follower)


def _wake(follower: Follower) -> None:
    try:
        follower.wake()
    except Exception:  # the thread that calls serves everyone
        logger.exception("waking a follower failed")


def _device(follower: Follower) -> int | None:
    seen = follower.seen
    return seen[0] if seen is not None else None
