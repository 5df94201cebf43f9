"""Tests of who may connect: the rules, and their answers over real sockets."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from logstream.config import Settings
from logstream.web.access import Access

from ..serving import Starting, wait_until
from ..viewer import RefusedError, Viewer

TOKEN = "correct-horse"


def status(access: Access, headers: dict[str, str] | None = None, peer: str = "127.0.0.1", query: str = "") -> int:
    """The HTTP status that a request from `peer` is refused with; 0 if it is not."""
    headers = {"Host": "localhost:8000"} | (headers or {})
    builder = EnvironBuilder("/ws", query_string=query, headers=headers, environ_base={"REMOTE_ADDR": peer})
    with Flask("test").request_context(builder.get_environ()):
        refusal = access.check(request)
    return refusal.status if refusal else 0


@pytest.mark.parametrize(
    ("peer", "host", "expected"),
    [
        ("127.0.0.1", "localhost:8000", 0),
        ("127.0.0.1", "LOCALHOST", 0),
        ("127.8.8.8", "127.0.0.1:8000", 0),
        ("::1", "[::1]:8000", 0),
        ("::1", "::1", 0),
        ("::ffff:127.0.0.1", "localhost", 0),
        ("192.168.1.9", "localhost:8000", 403),
        ("::ffff:10.0.0.1", "localhost:8000", 403),
        ("", "localhost", 403),
        ("127.0.0.1", "evil.example", 403),
        ("127.0.0.1", "evil.example:8000", 403),
        ("127.0.0.1", "localhost.evil.example", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", 403),
        ("127.0.0.1", "evil.example@localhost", 403),
        ("127.0.0.1", "192.168.1.9:8000", 403),
        ("127.0.0.1", "", 403),
    ],
)
def test_without_a_token_only_this_machine_by_its_own_name(peer: str, host: str, expected: int) -> None:
    """Loopback peers that name a loopback host are served, and nobody else."""
    assert status(Access(Settings()), {"Host": host}, peer) == expected


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", "203.0.113.5"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Server", "localhost"),
        ("X-Real-IP", "203.0.113.5"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("CF-Connecting-IP", "203.0.113.5"),
        ("Connection", "upgrade"),
    ],
)
def test_a_proxy_on_this_machine_does_not_let_others_in(header: str, value: str) -> None:
    """Whatever shows that a proxy stands between makes a request one from elsewhere: it needs a token or a hook."""
    assert status(Access(Settings()), {header: value}) == 403
    assert status(Access(Settings(token=TOKEN)), {header: value, "Authorization": f"Bearer {TOKEN}"}) == 0
    assert status(Access(Settings(), lambda name: True), {header: value}) == 0


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", 0),
        ("http://LOCALHOST:8000", "localhost:8000", 0),
        ("http://localhost", "localhost:80", 0),
        ("https://localhost", "localhost", 0),
        ("http://evil.example", "localhost:8000", 403),
        ("http://localhost:8000.evil.example", "localhost:8000", 403),
        ("http://localhost:3000", "localhost:8000", 403),
        ("http://127.0.0.1:8000", "localhost:8000", 403),
        ("null", "localhost:8000", 403),
        ("", "localhost:8000", 403),
        ("file://", "localhost:8000", 403),
        ("http://localhost:8000/path", "localhost:8000", 403),
        ("http://localhost:x", "localhost:8000", 403),
        ("http://dashboard.example", "localhost:8000", 0),
        ("https://other.example:8443", "localhost:8000", 0),
        ("https://dashboard.example", "localhost:8000", 403),
    ],
)
def test_a_browser_must_act_for_a_page_of_ours(origin: str, host: str, expected: int) -> None:
    """The page's origin is the server's own, or one that is allowed; no token makes up for another one."""
    allowed = "http://dashboard.example, https://other.example:8443"
    config: dict[str, Any] = {"LOGSTREAM_ALLOWED_ORIGINS": allowed}
    assert status(Access(Settings.load(config, {})), {"Origin": origin, "Host": host}) == expected
    access = Access(Settings.load(config | {"LOGSTREAM_TOKEN": TOKEN}, {}))
    headers = {"Origin": origin, "Host": host, "Authorization": f"Bearer {TOKEN}"}
    assert status(access, headers, "203.0.113.5") == expected


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, "", 0),
        ({"Authorization": f"bearer  {TOKEN}"}, "", 0),
        ({}, f"token={TOKEN}", 0),
        ({}, f"x=1&token={TOKEN}", 0),
        ({"Authorization": "Basic eDp5"}, f"token={TOKEN}", 0),
        ({}, "", 401),
        ({}, "token=", 401),
        ({}, "token=wrong", 401),
        ({}, f"token={TOKEN}x", 401),
        ({}, "token=größer", 401),
        ({"Authorization": TOKEN}, "", 401),
        ({"Authorization": f"Basic {TOKEN}"}, "", 401),
        ({"Authorization": "Bearer"}, "", 401),
    ],
)
def test_with_a_token_whoever_shows_it(headers: dict[str, str], query: str, expected: int) -> None:
    """The token counts in the header and in the address, from any machine, and nothing else does."""
    access = Access(Settings(token=TOKEN))
    assert status(access, {"Host": "logs.example"} | headers, "203.0.113.5", query) == expected
    assert status(access, headers, "127.0.0.1", query) == expected


def test_a_hook_decides_alone_or_beside_a_token() -> None:
    """With a hook other machines may ask; the token and the page's origin have to be right all the same."""
    asked: list[str | None] = []

    def authorize(session_name: str | None) -> bool:
        asked.append(session_name)
        return request.headers.get("X-User") == "alice"

    access = Access(Settings(), authorize)
    assert status(access, {"X-User": "alice", "Host": "logs.example"}, "203.0.113.5") == 0
    assert status(access, {"X-User": "bob"}) == 403
    assert asked == [None, None]
    assert status(access, {"X-User": "alice", "Origin": "http://evil.example"}) == 403
    both = Access(Settings(token=TOKEN), authorize)
    assert status(both, {"X-User": "alice"}) == 401
    assert status(both, {"X-User": "alice"}, query=f"token={TOKEN}") == 0


