"""What is about to go out to Redis."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from logstream.fleet.bus import Bus, BusError
from logstream.fleet.outbox import Outbox
from logstream.fleet.words import PIECE, START, Data, More


class SlowBus:
    """A bus whose every turn waits until it may go on."""

    def __init__(self) -> None:
        self.turns: list[list[str]] = []
        self.is_asked, self.may_go_on = threading.Event(), threading.Event()
        self.error: BusError | None = None

    def publish_all(self, messages: list[tuple[str, bytes]]) -> None:
        """Remember by which channels."""
        self.turns.append([channel for channel, _ in messages])
        self.is_asked.set()
        assert self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error


@pytest.fixture
def bus() -> SlowBus:
    """One that does not go on yet."""
    return SlowBus()


def test_who_sends_takes_along_what_others_put_in(bus: SlowBus) -> None:
    """Nobody else waits for Redis meanwhile; all goes out, in its order."""
    outbox = Outbox(cast(Bus, bus))
    outbox.put("one", More("build", 1))
    thread = threading.Thread(target=outbox.send)
    thread.start()
    assert bus.is_asked.wait(10)
    for channel in ("two", "three"):
        outbox.put(channel, More("build", 1))
        outbox.send()
    bus.may_go_on.set()
    thread.join(10)
    assert bus.turns == [["one"], ["two", "three"]]
    assert len(outbox) == 0


def test_much_is_not_kept(bus: SlowBus) -> None:
    """A megabyte is sent before more is taken, and what cannot be sent is let go."""
    outbox = Outbox(cast(Bus, bus))
    bus.may_go_on.set()
    for number in range(9):
        outbox.put(f"{number}", Data("build", START, PIECE, b"x" * PIECE))
        assert len(outbox) < 4
    assert [len(turn) for turn in bus.turns] == [4, 4]
    bus.error = BusError("away")
    with pytest.raises(BusError):
        outbox.send()
    assert len(outbox) == 0
