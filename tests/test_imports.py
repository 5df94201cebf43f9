"""Tests of what is imported by whom: the start of a command, and of a server, is for the most part that."""

from __future__ import annotations

import subprocess
import sys

import pytest

import logstream

from .serving import PATIENCE

PROGRAM = """
import sys
import logstream.cli
assert not {"flask", "watchdog", "simple_websocket", "prometheus_client", "redis"} & set(sys.modules)
import logstream.server.app
assert "redis" not in sys.modules
"""


def test_what_is_not_needed_is_not_imported() -> None:
    """A command that asks a server takes no server's libraries, and a server without a fleet takes not Redis's."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=PATIENCE)


@pytest.mark.parametrize("name", logstream.__all__)
def test_each_name_of_the_package_is_there(name: str) -> None:
    """Whoever asks for it gets it, and sees it listed."""
    assert getattr(logstream, name) is not None
    assert name in dir(logstream)


def test_no_other_name_of_the_package_is_there() -> None:
    """What is misspelt is an error as of any module."""
    with pytest.raises(AttributeError, match="LogStreem"):
        logstream.LogStreem  # noqa: B018
