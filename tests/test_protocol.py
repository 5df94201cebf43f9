"""Tests of the messages and commands."""

import json
import threading
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream import protocol
from logstream.protocol import (
    Increments,
    Message,
    Ping,
    ProtocolError,
    Subscribe,
    Unsubscribe,
    check_session_name,
    close_frame,
    data_message,
    error_message,
    parse_command,
    pong_message,
    text_frame,
)

from .serving import PATIENCE
from .viewer import inflate


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, Subscribe("build")),
        ({"tail": 0}, Subscribe("build", tail=0)),
        ({"tail": 5, "cursor": True}, Subscribe("build", tail=5, cursor=True)),
        ({"cursor": "4711.9f2c01ab"}, Subscribe("build", cursor="4711.9f2c01ab")),
        ({"cursor": False, "wait": True}, Subscribe("build", wait=True)),
        ({"tail": None, "cursor": None, "wait": None}, Subscribe("build")),
        ({"unknown": [1]}, Subscribe("build")),
    ],
)
def test_subscribe_is_read_with_its_options(fields: dict[str, object], command: Subscribe) -> None:
    """Every option of a subscribe arrives; what is null or unknown counts as absent."""
    text = json.dumps({"type": "subscribe:logs", "sessionName": "build", **fields})
    assert parse_command(text) == command


def test_unsubscribe_is_read() -> None:
    """An unsubscribe names its session."""
    assert parse_command('{"type": "unsubscribe:logs", "sessionName": "a b"}') == Unsubscribe("a b")


@pytest.mark.parametrize(
    ("payload", "session_name"),
    [
        ("", None),
        ("{", None),
        ("[" * 100_000, None),
        ('{"type": NaN}', None),
        ('{"a": ' + "1" * 5000 + "}", None),
        ("null", None),
        ("[]", None),
        ('"subscribe:logs"', None),
        ("{}", None),
        ('{"type": "subscribe:logs"}', None),
        ('{"type": "subscribe:logs", "sessionName": null}', None),
        ('{"type": "subscribe:logs", "sessionName": 7}', None),
        ('{"type": "subscribe:logs", "sessionName": ["a"]}', None),
        ('{"type": "subscribe:logs", "sessionName": "\\ud800"}', None),
        ('{"sessionName": "a"}', "a"),
        ('{"type": "subscribe", "sessionName": "a"}', "a"),
        ('{"type": ["subscribe:logs"], "sessionName": "a"}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "tail": -1}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "tail": 1.5}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "tail": true}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "tail": "5"}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "cursor": 5}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "cursor": {}}', "a"),
        ('{"type": "subscribe:logs", "sessionName": "a", "wait": 1}', "a"),
        (b'{"type": "subscribe:logs", "sessionName": "a"}', None),
    ],
)
def test_what_is_not_a_command_is_refused_in_a_sentence(payload: str | bytes, session_name: str | None) -> None:
    """Anything that is not a command raises ProtocolError, with the session's name where it could be read."""
    with pytest.raises(ProtocolError) as caught:
        parse_command(payload)
    assert caught.value.session_name == session_name
    assert str(caught.value).endswith(".")


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.text(), st.lists).map(json.dumps)))
def test_any_payload_ends_in_a_command_or_a_protocol_error(payload: str | bytes) -> None:
    """Nothing that a client sends raises anything else."""
    try:
        parse_command(payload)
    except ProtocolError:
        pass


@pytest.mark.parametrize("name", ["a", "a b", ".hidden", "...", "größer-日本", "a" * 251, "\\", "%2e"])
def test_a_path_component_is_a_session_name(name: str) -> None:
    """Whatever is one harmless path component may name a session."""
    check_session_name(name, ".out")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "a/b", "../a", "a\0", "a\n", "\x1b[1m", "\x7f", "\x85", "\ud800", "a" * 252, "é" * 126],
)
def test_anything_else_is_no_session_name(name: str) -> None:
    """What leads elsewhere, hides in a terminal, or does not fit with the suffix is refused."""
    with pytest.raises(ProtocolError):
        check_session_name(name, ".out")


def test_messages_have_exactly_the_protocols_keys() -> None:
    """A message is a mapping with five keys; the two of cursors are there only on request."""
    assert data_message("s", "é\n", initial=True, complete=False) == {
        "type": "logs:data",
        "sessionName": "s",
        "data": "é\n",
        "isInitial": True,
        "isComplete": False,
    }
    with_cursor = data_message("s", "", initial=False, complete=True, position=("3.0badcafe", 7))
    assert with_cursor["cursor"] == "3.0badcafe"
    assert with_cursor["size"] == 7
    assert len(with_cursor) == 7
    assert error_message("No.") == {"type": "logs:error", "sessionName": None, "error": "No."}


@pytest.mark.parametrize("position", [None, ("3.0badcafe", 7)])
@pytest.mark.parametrize(
    "text", ["a line\n", "", 'größer \x1b[0m \0 "quoted" \\ \u2028 \U0001f600 \ufffd\n', "x" * 200, "é" * 40_000]
)
def test_a_message_with_which_a_text_goes_on_is_like_any_other(text: str, position: tuple[str, int] | None) -> None:
    """What is around the text was made before, and it is the same mapping, and to the byte the same frame."""
    for name in ("log", 'größer "quoted" \\ name'):
        message = Increments(name).message(text, position)
        same = data_message(name, text, initial=False, complete=False, position=position)
        assert message == same
        assert message.frame == same.frame


