"""A dashboard as an app has it, and as its operator sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from flask import Flask

from logstream import ConfigurationError, LogStream, create_app
from logstream.engine.completion import Completions
from logstream.engine.state import StateDirectory

from .. import warm
from ..serving import AS_ANYONE, PATIENCE, ROOT, wait_until
from .conftest import Fleet
from .fleetparts import ShipProcess, free_port


def test_app_with_the_address_in_its_config_is_a_dashboard(fleet: Fleet, tmp_path: Path) -> None:
    """An embedding app needs nothing but LOGSTREAM_REDIS, and a directory for the spool; its manager completes."""
    ship = fleet.ship()
    ship.log("build").write_text("one\n")
    app = Flask(__name__)
    app.config.update(LOGSTREAM_REDIS=fleet.redis.url, LOGSTREAM_DIRECTORY=str(tmp_path / "spool"))
    logs = LogStream(app)
    app.register_blueprint(logs.page())
    app.get("/healthz")(logs.counts)
    app.get("/metrics")(logs.metrics)
    try:
        client = app.test_client()
        assert client.get("/sessions/build/raw").data == b"one\n"
        assert [entry["host"] for entry in client.get("/sessions").json] == ["host1"]
        assert client.get("/healthz").json["copies"] == 1
        assert b"logstream_copies 1.0" in client.get("/metrics").data
        assert logs.manager.notify_session_completed("build")
        completed = Completions(str(ship.directory), ".out", StateDirectory(str(ship.directory / ".logstream")))
        assert completed.find("build") is not None
        ship.stop()
        assert not logs.complete("build")
    finally:
        logs.manager.close()


def test_dashboard_under_the_development_server(fleet: Fleet) -> None:
    """`flask run` can be a dashboard, too."""
    ship, dashboard = fleet.ship(), fleet.dashboard(kind="flask")
    ship.log("build").write_text("one\n")
    viewer = fleet.viewer(dashboard)
    viewer.subscribe("build")
    viewer.read_text("build", "one\n")


def test_without_the_package_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the extra is told what to install."""
    monkeypatch.setattr("logstream.fleet.bus.redis", None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install 'logstream[fleet]'")):
        create_app({"LOGSTREAM_REDIS": "redis://127.0.0.1:1", "LOGSTREAM_DIRECTORY": str(tmp_path / "spool")})


def test_directory_with_logs_is_refused_as_a_spool(tmp_path: Path) -> None:
    """The start says what is wrong, and nothing is overwritten."""
    (tmp_path / "build.out").write_text("precious\n")
    with pytest.raises(ConfigurationError, match="logs of its own"):
        create_app({"LOGSTREAM_REDIS": "redis://127.0.0.1:1", "LOGSTREAM_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "say where Redis is"),
        (["--redis", "http://x"], "LOGSTREAM_REDIS must be an address"),
        (["--redis", "redis://127.0.0.1:1", "--host", "a:b"], "--host must be"),
        (["--redis", "redis://127.0.0.1:1", "--health", "8001"], "--health must be HOST:PORT"),
    ],
)
def test_ship_that_cannot_start_says_why_in_one_line(options: list[str], sentence: str, tmp_path: Path) -> None:
    """A mistake on the command line is one line, and exit code 1."""
    command = [sys.executable, "-m", "logstream", "ship", "-d", str(tmp_path), *options]
    done = warm.run(command, cwd=ROOT, env=os.environ, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.startswith("logstream: ") and sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_ship_says_that_its_directory_cannot_be_read(tmp_path: Path) -> None:
    """At the start, in one line, and waits for better times."""
    directory, output = tmp_path / "logs", tmp_path / "output"
    directory.mkdir(mode=0)
    command = [*AS_ANYONE, sys.executable, "-m", "logstream", "ship", "-d", str(directory)]
    with output.open("wb") as stderr:
        process = subprocess.Popen([*command, "--redis", "redis://127.0.0.1:1"], cwd=ROOT, stderr=stderr)
    try:
        line = f"{directory} is LOGSTREAM_DIRECTORY: The directory of the logs cannot be read: Permission denied.\n"
        wait_until(lambda: line in output.read_text())
    finally:
        process.terminate()
        process.wait()
        directory.chmod(0o700)


def test_ship_says_how_it_is(fleet: Fleet, tmp_path: Path) -> None:
    """Where that was asked for, /healthz and /metrics have its figures."""
    port = free_port()
    ship = ShipProcess(tmp_path, "host2", fleet.redis.url, "--health", f"127.0.0.1:{port}")
    try:
        fleet.await_host("host2")
        ship.log("build").write_text("one\n")
        dashboard = fleet.dashboard()
        viewer = fleet.viewer(dashboard)
        viewer.subscribe("build")
        viewer.read_text("build", "one\n")

        def said(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.read().decode()

        wait_until(lambda: json.loads(said("/healthz"))["followed_sessions"] == 1)
        assert json.loads(said("/healthz"))["relay_away"] == 0
        figures = said("/metrics")
        assert "logstream_ship_pulls 1.0" in figures
        assert all(f"logstream_ship_{name} 0.0" in figures for name in ("lag_bytes", "lag_seconds", "disk_hangs"))
    finally:
        assert ship.stop() == 0
    assert "Traceback" not in ship.output()
