"""Running each connection on a thread of its own, which ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from ..ratelimit import RateLimitedLog


class ThreadPerTask(Executor):
    """Runs each task on a thread of its own, however many there are: gunicorn's `worker_connections` bounds them."""

    def __init__(self, shortages: RateLimitedLog) -> None:
        """`shortages` is told where there is no thread to be had."""
        self._shortages = shortages

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn`. Without a thread for it, the future has the error, and gunicorn closes the connection."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        try:
            threading.Thread(target=run, name="logstream-connection", daemon=True).start()
        except RuntimeError as error:
            self._shortages.warning("a connection is closed, since no thread is to be had for it: %s", error)
            future.set_exception(error)
        return future
