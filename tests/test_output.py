"""Tests of where a log is printed."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from logstream import output
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


def test_an_end_that_is_lost_comes_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An exception in a finalizer is swallowed by Python, and the signal that raised it does not come twice."""
    monkeypatch.setattr(output, "_AGAIN", 0.05)
    before = {number: signal.getsignal(number) for number in (*output._ENDING, signal.SIGTSTP, signal.SIGALRM)}
    try:
        with (tmp_path / "output").open("w") as stdout:
            monkeypatch.setattr(sys, "stdout", stdout)
            with pytest.raises(KeyboardInterrupt), TerminalOutput():
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(5)
                except KeyboardInterrupt:
                    pass
                time.sleep(5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, output._ENDING)
