"""Tests of an app that has everything below one prefix, and of the commands that ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from logstream import ConfigurationError, LogStream, create_app
from logstream.cli import cli
from logstream.client import follow
from logstream.testing import AppServer, RefusedError, serve

from ..serving import PATIENCE, ROOT

TOKEN = "correct-horse-battery"

_APP = f"""
import os
from flask import Flask
from logstream import LogStream

app = Flask("dashboard")
app.config.update(LOGSTREAM_TOKEN="{TOKEN}", LOGSTREAM_DIRECTORY=os.environ["LOGS"], LOGSTREAM_BIND=os.environ["AT"])
LogStream(app, url_prefix="/logs")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    """An app with everything below `/logs`, and a route of its own beside it."""
    app = Flask("dashboard")
    app.config.update(LOGSTREAM_DIRECTORY=tmp_path, LOGSTREAM_TMUX="off", LOGSTREAM_TOKEN=TOKEN)
    LogStream(app, url_prefix="/logs")
    app.get("/healthz")(lambda: "mine")
    with serve(app) as server:
        yield server


def fetch(url: str, token: str | None = TOKEN, method: str = "GET") -> tuple[int, str]:
    """A status, and what is said with it."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def run_flask(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of Flask's, which has ours as where the package is installed."""
    program = "from flask.cli import FlaskGroup; from logstream.cli import cli; flask = FlaskGroup(); "
    return subprocess.run(
        [sys.executable, "-c", f"{program} flask.add_command(cli); flask.main()", *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_everything_is_below_the_prefix(server: AppServer, tmp_path: Path) -> None:
    """What the stand-alone server has is there by the same rules, and nothing of it elsewhere."""
    (tmp_path / "build.out").write_text("one\n")
    with server.view("build", prefix="/logs", token=TOKEN) as viewer:
        viewer.await_whole_text("one\n")
        paths = ["", "static/logstream.js", "sessions", "metrics", "search?q=one"]
        paths += [f"sessions/build{end}" for end in ("", "/raw", "/search?q=one", "/lines")]
        for path in paths:
            assert fetch(f"{server.url}/logs/{path}")[0] == 200, path
            assert fetch(f"{server.url}/logs/{path}", None)[0] == 401, path
            assert fetch(f"{server.url}/{path}")[0] == 404, path
        assert json.loads(fetch(f"{server.url}/logs/healthz", None)[1])["connections"] == 1
        assert fetch(f"{server.url}/healthz", None) == (200, "mine")
        assert 'data-endpoint="/logs/ws"' in fetch(f"{server.url}/logs/sessions/build")[1]
        assert fetch(f"{server.url}/logs/sessions/build/complete", None, "POST")[0] == 401
        assert fetch(f"{server.url}/logs/sessions/build/complete", TOKEN, "POST")[0] == 204
        viewer.await_complete()
    with pytest.raises(RefusedError) as caught:
        server.view("build", token=TOKEN)
    assert caught.value.status == 404


def test_the_routes_are_the_stand_alone_server_s(tmp_path: Path) -> None:
    """Each of them, and no other, but for the icon at the root."""
    app = Flask("dashboard", static_folder=None)
    app.config["LOGSTREAM_DIRECTORY"] = tmp_path
    LogStream(app, url_prefix="/logs")
    stand_alone = create_app({"LOGSTREAM_DIRECTORY": tmp_path})
    routes = {(f"/logs{rule.rule}", rule.endpoint) for rule in stand_alone.url_map.iter_rules()}
    assert {(rule.rule, rule.endpoint) for rule in app.url_map.iter_rules()} == routes - {("/logs/favicon.ico", "icon")}


def test_a_prefix_without_a_slash_is_refused(tmp_path: Path) -> None:
    """At the start, in one line."""
    with pytest.raises(ConfigurationError, match="must begin with a slash, not 'logs'"):
        LogStream(Flask("dashboard"), url_prefix="logs")


def test_the_url_means_the_same_for_every_command(server: AppServer, tmp_path: Path) -> None:
    """The prefix is part of it, whichever route a command asks, and the endpoint may be."""
    (tmp_path / "build.out").write_text("one\ntwo\n")
    runner = CliRunner()
    for address in (f"{server.url}/logs", f"{server.url}/logs/", f"{server.url}/logs/ws"):
        for command, printed in (
            (["grep", "tw", "build"], "two\n"),
            (["sessions"], " build\n"),
            (["complete", "build"], ""),
        ):
            ran = runner.invoke(cli, [*command, "--url", address, "--token", TOKEN])
            assert (ran.exit_code, ran.output[len(ran.output) - len(printed) :]) == (0, printed)
        assert "".join(event.text for event in follow(address, "build", token=TOKEN)) == "one\ntwo\n"


def test_the_app_s_own_command_knows_where_it_is(server: AppServer, tmp_path: Path) -> None:
    """`flask logstream` takes the address, the prefix and the token from the app; an app that is broken is one line."""
    (tmp_path / "build.out").write_text("one\n")
    server.app.extensions["logstream"].manager.notify_session_completed("build")
    module = tmp_path / "dashboard.py"
    module.write_text(_APP)
    known = {"LOGS": str(tmp_path), "AT": f"127.0.0.1:{server.port}"}
    ran = run_flask("--app", str(module), "logstream", "tail", "--until-complete", "build", **known)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("one\n", "", 0)
    ran = run_flask("--app", f"{tmp_path}/nosuch.py", "logstream", "sessions")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "logstream: The app cannot be loaded" in ran.stderr
