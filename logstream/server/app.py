"""The stand-alone server: an application with nothing but logstream in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, redirect, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as BaseResponse

from ..config import trusted_proxies
from ..web.endpoint import Endpoint
from ..web.extension import LogStream
from ..web.operations import NAME as OPERATIONS
from ..web.page import NAME as PAGE


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the server's application; `config` is added to its Flask config. Raises ConfigurationError."""
    app = Flask(__name__, static_folder=None)
    app.config.update(config or {})
    logs = LogStream(app, url_prefix="/")

    @app.before_request
    def check_access() -> Response | None:
        """For what is nobody's, too: who may not ask is not told what there is."""
        return logs.check_access() if request.blueprint is None else None

    endpoint: Endpoint = app.extensions["logstream"]

    @app.after_request
    def limit_stall(answer: Response) -> Response:
        """Of what is nobody's, too; the page and the operations do so themselves."""
        return answer if request.blueprint in (PAGE, OPERATIONS) else endpoint.limit_stall(answer)

    @app.get("/favicon.ico")
    def icon() -> BaseResponse:
        """What browsers ask for beside a log that is no page."""
        return redirect(url_for(f"{PAGE}.static", filename="icon.svg"))

    proxies = trusted_proxies(app.config)
    if proxies:  # or else anybody could say who they are, and where the server is
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies, proxies, proxies)  # type: ignore[method-assign]
    return app
