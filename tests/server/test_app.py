"""Tests of the stand-alone server's HTTP side."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from logstream import create_app

from ..serving import ServerProcess
from ..viewer import Viewer


def test_completing_is_idempotent(server: ServerProcess, session: str, log: Path) -> None:
    """A hook may report a completion as often as it likes, also of what nobody follows or what does not exist."""
    for name in (session, session, "does not exist", "größer"):
        assert server.request(f"/sessions/{quote(name)}/complete", "POST") == (204, "")


@pytest.mark.parametrize("name", ["..", "a%00", "a%0a", "x" * 300])
def test_completing_a_bad_name_is_refused(server: ServerProcess, name: str) -> None:
    """What is no session name is the caller's mistake."""
    status, text = server.request(f"/sessions/{name}/complete", "POST")
    assert status in (400, 404)
    assert str(server.directory) not in text


def test_only_a_post_completes(server: ServerProcess, session: str) -> None:
    """Looking at the address changes nothing."""
    assert server.request(f"/sessions/{session}/complete")[0] == 405


def test_a_name_in_any_script_completes(server: ServerProcess, view: Callable[..., Viewer], session: str) -> None:
    """The name in the address is the one on the wire, whatever it is made of."""
    name = f"{session} größer 日本+%"
    server.log(name).write_text("text")
    viewer = view()
    viewer.subscribe(name)
    viewer.receive()
    assert server.request(f"/sessions/{quote(name)}/complete", "POST")[0] == 204
    assert viewer.receive()["isComplete"]


def test_health_counts(server: ServerProcess, view: Callable[..., Viewer], session: str, log: Path) -> None:
    """/healthz tells how many connections, subscriptions, watched sessions and clients behind there are."""
    viewer, other = view(), view()
    for one in (viewer, other):
        one.subscribe(session)
        one.receive()
    status, body = server.request("/healthz")
    assert status == 200
    counts = json.loads(body)
    assert counts["subscriptions"] == 2
    assert counts["watched_sessions"] == 1
    assert counts["clients_behind"] == 0
    assert counts["connections"] >= 2


def test_config_of_the_caller_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """create_app takes a Flask config, which goes before the environment."""
    monkeypatch.setenv("LOGSTREAM_SUFFIX", ".log")
    app = create_app({"LOGSTREAM_DIRECTORY": tmp_path, "TESTING": True})
    assert app.config["LOGSTREAM_DIRECTORY"] == str(tmp_path)
    assert app.config["LOGSTREAM_SUFFIX"] == ".log"
