"""The stand-alone server: an application with nothing but logstream in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify, request

from .diagnostics import set_up_logging
from .extension import LogStream
from .protocol import ProtocolError, check_session_name
from .sessions import list_sessions


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the server's application; `config` is added to its Flask config. Raises ConfigurationError."""
    app = Flask(__name__, static_folder=None)
    app.config.update(config or {})
    set_up_logging()
    logs = LogStream(app)

    @app.before_request
    def check_access() -> Response | None:
        return logs.check_access(monitoring=request.endpoint == "healthz")

    @app.get("/sessions")
    def sessions() -> Response:
        listed = list_sessions(app.config["LOGSTREAM_DIRECTORY"], app.config["LOGSTREAM_SUFFIX"])
        return jsonify(
            [
                {
                    "name": session.name,
                    "size": session.size,
                    "changed": session.changed,
                    "complete": logs.manager.is_complete(session.name, session.signature),
                }
                for session in listed
            ]
        )

    @app.post("/sessions/<name>/complete")
    def complete(name: str) -> Response:
        try:
            check_session_name(name, app.config["LOGSTREAM_SUFFIX"])
        except ProtocolError as error:
            return Response(f"{error}\n", status=400, mimetype="text/plain")
        logs.manager.notify_session_completed(name)
        return Response(status=204)

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(logs.counts())

    @app.get("/metrics")
    def metrics() -> Response:
        return logs.metrics()

    return app
