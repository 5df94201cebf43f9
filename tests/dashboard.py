"""A dashboard that has logstream mounted beside routes of its own; its users say who they are in a header."""

import threading

from flask import Flask, Response, request
from flask_sock import Sock
from simple_websocket import Server

from logstream import LogStream


def authorize(session_name: str | None) -> bool:
    """Alice may see everything but the secret, Bob may connect, and asking for `broken` is a bug."""
    user = request.headers.get("X-User")
    if session_name is None:
        return user in ("alice", "bob")
    if session_name == "broken":
        raise RuntimeError("a bug in the hook")
    return user == "alice" and session_name != "secret"


class OwnThread(threading.Thread):
    """What the dashboard's own WebSockets are read on."""


class OwnResponse(Response):
    """What the dashboard's own routes answer."""


app = Flask(__name__)
app.response_class = OwnResponse
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25, "subprotocols": ["echo"], "thread_class": OwnThread}
logs = LogStream(app, authorize=authorize)
app.register_blueprint(logs.page(), url_prefix="/logs")


@Sock(app).route("/echo")
def echo(ws: Server) -> None:
    """A WebSocket of the dashboard's own."""
    while True:
        text = ws.receive()
        ws.send(type(ws.thread).__name__ if text == "thread?" else text)


@app.get("/options")
def options() -> str:
    """The options of the dashboard's own WebSockets."""
    return repr(app.config["SOCK_SERVER_OPTIONS"])


@app.get("/")
def index() -> str:
    """A route of the dashboard's own."""
    return "the dashboard"


@app.post("/close")
def close() -> Response:
    """What an app calls that ends."""
    logs.manager.close()
    return Response(status=204)


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """The dashboard's own, of the same name."""
    return logs.counts()
