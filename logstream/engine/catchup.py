"""Bringing one client's subscriptions level with their files, each from its own place, in turn.

Where the file of one does not answer, another thread goes on with the others.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable

from ..protocol import Message, error_message
from .monitor import Monitor
from .subscription import Subscription

logger = logging.getLogger(__name__)

_STUCK = 8  # threads of one client that may be stuck with a file each; with more, its other sessions wait for them


class _Shift:
    """One thread's time at the queue."""

    __slots__ = ("subscription",)

    def __init__(self) -> None:
        self.subscription: Subscription | None = None  # that it drives


class CatchUp:
    """All that is sent to one client at its own pace: first messages, and what it could not take when live.

    It has a thread of its own only while some subscription is behind. A step sends one message of one
    subscription; those that are behind take turns, so that a small log is not queued behind a large one.
    """

    def __init__(
        self,
        ws: Hashable,
        deliver: Callable[[Hashable, Message], bool],
        on_over: Callable[[Subscription], None],
        monitor: Monitor,
    ) -> None:
        """`deliver(ws, message)` may block, and returns False when the client is gone.

        `on_over(subscription)` is told of one that gets no further message. Neither is called with a lock held.
        `monitor` calls `look` while there is a thread.
        """
        self.ws = ws
        self._deliver = deliver
        self._on_over = on_over
        self._monitor = monitor
        # Guards all below, and which thread drives each subscription.
        self._lock = threading.Lock()
        self._stepped = threading.Condition(self._lock)  # notified when a thread stops driving one
        self._queue: deque[Subscription] = deque()
        self._shift: _Shift | None = None  # of the thread that takes the next one from the queue
        self._found: object = None  # what that was reading at the last look
        self._relieved = 0  # threads that were stuck then, and are not at their end
        self._leaving: list[Subscription] = []  # over, with a message still on its way out

    def begin(self, subscription: Subscription) -> None:
        """Send the first message from the calling thread, and leave the rest to the client's own thread."""
        with self._lock:
            self._stepped.wait_for(lambda: not self._is_busy())
        if self._step(subscription):
            self.enqueue(subscription)

    def is_busy(self) -> bool:
        """Whether a message of a subscription that is over is still on its way out."""
        with self._lock:
            return self._is_busy()

    def _is_busy(self) -> bool:
        self._leaving = [subscription for subscription in self._leaving if _is_sending(subscription)]
        return bool(self._leaving)

    def enqueue(self, subscription: Subscription) -> None:
        """Have a subscription brought level; where no thread is to be had for it, in a while. Any thread."""
        with self._lock:
            if subscription.over:
                subscription.release()
                return
            self._queue.append(subscription)
            if self._shift is not None:
                return
            thread = self._make_thread()
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("a client that is behind has to wait: %s", str(error))
            with self._lock:
                self._shift = None
                stranded, self._queue = list(self._queue), deque()
            for one in stranded:
                one.feed.try_again(one)
        else:
            self._monitor.add(self)

    def look(self) -> bool:
        """Have another thread go on where the client's has been reading the same since the last look.

        Returns whether there is to be another look. Only for the monitor.
        """
        with self._lock:
            shift = self._shift
            if shift is None:
                return False
            subscription = shift.subscription
            found, self._found = self._found, subscription.reading if subscription is not None else None
            if self._found is None or self._found is not found or not self._queue or self._relieved >= _STUCK:
                return True
            self._relieved += 1
            try:
                self._make_thread().start()
            except RuntimeError:  # the next look tries again
                self._shift = shift
                self._relieved -= 1
        return True

    def _make_thread(self) -> threading.Thread:
        """The thread of a shift that begins. With the lock held."""
        shift = self._shift = _Shift()
        return threading.Thread(target=self._run, args=(shift,), name="logstream-catchup", daemon=True)

    def end(self, subscription: Subscription, timeout: float | None) -> None:
        """See to it that nothing more is sent for a subscription that is over.

        Waits until a message that is on its way out has been sent, up to `timeout` seconds, or for ever
        where that is None. Does not wait where the calling thread is the one that is sending it, nor for what is
        being read: that is not sent any more.
        """
        with self._lock:
            if subscription in self._queue:
                self._queue.remove(subscription)
                subscription.release()
                return
            if subscription.driver == threading.get_ident():
                return
            if not self._stepped.wait_for(lambda: not _is_sending(subscription), timeout):
                self._leaving.append(subscription)

    def await_over(self, subscription: Subscription, timeout: float) -> None:
        """Wait until a subscription has sent its last message, up to `timeout` seconds."""
        with self._lock:
            if subscription.driver != threading.get_ident():
                self._stepped.wait_for(lambda: subscription.over, timeout)

    def _run(self, shift: _Shift) -> None:
        while True:
            with self._lock:
                if self._shift is not shift:  # this thread was relieved
                    self._relieved -= 1
                    return
                if not self._queue:
                    self._shift = None
                    return
                subscription = shift.subscription = self._queue.popleft()
                subscription.driver = threading.get_ident()
            is_left = self._step(subscription)
            shift.subscription = None
            if is_left:
                self.enqueue(subscription)

    def _step(self, subscription: Subscription) -> bool:
        """Send one message. Returns whether there is more to do."""
        with self._lock:
            subscription.driver = threading.get_ident()
        try:
            return not subscription.over and self._advance(subscription)
        except Exception:
            logger.exception("session %r is given up for a client", subscription.feed.name)
            self._fail(subscription, "cannot be followed any longer")
            return False
        finally:
            with self._lock:
                # Live again for a moment, it may have fallen behind and be driven by the client's thread by now.
                if subscription.driver == threading.get_ident():
                    subscription.driver = None
                    if subscription.over:
                        subscription.release()
                    self._stepped.notify_all()

    def _advance(self, subscription: Subscription) -> bool:
        message, problem = self._read(subscription)
        if subscription.over:  # a read may take long, and whoever left has left
            return False
        if problem is not None:
            logger.warning("session %r cannot be read: %s", subscription.feed.name, str(problem))
            self._fail(subscription, "cannot be read")
            return False
        if message is not None:
            if not self._deliver(self.ws, message):
                return False
            if message["isComplete"]:
                self._on_over(subscription)
                return False
            if not subscription.at_end:
                return True
        return not self._join(subscription)

    def _read(self, subscription: Subscription) -> tuple[Message | None, OSError | None]:
        subscription.reading = object()
        try:
            if subscription.over:  # since it was looked at: who waits is told now, and not once this has been read
                return None, None
            return subscription.next_message(), None
        except OSError as error:
            return None, error
        finally:
            subscription.reading = None

    def _join(self, subscription: Subscription) -> bool:
        subscription.reading = object()  # a feed reads on, too
        try:
            return subscription.over or subscription.feed.join(subscription)  # as with a read
        finally:
            with self._lock:
                if subscription.driver == threading.get_ident():  # or else it is what another thread reads
                    subscription.reading = None

    def _fail(self, subscription: Subscription, problem: str) -> None:
        if subscription.over:
            return
        name = subscription.feed.name
        if self._deliver(self.ws, error_message(f"Session {name!r} {problem}.", name)):
            self._on_over(subscription)  # not before, or a later one's first message could overtake this


def _is_sending(subscription: Subscription) -> bool:
    """Whether one that is over may have a message on its way out; what is being read for it is not sent any more."""
    return subscription.driver is not None and subscription.reading is None
