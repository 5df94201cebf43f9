"""gunicorn's configuration for logstream: `gunicorn -c python:logstream.gunicorn_conf wsgi:app`."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from logstream.config import ConfigurationError, Settings, bind_address

try:
    bind = bind_address()
    Settings.load({})
except ConfigurationError as error:
    sys.exit(f"logstream: {error}")

worker_class = "gthread"
workers = 1  # each would follow files for itself, and a completion reaches the one that is told of it
threads = 1000  # one for each connection; made when first needed
worker_connections = threads + 100
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"  # the heartbeat must not wait for a disk
control_socket_disable = True
keepalive = 1  # seconds; a stopping worker waits for idle HTTP connections as long
graceful_timeout = 2  # seconds that a stopping worker has, once its WebSockets are told to go


def post_worker_init(worker: Any) -> None:
    """Close WebSockets at once when a worker is told to stop; gunicorn would wait for them."""
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


def _close(worker: Any) -> None:
    endpoint = getattr(worker.wsgi, "extensions", {}).get("logstream")
    if endpoint is not None:
        endpoint.manager.close()
