"""Tests of when lines arrived, over HTTP."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest

from ..serving import ServerProcess, wait_until
from ..viewer import Viewer


def ask(server: ServerProcess, session: str, options: str = "") -> dict[str, Any]:
    """What is answered."""
    answer = server.fetch(f"/sessions/{session}/times?{options}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def look(server: ServerProcess, session: str, viewer: Viewer) -> None:
    """Have the server look at a log, as it does at once when nobody follows it any more, and follow it again."""
    log = server.log(session)
    record = server.directory / ".logstream" / "times" / log.name

    def is_recorded() -> bool:
        return record.exists() and f'["{log.stat().st_size}.' in record.read_text()

    for _ in range(10):  # who comes and goes while the server is just about to end its looking is not looked after
        viewer.unsubscribe(session)
        with contextlib.suppress(AssertionError):
            wait_until(is_recorded, 2)
        viewer.subscribe(session)
        viewer.receive()
        if is_recorded():
            return
    raise AssertionError("the server has not looked")


def test_when_lines_of_a_followed_log_arrived(server: ServerProcess, session: str) -> None:
    """Within a second or two, those from before anybody followed it by what is known of them; and the way back."""
    log = server.log(session)
    log.write_text("before\n")
    with Viewer(server.port) as viewer:
        viewer.subscribe(session)
        viewer.receive()
        wait_until(lambda: ask(server, session)["spans"][0]["latest"] is not None)
        look(server, session, viewer)
        written = time.time()
        with log.open("a") as file:
            file.write("first\nsecond\n")
        viewer.receive()
        look(server, session, viewer)
        with log.open("a") as file:
            file.write("third\n")
        found = ask(server, session)
        assert found["size"] == 26
        before, first, third = found["spans"]
        assert (before["offset"], before["end"], before["earliest"]) == (0, 7, None)
        assert before["latest"] < first["earliest"] <= written + 0.1
        assert written - 0.1 <= first["latest"] < third["latest"] <= time.time()
        assert first["latest"] - first["earliest"] < 5
        assert (first["offset"], third["offset"], third["end"]) == (7, 20, 26)
        part = ask(server, session, "from=9&to=21")["spans"]
        assert [(span["offset"], span["end"]) for span in part] == [(9, 20), (20, 21)]
        assert ask(server, session, "from=100&to=200")["spans"] == []
        for at, offset in ((0, 0), (before["latest"], 7), (first["latest"], 20), (9e9, 20)):
            place = ask(server, session, f"at={at:.3f}")
            assert (place["offset"], place["size"]) == (offset, 26), (at, found)
        line = ask(server, session, f"at={before['latest']:.3f}")
        assert (line["offset"], line["end"], line["size"]) == (7, 13, 26)
        assert abs(line["latest"] - first["latest"]) < 0.1  # the files' clock is some milliseconds behind


def test_a_log_that_nobody_followed(server: ServerProcess, session: str) -> None:
    """It came before it was changed last, and that is all; an empty one has no lines."""
    server.log(session).touch()
    assert ask(server, session) == {"size": 0, "spans": []}
    assert ask(server, session, "at=1")["offset"] == 0
    server.log(session).write_text("one\n")
    (span,) = ask(server, session)["spans"]
    assert (span["offset"], span["end"], span["earliest"]) == (0, 4, None)
    assert abs(span["latest"] - time.time()) < 30


@pytest.mark.parametrize("options", ["from=-1", "to=x", "at=-1", "at=1e9", "at=1&from=2", "around=5"])
def test_what_makes_no_sense_is_a_400(server: ServerProcess, session: str, options: str) -> None:
    """With a sentence that names the option."""
    server.log(session).touch()
    status, body = server.request(f"/sessions/{session}/times?{options}")
    assert status == 400
    assert options.partition("=")[0] in body


def test_a_log_that_is_not_there(server: ServerProcess) -> None:
    """It is not found."""
    assert server.request("/sessions/nowhere/times")[0] == 404
