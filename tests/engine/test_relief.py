"""Tests of the threads that wake followers, when a file's disk does not answer."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream import LogStreamManager
from logstream.engine import relief as module
from logstream.testing import nothing_left

from ..kinds import promised, said_of_the_end
from ..recorder import Recorder
from ..serving import PATIENCE, wait_until
from ..stopwatch import Stopwatch

PROMISED = promised()  # seconds in which the others' lines come


class Disk:
    """The disk of some logs, which answers or does not."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        self.asked = 0
        self.paths: set[str] = set()
        pread, lstat = os.pread, os.lstat

        def read(fd: int, length: int, offset: int) -> bytes:
            self._ask(os.readlink(f"/proc/self/fd/{fd}"))
            return pread(fd, length, offset)

        def look(path: str) -> os.stat_result:
            self._ask(str(path))
            return lstat(path)

        patch.setattr("logstream.engine.logfile.os.pread", read)
        patch.setattr("logstream.engine.logfile.os.lstat", look)

    def _ask(self, path: str) -> None:
        if path in self.paths:
            self.asked += 1
            assert self.answers.wait(30)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that answers in the end."""
    disk = Disk(monkeypatch)
    yield disk
    disk.answers.set()


@pytest.fixture
def manager(clients: Recorder, tmp_path: Path, disk: Disk) -> Iterator[LogStreamManager]:
    """A manager that leaves nothing behind."""
    with nothing_left(PATIENCE):
        manager = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
        yield manager
        disk.answers.set()
        manager.close()


def follow(manager: LogStreamManager, directory: Path, names: list[str]) -> dict[str, Path]:
    """Sessions with a viewer each, who is level with the log."""
    logs = {name: directory / f"{name}.out" for name in names}
    for name, log in logs.items():
        log.touch()
        manager.subscribe(name, name)
    wait_until(lambda: manager.counts()["clients_behind"] == 0)
    return logs


def append(log: Path, text: str) -> None:
    """One write at the end of a file."""
    with log.open("a") as file:
        file.write(text)


def check_others(clients: Recorder, logs: dict[str, Path], text: str) -> None:
    """Write to each of some logs, and see that it arrives in time."""
    watch = Stopwatch()
    for log in logs.values():
        append(log, text)
    wait_until(lambda: all(clients.text(name).endswith(text) for name in logs))
    assert watch.seconds() < PROMISED


@pytest.mark.parametrize("stuck", [1, 2, 12])
def test_logs_that_cannot_be_read_stop_no_other(
    manager: LogStreamManager, clients: Recorder, tmp_path: Path, disk: Disk, stuck: int
) -> None:
    """However many logs hang, the others' lines come in time, and then theirs; a few threads are all that it costs."""
    hanging = follow(manager, tmp_path, [f"hanging{number}" for number in range(stuck)])
    others = follow(manager, tmp_path, ["one", "two"])
    threads = threading.active_count()
    disk.paths = {str(log) for log in hanging.values()}
    for log in hanging.values():
        append(log, "late\n")
    wait_until(lambda: disk.asked)
    for number in range(20):
        check_others(clients, others, f"{number}\n")
        manager.subscribe("one", f"further{number}")
        assert clients.text(f"further{number}").endswith(f"{number}\n")
        manager.counts()
    assert threading.active_count() <= threads + module._SLOW + module._LANE + 2
    for log in hanging.values():
        append(log, "later\n")
    disk.answers.set()
    wait_until(lambda: all(clients.text(name) == "late\nlater\n" for name in hanging))
    wait_until(lambda: threading.active_count() == threads)
    check_others(clients, hanging | others, "all is well\n")


