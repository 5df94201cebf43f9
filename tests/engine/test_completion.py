"""Tests of completions: written down once, for every process and over every restart."""

import errno
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream import LogStreamManager
from logstream.engine import completion
from logstream.engine.completion import Completion
from logstream.engine.logfile import LogFile, signature_of
from logstream.engine.subscription import LogEnd

from ..recorder import Recorder
from ..serving import count_descriptors, count_watches, wait_until

PROMISED = 0.5  # seconds in which the viewers of another process are told

Making = Callable[[], tuple[LogStreamManager, Recorder]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Making]:
    """Makes managers of the same logs, as each process has one; they leave nothing behind."""
    before = threading.active_count(), count_descriptors(), count_watches()
    made: list[LogStreamManager] = []

    def make() -> tuple[LogStreamManager, Recorder]:
        clients = Recorder()
        made.append(LogStreamManager(clients.send, clients.offer, directory=tmp_path))
        return made[-1], clients

    yield make
    for manager in made:
        manager.close()
    wait_until(lambda: (threading.active_count(), count_descriptors(), count_watches()) == before)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of session 'a'."""
    path = tmp_path / "a.out"
    path.write_text("first\n")
    return path


def record(log: Path) -> Path:
    """Where the completion of a log is written down."""
    return log.parent / ".logstream" / "complete" / log.name


def since(manager: LogStreamManager, log: Path) -> float | None:
    """When the session was completed whose log this is."""
    with manager.completions() as completed_since:
        return completed_since(log.stem, signature_of(log.stat()))


def test_a_completion_outlasts_its_process(make: Making, log: Path) -> None:
    """Whoever subscribes to another manager gets the log with its last message, once, and no watch."""
    manager, _ = make()
    begun = time.time()
    manager.notify_session_completed("a")
    other, clients = make()
    other.subscribe("a", "late")
    assert [(m["data"], m["isInitial"], m["isComplete"]) for m in clients.of("late")] == [("first\n", True, True)]
    assert not other.has_watcher("a")
    completed = since(other, log)
    assert completed is not None
    assert begun - 1 < completed < time.time() + 1


def test_a_record_can_be_read_by_a_person(make: Making, log: Path) -> None:
    """It has a version, the session's name, and what the log was like; only the server's user can write it."""
    make()[0].notify_session_completed("a")
    text = record(log).read_text()
    fields = json.loads(text)
    assert text.count("\n") == len(fields) + 2
    assert fields["version"] == 1
    assert fields["session"] == "a"
    assert fields["size"] == 6
    assert fields["cursor"].startswith("6.")
    state = log.parent / ".logstream"
    assert [path.stat().st_mode & 0o777 for path in (state, state / "complete", record(log))] == [0o700, 0o700, 0o600]


def test_a_resumed_subscription_gets_what_is_missing_and_the_end(make: Making, log: Path) -> None:
    """A cursor leads into a complete session as into a live one."""
    manager, clients = make()
    manager.subscribe("a", "viewer", cursor=True)
    cursor = clients.last("viewer")["cursor"]
    manager.close()
    with log.open("a") as file:
        file.write("second\n")
    make()[0].notify_session_completed("a")
    other, clients = make()
    other.subscribe("a", "viewer", cursor=cursor)
    [message] = clients.of("viewer")
    assert (message["data"], message["isInitial"], message["isComplete"]) == ("second\n", False, True)


@pytest.mark.parametrize("lagging", [False, True])
def test_the_viewers_of_every_process_are_told(make: Making, log: Path, lagging: bool) -> None:
    """A completion in one of them reaches the others' clients in time, as their last message, who is behind later."""
    ways = [make() for _ in range(4)]
    for number, (manager, clients) in enumerate(ways):
        for viewer in range(10):
            manager.subscribe("a", viewer)
        wait_until(lambda manager=manager: manager.counts()["clients_behind"] == 0)
        if lagging and number:
            clients.stall(0)
    with log.open("a") as file:
        file.write("rest\n")
    begun = time.monotonic()
    ways[0][0].notify_session_completed("a")
    for _, clients in ways:
        told = [viewer for viewer in range(10) if viewer not in clients.full]
        wait_until(lambda clients=clients, told=told: all(clients.completions(viewer) == 1 for viewer in told))
    assert time.monotonic() - begun < PROMISED
    for manager, clients in ways:
        clients.open.set()
        wait_until(lambda clients=clients: all(clients.completions(viewer) == 1 for viewer in range(10)))
        assert all(clients.last(viewer)["isComplete"] for viewer in range(10))
        assert {clients.text(viewer) for viewer in range(10)} == {"first\nrest\n"}
        wait_until(lambda manager=manager: not manager.counts()["subscriptions"])


