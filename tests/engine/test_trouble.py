"""What sessions stand on fails for a moment: a disk, a permission, a thread. Nothing stays broken for good."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logstream import LogStreamManager
from logstream.engine.logfile import LogFile
from logstream.testing import nothing_left

from ..kinds import promised, watches_for
from ..recorder import Recorder
from ..serving import PATIENCE, count_watches, wait_until


@pytest.fixture
def manager(clients: Recorder, tmp_path: Path) -> Iterator[LogStreamManager]:
    """A manager that leaves nothing behind."""
    with nothing_left(PATIENCE):
        manager = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
        yield manager
        clients.open.set()
        manager.close()


def append(path: Path, text: str) -> None:
    """One write at the end of a file."""
    with path.open("a") as file:
        file.write(text)


def live(manager: LogStreamManager, ws: str, session: str = "a") -> None:
    """Subscribe, and await that the client is level with its log."""
    manager.subscribe(session, ws)
    wait_until(lambda: manager.counts()["clients_behind"] == 0)


def leads_to(fd: str, path: Path) -> bool:
    """Whether a descriptor of this process is of the file at a path, or was before that was deleted."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith(str(path))
    except FileNotFoundError:
        return False  # closed since it was listed


def break_reads(patch: pytest.MonkeyPatch, broken: Callable[[int], bool]) -> None:
    """Have reads of the descriptors that `broken` says fail as those of a file that its server no longer knows."""
    pread = os.pread

    def read(fd: int, length: int, offset: int) -> bytes:
        if broken(fd):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return pread(fd, length, offset)

    patch.setattr("logstream.engine.logfile.os.pread", read)


