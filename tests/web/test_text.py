"""Tests of logs as plain text over HTTP: all of a log, and the lines that match."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import quote, urlencode

import pytest

from logstream.engine.texts import MOST_AT_ONCE

from ..serving import Answer, ServerProcess, Starting, wait_until
from ..stopwatch import Stopwatch

NOISE = b"\x1b[31mred\x1b[0m \x1b]0;title\x07" + "grün 日\r\n".encode()


def fetch(server: ServerProcess, path: str) -> Answer:
    """An answer; what was asked for another test may hold places for a moment."""
    answers: list[Answer] = []
    wait_until(lambda: answers.append(server.fetch(path)) or answers[-1].status != 503)
    return answers[-1]


def begin_another(server: ServerProcess, path: str, socks: list[socket.socket]) -> int:
    """The same once more, if there is a place: what another test has asked for may still go out. How many there are."""
    with contextlib.suppress(AssertionError):
        socks.append(server.begin(path))
    return len(socks)


def test_a_log_as_a_terminal_shows_it(server: ServerProcess, session: str) -> None:
    """Without escape sequences, with whole lines, and what was drawn over once, as it was in the end."""
    server.log(session).write_bytes(NOISE + b"1 %\r50 %\r100 %\r\n" + b"x" * 200 + b"\r\nlast\xff")
    answer = fetch(server, f"/sessions/{session}/text")
    assert answer.status == 200
    assert answer.body.decode() == "red grün 日\n100 %\n" + "x" * 200 + "\nlast\ufffd\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert f"{session}.txt" in answer.headers["Content-Disposition"]


def test_the_width_can_be_chosen(server: ServerProcess, session: str) -> None:
    """A terminal of another width shows what uses the width in another way."""
    server.log(session).write_bytes(b"abcdefghij\x1b[AX\r\n")
    shown = {columns: fetch(server, f"/sessions/{session}/text?columns={columns}").body for columns in (5, 80)}
    assert shown[5] != shown[80]


def test_a_name_that_is_not_ascii(server: ServerProcess) -> None:
    """The file is called so all the same."""
    server.log("grün").write_text("x\n")
    answer = fetch(server, f"/sessions/{quote('grün')}/text")
    assert "filename*=UTF-8''gr%C3%BCn.txt" in answer.headers["Content-Disposition"]


def test_a_large_log_takes_little_memory(server: ServerProcess, session: str) -> None:
    """It goes out while it is read."""
    server.log(session).write_bytes(NOISE * 20_000)
    fetch(server, f"/sessions/{session}/text?columns=3")  # whatever one needs at all
    server.log(session).write_bytes(NOISE * 400_000)
    before = server.memory()
    watch = Stopwatch()
    with server.begin(f"/sessions/{session}/text"):
        assert watch.seconds() < 5
    assert server.memory() - before < 16 << 20


def test_who_leaves_lets_go_and_no_more_than_so_many_are_served(server: ServerProcess, session: str) -> None:
    """Also where there is nothing to say to them for long: a log that draws over one line for ever."""
    with server.log(session).open("wb") as log:
        log.write(b"\x1b[H")
        log.truncate(1 << 40)
    server.log("short").write_text("x\n")
    socks: list[socket.socket] = []
    wait_until(lambda: begin_another(server, f"/sessions/{session}/text", socks) == MOST_AT_ONCE)
    answer = server.fetch(f"/sessions/{session}/text")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    for sock in socks:
        sock.close()
    assert fetch(server, "/sessions/short/text").body == b"x\n"


def test_a_log_that_is_truncated_cuts_the_answer_off(server: ServerProcess, session: str) -> None:
    """Nobody takes it for whole."""
    server.log(session).write_bytes(b"a line of text\n" * 3_000_000)
    with server.begin(f"/sessions/{session}/text") as sock:
        data = bytearray()
        while len(data) < 10_000:
            data += sock.recv(1 << 20)
        server.log(session).write_bytes(b"")
        while piece := sock.recv(1 << 20):
            data += piece
    assert not data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("options", ["columns=1", "columns=1001", "columns=x", "width=5"])
def test_what_makes_no_sense_is_a_400(server: ServerProcess, session: str, options: str) -> None:
    """With a sentence that names the option."""
    server.log(session).touch()
    status, body = server.request(f"/sessions/{session}/text?{options}")
    assert status == 400
    assert options.partition("=")[0] in body


def test_a_log_that_is_not_there(server: ServerProcess) -> None:
    """It is not found."""
    assert server.request("/sessions/nowhere/text")[0] == 404
    assert server.request("/sessions/nowhere/search?q=x&format=text")[0] == 404


def test_lines_that_match(server: ServerProcess, session: str) -> None:
    """All of them, as they are shown, however long they are and however many; each once."""
    long = "y" * 300_000
    rows = [f"\x1b[3{number % 8}mline\x1b[0m {number} {'odd' if number % 2 else 'even'}\r" for number in range(30_000)]
    rows.insert(5, f"x{long}odd{long}x")
    server.log(session).write_text("\n".join(rows) + "\nthe last odd one")
    options = {"q": "ODD", "format": "text"}
    answer = fetch(server, f"/sessions/{session}/search?{urlencode(options)}")
    assert answer.status == 200
    assert f"{session}.matches.txt" in answer.headers["Content-Disposition"]
    lines = answer.body.decode().split("\n")
    assert [line for line in lines if "y" not in line] == [
        *(f"line {number} odd" for number in range(1, 30_000, 2)),
        "the last odd one",
        "",
    ]
    assert len([line for line in lines if "y" in line and "odd" in line]) == 1
    assert fetch(server, f"/sessions/{session}/search?{urlencode(options | {'case': 1})}").body == b""
    some = fetch(server, f"/sessions/{session}/search?{urlencode({'q': 'line [12]?5 ', 'regex': 1, 'format': 'text'})}")
    assert some.body == b"line 5 odd\nline 15 odd\nline 25 odd\n"


@pytest.mark.parametrize(
    "options", ["q=x&format=html", "q=x&format=text&context=1", "format=text", "q=(&regex=1&format=text"]
)
def test_a_search_for_text_that_makes_no_sense(server: ServerProcess, session: str, options: str) -> None:
    """It is a 400."""
    server.log(session).touch()
    assert server.request(f"/sessions/{session}/search?{options}")[0] == 400


def test_access_is_that_of_the_log(start: Starting) -> None:
    """Who has no token gets neither text nor times."""
    server = start("gunicorn", LOGSTREAM_TOKEN="secret")
    server.log("log").write_text("x\n")
    for path in ("text", "times", "search?q=x&format=text"):
        assert server.request(f"/sessions/log/{path}")[0] == 401
        assert server.request(f"/sessions/log/{path}", headers={"Authorization": "Bearer secret"})[0] == 200
