"""What is about to go out to Redis: of several sessions in one go, of each in its order."""

from __future__ import annotations

import threading
import time

from .bus import Bus
from .words import PUSH, Message

_AT_ONCE = 64  # messages that go out in one go


class Outbox:
    """Messages of one process. Any thread; who sends takes along what others have put in meanwhile."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        # Held by who sends: it is the lock of a socket.
        self._sending = threading.Lock()
        # Guards both below. A leaf.
        self._lock = threading.Lock()
        self._messages: list[tuple[str, bytes]] = []  # with their channels
        self._size = 0  # bytes
        self.took = 0.0  # seconds that the last ones took to Redis; any thread may read this

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, channel: str, message: Message) -> None:
        """Have a message go out with the next `send`; where much waits, send it now. Raises BusError."""
        packed = message.pack()
        with self._lock:
            self._messages.append((channel, packed))
            self._size += len(packed)
            is_much = self._size >= PUSH or len(self._messages) >= _AT_ONCE
        if is_much:
            self.send(wait=True)

    def send(self, *, wait: bool = False) -> None:
        """Send what is there; or leave it to who is sending, unless it is to be waited for. Raises BusError.

        What cannot be sent is lost: dashboards find what they miss.
        """
        while self._messages:
            if not self._sending.acquire(blocking=wait):
                return  # who sends looks again
            try:
                with self._lock:
                    messages, self._messages, self._size = self._messages, [], 0
                if messages:
                    began = time.monotonic()
                    self._bus.publish_all(messages)
                    self.took = time.monotonic() - began
            finally:
                self._sending.release()
