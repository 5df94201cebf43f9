"""Tests of the lines around a place over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..serving import ServerProcess
from ..stopwatch import Stopwatch


def ask(server: ServerProcess, session: str, options: str) -> dict[str, Any]:
    """What is answered."""
    answer = server.fetch(f"/sessions/{session}/lines?{options}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_lines_around_a_place(server: ServerProcess, session: str) -> None:
    """As they are, each with its place and its number, and how large the log is."""
    server.log(session).write_bytes(b"one\n\x1b[1mtwo\r\nthr\xff\nfour")
    found = ask(server, session, "at=7&before=1&after=1")
    which = found.pop("log")
    assert found == {
        "size": 22,
        "lines": [
            {"offset": 0, "end": 4, "line": 1, "text": "one"},
            {"offset": 4, "end": 13, "line": 2, "text": "\x1b[1mtwo\r"},
            {"offset": 13, "end": 18, "line": 3, "text": "thr\ufffd"},
        ],
    }
    last = {"offset": 18, "end": 22, "line": 4, "text": "four", "open": True}
    assert ask(server, session, "at=99999&before=0&after=5") == {"log": which, "size": 22, "lines": [last]}
    assert len(ask(server, session, "")["lines"]) == 4
    server.log(session).rename(server.log(f"{session}-old"))
    server.log(session).write_bytes(b"one\n\x1b[1mtwo\r\nthr\xff\nfour")
    assert ask(server, session, "at=0")["log"] != which


def test_an_empty_log_has_no_lines(server: ServerProcess, session: str) -> None:
    """And that is no error."""
    server.log(session).touch()
    found = ask(server, session, "at=0")
    assert (found["size"], found["lines"]) == (0, [])


@pytest.mark.parametrize("options", ["at=-1", "at=x", "before=1001", "after=-1", "around=5"])
def test_what_makes_no_sense_is_a_400(server: ServerProcess, session: str, options: str) -> None:
    """With a sentence that names the option."""
    server.log(session).touch()
    status, body = server.request(f"/sessions/{session}/lines?{options}")
    assert status == 400
    assert options.partition("=")[0] in body


def test_a_log_that_is_not_there(server: ServerProcess) -> None:
    """It is not found."""
    assert server.request("/sessions/nowhere/lines?at=0")[0] == 404


def test_the_middle_of_ten_gigabytes(server: ServerProcess, session: str) -> None:
    """It is as near as any other place; its number is not known yet, and not made up."""
    middle = 5 << 30
    with server.log(session).open("wb") as log:
        log.truncate(10 << 30)
        log.seek(middle)
        log.write(b"\n" + b"some line\n" * 5000)
    watch = Stopwatch()
    found = ask(server, session, f"at={middle + 20_001}&before=20&after=20")
    assert watch.seconds() < 0.5
    assert found["size"] == 10 << 30
    assert [(line["text"], line["line"]) for line in found["lines"]] == [("some line", None)] * 41


def test_a_line_without_end_is_cut(server: ServerProcess, session: str) -> None:
    """Its pieces are of one line."""
    server.log(session).write_bytes(b"first\n" + b"x" * 300_000 + b"\nlast\n")
    lines = ask(server, session, "at=100000")["lines"]
    assert [line["line"] for line in lines] == [1, 2, 2, 2, 2, 3]
    assert lines[1]["end"] == lines[2]["offset"] == 131072
    assert [line.get("open") for line in lines] == [None, True, True, True, None, None]
