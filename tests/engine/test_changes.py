"""Whatever is done to a file, what a client shows is the file: live, lagging and resuming clients.

What can happen to a file is taken from GNU tail's follow tests; docstrings name the ones they answer to.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logstream import LogStreamManager

from ..kinds import promised, watches_for
from ..recorder import Recorder
from ..serving import count_descriptors, count_watches, wait_until

CHANGED = 2 * promised()  # seconds in which a change shows
APPENDED = promised()  # seconds in which an append shows


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The sessions' directory, which a test may remove."""
    path = tmp_path / "sessions"
    path.mkdir()
    return path


@pytest.fixture
def manager(clients: Recorder, directory: Path) -> Iterator[LogStreamManager]:
    """A manager whose clients can be offered messages."""
    manager = LogStreamManager(clients.send, clients.offer, directory=directory)
    yield manager
    clients.open.set()
    manager.close()


@pytest.fixture
def log(directory: Path) -> Path:
    """The log of session 'a'."""
    return directory / "a.out"


def append(path: Path, text: str | bytes) -> None:
    """One write at the end of a file."""
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def overwrite(path: Path, text: str) -> None:
    """Write over the beginning of a file, without truncating it."""
    with path.open("r+b") as file:
        file.write(text.encode())


def rotate(path: Path, text: str, *, last: str = "") -> None:
    """Rename a log out of the way, write a last line to it, and begin a new one."""
    kept = path.with_suffix(".1")
    path.rename(kept)
    append(kept, last)
    path.write_text(text)


def replace(path: Path, text: str) -> None:
    """Rename a new file over a log."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def recreate(path: Path, text: str, *, pause: float = 0.0) -> None:
    """Delete a log and write it again."""
    path.unlink()
    threading.Event().wait(pause)
    path.write_text(text)


def is_removed(directory: Path) -> bool:
    """Whether a directory could be removed; the manager may write its state into it meanwhile."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def recreate_directory(path: Path, text: str, *, pause: float = 0.0) -> None:
    """Remove a log's directory and make both again."""
    wait_until(lambda: is_removed(path.parent))
    threading.Event().wait(pause)
    path.parent.mkdir()
    path.write_text(text)


OLD = "".join(f"an old line, number {number}, größer\n" for number in range(60))  # less than the check looks at
LARGE_OLD = "".join(f"an old line, number {number}, größer\n" for number in range(80_000))  # more than 2 MiB
NEW = "a new line\n"
LONGER = "".join(f"a new line, number {number}, that is longer\n" for number in range(100_000))

CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated to nothing": lambda path: os.truncate(path, 0),
    "truncated to less": lambda path: os.truncate(path, 100),
    "truncated, then appended to": lambda path: (os.truncate(path, 0), append(path, NEW)),
    "rewritten shorter": lambda path: path.write_text(NEW),
    "rewritten longer": lambda path: path.write_text(LONGER),
    "rewritten to the same length": lambda path: path.write_text("X" * path.stat().st_size),
    "overwritten in place at the end": lambda path: overwrite(path, path.read_text()[:-10] + "otherwise\n"),
    "rewritten in two steps": lambda path: (path.write_text(LONGER[:1000]), append(path, LONGER[1000:])),
    "copied and truncated": lambda path: (shutil.copy(path, path.with_suffix(".1")), os.truncate(path, 0)),
    "rotated": lambda path: rotate(path, NEW),
    "rotated to an empty file": lambda path: rotate(path, ""),
    "rotated to a longer file": lambda path: rotate(path, LONGER),
    "rotated to the same text": lambda path: rotate(path, path.read_text()),
    "rotated with a last line": lambda path: rotate(path, NEW, last="the last line of the old file\n"),
    "replaced atomically": lambda path: replace(path, NEW),
    "replaced atomically by a longer file": lambda path: replace(path, LONGER),
    "deleted and created at once": lambda path: recreate(path, NEW),
    "deleted and created later": lambda path: recreate(path, NEW, pause=0.6),
    "directory removed and made": lambda path: recreate_directory(path, NEW),
    "directory removed and made later": lambda path: recreate_directory(path, NEW, pause=0.6),
    "appended to": lambda path: append(path, NEW),
}


