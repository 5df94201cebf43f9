"""The server, where there is no thread to be had for the first who wants to watch tmux."""

import threading

from logstream import create_app
from logstream.tmux import TmuxWatcher

_start = threading.Thread.start
_wake = TmuxWatcher.wake
_refused: list[str] = []


def _refuse_once(thread: threading.Thread) -> None:
    if thread.name == "logstream-tmux" and not _refused:
        _refused.append(thread.name)
        raise RuntimeError("can't start new thread")
    _start(thread)


def _wake_and_say(watcher: TmuxWatcher) -> None:
    _wake(watcher)
    if len(_refused) == 1:
        _refused.append("said")
        app.logger.warning("there is no thread for tmux")


threading.Thread.start = _refuse_once  # type: ignore[method-assign]
TmuxWatcher.wake = _wake_and_say  # type: ignore[method-assign]

app = create_app()