@pytest.mark.watcher("inotify", "observer")
def test_events_that_were_read_before_the_thread_hung_are_not_lost(
    manager: LogStreamManager, clients: Recorder, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes over goes on with what was left, without the sweep's help."""
    monkeypatch.setattr("logstream.engine.watching.is_changed", lambda follower: False)
    logs = follow(manager, tmp_path, ["first", "second", "third"])
    disk.paths = {str(logs["first"])}
    for log in logs.values():
        append(log, "text\n")
    wait_until(lambda: clients.text("second") == clients.text("third") == "text\n")
    disk.answers.set()
    wait_until(lambda: clients.text("first") == "text\n")


@pytest.mark.watcher("inotify", "observer")
def test_a_thread_that_comes_back_as_it_is_relieved_goes_on_alone(
    manager: LogStreamManager, clients: Recorder, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or two would ask the kernel at once, which ends one of them, and then the other one would leave."""
    monkeypatch.setattr("logstream.engine.watching.is_changed", lambda follower: False)
    logs = follow(manager, tmp_path, ["slow", "other"])
    threads = threading.active_count()
    relieve = module.Relief._relieve
    relieved = threading.Event()

    def relieve_too_late(relief: module.Relief, loop: module.Loop, *call: Any) -> None:
        disk.answers.set()
        wait_until(lambda: loop.shift.follower is None)
        relieve(relief, loop, *call)
        relieved.set()

    monkeypatch.setattr(module.Relief, "_relieve", relieve_too_late)
    disk.paths = {str(logs["slow"])}
    append(logs["slow"], "late\n")
    assert relieved.wait(5)
    for number in range(5):
        append(logs["other"], f"{number}\n")
        wait_until(lambda number=number: clients.text("other").endswith(f"{number}\n"))
    assert clients.text("slow") == "late\n"
    assert threading.active_count() == threads


def test_without_a_thread_to_take_over_the_next_look_tries_again(
    manager: LogStreamManager, clients: Recorder, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relief that cannot come now comes when there are threads again."""
    hanging, others = follow(manager, tmp_path, ["hanging"]), follow(manager, tmp_path, ["other"])
    disk.paths = {str(hanging["hanging"])}
    refused = threading.Event()

    def refuse(thread: threading.Thread) -> None:
        refused.set()
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        append(hanging["hanging"], "late\n")
        assert refused.wait(5)
        append(others["other"], "text\n")
    wait_until(lambda: clients.text("other") == "text\n")


def test_a_hanging_disk_does_not_keep_the_manager_from_closing(
    clients: Recorder, tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """Its end does not wait for what may never come."""
    manager = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
    threads = threading.active_count()
    logs = follow(manager, tmp_path, ["hanging"])
    disk.paths = {str(logs["hanging"])}
    append(logs["hanging"], "late\n")
    wait_until(lambda: disk.asked)
    watch = Stopwatch()
    with caplog.at_level(logging.WARNING):
        manager.close()
    assert watch.seconds() < 2
    assert not set(caplog.messages) - said_of_the_end()
    disk.answers.set()
    wait_until(lambda: threading.active_count() <= threads)


class Woken:
    """A follower that counts how often it is woken."""

    path = "log"
    seen = None

    def __init__(self) -> None:
        self.times = 0

    def wake(self) -> None:
        self.times += 1


def test_a_call_that_ends_while_it_is_given_up_is_not_given_up() -> None:
    """Or its thread would go on with the loop beside another one, and its follower would be put off for ever."""
    relief, follower = module.Relief(), Woken()
    loop = module.Loop("loop", lambda shift: None)
    shift = loop.shift
    relief.wake(shift, follower)
    relief._relieve(loop, shift, follower, shift.calls)
    assert loop.shift is shift
    assert not relief.is_troubled
    assert shift.stuck_with is None or not relief.come_back(shift)

    shift.follower = follower  # in the next call already
    relief._relieve(loop, shift, follower, shift.calls - 1)
    assert loop.shift is shift
    assert not relief.is_troubled


def test_who_was_put_off_is_woken_when_the_call_comes_back() -> None:
    """Once, however often it was put off, by a thread of the slow lane."""
    relief, follower = module.Relief(), Woken()
    loop = module.Loop("loop", lambda shift: None)
    shift = loop.shift
    shift.calls, shift.follower = 1, follower
    relief._relieve(loop, shift, follower, 1)
    assert loop.shift is not shift
    for _ in range(3):
        relief.wake(loop.shift, follower)
    assert follower.times == 0
    assert relief.come_back(shift)
    wait_until(lambda: follower.times == 1 and not relief.is_troubled)
    relief.wake(loop.shift, follower)
    assert follower.times == 2


@pytest.mark.parametrize("refused", [False, True])
def test_with_too_few_threads_for_a_hanging_disk_its_logs_come_later(
    manager: LogStreamManager,
    clients: Recorder,
    tmp_path: Path,
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
    refused: bool,
) -> None:
    """Where the slow lane is full, or gets no thread, who waits for it is not forgotten."""
    monkeypatch.setattr(module, "_LANE", 1)
    start = threading.Thread.start
    asked = threading.Event()

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "logstream-slow-lane":
            asked.set()
            if refused and not disk.answers.is_set():
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    logs = follow(manager, tmp_path, [f"hanging{number}" for number in range(8)])
    disk.paths = {str(log) for log in logs.values()}
    for log in logs.values():
        append(log, "late\n")
    assert asked.wait(30)
    for log in logs.values():
        append(log, "later\n")
    disk.answers.set()
    wait_until(lambda: all(clients.text(name) == "late\nlater\n" for name in logs))


def test_who_watches_over_the_threads_is_one_and_ends_once() -> None:
    """To begin or to stop it again changes nothing."""
    relief = module.Relief()
    relief.start([])
    relief.start([])
    assert relief.monitor.is_alive()
    relief.stop()
    relief.stop()
    relief.monitor.join(5)
    assert not relief.monitor.is_alive()