def break_once_gone(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Have reads of the file that is at a path fail as soon as it is there no more; until then it is as good as any."""
    old = os.stat(path).st_ino

    def broken(fd: int) -> bool:
        try:
            found = os.stat(path).st_ino
        except FileNotFoundError:
            found = None
        return os.fstat(fd).st_ino == old != found

    break_reads(patch, broken)


class NoThreads:
    """A machine that has no threads left, for as long as it is told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left = False
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if not self.left:
                raise RuntimeError("can't start new thread")
            start(thread)

        patch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("times", [1, 3])
def test_a_file_that_shrinks_while_it_is_completed(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """A size that is more than can be read by now is no reason to leave a client without the last message."""
    live(manager, "viewer")
    append(log, "é and so on\n")
    left = times
    read = LogFile.read

    def shrink_first(file: LogFile, offset: int, length: int) -> bytes:
        nonlocal left
        if left and length:
            left -= 1
            with log.open("r+b") as shrinking:
                shrinking.truncate(left and 7)  # in the end to nothing, before that within a character
            if not left:
                append(log, "again\n")
        return read(file, offset, length)

    monkeypatch.setattr(LogFile, "read", shrink_first)
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1)
    assert clients.last("viewer")["isComplete"]
    assert manager.subscription_count("a") == 0
    assert manager.counts() == {"subscriptions": 0, "watched_sessions": 0, "clients_behind": 0}


def test_a_writer_that_truncates_in_a_loop_costs_nobody_the_last_message(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """However a truncation falls into a completion, each client is told that the session is complete."""
    stop = threading.Event()

    def write() -> None:
        with log.open("wb", buffering=0) as file:
            while not stop.is_set():
                file.truncate(0)
                file.seek(0)
                file.write(b"x" * 500)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(150):
            manager.subscribe("a", str(number))
            manager.notify_session_completed("a")
            wait_until(lambda number=number: clients.completions(str(number)) == 1)
    finally:
        stop.set()
        writing.join()
    assert manager.counts()["subscriptions"] == 0


def test_a_replaced_file_whose_old_descriptor_fails(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the old file is none of the session's, whose log is at the path."""
    live(manager, "viewer")
    break_once_gone(monkeypatch, log)
    new = log.with_suffix(".new")
    new.write_text("of the new file\n")
    new.rename(log)
    wait_until(lambda: clients.text("viewer") == "of the new file\n")
    append(log, "and on\n")
    wait_until(lambda: clients.text("viewer") == "of the new file\nand on\n")
    assert all(message["type"] == "logs:data" for message in clients.of("viewer"))


@pytest.mark.parametrize("is_loading", [False, True])
def test_a_descriptor_that_fails_is_opened_again(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch, is_loading: bool
) -> None:
    """The same file, opened anew, is read on at the same place, also in the middle of a load."""
    manager.times.close()  # the descriptor with which it looks at the file would be of those that fail
    text = "größer\n" * 500_000
    log.write_text(text)
    if is_loading:
        loading = clients.begin_stalled_load(manager, "a", "viewer")
    else:
        live(manager, "viewer")
    known = {int(fd) for fd in os.listdir("/proc/self/fd") if leads_to(fd, log)}
    with monkeypatch.context() as patch:
        break_reads(patch, lambda fd: fd in known)
        append(log, "more\n")
        if is_loading:
            clients.full.clear()
            clients.open.set()
            loading.join()
        wait_until(lambda: clients.text("viewer") == text + "more\n")
    assert sum(message["isInitial"] for message in clients.of("viewer")) == 1


def test_a_file_that_fails_and_is_gone_is_waited_for(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deleted file says nothing until it is back, whatever its old descriptor answers, and takes no space meanwhile.

    The new one is watched by the kernel, though it may well have got the old one's inode.
    """
    watches = count_watches()
    live(manager, "viewer")
    with monkeypatch.context() as patch:
        break_once_gone(patch, log)
        with log.open("a") as file:
            log.unlink()
            file.write("into the void\n")
        wait_until(lambda: not any(leads_to(fd, log) for fd in os.listdir("/proc/self/fd")))
    assert count_watches() == watches + watches_for(0)
    append(log, "back\n")
    wait_until(lambda: clients.text("viewer") == "back\n")
    wait_until(lambda: count_watches() == watches + watches_for(1))


@pytest.mark.parametrize("error", [errno.EACCES, errno.EMFILE, errno.EAGAIN, errno.EIO])
def test_a_log_that_appears_and_cannot_be_opened_yet(
    manager: LogStreamManager,
    clients: Recorder,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: int,
) -> None:
    """Whatever forbids it at the moment of appearing, a client that waits goes on waiting, and gets all of it then."""
    log.unlink()
    manager.subscribe("a", "viewer", wait=True)
    tried = threading.Event()
    opening = os.open

    def refuse(path: object, *arguments: object, **options: object) -> int:
        if path == str(log):
            tried.set()
            raise OSError(error, os.strerror(error))
        return opening(path, *arguments, **options)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr("logstream.engine.logfile.os.open", refuse)
        log.write_text("text\n")
        assert tried.wait(5)
        tried.clear()
        assert tried.wait(5)  # once more, of its own accord
        assert not clients.of("viewer")
    wait_until(lambda: clients.text("viewer") == "text\n")
    assert sum("cannot be opened" in message for message in caplog.messages) <= 1


def test_a_path_that_is_no_file_yet(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A pipe or a directory in the log's place is waited out, too."""
    log.unlink()
    manager.subscribe("a", "viewer", wait=True)
    log.mkdir()
    other = log.with_suffix(".other")
    other.mkdir()
    log.rmdir()
    os.mkfifo(log)
    log.unlink()
    log.write_text("text\n")
    wait_until(lambda: clients.text("viewer") == "text\n")


HOLD_LEASE = """
import fcntl, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
file = open(sys.argv[1])
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.sigwait([signal.SIGIO])
print("asked for", flush=True)
sys.stdin.readline()
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
"""


def test_a_log_under_a_write_lease(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """It is shown as soon as the process that has the lease gives it up, as `cat` has it."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LEASE, log], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() != b"held\n":
            pytest.skip("this file system knows no leases")
        manager.subscribe("a", "viewer")
        assert holder.stdout.readline() == b"asked for\n"
        assert not clients.of("viewer")
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        wait_until(lambda: clients.text("viewer") == "first\n")
    finally:
        holder.kill()
        holder.communicate()


def test_without_a_thread_to_watch_with_a_subscribe_is_an_error_and_the_next_one_is_not(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told; nothing hangs; when there are threads again, all is as ever."""
    with monkeypatch.context() as patch:
        NoThreads(patch)
        for _ in range(2):
            manager.subscribe("a", "viewer")
            assert clients.last("viewer") == {
                "type": "logs:error",
                "sessionName": "a",
                "error": "Session 'a' cannot be followed: the server has no thread left.",
            }
        assert manager.counts()["subscriptions"] == 0
    manager.subscribe("a", "viewer")
    append(log, "second\n")
    wait_until(lambda: clients.text("viewer") == "first\nsecond\n")


def test_with_one_thread_of_two_a_subscribe_is_an_error_and_the_next_one_is_not(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that half succeeds is ended, or made whole by the next one."""
    with monkeypatch.context() as patch:
        threads = NoThreads(patch)
        threads.left = True
        start = threading.Thread.start

        def start_one(thread: threading.Thread) -> None:
            start(thread)
            threads.left = False

        patch.setattr(threading.Thread, "start", start_one)
        manager.subscribe("a", "viewer")
        assert clients.last("viewer")["type"] == "logs:error"
    for ws in ("viewer", "other"):
        manager.subscribe("a", ws)
    append(log, "second\n")
    wait_until(lambda: clients.text("viewer") == clients.text("other") == "first\nsecond\n")


def test_a_load_without_a_thread_goes_on_when_there_is_one(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is behind waits for a thread, and then gets all the rest."""
    log.write_text("größer\n" * 500_000)
    (log.parent / "other.out").touch()
    live(manager, "keeps the watcher", "other")
    with monkeypatch.context() as patch:
        NoThreads(patch)
        manager.subscribe("a", "viewer")
        time.sleep(0.6)  # it is tried again meanwhile, in vain
        assert len(clients.of("viewer")) == 1
    wait_until(lambda: clients.text("viewer") == log.read_text())
    append(log, "live\n")
    wait_until(lambda: clients.text("viewer") == log.read_text())


def test_who_falls_behind_without_a_thread_gets_the_rest_when_there_is_one(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An offer that is refused where no thread is to be had loses nothing."""
    live(manager, "viewer")
    with monkeypatch.context() as patch:
        NoThreads(patch)
        clients.full.add("viewer")
        append(log, "refused\n")
        wait_until(lambda: manager.counts()["clients_behind"] == 1)
        append(log, "later\n")
    clients.full.clear()
    wait_until(lambda: clients.text("viewer") == "first\nrefused\nlater\n")


def test_the_tail_of_a_log_without_lines_lets_others_have_their_turn(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path
) -> None:
    """However much must be read to find so many lines, the others' lines come within the promised time."""
    with (tmp_path / "huge.out").open("wb") as file:
        file.truncate(3_000_000_000)  # a hole: one line of NUL
    live(manager, "viewer")
    threads = [
        threading.Thread(target=manager.subscribe, args=("huge", str(number)), kwargs={"tail": 10**9})
        for number in range(4)
    ]
    stopping = threading.Event()
    read = LogFile.read

    def read_or_stop(file: LogFile, offset: int, length: int) -> bytes:
        return b"\n" * length if stopping.is_set() else read(file, offset, length)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogFile, "read", read_or_stop)
        for number in range(4):
            clients.gone.add(str(number))
        for thread in threads:
            thread.start()
        delays = []
        for number in range(20):
            begun = time.monotonic()
            append(log, f"{number}\n")
            wait_until(lambda number=number: clients.text("viewer").endswith(f"\n{number}\n"))
            delays.append(time.monotonic() - begun)
        assert any(thread.is_alive() for thread in threads)
        stopping.set()
        for thread in threads:
            thread.join()
    assert max(delays) < promised()