def test_a_frame_is_made_once_and_shared() -> None:
    """Whoever asks for a message's frame gets the same bytes object."""
    message = Message(type="x")
    assert message.frame is message.frame
    assert message.frame == b'\x81\x0c{"type":"x"}'


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\0\0\0\0\0\1\0\0"),
    ],
)
def test_a_frames_header_has_the_shortest_length_that_fits(length: int, header: bytes) -> None:
    """RFC 6455 wants the minimal encoding of a length."""
    assert text_frame(b"x" * length) == header + b"x" * length


def test_a_close_frame_holds_its_code_and_as_much_of_the_reason_as_fits() -> None:
    """A control frame's payload is at most 125 bytes and its text stays valid UTF-8."""
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"
    frame = close_frame(1001, "é" * 100)
    assert frame[1] <= 125
    frame[4:].decode()


@pytest.mark.parametrize("length", [0, 10, 200, 70_000])
def test_a_message_is_compressed_by_itself(length: int) -> None:
    """The compressed frame holds the same payload, for whoever has seen no other, and is made once."""
    message = Message(type="x", data="größer " * length)
    frame = message.deflated_frame()
    assert frame[0] == 0xC1
    start = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    assert text_frame(inflate(frame[start:])) == message.frame
    assert message.deflated_frame() is frame


def test_threads_that_want_the_same_compressed_frame_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once, it is compressed once, and all get the same bytes."""
    calls: list[int] = []
    deflate = protocol._deflate

    def count(payload: bytes) -> bytes:
        calls.append(1)
        return deflate(payload)

    monkeypatch.setattr("logstream.protocol._deflate", count)
    message = Message(data="größer " * 200_000)
    frames: list[bytes] = []
    threads = [threading.Thread(target=lambda: frames.append(message.deflated_frame())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(frame is frames[0] for frame in frames)


def test_a_compression_that_fails_fails_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a frame that will never be made."""

    def fail(payload: bytes) -> bytes:
        raise MemoryError

    monkeypatch.setattr("logstream.protocol._deflate", fail)
    message = Message(data="text")
    for _ in range(2):
        with pytest.raises(MemoryError):
            message.deflated_frame()


def test_a_ping_is_a_command_of_its_own() -> None:
    """It names no session, and whatever else is in it is the client's own."""
    assert parse_command('{"type": "ping"}') == Ping()
    assert parse_command('{"type": "ping", "sessionName": 5, "id": 7}') == Ping()
    assert pong_message() == {"type": "pong"}


@pytest.mark.parametrize("field", ["tial", "tails", "Tail", "TAIL", "curser", "cusor", "wiat", "waits", "await"])
def test_what_is_nearly_an_option_is_refused(field: str) -> None:
    """A misspelt option is said, not ignored, with the one that was meant."""
    with pytest.raises(
        ProtocolError, match=f"'{field}' is no option of a subscribe: '(tail|cursor|wait)' is one"
    ) as caught:
        parse_command(json.dumps({"type": "subscribe:logs", "sessionName": "build", field: 5}))
    assert caught.value.session_name == "build"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ({"typ": "subscribe:logs", "sessionName": "a"}, "'typ' is no field of a command: 'type' is one."),
        ({"Type": "ping"}, "'Type' is no field of a command: 'type' is one."),
        (
            {"type": "subscribe:logs", "sessionname": "a"},
            "'sessionname' is no field of a command: 'sessionName' is one.",
        ),
        (
            {"type": "unsubscribe:logs", "session_name": "a"},
            "'session_name' is no field of a command: 'sessionName' is one.",
        ),
        ({"type": "subscribe:logs"}, "A command must name its session, as text, in 'sessionName'."),
    ],
)
def test_what_is_nearly_a_fields_name_is_said_where_that_field_is_missing(
    command: dict[str, str], sentence: str
) -> None:
    """A command without type or session says which of its fields was meant to be that."""
    with pytest.raises(ProtocolError) as caught:
        parse_command(json.dumps(command))
    assert str(caught.value) == sentence
    assert parse_command('{"type": "ping", "Type": 5}') == Ping()
    assert parse_command('{"type": "unsubscribe:logs", "sessionName": "a", "session_name": 1}') == Unsubscribe("a")


@pytest.mark.parametrize("field", ["id", "requestId", "token", "user", "color", "detail", "watch", "current", "x", ""])
def test_a_clients_own_fields_are_ignored(field: str) -> None:
    """What is not like an option is none of ours."""
    assert parse_command(json.dumps({"type": "subscribe:logs", "sessionName": "build", field: 5})) == Subscribe("build")


def test_a_message_whose_text_is_let_go_keeps_its_frames() -> None:
    """What is sent is the same, and the mapping has the protocol's keys still."""
    message = data_message("a", "text" * 10_000, initial=True, complete=False)
    other = data_message("a", "text" * 10_000, initial=True, complete=False)
    message.let_text_go()
    assert message.frame == other.frame
    assert message.deflated_frame() == other.deflated_frame()
    assert message == {**other, "data": ""}


def test_a_frame_that_two_threads_make_has_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one of them has let the text go before the other one looks at it."""
    has_come, go_on = threading.Event(), threading.Event()
    dumps = protocol.orjson.dumps

    def hold(value: object, *rest: Any) -> bytes:
        if threading.current_thread() is other:
            has_come.set()
            assert go_on.wait(PATIENCE)
        return dumps(value, *rest)

    monkeypatch.setattr(protocol, "orjson", types.SimpleNamespace(dumps=hold))
    message = data_message("a", "x" * 20_000, initial=True, complete=False)
    frames: list[bytes] = []
    other = threading.Thread(target=lambda: frames.append(message.frame))
    other.start()
    assert has_come.wait(PATIENCE)
    message.let_text_go()
    go_on.set()
    other.join(PATIENCE)
    assert b"x" * 20_000 in frames[0]
    assert b"x" * 20_000 in message.frame
