"""Tests of the page's routes, without a browser: what they serve, to whom, and under which rules."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from flask import Flask

from logstream import LogStream, create_app
from logstream.engine.logfile import LogFile

from ..serving import Answer, ServerProcess
from ..viewer import Viewer

TOKEN = "correct-horse"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def log_in(server: ServerProcess, token: str, target: str = "/", **headers: str) -> Answer:
    """Send the form."""
    return server.fetch("/login", "POST", FORM | headers, urlencode({"token": token, "next": target}))


def cookie_of(answer: Answer) -> str:
    """What a browser sends back from then on."""
    return answer.headers["Set-Cookie"].partition(";")[0]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a token."""
    process = ServerProcess("gunicorn", tmp_path_factory.mktemp("server"), LOGSTREAM_TOKEN=TOKEN)
    yield process
    assert "Traceback" not in process.stop()


@pytest.fixture(scope="module", params=["gunicorn", "flask"])
def dashboard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """An app with a hook, under both servers, for all tests."""
    process = ServerProcess(request.param, tmp_path_factory.mktemp("dashboard"), app="tests.dashboard")
    yield process
    process.stop()


@pytest.mark.parametrize(
    "path", ["/", "/sessions/build", "/static/session.js", "/static/1/session.js", "/sessions", "/sessions/build/raw"]
)
def test_a_strict_policy_stands_behind_every_answer(server: ServerProcess, path: str) -> None:
    """Only the server's own files run, no markup is made of text, and nothing is told to other hosts."""
    server.log("build").write_text("text")
    answer = server.fetch(path)
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert f"connect-src 'self' ws://127.0.0.1:{server.port} wss://127.0.0.1:{server.port}" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in " ".join(policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_names_are_only_text(server: ServerProcess) -> None:
    """A session's name is not taken for markup, wherever it stands."""
    name = "<script>alert(1)<script>\"'&"
    body = server.fetch(f"/sessions/{quote(name, safe='')}").body.decode()
    assert "<script>alert" not in body
    (script,) = re.findall(r"<script[^>]*>", body)
    assert re.fullmatch(r'<script type="module" src="/static/\w+/session.js">', script)


def test_sessions_are_listed_newest_first(server: ServerProcess) -> None:
    """Each has its name, size, last change and whether it is complete."""
    for name, changed in (("list-old", 1000), ("list-new", 3000), ("list-middle", 2000)):
        server.log(name).write_text(name)
        os.utime(server.log(name), (changed, changed))
    server.complete("list-old")
    listed = [session for session in json.loads(server.fetch("/sessions").body) if session["name"].startswith("list-")]
    assert [session["name"] for session in listed] == ["list-new", "list-middle", "list-old"]
    assert listed[0] == {
        **{"name": "list-new", "size": 8, "changed": 3000, "complete": False},
        **{"state": "quiet", "since": 3000},
    }
    assert (listed[2]["complete"], listed[2]["state"]) == (True, "complete")
    assert abs(listed[2]["since"] - time.time()) < 60
    server.log("list-now").touch()
    assert json.loads(server.fetch("/sessions").body)[0]["state"] == "live"


def test_people_without_the_token_get_a_form(guarded: ServerProcess) -> None:
    """A page answers 401 with a form that leads back to it; all else answers 401 in a word."""
    answer = guarded.fetch("/sessions/a%20b")
    assert answer.status == 401
    assert 'name="next" value="/sessions/a%20b"' in answer.body.decode()
    nonce = re.search(r"style-src 'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
    assert nonce
    assert f'<style nonce="{nonce[1]}">' in answer.body.decode()
    assert f"script-src 'nonce-{nonce[1]}'" in answer.headers["Content-Security-Policy"]
    for path in ("/sessions", "/sessions/a/raw", "/static/session.js", "/static/1/style.css"):
        answer = guarded.fetch(path)
        assert (answer.status, answer.headers.get_content_type()) == (401, "text/plain")
    assert guarded.fetch("/logout", "POST").status == 401


def test_logging_in_opens_everything_to_the_browser(guarded: ServerProcess) -> None:
    """The right token gives a cookie, which pages, files and the WebSocket accept, and no script can read."""
    guarded.log("a").write_text("text")
    wrong = log_in(guarded, "wrong")
    assert wrong.status == 401
    assert "not the token" in wrong.body.decode()
    assert "Set-Cookie" not in wrong.headers
    answer = log_in(guarded, TOKEN, "/sessions/a")
    assert (answer.status, answer.headers["Location"]) == (303, "/sessions/a")
    attributes = answer.headers["Set-Cookie"]
    assert "HttpOnly" in attributes
    assert "SameSite=Lax" in attributes
    assert "Secure" not in attributes
    assert TOKEN not in attributes
    headers = {"Cookie": cookie_of(answer)}
    files = ("/static/session.js", "/static/1/session.js")
    for path in ("/", "/sessions", "/sessions/a", "/sessions/a/raw", *files, "/metrics"):
        assert guarded.fetch(path, headers=headers).status == 200
    with Viewer(guarded.port, headers=f"Cookie: {cookie_of(answer)}\r\n") as viewer:
        viewer.subscribe("a")
        assert viewer.receive()["data"] == "text"
    evil = {"Origin": "http://evil.example"}
    assert guarded.fetch("/sessions/a/complete", "POST", headers | evil).status == 403
    assert TOKEN not in guarded.output()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 300000000", 415),
        ("Content-Type: application/json\r\nContent-Length: 2", 415),
        ("Content-Length: 100", 415),
        (f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: 300000000", 413),
        (f"Content-Type: {FORM['Content-Type']}\r\nTransfer-Encoding: chunked", 411),
    ],
)
def test_only_a_small_form_is_read_of_who_is_not_logged_in(guarded: ServerProcess, headers: str, status: int) -> None:
    """Anything else is refused by its headers, before a byte of it has come."""
    with socket.create_connection(("127.0.0.1", guarded.port), 5) as sock:
        sock.sendall(f"POST /login HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode())
        assert sock.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_token_in_an_address_does_not_stay_there(guarded: ServerProcess) -> None:
    """A page that is opened with ?token= gives the cookie and goes on without it."""
    answer = guarded.fetch(f"/sessions/a?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (303, "/sessions/a")
    assert guarded.fetch("/sessions/a", headers={"Cookie": cookie_of(answer)}).status == 200
    assert guarded.fetch("/sessions/a?token=wrong").status == 401
    assert guarded.fetch(f"/sessions?token={TOKEN}").status == 200


def test_logging_out_takes_the_cookie_away(guarded: ServerProcess) -> None:
    """Who is logged in by a cookie finds a button that ends it."""
    headers = {"Cookie": cookie_of(log_in(guarded, TOKEN))}
    assert b'action="/logout"' in guarded.fetch("/", headers=headers).body
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert b'action="/logout"' not in guarded.fetch("/", headers=bearer).body
    cookie = SimpleCookie(guarded.fetch("/logout", "POST", headers).headers["Set-Cookie"])
    assert [(morsel.value, morsel["max-age"]) for morsel in cookie.values()] == [("", "0")]


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:alert(1)", ""],
)
def test_the_form_leads_to_no_other_server(guarded: ServerProcess, target: str) -> None:
    """Where a form that somebody else made would lead elsewhere, it leads to the list."""
    assert log_in(guarded, TOKEN, target).headers["Location"] == "/"


def test_behind_tls_the_cookie_stays_there(guarded: ServerProcess) -> None:
    """A proxy that ends TLS says so, and the browser then keeps the cookie to it."""
    assert "Secure" in log_in(guarded, TOKEN, **{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


def test_without_a_token_there_is_nothing_to_log_in_to(server: ServerProcess) -> None:
    """The form's address exists only where there is a token."""
    assert log_in(server, "").status == 404


def test_the_cookie_follows_from_the_token_alone(tmp_path: Path) -> None:
    """It holds over restarts, and a new token makes an old one worthless."""
    cookies = []
    for token in (TOKEN, TOKEN, "another"):
        app = create_app({"LOGSTREAM_DIRECTORY": tmp_path, "LOGSTREAM_TOKEN": token})
        with app.test_client() as client:
            cookies.append(client.post("/login", data={"token": token}).headers["Set-Cookie"].partition(";")[0])
    assert cookies[0] == cookies[1]
    assert cookies[0].partition("=")[0] != cookies[2].partition("=")[0]
    assert cookies[0].partition("=")[2] != cookies[2].partition("=")[2]


def test_a_dashboard_has_the_page_where_it_likes(dashboard: ServerProcess) -> None:
    """All addresses in it follow, and the app's own routes stay as they are."""
    alice = {"X-User": "alice"}
    body = dashboard.fetch("/logs/sessions/build", headers=alice).body.decode()
    (script,) = re.findall(r'src="(/logs/static/\w+/session.js)"', body)
    assert dashboard.fetch(script, headers=alice).status == 200
    assert 'data-endpoint="/ws"' in body
    assert dashboard.fetch("/logs/", headers=alice).status == 200
    assert dashboard.fetch("/logs/static/logstream.js", headers=alice).status == 200
    assert dashboard.fetch("/").body == b"the dashboard"


def test_an_app_may_name_the_blueprint(tmp_path: Path) -> None:
    """Under a name of the app's choice all is the same, the form for the token too."""
    app = Flask("plain", static_folder=None)
    app.config.update(LOGSTREAM_DIRECTORY=str(tmp_path), LOGSTREAM_TOKEN=TOKEN)
    app.register_blueprint(LogStream(app).page(), name="logs", url_prefix="/logs")
    with app.test_client() as client:
        assert client.get("/logs/sessions/a").status_code == 401
        answer = client.post("/logs/login", data={"token": TOKEN, "next": "/logs/sessions/a"})
        assert answer.headers["Location"] == "/logs/sessions/a"
        assert re.search(rb'src="/logs/static/\w+/session.js"', client.get("/logs/sessions/a").data)


def test_the_hook_decides_what_the_page_shows(dashboard: ServerProcess) -> None:
    """A session that a user may not follow is neither listed nor shown nor served to that user."""
    for name in ("build", "secret", "broken"):
        dashboard.log(name).write_text("text")
    alice, bob = {"X-User": "alice"}, {"X-User": "bob"}
    assert dashboard.fetch("/logs/sessions").status == 403
    assert [one["name"] for one in json.loads(dashboard.fetch("/logs/sessions", headers=alice).body)] == ["build"]
    assert json.loads(dashboard.fetch("/logs/sessions", headers=bob).body) == []
    for path in ("/logs/sessions/{}", "/logs/sessions/{}/raw"):
        assert dashboard.fetch(path.format("build"), headers=alice).status == 200
        for name in ("secret", "broken"):
            assert dashboard.fetch(path.format(name), headers=alice).status == 403
        assert dashboard.fetch(path.format("build"), headers=bob).status == 403
    assert "refused a request for '/logs/sessions/secret': the authorize hook says no" in dashboard.output()


def test_an_app_may_leave_the_page_out(tmp_path: Path) -> None:
    """The extension by itself adds the endpoint, and why it refuses, and nothing else."""
    app = Flask("plain", static_folder=None)
    app.config["LOGSTREAM_DIRECTORY"] = str(tmp_path)
    LogStream(app)
    assert {rule.rule for rule in app.url_map.iter_rules()} == {"/ws"}


def test_below_a_prefix_the_cookie_is_for_that_alone(tmp_path: Path) -> None:
    """Behind a proxy that serves the app below a prefix, addresses and cookie have it too."""
    app = create_app({"LOGSTREAM_DIRECTORY": tmp_path, "LOGSTREAM_TOKEN": TOKEN})
    with app.test_client() as client:
        answer = client.post("/login", data={"token": TOKEN}, environ_overrides={"SCRIPT_NAME": "/tools"})
    assert answer.headers["Location"] == "/tools/"
    assert "Path=/tools" in answer.headers["Set-Cookie"]


def test_one_session_as_json_is_under_the_rules_of_its_log(guarded: ServerProcess, dashboard: ServerProcess) -> None:
    """Without the token a word instead of a form; and the hook is asked, whether there is such a log or not."""
    json_please = {"Accept": "application/json"}
    answer = guarded.fetch("/sessions/a", headers=json_please)
    assert (answer.status, answer.headers.get_content_type()) == (401, "text/plain")
    guarded.log("a").write_text("text")
    answer = guarded.fetch("/sessions/a", headers=json_please | {"Authorization": f"Bearer {TOKEN}"})
    row = json.loads(answer.body)
    assert (answer.status, row["name"], row["size"], row["state"]) == (200, "a", 4, "live")
    assert [row] == json.loads(guarded.fetch("/sessions", headers={"Authorization": f"Bearer {TOKEN}"}).body)
    alice = json_please | {"X-User": "alice"}
    assert dashboard.fetch("/logs/sessions/secret", headers=alice).status == 403
    assert dashboard.fetch("/logs/sessions/none", headers=alice).status == 404
    for name in ("..%2Fx", "%00", "x" * 300):
        assert dashboard.fetch(f"/logs/sessions/{name}", headers=alice).status == 404


def test_a_log_that_cannot_be_read_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told in a sentence, without a path."""
    (tmp_path / "a.out").write_text("text")
    monkeypatch.setenv("LOGSTREAM_DIRECTORY", str(tmp_path))

    def fail(file: LogFile) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(LogFile, "state", fail)
    answer = create_app().test_client().get("/sessions/a/raw")
    assert (answer.status_code, answer.text) == (503, "Session 'a' cannot be read.\n")


def test_who_needs_no_token_leaves_without_a_cookie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none to take away."""
    monkeypatch.setenv("LOGSTREAM_DIRECTORY", str(tmp_path))
    answer = create_app().test_client().post("/logout")
    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers
