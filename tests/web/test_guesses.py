"""Tests of slowing down who guesses at the token."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping

import pytest

from logstream.web.guesses import DELAY, FREE, Guesses

from ..serving import ServerProcess, Starting

TOKEN = "correct-horse-battery-staple"


def ask(server: ServerProcess, headers: Mapping[str, str], path: str = "/sessions", source: str = "127.0.0.1") -> float:
    """Send a request from an address; the seconds until it was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10, source_address=(source, 0))
    begin = time.monotonic()
    method, body = ("POST", "token=wrong") if path == "/login" else ("GET", None)
    try:
        connection.request(method, path, body, dict(headers))
        connection.getresponse().read()
    finally:
        connection.close()
    return time.monotonic() - begin


@pytest.mark.parametrize("kind", ["gunicorn", "flask"])
def test_guesses_at_the_token_are_slowed_down(start: Starting, kind: str) -> None:
    """After some of them, each one of an address takes a second; nobody else waits, and the right token never does."""
    server = start(kind, LOGSTREAM_TOKEN=TOKEN)
    wrong, right = {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(30):
        assert ask(server, {}) < DELAY  # who shows nothing does not guess
    for _ in range(FREE):
        assert ask(server, wrong) < DELAY
    assert ask(server, wrong) >= DELAY
    assert ask(server, {}, "/sessions?token=wrong") >= DELAY
    assert ask(server, form, "/login") >= DELAY
    assert ask(server, {}, "/ws?token=wrong") >= DELAY
    assert ask(server, right) < DELAY
    assert ask(server, wrong, source="127.0.0.2") < DELAY
    server.stop()


def test_what_is_remembered_has_a_bound() -> None:
    """However many addresses guess, few are remembered, and of a network that gives everyone millions, one."""
    guesses = Guesses()
    for number in range(5000):
        assert not guesses.are_too_many(f"203.0.{number // 250}.{number % 250}")
    assert len(guesses._buckets) <= 1000
    answers = [guesses.are_too_many(f"2001:db8::{number:x}") for number in range(FREE + 1)]
    assert answers == [False] * FREE + [True]
    assert not guesses.are_too_many("2001:db8:0:1::1")
    assert not guesses.are_too_many("")
    assert not guesses.are_too_many("no address")


@pytest.mark.parametrize(("token", "warned"), [("x" * 15, True), ("x" * 16, False)])
def test_a_short_token_is_warned_about(start: Starting, token: str, warned: bool) -> None:
    """The operator is told at the start, and the token is not in the line."""
    server = start("gunicorn", LOGSTREAM_TOKEN=token)
    server.request("/healthz")  # who answers has begun
    output = server.stop()
    assert ("LOGSTREAM_TOKEN has only 15 characters" in output) == warned
    assert token not in output