def test_a_hook_may_abort() -> None:
    """A hook that ends in abort(401), (403) or (404) says no; what else it raises is not swallowed."""
    for code in (401, 403, 404):
        assert status(Access(Settings(), lambda name, code=code: abort(code))) == 403  # type: ignore[misc]
    with pytest.raises(ZeroDivisionError):
        status(Access(Settings(), lambda name: 1 / 0))


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_refusals_come_before_the_upgrade(start: Starting, kind: str) -> None:
    """A page of somebody else's, or another host name, gets 403 on every route, and the operator is told why."""
    server = start(kind)
    for options in ({"host": "evil.example"}, {"headers": "Origin: http://evil.example\r\n"}):
        with pytest.raises(RefusedError) as caught:
            Viewer(server.port, **options)
        assert caught.value.status == 403
    for path, method in (
        ("/metrics", "GET"),
        ("/healthz", "GET"),
        ("/nothing", "GET"),
        ("/sessions/a/complete", "POST"),
    ):
        assert server.request(path, method, {"Host": "evil.example"})[0] == 403
    Viewer(server.port, headers=f"Origin: http://127.0.0.1:{server.port}\r\n").close()
    assert "LOGSTREAM_TOKEN" in server.output()
    assert "LOGSTREAM_ALLOWED_ORIGINS" in server.output()
    server.stop()


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_token_opens_every_route_and_is_in_no_log(start: Starting, kind: str) -> None:
    """401 without it, also for what does not exist; /healthz needs none; no log shows it, however it was sent."""
    options = {"GUNICORN_CMD_ARGS": "--access-logfile - --log-level debug", "LOGSTREAM_LOG_LEVEL": "debug"}
    server = start(kind, LOGSTREAM_TOKEN=TOKEN, **options)
    server.log("a").write_text("text")
    for path, method in (("/metrics", "GET"), ("/nothing", "GET"), ("/sessions/a/complete", "POST")):
        assert server.request(path, method)[0] == 401
        assert server.request(f"{path}?token={TOKEN}", method)[0] != 401
        assert server.request(path, method, {"Authorization": f"Bearer {TOKEN}"})[0] != 401
    assert server.request(f"/nothing?a=b&%74oken={TOKEN}", headers={"Referer": f"http://x/?token={TOKEN}"})[0] == 404
    assert server.request("/healthz", headers={"Host": "balancer"})[0] == 200
    with pytest.raises(RefusedError) as caught:
        Viewer(server.port)
    assert caught.value.status == 401
    assert "WWW-Authenticate: Bearer" in str(caught.value)
    for options in ({"path": f"/ws?token={TOKEN}"}, {"headers": f"Authorization: Bearer {TOKEN}\r\n"}):
        with Viewer(server.port, **options) as viewer:
            viewer.subscribe("a")
            assert viewer.receive()["data"] == "text"
    wait_until(lambda: json.loads(server.request("/healthz")[1])["connections"] == 0)
    output = server.stop()
    assert TOKEN not in output
    assert "/nothing?token=[hidden]" in output
    assert "LOGSTREAM_TOKEN" in output


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_a_proxy_that_says_nothing_does_not_let_others_in(start: Starting, kind: str) -> None:
    """What nginx makes of anybody's request by a bare `proxy_pass` is refused, and the operator is told why."""
    request_of_nginx = b"GET /sessions HTTP/1.0\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n\r\n"
    for options, answer in (({}, b"403"), ({"LOGSTREAM_TOKEN": TOKEN}, b"401")):
        server = start(kind, **options)
        with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
            sock.sendall(request_of_nginx)
            assert sock.recv(1000).split()[1] == answer
        output = server.stop()
    assert "LOGSTREAM_TOKEN" in output


def test_a_unix_sockets_peer_is_this_machine(start: Starting, tmp_path: Path) -> None:
    """Without a token, whoever may open the socket is served, but no proxy that is in front of it."""
    path = tmp_path / "logstream.sock"
    server = start("gunicorn", GUNICORN_CMD_ARGS=f"--bind 127.0.0.1:0 --bind unix:{path}")
    for headers, answer in ((b"", b"200"), (b"X-Forwarded-For: 203.0.113.5\r\n", b"403"), (b"Via: 1.1 x\r\n", b"403")):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(path))
            sock.sendall(b"GET /sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + b"\r\n")
            assert sock.recv(1000).split()[1] == answer
    server.stop()


@pytest.mark.parametrize(("code", "refused"), [(401, True), (403, True), (404, True), (500, False), (503, False)])
@pytest.mark.parametrize("where", ["the hook", "before the request"])
def test_only_a_refusal_of_the_app_s_is_one(where: str, code: int, refused: bool) -> None:
    """Whatever else it answers with is its own error, now and when it is asked again later."""
    app = Flask("test")

    def say_no() -> None:
        abort(code)

    if where == "before the request":
        app.before_request(say_no)
    access = Access(Settings(), lambda name: say_no() if where == "the hook" else True)
    environ = EnvironBuilder("/ws").get_environ()
    if refused:
        assert not access.allows_later(app, environ, "a")
    else:
        with pytest.raises(HTTPException) as raised:
            access.allows_later(app, environ, "a")
        assert raised.value.code == code
