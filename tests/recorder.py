"""A stand-in for the clients of a manager: what each was handed, and whether it can take more."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

from logstream import LogStreamManager
from logstream.protocol import Message

from .serving import PATIENCE


class Recorder:
    """The `send` and `offer` of a manager, for clients that are just names."""

    def __init__(self) -> None:
        self.messages: dict[Hashable, list[Message]] = {}
        self.full: set[Hashable] = set()  # clients that refuse every offer
        self.gone: set[Hashable] = set()  # clients whose send raises
        self.open = threading.Event()  # while cleared, every send to a full client blocks
        self.open.set()
        self.sending = threading.Event()  # some send is blocked

    def send(self, ws: Hashable, message: Message) -> None:
        """Hand over a message, blocking while the client is full and the gate is closed."""
        if ws in self.gone:
            raise ConnectionResetError("gone")
        if ws in self.full:
            if not self.open.is_set():
                self.sending.set()
            assert self.open.wait(PATIENCE)
        self.messages.setdefault(ws, []).append(message)

    def offer(self, ws: Hashable, message: Message) -> bool:
        """Hand over a message if the client is not full."""
        if ws in self.full or ws in self.gone:
            return False
        self.messages.setdefault(ws, []).append(message)
        return True

    def stall(self, ws: Hashable) -> None:
        """Have a client take nothing from now on: its offers are refused, and its sends block."""
        self.full.add(ws)
        self.open.clear()

    def begin_stalled_load(self, manager: LogStreamManager, session: str, ws: Hashable) -> threading.Thread:
        """Subscribe a client that takes nothing, on a thread that is blocked in its first send."""
        self.stall(ws)
        loading = threading.Thread(target=manager.subscribe, args=(session, ws))
        loading.start()
        assert self.sending.wait(PATIENCE)
        return loading

    def of(self, ws: Hashable) -> list[Message]:
        """What a client was handed."""
        return self.messages.get(ws, [])

    def text(self, ws: Hashable) -> str:
        """What a client shows."""
        text = ""
        for message in list(self.of(ws)):
            if message["type"] == "logs:data":
                text = message["data"] if message["isInitial"] else text + message["data"]
        return text

    def completions(self, ws: Hashable) -> int:
        """How often a client was told that a session is complete."""
        return sum(bool(message.get("isComplete")) for message in self.of(ws))

    def last(self, ws: Hashable) -> dict[str, Any]:
        """The last message that a client was handed."""
        return self.of(ws)[-1]
