"""gunicorn's settings for any app that has LogStream on it, by the name `python:logstream.gunicorn_conf`."""

import gc
import importlib
import os
import sys
from typing import Any

from ..config import RESERVED_THREADS, ConfigurationError, Settings, bind_address, trusted_proxies
from .malloc import set_up_malloc
from .shared_metrics import SharedMetrics
from .shutdown import find_endpoint
from .worker import check_gunicorn

try:
    check_gunicorn()
    bind = bind_address()
    _settings = Settings.load({})
    trusted_proxies({})  # a number, or not
except ConfigurationError as error:
    sys.exit(f"logstream: {error}")

set_up_malloc()
for _module in ("logstream.web.extension", *(["logstream.fleet.dashboard"] if _settings.redis is not None else [])):
    importlib.import_module(_module)  # before there are workers, which share what it takes

worker_class = "logstream.server.worker.Worker"
threads = max(1000, (_settings.max_connections or 0) + RESERVED_THREADS)  # requests at once
worker_connections = threads + 100
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"  # the heartbeat must not wait for a disk
control_socket_disable = True
keepalive = 1  # seconds; a stopping worker waits for idle HTTP connections as long
graceful_timeout = 2  # seconds that a stopping worker has, once its WebSockets are told to go


_metrics = SharedMetrics()


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """At first before the app is loaded, with `--preload` too."""
    _metrics.share(server, new_value)


def on_starting(server: Any) -> None:
    """Begin without the metrics of an earlier server."""
    _metrics.clear()


def when_ready(server: Any) -> None:
    """Have no search for garbage look at the modules: not in the workers, which share their memory, nor at an end."""
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """Make room for a worker's metrics."""
    _metrics.reserve(worker)


def post_worker_init(worker: Any) -> None:
    """Leave threads to HTTP, and begin what needs no client."""
    endpoint = find_endpoint(worker)
    if endpoint is not None:
        endpoint.limit_connections(worker.cfg.threads)
        endpoint.begin()
    gc.freeze()  # with the app


def child_exit(server: Any, worker: Any) -> None:
    """Take a dead worker's gauges out of the others' metrics."""
    _metrics.forget(worker.pid)


def on_exit(server: Any) -> None:
    """Leave no metrics behind."""
    _metrics.remove()
