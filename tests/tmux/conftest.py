"""tmux servers for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .tmuxserver import TmuxServer


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory for sockets, whose path is short enough for them."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as directory:
        yield Path(directory)


@pytest.fixture
def tmux(sockets: Path) -> Iterator[TmuxServer]:
    """A server that is started by its first session."""
    server = TmuxServer(sockets / "socket")
    yield server
    server.close()
