"""Tests of how a process hears what others have completed, where that falls together with something else."""

import threading
from pathlib import Path

import pytest

from logstream import LogStreamManager
from logstream.engine.logfile import LogFile

from ..recorder import Recorder
from ..serving import count_descriptors, count_watches, wait_until


@pytest.mark.parametrize("when", ["opening", "watching"])
def test_first_news_that_come_as_the_last_follower_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """No thread, watch or descriptor stays for them, and the next follower hears of what comes then."""
    before = threading.active_count(), count_descriptors(), count_watches()
    clients = Recorder()
    manager = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
    other = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.out").write_text("text\n")
    manager.subscribe("a", "viewer")
    news, left = manager._news, threading.Event()
    read_news, follow = news._open, manager._watcher.watch

    def leave() -> None:
        if not left.is_set():
            manager.unsubscribe("a", "viewer")
            left.set()

    def read_late() -> LogFile | None:
        file = read_news()
        leave()
        return file

    def follow_late(*arguments: object) -> None:
        leave()
        follow(*arguments)  # type: ignore[arg-type]

    if when == "opening":
        monkeypatch.setattr(news, "_open", read_late)
    else:
        monkeypatch.setattr(manager._watcher, "watch", follow_late)
    other.notify_session_completed("b")
    assert left.wait(5)
    wait_until(lambda: (threading.active_count(), count_descriptors(), count_watches()) == before, 5)
    manager.subscribe("a", "viewer")
    other.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1, 5)
    manager.close()
    other.close()
