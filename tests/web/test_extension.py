"""Tests of mounting the extension on an app."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from logstream import ConfigurationError, LogStream, LogStreamManager

from ..serving import ServerProcess, wait_until
from ..viewer import TEXT, ClosedError, RefusedError, Viewer


def test_the_extension_is_mounted_as_flask_extensions_are(tmp_path: Path) -> None:
    """It goes with the application factory, keeps its state in the app, and leaves the app's own routes alone."""
    logs = LogStream()
    with pytest.raises(RuntimeError, match="init_app"):
        _ = logs.manager
    app, other = Flask("one"), Flask("other")
    app.config["LOGSTREAM_DIRECTORY"] = str(tmp_path)
    app.get("/healthz")(lambda: "mine")
    logs.init_app(app)
    first = logs.manager
    assert isinstance(first, LogStreamManager)
    logs.init_app(other)
    with app.app_context():
        assert logs.manager is first
    assert logs.manager is not first
    assert app.test_client().get("/healthz").text == "mine"
    assert app.test_client().get("/ws").status_code == 400


def test_a_config_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """A directory that is a file stops the app at once."""
    (tmp_path / "file").touch()
    app = Flask("app")
    app.config["LOGSTREAM_DIRECTORY"] = str(tmp_path / "file")
    with pytest.raises(ConfigurationError, match="LOGSTREAM_DIRECTORY"):
        LogStream(app)


@pytest.fixture(scope="module", params=["gunicorn", "flask"])
def lasting_dashboard(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The app under both servers, for tests that leave nothing behind in it."""
    base = tmp_path_factory.mktemp("dashboard")
    process = ServerProcess(request.param, base, app="tests.dashboard", LOGSTREAM_RECHECK="1")
    yield process
    process.stop()


def user(server: ServerProcess, name: str) -> Viewer:
    """A viewer who says who it is."""
    return Viewer(server.port, headers=f"X-User: {name}\r\n")


def test_the_hook_decides_who_connects_and_who_sees_what(lasting_dashboard: ServerProcess) -> None:
    """Refused before the upgrade, or by session with an error; a hook that fails refuses, and is the operator's bug."""
    for name in ("a", "secret", "broken"):
        lasting_dashboard.log(name).write_text(name)
    with pytest.raises(RefusedError) as caught:
        user(lasting_dashboard, "eve")
    assert caught.value.status == 403
    with user(lasting_dashboard, "alice") as alice, user(lasting_dashboard, "bob") as bob:
        for viewer, name, kind in (
            (alice, "a", "logs:data"),
            (alice, "secret", "logs:error"),
            (alice, "broken", "logs:error"),
            (bob, "a", "logs:error"),
        ):
            viewer.subscribe(name)
            answer = viewer.receive()
            assert (answer["type"], answer["sessionName"]) == (kind, name)
        with lasting_dashboard.log("a").open("a") as file:
            file.write(" goes on")
        alice.read_text("a", "a goes on")
        assert bob.drain(0.2) == []
    assert lasting_dashboard.output().count("RuntimeError: a bug in the hook") == 1
    said = lasting_dashboard.output()
    where = r"\[(.*)\] \[WARNING\]" if lasting_dashboard.kind == "gunicorn" else r"\[(.*)\] WARNING in \w+:"
    assert re.search(rf"{where} refused a request for '/ws': the authorize hook says no; it came from 127.0.0.1", said)
    assert re.search(rf"{where} refused session 'secret' to 127.0.0.1: the authorize hook says no", said)
    assert re.search(rf"{where.replace('WARNING', 'INFO')} serving \*.out in ", said)


def test_the_hook_has_a_context_of_its_own_each_time(dashboard: ServerProcess) -> None:
    """Who has logged out follows nothing more, also on a connection that is open; none holds what a context holds."""
    for name in ("a", "b"):
        dashboard.log(name).write_text(name)
    with user(dashboard, "alice") as alice:
        alice.subscribe("a")
        assert alice.receive()["data"] == "a"
        assert dashboard.request("/held") == (200, "0")
        assert dashboard.request("/logout/alice", "POST")[0] == 200
        alice.subscribe("b")
        assert alice.receive()["type"] == "logs:error"
        assert dashboard.request("/held") == (200, "0")
        with pytest.raises(ClosedError) as caught:
            alice.receive()
        assert caught.value.code == 1008
        assert dashboard.request("/held") == (200, "0")
    assert "Traceback" not in dashboard.stop()


def test_the_apps_own_routes_are_untouched(lasting_dashboard: ServerProcess) -> None:
    """No rule of ours holds for them, whatever the host, the origin or the user."""
    stranger = {"Host": "dashboard.example", "Origin": "http://evil.example"}
    assert lasting_dashboard.request("/", headers=stranger) == (200, "the dashboard")
    assert lasting_dashboard.request("/healthz", headers=stranger)[0] == 200
    assert lasting_dashboard.request("/metrics")[0] == 404
    with Viewer(lasting_dashboard.port, path="/echo", host="dashboard.example") as viewer:
        for text in ("one", "two"):
            viewer.send(text)
            assert viewer.frame() == (TEXT, text.encode())


def test_the_apps_own_websockets_are_untouched(lasting_dashboard: ServerProcess) -> None:
    """Their options are not ours, and ours are not theirs."""
    before = lasting_dashboard.fetch("/options").body
    asking = "Sec-WebSocket-Protocol: echo\r\n"
    with Viewer(lasting_dashboard.port, headers=f"X-User: alice\r\n{asking}") as viewer:
        assert b"Sec-WebSocket-Protocol" not in viewer.handshake
        viewer.subscribe("missing")
        viewer.receive()
        assert lasting_dashboard.fetch("/options").body == before
        with Viewer(lasting_dashboard.port, path="/echo", headers=asking) as own:
            assert b"Sec-WebSocket-Protocol: echo" in own.handshake
            own.send("thread?")
            assert own.frame() == (TEXT, b"OwnThread")


def test_an_app_that_closes_the_manager_sends_everyone_home(dashboard: ServerProcess) -> None:
    """manager.close() sends 1001 to all at once, turns newcomers away, and leaves the app running."""
    dashboard.log("a").write_text("text")
    viewers = [user(dashboard, "alice") for _ in range(5)]
    for viewer in viewers:
        viewer.subscribe("a")
        viewer.receive()
    assert dashboard.request("/close", "POST")[0] == 204
    for viewer in viewers:
        with pytest.raises(ClosedError) as caught:
            viewer.receive()
        assert caught.value.code == 1001
        viewer.close()
    with pytest.raises(RefusedError) as refused:
        user(dashboard, "alice")
    assert refused.value.status == 503
    wait_until(lambda: json.loads(dashboard.request("/healthz")[1])["connections"] == 0)
    assert dashboard.watches() == 0
    assert dashboard.request("/")[0] == 200
    assert "Traceback" not in dashboard.stop()