def test_a_completion_between_the_look_and_the_subscription_is_not_missed(
    make: Making, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is completed elsewhere after a subscriber has looked, and before it is there to hear, is found."""
    (one, _), (other, clients) = make(), make()
    (tmp_path / "kept.out").touch()
    other.subscribe("kept", "viewer")
    find, hear, heard = other._completions.find, other._hear, list[object]()

    def look_too_early(session_name: str) -> Any:
        found = find(session_name)
        if session_name == "a" and not heard:
            one.notify_session_completed("a")
            wait_until(lambda: heard)
        return found

    monkeypatch.setattr(other._news, "_tell", lambda names: (hear(names), heard.append(names)))
    monkeypatch.setattr(other._completions, "find", look_too_early)
    other.subscribe("a", "late")
    wait_until(lambda: clients.completions("late") == 1)


def test_the_second_completion_is_heard_of_as_the_first(make: Making, log: Path, tmp_path: Path) -> None:
    """From one session to the next, also when many have been completed in between, and the first file of news ends."""
    (one, _), (other, clients) = make(), make()
    (tmp_path / "kept.out").touch()
    other.subscribe("kept", "viewer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logstream.engine.completion._MOST_NEWS", 100)
        for number in range(40):
            path = tmp_path / f"{number}.out"
            path.write_text("text\n")
            other.subscribe(str(number), "viewer")
            one.notify_session_completed(str(number))
            wait_until(lambda number=number: clients.completions("viewer") == number + 1)
    assert other.followed_sessions() == ["kept"]


@pytest.mark.parametrize("hears", [False, True])
def test_who_subscribes_while_a_session_is_completed_elsewhere_is_told(
    make: Making, tmp_path: Path, hears: bool
) -> None:
    """However the two fall together, also where the process has heard of completions before."""
    (one, _), (other, clients) = make(), make()
    if hears:
        (tmp_path / "kept.out").touch()
        other.subscribe("kept", "viewer")
    for number in range(60):
        (tmp_path / f"{number}.out").write_text("text\n")
        completing = threading.Thread(target=one.notify_session_completed, args=(str(number),))
        completing.start()
        other.subscribe(str(number), number)
        completing.join()
        wait_until(lambda number=number: clients.completions(number) == 1)


@pytest.mark.parametrize("change", ["grown", "replaced", "rewritten"])
def test_a_log_that_has_gone_on_is_live_again(make: Making, log: Path, change: str) -> None:
    """A record is of the log as it was, and of no other one of that name."""
    make()[0].notify_session_completed("a")
    if change == "grown":
        with log.open("a") as file:
            file.write("more\n")
    elif change == "replaced":
        new = log.with_suffix(".new")
        new.write_text("first\n")
        new.rename(log)
    else:
        log.write_text("other\n")
    other, clients = make()
    other.subscribe("a", "viewer")
    assert not clients.last("viewer")["isComplete"]
    assert since(other, log) is None
    other.notify_session_completed("a")
    assert clients.last("viewer")["isComplete"]
    assert since(make()[0], log) is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "size": "6"}', b"\xff" * 50, b"[" * 100_000],
)
def test_a_damaged_record_is_ignored_with_one_line_and_replaced(
    make: Making, log: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one of a later version."""
    make()[0].notify_session_completed("a")
    record(log).write_bytes(content)
    other, clients = make()
    with caplog.at_level(logging.WARNING):
        for viewer in range(3):
            other.subscribe("a", viewer)
            assert not clients.last(viewer)["isComplete"]
    assert len(caplog.messages) == 1
    assert "is not believed" in caplog.text
    other.notify_session_completed("a")
    make()[0].subscribe("a", "late")
    assert json.loads(record(log).read_text())["version"] == 1


@pytest.mark.parametrize("fault", ["others may write", "a link", "another user's"])
def test_what_another_user_could_have_written_is_not_believed(
    make: Making, log: Path, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The place must be the server's user's own; where it is not, completions are as long as the process."""
    make()[0].notify_session_completed("a")
    state = tmp_path / ".logstream"
    if fault == "others may write":
        state.chmod(0o777)
    elif fault == "a link":
        state.rename(tmp_path / "elsewhere")
        state.symlink_to(tmp_path / "elsewhere")
    elif os.geteuid() == 0:
        os.chown(state, 12345, -1)
    else:
        pytest.skip("needs root")
    manager, clients = make()
    with caplog.at_level(logging.WARNING):
        manager.subscribe("a", "viewer")
        assert not clients.last("viewer")["isComplete"]
        manager.notify_session_completed("a")
    assert clients.last("viewer")["isComplete"]
    assert any("LOGSTREAM_STATE" in message for message in caplog.messages)
    manager.subscribe("a", "late")
    assert clients.last("late")["isComplete"]


def test_where_nothing_can_be_written_it_is_remembered_and_said_once(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk costs other processes and restarts, and one line that names the setting."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("logstream.engine.state.os.fsync", full)
    manager, clients = make()
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b"):
            (log.parent / f"{name}.out").write_text("text\n")
            manager.notify_session_completed(name)
            manager.subscribe(name, "viewer")
            assert clients.last("viewer")["isComplete"]
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.text
    assert list((log.parent / ".logstream" / "complete").iterdir()) == []


def test_the_records_of_logs_that_are_gone_are_cleared_away(make: Making, log: Path, tmp_path: Path) -> None:
    """In the course of time, and no other ones."""
    manager, _ = make()
    for number in range(20):
        path = tmp_path / f"{number}.out"
        path.write_text("text\n")
        manager.notify_session_completed(str(number))
        if number % 2:
            path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logstream.engine.completion._MOST_NEWS", 1)
        manager.notify_session_completed("a")
    left = {path.name for path in record(log).parent.iterdir()}
    assert left == {"a.out", *(f"{number}.out" for number in range(0, 20, 2))}


KILLED = """
import sys
from logstream import LogStreamManager
def send(ws, message):
    if message["isComplete"]:
        print(message["sessionName"], flush=True)
manager = LogStreamManager(send, lambda ws, message: send(ws, message) or True, directory=sys.argv[1])
for number in range(100000):
    with open(f"{sys.argv[1]}/{number}.out", "w") as file:
        file.write("text\\n")
    manager.subscribe(str(number), "viewer")
    manager.notify_session_completed(str(number))
"""


def test_nobody_is_told_of_what_is_not_remembered(make: Making, tmp_path: Path) -> None:
    """Whenever a process is killed: there is no half record, and what it has told somebody is known to the next one."""
    for seed in range(8):
        directory = tmp_path / str(seed)
        directory.mkdir()
        process = subprocess.Popen([sys.executable, "-c", KILLED, directory], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.Random(seed).uniform(0, 0.05))
        finally:
            process.send_signal(signal.SIGKILL)
            told = process.communicate()[0].decode().split()
        clients = Recorder()
        manager = LogStreamManager(clients.send, clients.offer, directory=directory)
        for path in (directory / ".logstream" / "complete").iterdir():
            if not path.name.startswith("."):
                json.loads(path.read_text())
        for name in told:
            manager.subscribe(name, name)
            assert clients.last(name)["isComplete"], name
        manager.close()


def test_what_cannot_be_written_down_is_remembered_up_to_a_bound(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in this process's list; of too many, the one that has been known longest is forgotten."""
    monkeypatch.setattr(completion, "_MAX_REMEMBERED", 1)
    (log.parent / ".logstream").touch()
    manager, _ = make()
    manager.notify_session_completed("a")
    assert since(manager, log) is not None
    other = log.with_name("b.out")
    other.touch()
    manager.notify_session_completed("b")
    assert since(manager, log) is None
    assert since(manager, other) is not None


def test_a_log_that_cannot_be_read_has_no_end(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written down of it, and it is not taken for one that was completed."""
    file = LogFile.open(str(log))
    known = Completion.at(LogEnd(file, 6))
    assert known is not None
    assert known.end_in(file) == LogEnd(file, 6)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", fail)
    assert Completion.at(LogEnd(file, 6)) is None
    assert known.end_in(file) is None


@pytest.mark.parametrize("field", [{"size": "6"}, {"cursor": 6}, {"completed": 1}, {"inode": True}])
def test_a_record_with_fields_of_other_types_is_none(log: Path, field: dict[str, object]) -> None:
    """What somebody else has written there is not believed."""
    known = Completion.at(LogEnd(LogFile.open(str(log)), 6))
    assert known is not None
    record = json.loads(known.record("a"))
    assert Completion.parse(json.dumps(record).encode()) == known
    with pytest.raises(ValueError, match="other types"):
        Completion.parse(json.dumps(record | field).encode())
