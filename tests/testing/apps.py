"""An app as those who embed logstream make it."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, request

from logstream import LogStream


def make_app(directory: Path, **config: object) -> tuple[Flask, LogStream]:
    """A new app each time; whoever says to be Eve is not let in, and nobody sees the session `secret`."""
    app = Flask("dashboard")
    app.config.update(LOGSTREAM_DIRECTORY=str(directory), LOGSTREAM_TMUX="off", **config)
    logs = LogStream(app, authorize=lambda name: request.headers.get("X-User") != "eve" and name != "secret")
    app.get("/")(lambda: "the dashboard")
    return app, logs
