"""Tests of completions: written down once, for every process and over every restart."""

import errno
import itertools
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
from logstream.testing import nothing_left

from ..recorder import Recorder
from ..serving import PATIENCE, wait_until
from ..stopwatch import Stopwatch

PROMISED = 0.5  # seconds in which the viewers of another process are told

Making = Callable[[], tuple[LogStreamManager, Recorder]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Making]:
    """Makes managers of the same logs, as each process has one; they leave nothing behind."""
    made: list[LogStreamManager] = []

    def make() -> tuple[LogStreamManager, Recorder]:
        clients = Recorder()
        made.append(LogStreamManager(clients.send, clients.offer, directory=tmp_path))
        return made[-1], clients

    with nothing_left(PATIENCE):
        yield make
        for manager in made:
            manager.close()


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
    watch = Stopwatch()
    ways[0][0].notify_session_completed("a")
    for _, clients in ways:
        told = [viewer for viewer in range(10) if viewer not in clients.full]
        wait_until(lambda clients=clients, told=told: all(clients.completions(viewer) == 1 for viewer in told))
    assert watch.seconds() < PROMISED
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


@pytest.mark.parametrize("looks", [1, 2])
def test_what_begins_anew_while_its_completion_is_heard_of_is_not_complete(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Whenever it is written to after a look, the last message has no more than the session that was completed."""
    (one, _), (other, clients) = make(), make()
    other.subscribe("a", "viewer")
    wait_until(lambda: other.counts()["clients_behind"] == 0)
    end_in, looked = Completion.end_in, itertools.count(1)

    def look_before_it_begins(completion: Completion, file: LogFile) -> LogEnd | None:
        end = end_in(completion, file)
        if end is not None and next(looked) == looks:
            with log.open("a") as appending:
                appending.write("anew\n")
        return end

    monkeypatch.setattr(Completion, "end_in", look_before_it_begins)
    one.notify_session_completed("a")
    if looks == 1:
        wait_until(lambda: clients.text("viewer") == "first\nanew\n")
        assert not clients.completions("viewer")
        other.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1)
    assert clients.text("viewer") == ("first\nanew\n" if looks == 1 else "first\n")


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
    wait_until(lambda: other.followed_sessions() == ["kept"])


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


def test_another_log_that_looks_the_same_from_outside_is_written_down_too(make: Making, log: Path) -> None:
    """With the size and the time of change of the one that was complete, as within a tick of the clock."""
    found = log.stat()
    make()[0].notify_session_completed("a")
    log.write_text("other\n")
    os.utime(log, ns=(found.st_atime_ns, found.st_mtime_ns))
    (manager, clients), (other, others_clients) = make(), make()
    for one in (manager, other):
        one.subscribe("a", "viewer")
    assert not clients.last("viewer")["isComplete"]
    manager.notify_session_completed("a")
    wait_until(lambda: others_clients.completions("viewer") == 1)
    late, clients = make()
    late.subscribe("a", "viewer")
    assert clients.last("viewer")["isComplete"]


def test_a_record_holds_where_the_disk_has_another_number(make: Making, log: Path) -> None:
    """As after a restart of the machine or a container, or for another host: it is the kernel's, not the log's."""
    make()[0].notify_session_completed("a")
    fields = json.loads(record(log).read_text())
    changed = record(log).stat().st_mtime_ns
    record(log).write_text(json.dumps(fields | {"device": log.stat().st_dev + 1}))
    os.utime(record(log), ns=(changed, changed))
    manager, clients = make()
    manager.subscribe("a", "viewer")
    assert clients.last("viewer")["isComplete"]
    assert since(manager, log) is not None


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
    assert len([one for one in caplog.messages if one.startswith("completions")]) == 1
    assert "LOGSTREAM_STATE" in caplog.text
    manager.subscribe("a", "late")
    assert clients.last("late")["isComplete"]


def test_a_record_is_on_the_disk_before_anyone_is_told(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content, then its name: the machine may lose its power at any time."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        steps.append("directory" if path.is_dir() else "file")
        fsync(fd)

    def note_rename(*names: Any, **places: Any) -> None:
        steps.append("rename")
        rename(*names, **places)

    def send(ws: object, message: Any) -> None:
        steps.append("complete" if message["isComplete"] else "first")

    monkeypatch.setattr("logstream.engine.state.os.fsync", note_fsync)
    monkeypatch.setattr("logstream.engine.state.os.rename", note_rename)
    manager = LogStreamManager(send, lambda ws, message: not send(ws, message), directory=log.parent)
    manager.subscribe("a", "viewer")
    manager.notify_session_completed("a")
    manager.close()
    assert steps == ["first", "file", "rename", "directory", "complete"]


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


@pytest.mark.parametrize("by", ["a", "e"])
def test_what_could_not_be_written_down_is_when_there_is_room_again(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """With the next completion, or with the next report of the same; but not over what others know by then."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    for name in "abcde":
        (log.parent / f"{name}.out").write_text("text\n")
    manager, _ = make()
    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.state.os.fsync", full)
        for name in "abcd":
            manager.notify_session_completed(name)
    completed = since(manager, log)
    other, clients = make()
    with (log.parent / "c.out").open("a") as file:
        file.write("more\n")
    other.notify_session_completed("c")
    (log.parent / "d.out").unlink()
    other.subscribe("b", "viewer")
    assert not clients.last("viewer")["isComplete"]
    manager.notify_session_completed(by)
    wait_until(lambda: clients.completions("viewer") == 1)
    assert {path.name for path in record(log).parent.iterdir()} == {"a.out", "b.out", "c.out", f"{by}.out"}
    late = make()[0]
    assert since(late, log) == pytest.approx(completed, abs=1)
    for one in (manager, late):
        assert since(one, log.parent / "b.out") is not None
        assert since(one, log.parent / "c.out") is not None


def test_news_that_could_not_be_told_are_told_later(make: Making, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record may have had room where the line about it had not: the next report of the same reaches the others."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (manager, _), (other, clients) = make(), make()
    other.subscribe("a", "viewer")
    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.state.StateDirectory.append", full)
        manager.notify_session_completed("a")
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1, 5)


def test_what_others_have_written_down_since_is_believed(
    make: Making, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a process remembers an earlier completion that it could not write down."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    (manager, clients), (other, _) = make(), make()
    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.state.os.fsync", full)
        manager.notify_session_completed("a")
    with log.open("a") as file:
        file.write("more\n")
    other.notify_session_completed("a")
    manager.subscribe("a", "viewer")
    assert clients.last("viewer")["isComplete"]


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
    for seed in range(3):
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


def test_of_all_who_complete_a_session_one_has_news(make: Making, log: Path) -> None:
    """Of many threads and managers at once, the one that has written it down; of a log that went on, once again."""
    news: list[tuple[str, int | None]] = []
    managers = [make()[0] for _ in range(4)]
    for manager in managers:
        manager.on_completed(lambda name, exit_status: news.append((name, exit_status)))
    for turn in (1, 2):
        threads = [threading.Thread(target=manager.notify_session_completed, args=("a", 3)) for manager in managers * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert news == [("a", 3)] * turn
        with log.open("a") as file:
            file.write("more\n")


@pytest.mark.parametrize(
    ("end", "said", "kept"),
    [
        ("text\n", None, None),
        ("text\n", 3, 3),
        ('\r\nScript done on 2026-01-01 00:00:00+00:00 [COMMAND_EXIT_CODE="2"]\n', 0, 2),
        ('\nScript done on 2026-01-01 [COMMAND_EXIT_CODE="2"]\nand more\n', None, None),
        ('Script done on 2026-01-01 [COMMAND_EXIT_CODE="2"]\n', None, None),
        ("\nScript done on 2026-01-01 [<not executed on terminal>]\n", None, None),
    ],
)
def test_an_exit_status_is_kept_and_none_is_invented(
    make: Making, log: Path, end: str, said: int | None, kept: int | None
) -> None:
    """What `script` has written last, in a line of its own, goes before what is reported; all lists have it."""
    with log.open("a") as file:
        file.write("x" + end)
    make()[0].notify_session_completed("a", said)
    assert json.loads(record(log).read_text())["exit_status"] == kept
    manager, _ = make()
    for _ in range(2):
        with manager.completions() as completed_since:
            assert completed_since("a", signature_of(log.stat()))
            assert completed_since.exit_status("a") == kept


def test_an_exit_status_that_is_known_later_is_added(make: Making, log: Path) -> None:
    """Nobody is told of the completion again; lists have it from then on."""
    manager, _ = make()
    news: list[str] = []
    manager.on_completed(lambda name, exit_status: news.append(name))
    for exit_status, kept in ((None, None), (4, 4), (None, 4), (5, 4)):
        manager.notify_session_completed("a", exit_status)
        with manager.completions() as completed_since:
            completed_since("a", signature_of(log.stat()))
            assert completed_since.exit_status("a") == kept
    assert news == ["a"]


def test_a_list_of_many_reads_their_records_bit_by_bit(
    make: Making, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the first one is not slow; each is read once."""
    monkeypatch.setattr("logstream.engine.completion._MOST_READ", 2)
    manager, _ = make()
    names = ["a", "b", "c"]
    for name in names:
        (tmp_path / f"{name}.out").touch()
        manager.notify_session_completed(name, 1)
    found = []
    for _ in range(2):
        with manager.completions() as completed_since:
            for name in names:
                assert completed_since(name, signature_of((tmp_path / f"{name}.out").stat()))
            found.append([completed_since.exit_status(name) for name in names])
    assert found == [[1, 1, None], [1, 1, 1]]


def test_an_exit_status_is_remembered_where_nothing_can_be_written(make: Making, log: Path) -> None:
    """As the completion is."""
    (log.parent / ".logstream").mkdir(mode=0o777)
    (log.parent / ".logstream").chmod(0o777)
    manager, _ = make()
    manager.notify_session_completed("a", 3)
    with manager.completions() as completed_since:
        assert completed_since("a", signature_of(log.stat()))
        assert completed_since.exit_status("a") == 3


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
