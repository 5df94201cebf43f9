"""The server, where there is no thread to be had for the first who wants to watch tmux."""

import threading

from logstream import create_app

_start = threading.Thread.start
_refused: list[str] = []


def _refuse_once(thread: threading.Thread) -> None:
    if thread.name == "logstream-tmux" and not _refused:
        _refused.append(thread.name)
        raise RuntimeError("can't start new thread")
    _start(thread)


threading.Thread.start = _refuse_once  # type: ignore[method-assign]

app = create_app()
