"""Offers to many that are made from an offer to one."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from logstream.engine.offering import one_by_one, refuse_all
from logstream.protocol import Message


def test_an_offer_that_raises_counts_as_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A broken offer is logged, the others are made all the same, and who refused is told."""

    def offer(ws: Hashable, message: Message) -> bool:
        if ws == "broken":
            raise ValueError("broken")
        return ws == "ready"

    assert list(one_by_one(offer)(["broken", "ready", "full"], Message())) == ["broken", "full"]
    assert "ValueError: broken" in caplog.text


def test_nobody_takes_what_is_only_sent() -> None:
    """Without an offer, all clients are left to `send`."""
    assert list(refuse_all(["one", "other"], Message())) == ["one", "other"]
