"""Tests of searches over HTTP: what is answered, to whom, and that nobody waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from ..serving import PATIENCE, ServerProcess, Starting, wait_until
from ..stopwatch import Stopwatch
from ..viewer import Viewer


def ask(server: ServerProcess, path: str, **options: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The hits, and the last line; what was searched for another test may hold places for a moment."""
    answers = []
    wait_until(lambda: answers.append(server.fetch(f"{path}?{urlencode(options)}")) or answers[-1].status != 503)
    answer = answers[-1]
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    *lines, end = map(json.loads, answer.body.splitlines())
    return [line for line in lines if "text" in line], end


def make_hole(server: ServerProcess, session: str) -> None:
    """A log that takes long to be searched: terabytes of nothing."""
    with server.log(session).open("wb") as log:
        os.truncate(log.fileno(), 1 << 42)


def take_places(server: ServerProcess, path: str, stack: contextlib.ExitStack) -> None:
    """As many searches as there may be at once, all begun; what was searched for others may go on for a moment."""
    begun: list[socket.socket] = []

    def are_taken() -> bool:
        socks = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(4 - len(begun))]
        for sock in socks:
            stack.enter_context(sock)
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        begun.extend(sock for sock in socks if sock.recv(12) == b"HTTP/1.1 200")
        return len(begun) == 4

    wait_until(are_taken)


def test_hits_are_json_lines(server: ServerProcess, session: str) -> None:
    """Each with its place, its number, its text as it is shown, what matches, and what stands around it."""
    server.log(session).write_bytes(b"first\r\n\x1b[31mer\x1b[0mror\xff \xf0\x9f\x98\x80 error\r\nlast")
    hits, end = ask(server, f"/sessions/{session}/search", q="ERROR", context=1)
    assert hits == [
        {
            "offset": 7,
            "end": 35,
            "line": 2,
            "text": "error\ufffd \U0001f600 error",
            "skipped": 0,
            "cut": False,
            "ranges": [[0, 5], [9, 14]],
            "before": [{"offset": 0, "end": 7, "text": "first"}],
            "after": [{"offset": 35, "end": 39, "text": "last"}],
        }
    ]
    assert end == {"read": 39, "more": False}


def test_all_options(server: ServerProcess, session: str) -> None:
    """Each does what it says."""
    server.log(session).write_text("".join(f"line {number}\n" for number in range(10)))
    path = f"/sessions/{session}/search"
    assert [hit["offset"] for hit in ask(server, path, q="line", limit=2)[0]] == [0, 7]
    assert ask(server, path, q="line", limit=2)[1] == {"read": 14, "more": True, "next": 14}
    assert ask(server, path, q="line", limit=2, reverse=1)[1] == {"read": 14, "more": True, "next": 56}
    assert [hit["line"] for hit in ask(server, path, q="line", reverse=1)[0]] == list(range(10, 0, -1))
    assert [hit["offset"] for hit in ask(server, path, q="line", **{"from": 14, "to": 28})[0]] == [14, 21]
    assert [hit["text"] for hit in ask(server, path, q="[3-4]$", regex=1)[0]] == ["line 3", "line 4"]
    assert ask(server, path, q="[3-4]$")[0] == []
    assert ask(server, path, q="LINE", case=1)[0] == []
    assert len(ask(server, path, q="LINE", case=0, numbers=1)[0]) == 10


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("", "'q' is missing: what is searched for."),
        ("q=a(b&regex=1", "The pattern is wrong at character 2: missing )."),
        ("q=a&regex=yes", "'regex' must be 0 or 1."),
        ("q=a&limit=0", "'limit' must be a whole number from 1 to 10000."),
        ("q=a&context=51", "'context' must be a whole number from 0 to 50."),
        ("q=a&from=-1", "'from' must be a whole number of 0 or more."),
        ("q=a&to=1e3", "'to' must be a whole number of 0 or more."),
        ("q=a&form=1", "There is no option 'form': there are q, regex, "),
        ("q=a%0Ab", "The pattern has a line feed: what is searched is single lines."),
    ],
)
def test_what_cannot_be_searched_is_a_400(server: ServerProcess, session: str, asked: str, sentence: str) -> None:
    """With a sentence that says what is wrong, and where."""
    server.log(session).touch()
    status, body = server.request(f"/sessions/{session}/search?{asked}")
    assert status == 400
    assert body.startswith(sentence)


def test_a_log_that_is_not_there(server: ServerProcess) -> None:
    """It is not found, and no path is told."""
    status, body = server.request("/sessions/nowhere/search?q=a")
    assert (status, str(server.directory) in body) == (404, False)


