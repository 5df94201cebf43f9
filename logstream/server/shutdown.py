"""Closing a worker's WebSockets when it is about to end, where gunicorn would wait for them, or cut them off."""

import threading
from typing import Any


def begin_closing(worker: Any) -> None:
    """Tell the clients of a worker's app that it is going away, on a thread of its own."""
    try:
        threading.Thread(target=close_websockets, args=(worker,), name="logstream-close").start()
    except RuntimeError:  # no thread to be had
        close_websockets(worker)


def close_websockets(worker: Any) -> None:
    """Tell the clients of a worker's app that it is going away, and give them a moment to leave."""
    endpoint = find_endpoint(worker)
    if endpoint is not None:
        endpoint.manager.close()


def find_endpoint(worker: Any) -> Any:
    """The endpoint of the app that a worker serves; None where that has no LogStream on it."""
    return getattr(worker.wsgi, "extensions", {}).get("logstream")
