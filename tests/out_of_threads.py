"""The server's app, in a process that can be made to have no thread left, until SIGUSR2."""

import signal
import threading
from types import FrameType

from flask import Response

from logstream import create_app

app = create_app()

_start = threading.Thread.start


def _fail(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@app.post("/threads/none")
def end() -> Response:
    """As if the system had no more."""
    threading.Thread.start = _fail  # type: ignore[method-assign]
    return Response(status=204)


def begin(signal_number: int, frame: FrameType | None) -> None:
    """As if it had some again."""
    threading.Thread.start = _start  # type: ignore[method-assign]
    app.logger.warning("there are threads again")


signal.signal(signal.SIGUSR2, begin)