def shows_what_is_there(clients: Recorder, manager: LogStreamManager, viewer: str, log: Path) -> None:
    """The client's text is the file within a second, and an append shows within half of one."""
    expected = log.read_text()
    wait_until(lambda: clients.text(viewer) == expected, CHANGED)
    append(log, "after the change\n")
    wait_until(lambda: clients.text(viewer) == expected + "after the change\n", APPENDED)
    assert manager.subscription_count("a") == 1


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("old", [OLD, LARGE_OLD], ids=["small", "large"])
def test_a_live_client_shows_the_change(
    manager: LogStreamManager, clients: Recorder, log: Path, old: str, change: str
) -> None:
    """A client that is level when it happens (tail's truncate, F-vs-rename, inotify-rotate, inotify-dir-recreate)."""
    log.write_text(old)
    manager.subscribe("a", "viewer")
    wait_until(lambda: clients.text("viewer") == old)
    CHANGES[change](log)
    shows_what_is_there(clients, manager, "viewer", log)
    wait_until(lambda: count_watches() == watches_for(1))


@pytest.mark.parametrize("change", CHANGES)
def test_a_client_in_the_middle_of_a_load_shows_the_change(
    manager: LogStreamManager, clients: Recorder, log: Path, change: str
) -> None:
    """A client that has read half of the old text ends on the new one, without a mix of both."""
    log.write_text(LARGE_OLD)
    loading = clients.begin_stalled_load(manager, "a", "viewer")
    CHANGES[change](log)
    clients.open.set()
    loading.join()
    shows_what_is_there(clients, manager, "viewer", log)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("others", [0, 1])