def test_all_sessions_are_searched(start: Starting) -> None:
    """Those that changed last first, each hit with its session's name, and a limit on all together."""
    server = start("gunicorn")
    for age, name in enumerate(["new", "größer", "old"]):
        server.log(name).write_text(f"needle {age}\n" * 2)
        os.utime(server.log(name), (1e9 - age, 1e9 - age))
    hits, end = ask(server, "/search", q="needle")
    assert [(hit["session"], hit["text"], hit["line"]) for hit in hits] == [
        ("new", "needle 0", 1),
        ("new", "needle 0", 2),
        ("größer", "needle 1", 1),
        ("größer", "needle 1", 2),
        ("old", "needle 2", 1),
        ("old", "needle 2", 2),
    ]
    assert end == {"read": 54, "more": False}
    hits, end = ask(server, "/search", q="needle", limit=3, reverse=1)
    assert [(hit["session"], hit["line"]) for hit in hits] == [("new", 2), ("new", 1), ("größer", 2)]
    assert end["more"]
    assert server.request("/search?q=a&from=1")[0] == 400


def test_the_hook_says_what_is_searched(dashboard: ServerProcess) -> None:
    """A session that a user may not see is refused, and left out where all are searched."""
    for name in ("log", "secret"):
        dashboard.log(name).write_text("needle\n")
    assert dashboard.request("/logs/search?q=needle")[0] == 403
    found = {}
    for user in ("alice", "bob"):
        headers = {"X-User": user}
        assert dashboard.request("/logs/sessions/secret/search?q=needle", headers=headers)[0] == 403
        assert dashboard.request("/logs/sessions/secret/lines?at=0", headers=headers)[0] == 403
        *lines, _ = dashboard.request("/logs/search?q=needle", headers=headers)[1].splitlines()
        found[user] = [json.loads(line)["session"] for line in lines]
    assert found == {"alice": ["log"], "bob": []}


def test_a_token_is_needed(start: Starting) -> None:
    """As for everything else."""
    server = start("gunicorn", LOGSTREAM_TOKEN="a-token-of-some-length")
    server.log("log").write_text("needle\n")
    for path in ("/search?q=needle", "/sessions/log/search?q=needle", "/sessions/log/lines?at=0"):
        assert server.request(path)[0] == 401
        assert server.request(path, headers={"Authorization": "Bearer a-token-of-some-length"})[0] == 200
        assert server.request(f"{path}&token=a-token-of-some-length")[0] == 200


def test_hits_come_as_they_are_found(server: ServerProcess, session: str) -> None:
    """The first one is there while the rest of the log takes minutes."""
    make_hole(server, session)
    with server.log(session).open("r+b") as log:
        log.write(b"the needle\n")
    with contextlib.closing(server.begin(f"/sessions/{session}/search?q=needle")) as sock:
        data = b""
        while b"the needle" not in data:
            piece = sock.recv(65536)
            assert piece
            data += piece


def test_a_search_ends_with_its_client_and_one_too_many_is_refused(
    server: ServerProcess, session: str, log: Path, view: Callable[..., Viewer]
) -> None:
    """Places are free again soon after their clients have gone, found anything or not."""
    log.rename(server.log(f"{session}-followed"))
    view().subscribe(f"{session}-followed")  # so that searches rest: what they work costs the other tests' time
    make_hole(server, session)
    path = f"/sessions/{session}/search?q=needle"
    with contextlib.ExitStack() as stack:
        take_places(server, path, stack)
        answer = server.fetch(path)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    wait_until(lambda: server.request(path + "&to=1")[0] == 200)


def test_a_head_request_takes_no_place(server: ServerProcess, session: str) -> None:
    """It is answered at once, as often as is liked, and leaves none taken."""
    make_hole(server, session)
    for _ in range(6):
        wait_until(lambda: server.fetch(f"/sessions/{session}/search?q=needle", "HEAD").status == 200)


def test_lines_of_others_arrive_beside_searches(start: Starting) -> None:
    """Four searches of a log without end delay nobody by more than what is promised."""
    server = start("gunicorn")
    make_hole(server, "hole")
    path = server.log("log")
    path.touch()
    with contextlib.ExitStack() as stack:
        viewer = stack.enter_context(contextlib.closing(Viewer(server.port)))
        viewer.subscribe("log")
        take_places(server, "/sessions/hole/search?q=needle&regex=1", stack)
        text = ""
        for number in range(20):
            watch = Stopwatch()
            with path.open("a") as log:
                log.write(f"{number}\n")
            text += f"{number}\n"
            viewer.read_text("log", text)
            assert watch.seconds() < 0.5


def test_odd_names_can_be_searched(server: ServerProcess) -> None:
    """As they are, percent-encoded."""
    server.log("a b?ö").write_text("needle\n")
    hits, _ = ask(server, f"/sessions/{quote('a b?ö')}/search", q="needle")
    assert len(hits) == 1
