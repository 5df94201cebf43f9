"""One process that ships a directory at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from logstream.engine.state import StateDirectory
from logstream.fleet.sole import sole
from logstream.tmux import processes, ps

from ..serving import wait_until


def origin_of(place: Path, host: str = "host1") -> str | None:
    """What the only one is known by."""
    with sole(StateDirectory(str(place)), "/logs", host, threading.Event()) as origin:
        return origin


def test_another_one_waits_for_the_end_of_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which is said once; it is known by the same origin then, and one of another name waits for nobody."""
    place, stop, begun = StateDirectory(str(tmp_path / "state")), threading.Event(), threading.Event()
    found: list[str | None] = []

    def wait() -> None:
        with sole(place, "/logs", "host1", stop) as origin:
            found.append(origin)
            begun.set()

    with sole(place, "/logs", "host1", stop) as first:
        other = threading.Thread(target=wait)
        other.start()
        wait_until(lambda: caplog.messages)
        assert origin_of(tmp_path / "state", "host2") not in (first, None)
        assert not begun.wait(0.6)
    other.join(10)
    assert found == [first] != [None]
    assert caplog.messages == ["another one ships /logs as host host1 already: waiting for its end"]
    with sole(place, "/logs", "host1", stop):
        begun.clear()
        other = threading.Thread(target=wait)
        other.start()
        wait_until(lambda: len(caplog.messages) == 2)
        stop.set()
        assert begun.wait(10)
    other.join(10)
    assert found == [first, None]


def test_one_that_is_started_anew_is_the_same_where_there_is_no_proc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would wait for its own name; a copy of the directory on another machine is another one."""
    monkeypatch.setattr(processes, "_BOOT", str(tmp_path / "no-proc"))
    origins = []
    for boot in ("of here", "of here", "of there", ""):
        monkeypatch.setattr(ps, "boot_session", lambda boot=boot: boot)
        origins.append(origin_of(tmp_path / "state"))
    assert origins[0] == origins[1]
    assert len(set(origins)) == 3
    assert origins[3] is None  # nobody can know


def test_without_locks_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There may be a second one; the operator is told that this cannot be known."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert origin_of(tmp_path / "state") is None
    (message,) = caplog.messages
    assert message.startswith("whether another one ships these logs cannot be known: ")
