"""Tests of where a log is printed."""

import signal
import sys
from pathlib import Path

import pytest

from logstream.output import TerminalOutput


def test_a_signal_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`nohup logstream tail` outlives its terminal, and a shell without job control keeps its Ctrl-C to itself."""
    handled: list[int] = []
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda number, handler: handled.append(number))
    with (tmp_path / "output").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with TerminalOutput():
            assert handled == []
        monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
        with TerminalOutput():
            assert set(handled) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP}
