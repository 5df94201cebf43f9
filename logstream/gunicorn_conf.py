"""gunicorn's configuration for logstream: `gunicorn -c python:logstream.gunicorn_conf wsgi:app`.

It serves any app that has LogStream mounted.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from logstream.config import RESERVED_THREADS, ConfigurationError, Settings, bind_address
from logstream.malloc import keep_little
from logstream.metrics import forget_process, prepare_sharing

try:
    bind = bind_address()
    _settings = Settings.load({})
except ConfigurationError as error:
    sys.exit(f"logstream: {error}")

keep_little()

worker_class = "logstream.gunicorn_worker.Worker"
workers = 1  # each would follow files for itself, and a completion reaches the one that is told of it
threads = max(1000, (_settings.max_connections or 0) + RESERVED_THREADS)  # requests at once
worker_connections = threads + 100
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"  # the heartbeat must not wait for a disk
control_socket_disable = True
keepalive = 1  # seconds; a stopping worker waits for idle HTTP connections as long
graceful_timeout = 2  # seconds that a stopping worker has, once its WebSockets are told to go


def on_starting(server: Any) -> None:
    """Begin without the metrics of an earlier server."""
    prepare_sharing()


def post_worker_init(worker: Any) -> None:
    """Leave threads to HTTP, and close WebSockets at once when the worker is told to stop."""
    endpoint = _endpoint(worker)
    if endpoint is not None:
        endpoint.limit_connections(worker.cfg.threads)

    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop)

    def close_and_stop(number: int, frame: FrameType | None) -> None:
        stop(number, frame)  # first, so that clients that come back meet the next worker
        threading.Thread(target=_close, args=(worker,), name="logstream-close").start()

    signal.signal(signal.SIGTERM, close_and_stop)
    signal.siginterrupt(signal.SIGTERM, False)


def worker_int(worker: Any) -> None:
    """On an interrupt, likewise; gunicorn exits right after this returns."""
    _close(worker)


def child_exit(server: Any, worker: Any) -> None:
    """Take a dead worker's gauges out of the others' metrics."""
    forget_process(worker.pid)


def _endpoint(worker: Any) -> Any:
    return getattr(worker.wsgi, "extensions", {}).get("logstream")


def _close(worker: Any) -> None:
    endpoint = _endpoint(worker)
    if endpoint is not None:
        endpoint.manager.close()
