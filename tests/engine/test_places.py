"""Tests of how many may do something at the same time."""

from __future__ import annotations

import pytest

from logstream.engine.places import BusyError, Places


def test_one_too_many_is_refused_with_a_sentence() -> None:
    """It says how many there may be; whoever ends makes room for the next one."""
    places = Places(2, "clocks are being wound")
    first, _ = places.enter(), places.enter()
    with pytest.raises(BusyError, match=r"^2 clocks are being wound, which is the most\. Try again later\.$"):
        places.enter()
    first.close()
    with places.enter(), pytest.raises(BusyError):
        places.enter()
