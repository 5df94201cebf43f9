"""The stand-alone server: an application with nothing but logstream in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify, redirect, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as BaseResponse

from ..config import trusted_proxies
from ..protocol import ProtocolError, check_session_name
from ..web.endpoint import Endpoint
from ..web.extension import LogStream
from ..web.page import NAME as PAGE
from .log import set_up_logging


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the server's application; `config` is added to its Flask config. Raises ConfigurationError."""
    app = Flask(__name__, static_folder=None)
    app.config.update(config or {})
    set_up_logging()
    logs = LogStream(app)
    app.register_blueprint(logs.page())

    @app.before_request
    def check_access() -> Response | None:
        if request.blueprint == PAGE:
            return None  # which asks for a token by a form
        return logs.check_access(monitoring=request.endpoint == "healthz")

    endpoint: Endpoint = app.extensions["logstream"]
    app.after_request(endpoint.limit_stall)

    @app.post("/sessions/<name>/complete")
    def complete(name: str) -> Response:
        try:
            check_session_name(name, app.config["LOGSTREAM_SUFFIX"])
        except ProtocolError as error:
            return Response(f"{error}\n", status=400, mimetype="text/plain")
        if not logs.complete(name):
            return Response(f"The host of session {name!r} is away.\n", status=503, mimetype="text/plain")
        return Response(status=204)

    @app.get("/favicon.ico")
    def icon() -> BaseResponse:
        """What browsers ask for beside a log that is no page."""
        return redirect(url_for(f"{PAGE}.static", filename="icon.svg"))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(logs.counts())

    @app.get("/metrics")
    def metrics() -> Response:
        return logs.metrics()

    proxies = trusted_proxies(app.config)
    if proxies:  # or else anybody could say who they are, and where the server is
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies, proxies, proxies)  # type: ignore[method-assign]
    return app
