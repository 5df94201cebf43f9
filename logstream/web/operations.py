"""What programs tell and ask a server beside its page: that a session is complete, how it is, and its metrics."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from ..protocol import ProtocolError, check_session_name
from .endpoint import Endpoint

NAME = "logstream_operations"


def create_operations() -> Blueprint:
    """The blueprint. The app that it is mounted on has `LogStream` on it too."""
    operations = Blueprint(NAME, __name__)
    operations.before_request(_check_access)
    operations.after_request(lambda response: _endpoint().limit_stall(response))
    operations.post("/sessions/<name>/complete", endpoint="complete")(_complete)
    operations.get("/healthz", endpoint="healthz")(lambda: jsonify(_endpoint().counts()))
    operations.get("/metrics", endpoint="metrics")(lambda: _endpoint().metrics.response())
    return operations


def _complete(name: str) -> Response:
    endpoint = _endpoint()
    try:
        check_session_name(name, current_app.config["LOGSTREAM_SUFFIX"])
    except ProtocolError as error:
        return Response(f"{error}\n", status=400, mimetype="text/plain")
    if not endpoint.manager.notify_session_completed(name):
        return Response(f"The host of session {name!r} is away.\n", status=503, mimetype="text/plain")
    return Response(status=204)


def _check_access() -> Response | None:
    """Before each request: the rules of the app."""
    gate = _endpoint().gate
    monitoring = (request.endpoint or "").endswith(".healthz")
    refusal = gate.check(monitoring=monitoring) or gate.check_session((request.view_args or {}).get("name"))
    return None if refusal is None else gate.refuse(refusal)


def _endpoint() -> Endpoint:
    return cast(Endpoint, current_app.extensions["logstream"])
