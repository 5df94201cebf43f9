"""Tests of who notes when logs arrive: real files, and a state directory that may be anything."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream.engine import timekeeper as module
from logstream.engine.arrivals import Span, spans
from logstream.engine.logfile import LogFile, Signature, signature_of
from logstream.engine.pacing import Pace
from logstream.engine.state import StateDirectory
from logstream.engine.timekeeper import Timekeeper

from ..serving import wait_until

Making = Callable[..., tuple[Timekeeper, set[str]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is."""
    return tmp_path / "log.out"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Making]:
    """Makes a timekeeper, as one process has it, and the set of those who are followed; it looks ten times as often."""
    monkeypatch.setattr(module, "INTERVAL", 0.1)
    monkeypatch.setattr(module, "_WRITTEN", 0.2)
    made = []

    def make_one(*followed: str) -> tuple[Timekeeper, set[str]]:
        names = set(followed)
        state = StateDirectory(str(tmp_path / ".logstream"))
        keeper = Timekeeper(str(tmp_path), ".out", state, Pace(), lambda: names)
        made.append(keeper)
        keeper.settle()
        return keeper, names

    yield make_one
    for keeper in made:
        keeper.close()
        assert keeper._thread is None


def told(keeper: Timekeeper, path: Path) -> list[Span]:
    """What is told of all of a log."""
    file = LogFile.open(str(path))
    return spans(keeper.of("log", file), 0, file.size())


def append(path: Path, data: bytes) -> tuple[int, int]:
    """Write to a log; between which times, in milliseconds."""
    before = time.time_ns() // 1_000_000 - 10  # the clock of files goes in steps
    with path.open("ab") as log:
        log.write(data)
    return before, time.time_ns() // 1_000_000 + 1


def wait_for_record(path: Path, offset: int) -> None:
    """Until it is written down that the log had this size."""
    record = path.parent / ".logstream" / "times" / path.name
    wait_until(lambda: record.exists() and f'"{offset}.'.encode() in record.read_bytes())


def test_what_is_followed_is_known_to_the_second(path: Path, make: Making) -> None:
    """By this process and by another one, later; only the server's user can read it."""
    path.touch()
    keeper, _ = make("log")
    wait_for_record(path, 0)
    first = append(path, b"one\n")
    wait_for_record(path, 4)
    second = append(path, b"two\n")
    wait_for_record(path, 8)
    assert (path.parent / ".logstream" / "times" / "log.out").stat().st_mode & 0o777 == 0o600
    for one in (keeper, make()[0]):
        found = told(one, path)
        assert [(span.offset, span.end) for span in found] == [(0, 4), (4, 8)]
        for span, (before, after) in zip(found, (first, second), strict=True):
            assert span.earliest is not None
            assert span.latest is not None
            assert span.earliest <= after
            assert before <= span.latest <= after
            assert span.latest - span.earliest < 5000


