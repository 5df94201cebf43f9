"""What may hang is made on a thread of its own: who waits for it goes on without it where nothing more comes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

PATIENCE = 2.0  # seconds without a sign of life after which something counts as hanging
_IMPATIENCE = 1.0  # the same, while something else hangs: there may be many on the same disk
_MOST = 32  # that may hang at a time: each holds a thread
_LOOK = 0.25  # seconds between two looks whether it does
_BATCH = 64  # items that are handed over at once, at most
_DELAY = 0.01  # seconds that one is held back for the others of its batch, at most
_AHEAD = 8  # batches that are made ahead of who takes them

_Item = TypeVar("_Item")
Make = Callable[[Callable[[], None]], Generator[_Item]]


class HangsError(OSError):
    """What was asked for does not come; it may come back, and until then is not asked for again."""


class Hanging:
    """What hangs. Any thread."""

    def __init__(self) -> None:
        # Guards the orders, and whether one is over or given up, of which only one comes first.
        self._lock = threading.Lock()
        self._orders: set[_Order[Any]] = set()  # that were given up, and are not over

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return any(order.name == name for order in self._orders)

    @property
    def is_full(self) -> bool:
        """Whether so much hangs that nothing more is to be asked for."""
        return len(self._orders) >= _MOST

    @property
    def patience(self) -> float:
        """Seconds to wait for a sign of life."""
        return _IMPATIENCE if self._orders else PATIENCE

    def give_up(self, order: _Order[Any]) -> bool:
        """Nobody waits for an order any more; False where it is over at this very moment."""
        with self._lock:
            if not order.is_over:
                self._orders.add(order)
            return not order.is_over

    def end(self, order: _Order[Any]) -> None:
        """An order is over."""
        with self._lock:
            order.is_over = True
            self._orders.discard(order)


class Worker(Generic[_Item]):
    """Makes one thing after the other for one owner, on a thread of its own, which is left where it hangs.

    Where there is no thread to be had, the owner's makes them.
    """

    def __init__(self, hanging: Hanging) -> None:
        """`hanging` is what all who ask for the same things have in common."""
        self._hanging = hanging
        self._orders: queue.SimpleQueue[_Order[_Item] | None] | None = None

    def items(self, name: str, make: Make[_Item]) -> Generator[_Item]:
        """What `make(live)` gives, which calls `live()` now and then as a sign of life. Raises what that does.

        Raises HangsError after PATIENCE seconds without an item or a sign of life, and at once while `name` hangs, or
        too much else.
        """
        if self._hanging.is_full or name in self._hanging:
            raise HangsError("it still does not answer")
        order = _Order(name, make)
        if not self._start():
            yield from make(lambda: None)
            return
        assert self._orders is not None
        self._orders.put(order)
        try:
            while (batch := self._next(order)) is not None:
                yield from batch
        finally:
            order.drop()

    def close(self) -> None:
        """Let the thread end, once it has done what it is doing. Idempotent."""
        orders, self._orders = self._orders, None
        if orders is not None:
            orders.put(None)

    def _start(self) -> bool:
        if self._orders is not None:
            return True
        orders: queue.SimpleQueue[_Order[_Item] | None] = queue.SimpleQueue()
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._work, args=(orders,), name="logstream-worker", daemon=True).start()
            self._orders = orders
        return self._orders is not None

    def _next(self, order: _Order[_Item]) -> list[_Item] | None:
        """The next items of an order; None at its end."""
        since = time.monotonic()
        while True:
            try:
                batch = order.made.get(timeout=_LOOK)
            except queue.Empty:
                silent = time.monotonic() - max(since, order.lived)
                if silent > self._hanging.patience and self._hanging.give_up(order):
                    self.close()  # the next order gets another thread
                    raise HangsError("it does not answer") from None
                continue
            if isinstance(batch, BaseException):
                raise batch
            return batch

    def _work(self, orders: queue.SimpleQueue[_Order[_Item] | None]) -> None:
        while (order := orders.get()) is not None:
            order.carry_out()
            self._hanging.end(order)


class _Order(Generic[_Item]):
    """One thing that is to be made, and what there is of it."""

    def __init__(self, name: str, make: Make[_Item]) -> None:
        self.name = name
        self._make = make
        self.made: queue.Queue[list[_Item] | BaseException | None] = queue.Queue(_AHEAD)
        self.lived = time.monotonic()  # when there was a sign of life
        self.is_over = False  # guarded by who knows what hangs
        self._is_dropped = False
        # Only for the thread that makes it:
        self._batch: list[_Item] = []
        self._handed = 0.0  # when

    def drop(self) -> None:
        """Nobody wants the rest; who makes it may be waiting for room."""
        self._is_dropped = True
        with contextlib.suppress(queue.Empty):
            while True:
                self.made.get_nowait()

    def carry_out(self) -> None:
        """Make it."""
        end: BaseException | None = None
        try:
            with contextlib.closing(self._make(self._live)) as items:
                for item in items:
                    self._batch.append(item)
                    if len(self._batch) >= _BATCH:
                        self._hand_over()
                    self._live()
                    if self._is_dropped:
                        return
        except BaseException as error:
            end = error
        self._hand_over()
        self.made.put(end)

    def _live(self) -> None:
        self.lived = now = time.monotonic()
        if self._batch and now - self._handed > _DELAY:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._batch:
            self.made.put(self._batch)
            self._batch = []
        self.lived = self._handed = time.monotonic()
