"""The name by which gunicorn is given its configuration: `gunicorn -c python:logstream.gunicorn_conf wsgi:app`."""

from .server.gunicorn_conf import *  # noqa: F403
