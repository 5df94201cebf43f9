"""A dashboard that has logstream mounted beside routes of its own; its users say who they are in a header."""

import threading
from collections.abc import Iterator

from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import Server

from logstream import LogStream


def authorize(session_name: str | None) -> bool:
    """Alice may see everything but the secret, Bob may connect, and asking for `broken` is a bug.

    It uses what Flask apps use: what is loaded before each request, and what is given back at its end.
    """
    if "database" not in g:
        g.database = object()
        connections.append(g.database)
    user = g.user
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


connections: list[object] = []  # to a database, that are held
gone: set[str] = set()  # users that have logged out


@app.before_request
def load_user() -> Response | None:
    """Who it is, or a way to the form."""
    g.user = request.headers.get("X-User")
    return Response("log in", 401) if g.user in gone else None


@app.teardown_appcontext
def give_back(error: BaseException | None) -> None:
    """What a pool of connections does."""
    if "database" in g:
        connections.remove(g.database)


@app.post("/logout/<user>")
def logout(user: str) -> str:
    """End a user's session."""
    gone.add(user)
    return ""


@app.get("/held")
def held() -> str:
    """How many connections to the database are held."""
    return str(len(connections))


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


@app.post("/upload")
def upload() -> str:
    """How many bytes a request has brought."""
    return str(len(request.get_data()))


@app.get("/breaks")
def breaks() -> Response:
    """An answer that is not finished."""

    def body() -> Iterator[bytes]:
        yield b"begin"
        raise RuntimeError("a bug in the dashboard")

    return Response(body())


@app.post("/close")
def close() -> Response:
    """What an app calls that ends."""
    logs.manager.close()
    return Response(status=204)


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """The dashboard's own, of the same name."""
    return logs.counts()