def test_who_follows_just_as_the_looking_ends_is_looked_after_at_once(
    path: Path, make: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As whoever follows first is, and not only a second later, when all may be over again."""
    path.write_bytes(b"one\n")
    keeper, followed = make("log")
    wait_for_record(path, 4)
    monkeypatch.setattr(module, "INTERVAL", 60.0)
    let_go = Timekeeper._let_go

    def let_go_and_follow(self: Timekeeper, name: str, note: Any) -> None:
        let_go(self, name, note)
        monkeypatch.setattr(Timekeeper, "_let_go", let_go)
        followed.add("log")
        self.settle()

    monkeypatch.setattr(Timekeeper, "_let_go", let_go_and_follow)
    followed.clear()
    keeper.settle()
    wait_until(lambda: followed and "log" in keeper._notes, 10)


def test_what_nobody_saw_is_between_two_times(path: Path, make: Making) -> None:
    """While nobody follows a log it may come at any time, and no more is said."""
    before = append(path, b"unseen\n")
    one, followed = make("log")
    wait_for_record(path, 7)
    followed.clear()
    one.settle()
    wait_until(lambda: one._thread is None)
    between = append(path, b"gap\n")
    last = append(path, b"gap\n")
    keeper, _ = make("log")
    first, gap = told(keeper, path)
    assert (first.offset, first.end, first.earliest) == (0, 7, None)
    assert first.latest is not None
    assert before[0] <= first.latest <= before[1]
    assert (gap.offset, gap.end) == (7, 15)
    assert gap.earliest is not None
    assert gap.latest is not None
    assert gap.earliest <= between[1]
    assert last[0] <= gap.latest <= last[1]


def test_what_those_who_follow_have_seen_may_be_late(path: Path, make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are believed that a log has not changed, but not for the last moments."""
    monkeypatch.setattr(module, "_LATE", 5000)
    path.touch()
    keeper, _ = make("log")
    seen = [signature_of(path.stat())]
    looked = []

    def look(_: str) -> Signature:
        looked.append(seen[0])
        return seen[0]

    keeper._seen = look
    wait_until(lambda: keeper._notes.get("log") and keeper._notes["log"].seen == seen[0])
    _, after = append(path, b"one\n")
    looked.clear()
    wait_until(lambda: len(looked) > 2)
    seen[0] = signature_of(path.stat())
    wait_until(lambda: keeper._notes["log"].last.size == 4)
    (span,) = told(keeper, path)
    assert span.earliest is not None
    assert span.earliest <= after


def test_a_log_that_was_waited_for(path: Path, make: Making) -> None:
    """Its first bytes came when it was not missing any more."""
    keeper, _ = make("log")
    wait_until(lambda: "log" in keeper._missing)
    before, after = append(path, b"one\n")
    wait_for_record(path, 4)
    (span,) = told(keeper, path)
    assert span.earliest is not None
    assert span.latest is not None
    assert before - 5000 < span.earliest <= span.latest <= after


@pytest.mark.parametrize("change", ["truncated", "rewritten", "replaced"])
@pytest.mark.parametrize("is_followed", [True, False])
def test_another_content_has_no_times_of_the_first(path: Path, make: Making, change: str, is_followed: bool) -> None:
    """Whether somebody saw it happen or not."""
    append(path, b"one\n" * 10)
    keeper, followed = make("log")
    wait_for_record(path, 40)
    if not is_followed:
        followed.clear()
        keeper.settle()
        wait_until(lambda: keeper._thread is None)
    begun = time.time_ns() // 1_000_000 - 10
    if change == "replaced":
        path.rename(path.with_suffix(".old"))
        path.write_bytes(b"two\n" * 20)
    else:
        path.write_bytes(b"2\n" if change == "truncated" else b"two\n" * 20)
    if is_followed:
        wait_for_record(path, path.stat().st_size)
    (span,) = told(keeper, path)
    assert span.earliest is None
    assert span.latest is not None
    assert span.latest >= begun


def test_two_that_follow_one_log_write_what_both_have_seen(path: Path, make: Making) -> None:
    """A third one has it from either, each size once."""
    path.touch()
    make("log")
    make("log")
    for size in (2, 4, 6):
        append(path, b"x\n")
        wait_for_record(path, size)
    keeper, _ = make()
    assert [(span.offset, span.end) for span in told(keeper, path)] == [(0, 2), (2, 4), (4, 6)]


def test_without_a_state_it_is_known_from_memory(path: Path, make: Making, caplog: pytest.LogCaptureFixture) -> None:
    """Also when nobody follows any more; the operator is told once."""
    (path.parent / ".logstream").write_text("no directory")
    path.touch()
    keeper, followed = make("log")
    wait_until(lambda: "log" in keeper._notes)
    _, after = append(path, b"one\n")
    wait_until(lambda: keeper._notes["log"].last.size == 4)
    followed.clear()
    keeper.settle()
    wait_until(lambda: keeper._thread is None)
    (span,) = told(keeper, path)
    assert span.earliest is not None
    assert span.latest is not None
    assert span.earliest <= span.latest <= after
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([one for one in warnings if "cannot be written down" in one.getMessage()]) == 1


@pytest.mark.parametrize("record", [b"\xff", b'{"version":2,"inode":1}', b"[1]"])
def test_a_record_that_is_none_is_begun_anew(
    path: Path, make: Making, record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """After one line that says so."""
    append(path, b"one\n")
    StateDirectory(str(path.parent / ".logstream")).within("times").write("log.out", record)
    make("log")
    wait_for_record(path, 4)
    assert [one.getMessage() for one in caplog.records if "not believed" in one.getMessage()] != []
    caplog.clear()
    assert len(told(make()[0], path)) == 1
    assert caplog.records == []


def test_a_record_is_bounded(path: Path, make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is left out, and what is left is true."""
    monkeypatch.setattr(module, "_MOST", 6)
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    monkeypatch.setattr(module, "_WRITTEN", 0.0)
    path.touch()
    keeper, _ = make("log")
    record = path.parent / ".logstream" / "times" / "log.out"
    came = []
    for number in range(30):
        came.append(append(path, b"x\n"))
        wait_until(lambda size=2 * (number + 1): keeper._notes.get("log") and keeper._notes["log"].last.size == size)
        assert not record.exists() or record.stat().st_size <= 1200
    found = told(keeper, path)
    assert 2 < len(found) <= 30
    for span in found:
        for before, after in came[span.offset // 2 : span.end // 2]:
            assert span.earliest is None or span.earliest <= after
            assert span.latest is None or before <= span.latest


def test_records_of_logs_that_are_gone_are_taken_away(path: Path, make: Making) -> None:
    """When another log begins."""
    times = StateDirectory(str(path.parent / ".logstream")).within("times")
    times.write("gone.out", b"{}")
    append(path, b"one\n")
    make("log")
    wait_until(lambda: list(times.names()) == ["log.out"])


def test_nobody_looks_where_nobody_follows(path: Path, make: Making) -> None:
    """The thread ends with the last who follows, and is there again with the next; it holds no file open."""
    append(path, b"one\n")
    keeper, followed = make()
    assert keeper._thread is None
    followed.add("log")
    keeper.settle()
    wait_for_record(path, 4)
    wait_until(lambda: str(path) not in [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")])
    followed.clear()
    keeper.settle()
    wait_until(lambda: keeper._thread is None)
    assert keeper._notes == {}
    followed.add("log")
    keeper.settle()
    append(path, b"two\n")
    wait_for_record(path, 8)
