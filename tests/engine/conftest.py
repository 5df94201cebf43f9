"""Fixtures: the clients of a manager, and a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..recorder import Recorder


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