def test_a_client_that_could_not_take_an_increment_shows_the_change(
    manager: LogStreamManager, clients: Recorder, log: Path, change: str, others: int
) -> None:
    """A client that fell behind when it was live ends on the new text, with and without others that are live."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    clients.stall("viewer")
    append(log, "refused\n")
    wait_until(clients.sending.is_set)
    for number in range(others):
        manager.subscribe("a", f"other {number}")
    CHANGES[change](log)
    clients.open.set()
    for number in range(others):
        wait_until(lambda number=number: clients.text(f"other {number}") == log.read_text(), CHANGED)
        manager.unsubscribe("a", f"other {number}")
    shows_what_is_there(clients, manager, "viewer", log)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("old", [OLD, LARGE_OLD], ids=["small", "large"])
def test_a_resuming_client_shows_the_change(
    manager: LogStreamManager, clients: Recorder, log: Path, old: str, change: str
) -> None:
    """A client that was away when it happened resumes where that is right, and starts over where it is not."""
    log.write_text(old)
    manager.subscribe("a", "viewer", cursor=True)
    wait_until(lambda: clients.text("viewer") == old)
    manager.handle_client_disconnect("viewer")
    CHANGES[change](log)
    resumed = log.read_text().startswith(old)
    count = len(clients.of("viewer"))
    manager.subscribe("a", "viewer", cursor=clients.last("viewer")["cursor"])
    assert clients.of("viewer")[count]["isInitial"] is not resumed
    shows_what_is_there(clients, manager, "viewer", log)
    assert all(set(message) >= {"cursor", "size"} for message in clients.of("viewer"))


def test_the_old_files_last_lines_come_before_the_new_file(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Rotation by rename: what is still written to the old file is delivered, then the new one starts over."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    with log.open("ab", buffering=0) as writer:
        log.rename(log.with_suffix(".1"))
        written = OLD
        for line in ("still written\n", "and long after it was renamed\n"):
            writer.write(line.encode())
            written += line
            wait_until(lambda: clients.text("viewer") == written, APPENDED)
    log.write_text(NEW)
    wait_until(lambda: clients.text("viewer") == NEW, CHANGED)


def test_a_deleted_file_says_nothing_until_it_is_back(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """No message comes for a file that goes (tail's F-vs-missing); its return starts over."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    log.unlink()
    threading.Event().wait(0.6)
    assert len(clients.of("viewer")) == 1
    assert manager.subscription_count("a") == 1
    log.write_text("")
    wait_until(lambda: len(clients.of("viewer")) == 2, CHANGED)
    assert clients.last("viewer")["isInitial"]
    append(log, NEW)
    wait_until(lambda: clients.text("viewer") == NEW, APPENDED)


def test_twenty_rotations_leave_one_watch_and_no_descriptor(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Rotating again and again costs nothing that stays (tail's inotify-rotate-resources)."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    wait_until(lambda: count_watches() == watches_for(1))
    descriptors = count_descriptors()
    for number in range(20):
        rotate(log, f"file {number}\n", last="last\n")
        wait_until(lambda number=number: clients.text("viewer") == f"file {number}\n", CHANGED)
        append(log, "more\n")
        wait_until(lambda number=number: clients.text("viewer") == f"file {number}\nmore\n", APPENDED)
    wait_until(lambda: count_watches() == watches_for(1))
    wait_until(lambda: count_descriptors() <= descriptors + 2)  # threads that had begun may not have opened theirs


def test_many_rotations_in_a_row_end_on_the_last_file(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """However fast files replace each other, the client ends on the one that stays (inotify-hash-abuse, -race2)."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    for number in range(300):
        (replace if number % 2 else rotate)(log, f"file {number}\n")
    shows_what_is_there(clients, manager, "viewer", log)
    wait_until(lambda: count_watches() == watches_for(1))


def test_files_that_swap_their_names(manager: LogStreamManager, clients: Recorder, directory: Path) -> None:
    """Each session follows its name, not its file (inotify-hash-abuse2)."""
    one, two, aside = directory / "one.out", directory / "two.out", directory / "aside"
    one.write_text("1")
    two.write_text("2")
    for name in ("one", "two"):
        manager.subscribe(name, name)
    for _ in range(5):
        one.rename(aside)
        two.rename(one)
        aside.rename(two)
        for path in (one, two):
            append(path, f"{path.stem} ")
        for name, path in (("one", one), ("two", two)):
            wait_until(lambda name=name, path=path: clients.text(name) == path.read_text(), CHANGED)


def test_a_write_right_at_the_subscribe_is_not_lost(
    manager: LogStreamManager, clients: Recorder, directory: Path
) -> None:
    """Between the first read and the watch nothing slips through (inotify-race)."""
    for number in range(100):
        path = directory / f"{number}.out"
        path.touch()
        writing = threading.Thread(target=append, args=(path, "raced\n"))
        writing.start()
        manager.subscribe(str(number), "viewer")
        writing.join()
    wait_until(lambda: sum(message["data"].count("raced") for message in clients.of("viewer")) == 100, APPENDED)


def test_a_path_that_becomes_something_else_is_not_followed(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """A link, a pipe or a directory in the file's place is as good as no file (symlink, inotify-only-regular)."""
    log.write_text(OLD)
    secret = log.with_name("secret")
    secret.write_text("secret")
    manager.subscribe("a", "viewer")
    log.unlink()
    for make in (lambda: log.symlink_to(secret), lambda: os.mkfifo(log), log.mkdir):
        make()
        threading.Event().wait(0.3)
        assert clients.text("viewer") == OLD
        log.rmdir() if log.is_dir() and not log.is_symlink() else log.unlink()
    log.write_text(NEW)
    shows_what_is_there(clients, manager, "viewer", log)


def test_an_unreadable_file_is_followed_once_it_can_be_read(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file at the path that cannot be opened at first is not forgotten (assert, retry)."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer")
    real_open = os.open

    def refuse(path: object, *arguments: object, **options: object) -> int:
        if path == str(log):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.logfile.os.open", refuse)
        rotate(log, NEW)
        threading.Event().wait(0.4)
        assert clients.text("viewer") == OLD
    shows_what_is_there(clients, manager, "viewer", log)


def test_an_append_only_file(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A file with the append-only attribute is followed like any other (append-only)."""
    if shutil.which("chattr") is None:
        pytest.skip("needs chattr: apt-get install e2fsprogs")
    log.write_text(OLD)
    if subprocess.run(["chattr", "+a", log], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, knows no append-only files")
    try:
        manager.subscribe("a", "viewer")
        shows_what_is_there(clients, manager, "viewer", log)
    finally:
        subprocess.run(["chattr", "-a", log], check=True)


# Waiting for a file.


@pytest.mark.parametrize("missing", ["file", "directory"])
def test_a_log_that_is_not_there_yet_is_waited_for(
    manager: LogStreamManager, clients: Recorder, log: Path, missing: str
) -> None:
    """No error for what is missing: its content comes when it does (tail's retry)."""
    if missing == "directory":
        log.parent.rmdir()
    manager.subscribe("a", "viewer", wait=True)
    threading.Event().wait(0.3)
    assert not clients.of("viewer")
    assert manager.subscription_count("a") == 1
    log.parent.mkdir(exist_ok=True)
    log.write_text(OLD)
    wait_until(lambda: clients.text("viewer") == OLD, CHANGED)
    assert clients.of("viewer")[0]["isInitial"]
    shows_what_is_there(clients, manager, "viewer", log)
    wait_until(lambda: count_watches() == watches_for(1))


def test_waiting_can_be_given_up(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """An unsubscribe and a disconnect end the waiting, and nothing of it is left."""
    threads = threading.active_count()
    for leave in (lambda: manager.unsubscribe("a", "viewer"), lambda: manager.handle_client_disconnect("viewer")):
        manager.subscribe("a", "viewer", wait=True)
        leave()
        assert manager.subscription_count("a") == 0
        wait_until(lambda: threading.active_count() == threads)
    log.write_text(OLD)
    assert not clients.of("viewer")


def test_a_session_that_completes_while_it_is_waited_for(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Whether its file came or not, the waiting client is told; one message is first and last."""
    manager.subscribe("a", "viewer", wait=True)
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1)
    assert clients.text("viewer") == ""
    manager.subscribe("a", "other", wait=True)
    log.write_text(OLD)
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("other") == 1)
    assert clients.text("other") == OLD
    assert clients.of("other")[0]["isInitial"]


def test_waiting_clients_and_others_share_the_session(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """Several may wait; who subscribes when the file is there follows along with them."""
    for viewer in ("one", "two"):
        manager.subscribe("a", viewer, wait=True)
    log.write_text(OLD)
    manager.subscribe("a", "three")
    append(log, NEW)
    for viewer in ("one", "two", "three"):
        wait_until(lambda viewer=viewer: clients.text(viewer) == OLD + NEW, CHANGED)


# The last lines.


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        ("1\n2\n3\n", 2, "2\n3\n"),
        ("1\n2\n3", 2, "2\n3"),
        ("1\n2\n3\n", 99, "1\n2\n3\n"),
        ("\n\n\n", 2, "\n\n"),
        ("", 3, ""),
        ("1\n2\n", 0, ""),
        ("größer\n日本語", 1, "日本語"),
    ],
)
def test_a_subscription_may_begin_with_the_last_lines(
    manager: LogStreamManager, clients: Recorder, log: Path, content: str, lines: int, expected: str
) -> None:
    """The last N lines, then what is appended; none with 0 (tail-n0f)."""
    log.write_text(content)
    manager.subscribe("a", "viewer", tail=lines)
    assert clients.text("viewer") == expected
    assert clients.last("viewer")["isInitial"]
    append(log, "more\n")
    wait_until(lambda: clients.text("viewer") == expected + "more\n", APPENDED)


def test_the_last_lines_of_a_rewritten_log(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """After a start-over the client shows the whole new content."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer", tail=1)
    log.write_text(LONGER)
    shows_what_is_there(clients, manager, "viewer", log)


def test_the_end_of_a_log_with_a_character_cut_in_half(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A tail of 0 lines begins before the character that is still being written."""
    log.write_bytes(b"text \xe2\x82")
    manager.subscribe("a", "viewer", tail=0)
    append(log, b"\xac!")
    wait_until(lambda: clients.text("viewer") == "€!", APPENDED)


# Cursors.


def test_resuming_sends_only_what_is_new(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """The first message of a resumed subscription is not initial, and comes even when nothing is new."""
    log.write_text(OLD)
    manager.subscribe("a", "viewer", cursor=True)
    cursor = clients.last("viewer")["cursor"]
    assert cursor.startswith(f"{len(OLD.encode())}.")
    assert clients.last("viewer")["size"] == len(OLD.encode())
    manager.handle_client_disconnect("viewer")
    manager.subscribe("a", "viewer", cursor=cursor)
    assert clients.last("viewer") == {
        "type": "logs:data",
        "sessionName": "a",
        "data": "",
        "isInitial": False,
        "isComplete": False,
        "cursor": cursor,
        "size": len(OLD.encode()),
    }
    manager.handle_client_disconnect("viewer")
    append(log, NEW)
    manager.subscribe("a", "viewer", cursor=cursor)
    assert clients.last("viewer")["data"] == NEW
    assert not clients.last("viewer")["isInitial"]


@pytest.mark.parametrize("cursor", ["", "garbage", "0", "5.00000000", "999999.12345678", "-3.1", "1e3.0", "\0"])
def test_a_cursor_that_does_not_fit_starts_over(
    manager: LogStreamManager, clients: Recorder, log: Path, cursor: str
) -> None:
    """Garbage gives the whole log, or its tail where that was asked for too."""
    log.write_text("1\n2\n3\n")
    manager.subscribe("a", "viewer", cursor=cursor)
    assert clients.last("viewer")["isInitial"]
    assert clients.text("viewer") == "1\n2\n3\n"
    manager.subscribe("a", "viewer", cursor=cursor, tail=1)
    assert clients.text("viewer") == "3\n"


def test_the_cursor_wins_over_the_tail_where_it_fits(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """Both may be given; what the client has already is not sent again."""
    log.write_text("1\n2\n3\n")
    manager.subscribe("a", "viewer", cursor=True, tail=2)
    assert clients.text("viewer") == "2\n3\n"
    cursor = clients.last("viewer")["cursor"]
    manager.handle_client_disconnect("viewer")
    append(log, "4\n5\n")
    manager.subscribe("a", "viewer", cursor=cursor, tail=1)
    assert clients.text("viewer") == "2\n3\n4\n5\n"


def test_every_message_of_a_load_has_a_cursor_to_go_on_from(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """A load that was cut short is resumed where it stood, by another manager too, to the completion."""
    log.write_text(LARGE_OLD)
    manager.subscribe("a", "viewer", cursor=True)
    wait_until(lambda: clients.text("viewer") == LARGE_OLD)
    text = ""
    for message in clients.of("viewer"):
        text += message["data"]
        others = Recorder()
        other = LogStreamManager(others.send, directory=log.parent)
        other.subscribe("a", "resumed", cursor=message["cursor"])
        wait_until(lambda: text + others.text("resumed") == LARGE_OLD)
        other.notify_session_completed("a")
        wait_until(lambda: others.completions("resumed") == 1)
        other.subscribe("a", "resumed", cursor=others.last("resumed")["cursor"])
        assert others.last("resumed")["data"] == ""
        assert others.last("resumed")["isComplete"]
        assert not others.last("resumed")["isInitial"]
        other.close()


def test_clients_that_ask_for_nothing_see_five_keys(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """Cursors go to those who asked, also among others that follow the same session."""
    log.write_text(OLD)
    manager.subscribe("a", "plain")
    manager.subscribe("a", "asked", cursor=True)
    append(log, NEW)
    log.write_text("start over\n")
    for viewer in ("plain", "asked"):
        wait_until(lambda viewer=viewer: clients.text(viewer) == "start over\n", CHANGED)
    manager.notify_session_completed("a")
    five = {"type", "sessionName", "data", "isInitial", "isComplete"}
    assert all(set(message) == five for message in clients.of("plain"))
    assert all(set(message) == five | {"cursor", "size"} for message in clients.of("asked"))


# What bytes there may be.


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfwith a byte order mark\r\nCR LF\r\n",
        b"NUL \0 and escapes \x1b[31m\x07\x7f\x80",
        b"invalid \xff\xfe\xc3( \xe2\x82( \xf0\x9f\x98( \xf5 \xc0\xaf",
        b"surrogates in UTF-8 form \xed\xa0\x80 \xed\xbf\xbf end",
        b"cut at the end \xf0\x9f\x98",
        "U+2028 \u2028 U+FEFF \ufeff U+FFFD \ufffd \U0010ffff".encode(),
    ],
)
def test_text_goes_through_as_it_is(manager: LogStreamManager, clients: Recorder, log: Path, content: bytes) -> None:
    """Byte by byte or at once, only invalid bytes become U+FFFD, and the same ones."""
    log.touch()
    manager.subscribe("a", "byte by byte")
    for index in range(len(content)):
        append(log, content[index : index + 1])
    manager.subscribe("a", "at once")
    manager.notify_session_completed("a")
    for viewer in ("byte by byte", "at once"):
        wait_until(lambda viewer=viewer: clients.completions(viewer) == 1)
        assert clients.text(viewer) == content.decode(errors="replace")
