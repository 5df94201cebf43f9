"""gunicorn's settings for any app that has LogStream on it, by the name `python:logstream.gunicorn_conf`."""

import os
import sys
from typing import Any

from ..config import RESERVED_THREADS, ConfigurationError, Settings, bind_address
from ..web.metrics import forget_process, prepare_sharing
from .malloc import set_up_malloc
from .shutdown import find_endpoint
from .worker import check_gunicorn

try:
    check_gunicorn()
    bind = bind_address()
    _settings = Settings.load({})
except ConfigurationError as error:
    sys.exit(f"logstream: {error}")

set_up_malloc()

worker_class = "logstream.server.worker.Worker"
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
    """Leave threads to HTTP, and begin what does not wait for a client."""
    endpoint = find_endpoint(worker)
    if endpoint is not None:
        endpoint.limit_connections(worker.cfg.threads)
        if endpoint.fleet is not None:
            endpoint.fleet.begin()


def child_exit(server: Any, worker: Any) -> None:
    """Take a dead worker's gauges out of the others' metrics."""
    forget_process(worker.pid)
