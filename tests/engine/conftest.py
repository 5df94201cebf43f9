"""Fixtures: a manager, its clients, and a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream import LogStreamManager
from logstream.testing import nothing_left

from ..recorder import Recorder
from ..serving import PATIENCE


@pytest.fixture
def clients() -> Recorder:
    """The clients of the manager."""
    return Recorder()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of session 'a', with one line."""
    path = tmp_path / "a.out"
    path.write_text("first\n")
    return path


@pytest.fixture(params=["send and offer", "send alone"])
def manager(request: pytest.FixtureRequest, clients: Recorder, tmp_path: Path) -> Iterator[LogStreamManager]:
    """A manager with and without the non-blocking offer; it leaves no thread, descriptor or watch behind."""
    offer = clients.offer if request.param == "send and offer" else None
    with nothing_left(PATIENCE):
        manager = LogStreamManager(clients.send, offer, directory=tmp_path)
        yield manager
        clients.open.set()
        manager.close()
        manager.close()
