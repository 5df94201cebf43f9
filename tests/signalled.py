"""The command line, where another thread gets SIGINT as soon as the main one waits: `python -m tests.signalled …`.

The system may give a signal to any thread; Python handles it on the main one, and wakes nobody for that.
"""

import signal
import sys
import threading
import time
from types import FrameType

from logstream.cli import cli

_LONG = 0.3  # seconds after which it waits, and does not just pass by


def _get_signal_when_main_thread_waits() -> None:
    main = threading.main_thread().ident
    assert main is not None
    since = time.monotonic()
    while time.monotonic() - since < _LONG:
        if not _waits(sys._current_frames()[main]):
            since = time.monotonic()
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


def _waits(frame: FrameType | None) -> bool:
    """Whether something waits there, but for a thread that begins."""
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names[0] == "wait" and "start" not in names


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who started it may ignore that
    threading.Thread(target=_get_signal_when_main_thread_waits, daemon=True).start()
    cli(prog_name="logstream")
