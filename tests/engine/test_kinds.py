"""Whatever is done to a file, what a client shows is the file: with each kind of watcher."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream import ConfigurationError, LogStreamManager, create_app
from logstream.engine import fanout, inotify, watching
from logstream.engine.watcher import Watcher, why_not

from ..kinds import KINDS
from ..recorder import Recorder
from ..serving import wait_until
from .test_changes import APPENDED, CHANGED, CHANGES, NEW, OLD, append, replace

pytestmark = pytest.mark.watcher("inotify")  # each asks for its kind by itself


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, clients: Recorder, tmp_path: Path) -> Iterator[LogStreamManager]:
    """A manager with each kind of watcher, in a directory that is a link, and not there yet."""
    (tmp_path / "link").symlink_to(tmp_path / "sessions")
    manager = LogStreamManager(
        clients.send, clients.offer, tmp_path / "link", state=tmp_path / "state", watcher=request.param
    )
    yield manager
    manager.close()


def test_each_kind_shows_what_is_there(manager: LogStreamManager, clients: Recorder, tmp_path: Path) -> None:
    """All that can be done to a file, at once to one file each; and then the directory is another one."""
    directory = tmp_path / "sessions"
    manager.subscribe("waiting", "waiting", wait=True)
    directory.mkdir()
    logs = {str(number): directory / f"{number}.out" for number in range(len(CHANGES))}
    for name, log in logs.items():
        log.write_text(OLD)
        manager.subscribe(name, name)
    (directory / "waiting.out").write_text(NEW)
    wait_until(lambda: clients.text("waiting") == NEW, CHANGED)
    changing = [
        threading.Thread(target=change, args=(log,))
        for log, (what, change) in zip(logs.values(), CHANGES.items(), strict=True)
        if "directory" not in what
    ]
    for thread in changing:
        thread.start()
    for thread in changing:
        thread.join()
    shown = {name: log.read_text() for name, log in logs.items()}
    wait_until(lambda: all(clients.text(name) == text for name, text in shown.items()), CHANGED)
    for again in (1, 2):
        for log in logs.values():
            append(log, NEW)
        wait_until(lambda: all(clients.text(name) == text + NEW * again for name, text in shown.items()), APPENDED)
    directory.rename(tmp_path / "old")
    directory.mkdir()
    for number, log in enumerate(logs.values()):
        log.write_text(f"{number}\n")
    wait_until(lambda: all(clients.text(name) == f"{name}\n" for name in logs), CHANGED)
    for log in logs.values():
        append(log, NEW)
    wait_until(lambda: all(clients.text(name) == f"{name}\n{NEW}" for name in logs), APPENDED)


@pytest.mark.parametrize("manager", ["inotify", "observer"], indirect=True)
def test_what_tells_of_changes_is_not_the_sweep(
    manager: LogStreamManager, clients: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the sweep asleep, text comes all the same, also of a file that another has been put in the place of."""
    monkeypatch.setattr(watching, "SWEEP_INTERVAL", 3600.0)
    monkeypatch.setattr(watching, "TOLD_INTERVAL", 3600.0)
    (tmp_path / "sessions").mkdir()
    log = tmp_path / "sessions" / "Größe.out"
    log.write_text(OLD)
    manager.subscribe("Größe", "viewer")
    for text in ("one\n", "two\n"):
        append(log, text)
        wait_until(lambda: clients.text("viewer").endswith(text))
    replace(log, NEW)
    wait_until(lambda: clients.text("viewer") == NEW)
    append(log, "more\n")
    wait_until(lambda: clients.text("viewer") == NEW + "more\n")
    log.parent.rename(tmp_path / "old")
    log.parent.mkdir()
    other = log.with_name("other.out")
    other.write_text(OLD)
    manager.subscribe("other", "other")  # in what is another directory now
    for count in (1, 2, 3):  # the first may be found by the look that each new watch begins with
        append(other, NEW)
        wait_until(lambda: clients.text("other") == OLD + NEW * count)


def test_where_there_is_no_inotify_auto_takes_watchdogs_observer_and_says_so(
    clients: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on macOS, and changes are told of all the same."""
    monkeypatch.setattr(inotify, "_missing", "not Linux")
    monkeypatch.setattr(watching, "SWEEP_INTERVAL", 3600.0)
    monkeypatch.setattr(watching, "TOLD_INTERVAL", 3600.0)
    (tmp_path / "a.out").touch()
    caplog.set_level("INFO", "logstream")
    manager = LogStreamManager(clients.send, clients.offer, tmp_path)
    try:
        manager.subscribe("a", "viewer")
        append(tmp_path / "a.out", NEW)
        wait_until(lambda: clients.text("viewer") == NEW)
    finally:
        manager.close()
    (message,) = caplog.messages
    assert message.startswith("no inotify (not Linux): watchdog's InotifyObserver tells of changes instead")


def test_a_kind_that_is_not_to_be_had_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line; `auto` takes what there is, and with nothing else the sweep, which it says."""
    monkeypatch.setattr(inotify, "_missing", "not Linux")
    monkeypatch.setattr(fanout, "Observer", fanout.PollingObserver)
    for kind, reason in (("inotify", "not Linux"), ("observer", "polls")):
        with pytest.raises(ConfigurationError, match=f"LOGSTREAM_WATCHER: '{kind}' .*{reason}"):
            create_app({"LOGSTREAM_WATCHER": kind})
    for kind in ("auto", "sweep"):
        assert why_not(kind) is None
        watcher = Watcher(kind)
        with watcher.running():
            pass
        watcher.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
