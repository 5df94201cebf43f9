"""gunicorn's configuration for logstream: `gunicorn -c python:logstream.gunicorn_conf wsgi:app`."""

import os
import sys

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
