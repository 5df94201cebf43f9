"""What programs tell and ask a server beside its page: that a session is complete, how it is, and its metrics."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, request

from ..protocol import ProtocolError, check_session_name
from .endpoint import current_endpoint
from .refusals import plain_answer

NAME = "logstream_operations"


def create_operations() -> Blueprint:
    """The blueprint. The app that it is mounted on has `LogStream` on it too."""
    operations = Blueprint(NAME, __name__)
    operations.before_request(_check_access)
    operations.after_request(lambda response: current_endpoint().limit_stall(response))
    operations.post("/sessions/<name>/complete", endpoint="complete")(_complete)
    operations.get("/healthz", endpoint="healthz")(lambda: jsonify(current_endpoint().counts()))
    operations.get("/metrics", endpoint="metrics")(lambda: current_endpoint().metrics.response())
    return operations


def _complete(name: str) -> Response:
    endpoint = current_endpoint()
    try:
        check_session_name(name, current_app.config["LOGSTREAM_SUFFIX"])
    except ProtocolError as error:
        return plain_answer(str(error), 400)
    if not endpoint.manager.notify_session_completed(name):
        return plain_answer(f"The host of session {name!r} is away.", 503)
    return Response(status=204)


def _check_access() -> Response | None:
    """Before each request: the rules of the app."""
    gate = current_endpoint().gate
    monitoring = (request.endpoint or "").endswith(".healthz")
    refusal = gate.check_view(monitoring=monitoring)
    return None if refusal is None else gate.refuse(refusal)
