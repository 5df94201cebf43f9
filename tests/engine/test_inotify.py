"""Tests of the reader of the kernel's events."""

import errno
import struct
import sys
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, Mask

from logstream.engine.inotify import InotifyObserver
from logstream.engine.logfile import LogFile
from logstream.engine.relief import Relief, Shift

from ..loading import load_again
from ..serving import wait_until


class Callback:
    """What watchdog calls back."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_event(self, event: object) -> None:
        self.calls.append("event")

    def on_watch_deleted(self, wd: int) -> None:
        self.calls.append("deleted")

    def on_queue_overflow(self) -> None:
        self.calls.append("overflow")


class Follower:
    """Who is woken, and does nothing."""

    seen = None

    def __init__(self, path: str) -> None:
        self.path = path

    def wake(self) -> None:
        pass


def test_the_kernels_events_are_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several changes of a file are one call; a lost event and a file's end are told, and a name is skipped."""
    inotify = InotifyObserver(Relief()).emitter
    callbacks = Callback(), Callback()
    watches = []
    for number, callback in enumerate(callbacks):
        (tmp_path / f"{number}").touch()
        mask = Mask(InotifyConstants.IN_MODIFY)
        identity = CallbackId(number)
        watches.append(inotify.add_callback(f"{tmp_path}/{number}".encode(), mask, callback, identity))

    def event(wd: int, mask: int, name: bytes = b"") -> bytes:
        return struct.pack("iIII", wd, mask, 0, len(name)) + name

    modify, overflow, ignored = 0x2, 0x4000, 0x8000
    first, second = watches
    buffers = [
        event(first, modify) * 3 + event(second, modify, b"name\0\0\0\0") + event(first, modify),
        event(-1, overflow) + event(second, modify),
        event(first, modify) + event(first, ignored),
        event(first, modify),
    ]

    def read(size: int) -> bytes:
        if not buffers:
            inotify.stop()
            return b""
        return buffers.pop(0)

    monkeypatch.setattr(inotify, "_read_event_buffer", read)
    inotify.run()
    assert callbacks[0].calls == ["event", "overflow", "event", "deleted"]
    assert callbacks[1].calls == ["event", "event", "overflow", "deleted"]  # by the end of it all


def test_the_same_change_again_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is known by its bytes; and of a file that is not watched any more nobody is told."""
    (tmp_path / "file").touch()
    inotify = InotifyObserver(Relief()).emitter
    callback = Callback()
    wd = inotify.add_callback(f"{tmp_path}/file".encode(), Mask(InotifyConstants.IN_MODIFY), callback, CallbackId(1))
    modify, attributes, ignored = (struct.pack("iIII", wd, mask, 0, 0) for mask in (0x2, 0x4, 0x8000))
    buffers = [modify, modify, attributes, modify, ignored, modify, ignored]
    told = []

    def read(size: int) -> bytes:
        told.append(len(callback.calls))
        if not buffers:
            inotify.stop()
            return b""
        return buffers.pop(0)

    monkeypatch.setattr(inotify, "_read_event_buffer", read)
    monkeypatch.setattr("logstream.engine.inotify._KNOWN", 1)
    inotify.run()
    assert told == [0, 1, 2, 3, 4, 5, 5, 5]
    assert callback.calls == ["event"] * 4 + ["deleted"]


def test_of_a_watch_that_is_gone_nothing_is_kept(tmp_path: Path) -> None:
    """However many files are followed one after the other; a number that the kernel gives again is another file's."""
    log = tmp_path / "a.out"
    log.touch()
    observer = InotifyObserver(Relief())
    observer.start()
    try:
        for _ in range(3):
            watch = observer.watch(Follower(str(log)), LogFile.open(str(log)))
            assert watch is not None

            def append() -> bool:
                with log.open("a") as file:
                    file.write("x")
                return bool(observer.emitter._known)

            wait_until(append)
            watch.cancel()
            wait_until(lambda: not observer.emitter._known)
    finally:
        observer.stop()


@pytest.mark.parametrize("how", ["never started", "started", "begun too late", "taken over"])
def test_its_descriptors_are_closed_once(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Whether or not a thread reads when it is stopped, or two do; twice would close somebody else's."""
    observer = InotifyObserver(Relief())
    inotify = observer.emitter
    closed: list[bool] = []
    close = inotify._close_resources
    monkeypatch.setattr(inotify, "_close_resources", lambda: (close(), closed.append(inotify._closed)))
    if how == "started":
        observer.start()
        wait_until(lambda: inotify._is_reading)
    if how == "taken over":

        def read(size: int) -> bytes:
            inotify.stop()
            assert closed == []
            inotify._read_on(Shift())
            return b""

        monkeypatch.setattr(inotify, "_read_event_buffer", read)
        inotify.run()
    inotify.stop()
    if how == "begun too late":
        inotify.run()
    wait_until(lambda: closed == [True])
    if how == "started":
        inotify.join()
    assert closed == [True]


def test_without_inotify_the_watcher_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """On another system, or with a watchdog that is made otherwise, the module loads, and says what is missing."""
    monkeypatch.setitem(sys.modules, "watchdog.observers.inotify_c", None)
    elsewhere = load_again("logstream.engine.inotify")
    with pytest.raises(OSError, match="inotify_c") as raised:
        elsewhere.InotifyObserver(Relief())
    assert raised.value.errno == errno.ENOSYS
