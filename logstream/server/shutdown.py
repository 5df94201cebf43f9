"""Closing a worker's WebSockets as soon as it is told to stop, where gunicorn would wait for them to end."""

import signal
import threading
from types import FrameType
from typing import Any


def close_on_stop(worker: Any) -> None:
    """Have WebSockets closed at SIGTERM. On the worker's main thread, once gunicorn has set its signal handlers."""
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)

    def close_and_stop(number: int, frame: FrameType | None) -> None:
        stop(number, frame)  # first, so that clients that come back meet the next worker
        try:
            threading.Thread(target=close_websockets, args=(worker,), name="logstream-close").start()
        except RuntimeError:  # no thread to be had
            close_websockets(worker)

    signal.signal(signal.SIGTERM, close_and_stop)
    signal.siginterrupt(signal.SIGTERM, False)


def close_websockets(worker: Any) -> None:
    """Tell the clients of a worker's app that it is going away, and give them a moment to leave."""
    endpoint = find_endpoint(worker)
    if endpoint is not None:
        endpoint.manager.close()


def find_endpoint(worker: Any) -> Any:
    """The endpoint of the app that a worker serves; None where that has no LogStream on it."""
    return getattr(worker.wsgi, "extensions", {}).get("logstream")
