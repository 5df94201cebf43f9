"""What hosts and dashboards say to each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream.fleet.words import (
    PIECE,
    START,
    Complete,
    Data,
    Done,
    Message,
    Missing,
    More,
    Names,
    Read,
    Reply,
    Roll,
    WordsError,
    is_host,
    offset_of,
    parse,
)

MESSAGES: list[Message] = [
    Data("build", "4711.9f2c01ab", 5000, b"\xff\n{\n"),
    More("build", 5_000_000),
    Done("größe 😀", START),
    Reply("build", 7, START, 3, True, False, b"one"),
    Missing("build", 7),
    Read("a:b", START, "dashboard-1", 8, 0),
    Roll("dashboard-1", {"build": START, "*": "12.00000001"}),
    Complete("build", "dashboard-1", 9),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_message_is_what_it_was(message: Message) -> None:
    """Every kind of message comes out of the wire as it went in."""
    assert parse(message.pack()) == message


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"data",
        b"[]\n",
        b'{"t": "data"}\n',
        b'{"t": ["data"]}\n',
        b'{"t": "more", "n": "build", "s": 1}',
        b'{"t": "more", "n": "../build", "s": 1}\n',
        b'{"t": "more", "n": "..", "s": 1}\n',
        b'{"t": "more", "n": "a/b", "s": 1}\n',
        b'{"t": "more", "n": "a\\u0000b", "s": 1}\n',
        b'{"t": "more", "n": 5, "s": 1}\n',
        b'{"t": "more", "n": "build", "s": -1}\n',
        b'{"t": "more", "n": "build", "s": true}\n',
        b'{"t": "done", "n": "build", "c": "1.1"}\n',
        b'{"t": "read", "n": "build", "c": "0.00000000", "d": "a:b", "i": 1, "b": 1}\n',
        b'{"t": "read", "n": "build", "c": "0.00000000", "d": "a", "i": 1, "b": 99999999}\n',
        b'{"t": "roll", "d": "a", "a": {"../x": "0.00000000"}}\n',
        b'{"t": "data", "n": "build", "c": "0.00000000", "s": 1}\n' + b"x" * (PIECE + 1),
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_message_is_refused(text: bytes) -> None:
    """Names that are no session's, numbers that are none and pieces that are too long never get in."""
    with pytest.raises(WordsError):
        parse(text)


@given(st.binary())
def test_any_bytes_are_a_message_or_refused(text: bytes) -> None:
    """Nothing that comes over the wire raises anything else."""
    try:
        parse(text)
    except WordsError:
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a:b", "a/b", "a*", "a\n", "x" * 65, None, "größe"])
def test_what_cannot_name_a_host(name: object) -> None:
    """A host's name has nothing in it that means something in a channel, a pattern or a path."""
    assert not is_host(name)


def test_sender_of_a_channel() -> None:
    """The host that may publish on a channel is told from it, whatever the session is called."""
    names = Names("p:q")
    assert names.sender(names.log("host1", "a:b:*")) == ("host1", "a:b:*")
    assert names.sender(names.to("dashboard", "host1")) == ("host1", None)
    for channel in ("p:q:log:", "p:q:to:dashboard:", "p:q:ask:host1", "other", "p:q:to:d:a:b"):
        with pytest.raises(WordsError):
            names.sender(channel)


def test_offset_of_a_cursor() -> None:
    """A cursor begins with its offset."""
    assert offset_of("4711.9f2c01ab") == 4711
