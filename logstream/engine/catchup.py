"""Bringing one client's subscriptions level with their files, each from its own place, in turn."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable

from ..protocol import Message, error_message
from .subscription import Subscription

logger = logging.getLogger(__name__)


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
    ) -> None:
        """`deliver(ws, message)` may block, and returns False when the client is gone.

        `on_over(subscription)` is told of one that gets no further message. Neither is called with a lock held.
        """
        self.ws = ws
        self._deliver = deliver
        self._on_over = on_over
        # Guards all below, and which thread drives each subscription.
        self._lock = threading.Lock()
        self._stepped = threading.Condition(self._lock)  # notified when a thread stops driving one
        self._queue: deque[Subscription] = deque()
        self._thread: threading.Thread | None = None
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
        self._leaving = [subscription for subscription in self._leaving if subscription.driver is not None]
        return bool(self._leaving)

    def enqueue(self, subscription: Subscription) -> None:
        """Have a subscription brought level; where no thread is to be had for it, in a while. Any thread."""
        with self._lock:
            if subscription.over:
                subscription.release()
                return
            self._queue.append(subscription)
            if self._thread is not None:
                return
            thread = self._thread = threading.Thread(target=self._run, name="logstream-catchup", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("a client that is behind has to wait: %s", str(error))
            with self._lock:
                self._thread = None
                stranded, self._queue = list(self._queue), deque()
            for one in stranded:
                one.feed.try_again(one)

    def end(self, subscription: Subscription, timeout: float | None) -> None:
        """See to it that nothing more is sent for a subscription that is over.

        Waits until a message that is on its way out has been sent, up to `timeout` seconds, or for ever
        where that is None. Does not wait where the calling thread is the one that is sending it.
        """
        with self._lock:
            if subscription in self._queue:
                self._queue.remove(subscription)
                subscription.release()
                return
            if subscription.driver == threading.get_ident():
                return
            if not self._stepped.wait_for(lambda: subscription.driver is None, timeout):
                self._leaving.append(subscription)

    def await_over(self, subscription: Subscription, timeout: float) -> None:
        """Wait until a subscription has sent its last message, up to `timeout` seconds."""
        with self._lock:
            if subscription.driver != threading.get_ident():
                self._stepped.wait_for(lambda: subscription.over, timeout)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                subscription = self._queue.popleft()
                subscription.driver = threading.get_ident()
            if self._step(subscription):
                with self._lock:
                    if not subscription.over:
                        self._queue.append(subscription)
                        continue
                    subscription.release()

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
        try:
            message = subscription.next_message()
            if message is None:
                return not subscription.feed.join(subscription)
        except OSError as error:
            logger.warning("session %r cannot be read: %s", subscription.feed.name, str(error))
            self._fail(subscription, "cannot be read")
            return False
        if subscription.over or not self._deliver(self.ws, message):  # a read may take long, and whoever left has left
            return False
        if message["isComplete"]:
            self._on_over(subscription)
            return False
        return not (subscription.at_end and subscription.feed.join(subscription))

    def _fail(self, subscription: Subscription, problem: str) -> None:
        self._on_over(subscription)
        name = subscription.feed.name
        self._deliver(self.ws, error_message(f"Session {name!r} {problem}.", name))
