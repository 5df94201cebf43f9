"""Tests of `logstream grep`, as a user types it, with grep itself as the reference."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream.cli import cli
from logstream.engine.patterns import Pattern
from logstream.grep import LineFilter

from .engine.logs import contents, without_sequences, words
from .serving import ServerProcess
from .test_cli import LOGSTREAM, TerminalProcess, logstream

LINES = ["error one", "ok", "Error two", "", "ok.", "größer 日本語 error", "x" * 100, "ok", "ok"]


@pytest.fixture
def server(empty_server: ServerProcess) -> ServerProcess:
    """The one for all tests."""
    return empty_server


@pytest.fixture
def url(server: ServerProcess) -> str:
    """Its address."""
    return f"http://127.0.0.1:{server.port}"


def grep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The real one, on the files as they are."""
    return subprocess.run(
        ["grep", *arguments] if "-F" in arguments else ["grep", "-E", *arguments],
        cwd=cwd,
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["error"],
        ["-i", "error"],
        ["-n", "error"],
        ["-n", "-C", "1", "error"],
        ["-n", "-C", "3", "error|one"],
        ["-C", "2", "^$"],
        ["-F", "ok."],
        ["ok."],
        ["-n", "ö.*本"],
        ["nothing at all"],
        ["-i", "-n", "-C", "50", "ERROR"],
    ],
)
def test_it_prints_what_grep_prints(server: ServerProcess, url: str, arguments: list[str]) -> None:
    """For one log, and for several with their names before each line; and ends with the same exit code."""
    randomly = random.Random(3)
    for name in ("a", "b"):
        server.log(name).write_text("\n".join(randomly.choices(LINES, k=200)) + "\n")
        (server.directory / name).write_text(server.log(name).read_text())
    for names in (["a"], ["a", "b"]):
        wanted = grep(*arguments, *names, cwd=server.directory)
        found = logstream("grep", *arguments, *names, "--url", url)
        assert (found.stdout, found.stderr, found.returncode) == (wanted.stdout, "", wanted.returncode)


def test_all_sessions_are_searched_where_none_is_named(server: ServerProcess, url: str) -> None:
    """Those that changed last first."""
    for age, name in enumerate(["new", "old"]):
        server.log(name).write_text("a needle\n")
        os.utime(server.log(name), (1e9 - age, 1e9 - age))
    found = logstream("grep", "needle", LOGSTREAM_URL=url)
    assert (found.stdout, found.returncode) == ("new:a needle\nold:a needle\n", 0)


def test_more_hits_than_are_had_at_once(server: ServerProcess, url: str) -> None:
    """All of them are printed, once."""
    server.log("a").write_text("".join(f"{number}\n" for number in range(12_000)))
    found = logstream("grep", "-n", "", "a", "--url", url)
    assert found.stdout.splitlines() == [f"{number + 1}:{number}" for number in range(12_000)]


def test_what_is_shown_is_searched_and_printed(server: ServerProcess, url: str) -> None:
    """Without escape sequences, and without what a terminal would carry out; the match is red on a terminal."""
    server.log("a").write_bytes(b"an er\x1b[31mror\x1b[m \x07here\r\n")
    found = logstream("grep", "error", "a", "--url", url)
    assert (found.stdout, found.returncode) == ("an error here\n", 0)
    with TerminalProcess(*LOGSTREAM, "grep", "error", "a", "--url", url) as terminal:
        assert terminal.end() == 0
        assert terminal.read() == b"an \x1b[1;31merror\x1b[m here\r\n"


def test_json_lines(server: ServerProcess, url: str) -> None:
    """What the server says, with the session's name."""
    server.log("a").write_text("one\ntwo\n")
    (line,) = logstream("grep", "--json", "two", "a", "--url", url).stdout.splitlines()
    hit = json.loads(line)
    assert (hit["session"], hit["offset"], hit["line"], hit["ranges"]) == ("a", 4, 2, [[0, 3]])


def test_what_goes_wrong_is_exit_code_2(server: ServerProcess, url: str) -> None:
    """With a line on stderr that says what it is; other sessions are searched all the same."""
    server.log("a").write_text("needle\n")
    found = logstream("grep", "needle", "nowhere", "a", "--url", url)
    assert (found.stdout, found.returncode) == ("a:needle\n", 2)
    assert found.stderr.count("\n") == 1
    assert "'nowhere'" in found.stderr
    found = logstream("grep", "a(b", "a", "--url", url)
    assert (found.stderr, found.returncode) == ("logstream: The pattern is wrong at character 2: missing ).\n", 2)
    found = logstream("grep", "a", "a", "--url", "http://127.0.0.1:1")
    assert (found.stderr.startswith("logstream: There is no server at"), found.returncode) == (True, 2)


@given(contents, words, st.data())
def test_lines_are_filtered_as_they_arrive(content: bytes, word: str, data: st.DataObject) -> None:
    """Those that match pass as they are, wherever the text is cut; the last one when it is known to be whole."""
    text = content.decode(errors="replace")
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    wanted = [line for line in lines if word in without_sequences(line.rstrip("\n").encode()).decode()]
    kept = LineFilter(Pattern(re.escape(word).replace("\\ ", " "), regex=True, case=True))
    found = []
    while text:
        cut = data.draw(st.integers(1, len(text)))
        found.append(kept.feed(text[:cut], final=cut == len(text)))
        text = text[cut:]
    assert "".join(found) == "".join(wanted)


def test_tail_prints_only_lines_that_match(server: ServerProcess, url: str) -> None:
    """With their colours, to the end of the session; a bad pattern is told where."""
    server.log("a").write_text("one\ner\x1b[31mror\x1b[m\ntwo\nlast error")
    server.complete("a")
    found = logstream("tail", "a", "--until-complete", "--grep", "^e.*r$|last", "--url", url)
    assert (found.stdout, found.returncode) == ("er\x1b[31mror\x1b[m\nlast error", 0)
    found = logstream("tail", "a", "--grep", "a(b", "--url", url)
    assert (found.returncode, "at character 2: missing )" in found.stderr) == (2, True)


def test_it_is_a_command_of_the_command_line() -> None:
    """It is there beside the others."""
    assert "grep" in cli.commands
