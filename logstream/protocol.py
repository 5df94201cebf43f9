"""The words on the wire: commands from clients, messages to them, and the frame of a message.

Everything here is pure: bytes and text in, values out.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

SUBSCRIBE = "subscribe:logs"
UNSUBSCRIBE = "unsubscribe:logs"
PING = "ping"

# A session's log is the file <directory>/<session name><suffix>.
DEFAULT_DIRECTORY = "/tmp/saga-sessions"
DEFAULT_SUFFIX = ".out"
MAX_NAME_BYTES = 255  # what Linux allows one path component
_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and what is no text in UTF-8
DEFLATE_FROM = 16 * 1024  # bytes of a frame above which it is worth compressing
_DEFLATE_LEVEL = 1  # a log shrinks nearly as much as with more, in a third of the time


class ProtocolError(ValueError):
    """A command that cannot be carried out; its text is a sentence for the client.

    `session_name` is the session that the command named, or None where none could be read.
    """

    def __init__(self, sentence: str, session_name: str | None = None) -> None:
        super().__init__(sentence)
        self.session_name = session_name


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A wish to follow a session. `cursor` is None (not asked for), True (asked for) or a cursor to go on from."""

    session_name: str
    tail: int | None = None
    cursor: str | bool | None = None
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """A wish to stop following a session."""

    session_name: str


@dataclass(frozen=True, slots=True)
class Ping:
    """A wish to be told that this connection, which looks open, still is."""


Command = Subscribe | Unsubscribe | Ping

_OPTIONS = ("tail", "cursor", "wait")


class Message(dict[str, Any]):
    """One message to a client: a mapping with exactly the protocol's keys, beside which stand its frames.

    A frame is made when it is first asked for, and then shared, whichever client it goes to. Any thread may ask.
    """

    _frame: bytes | None = None
    _deflated: bytes | None = None
    _deflating: threading.Lock | None = None

    @property
    def frame(self) -> bytes:
        """The message as one unmasked WebSocket text frame."""
        frame = self._frame
        if frame is None:
            made = text_frame(orjson.dumps(self))
            # Another thread may have made it, and let the text go, before that was looked at here: its frame holds.
            frame = self.__dict__.setdefault("_frame", made)
        return frame

    def let_text_go(self) -> None:
        """Keep no more than the frame, for whoever looks at nothing else: a message that waits costs one form of it."""
        _ = self.frame
        self["data"] = ""

    def deflated_frame(self) -> bytes:
        """The message as one compressed frame (RFC 7692)."""
        # Held while _deflated is made, so that it is made once, and who asks meanwhile waits for it. Few need it.
        lock: threading.Lock = self.__dict__.setdefault("_deflating", threading.Lock())
        with lock:
            if self._deflated is None:
                frame = self.frame
                payload = _deflate(memoryview(frame)[len(frame) - _payload_length(frame) :])
                self._deflated = frame_header(0xC1, len(payload)) + payload
            return self._deflated


def data_message(
    session_name: str,
    text: str,
    *,
    initial: bool,
    complete: bool,
    position: tuple[str, int] | None = None,
) -> Message:
    """Log text. `position` is the cursor after the text and the file's size in bytes, for those who asked for it."""
    message = Message(
        {
            "type": "logs:data",
            "sessionName": session_name,
            "data": text,
            "isInitial": initial,
            "isComplete": complete,
        }
    )
    if position is not None:
        message["cursor"], message["size"] = position
    return message


class Increments:
    """Makes the messages with which one session's text goes on, each with its frame: what is around the text is there.

    Any thread.
    """

    __slots__ = ("_begin", "_name")

    def __init__(self, session_name: str) -> None:
        self._name = session_name
        self._begin = orjson.dumps({"type": "logs:data", "sessionName": session_name})[:-1] + b',"data":'

    def message(self, text: str, position: tuple[str, int] | None = None) -> Message:
        """What `data_message` makes of text that is neither initial nor the last."""
        message = Message(
            {
                "type": "logs:data",
                "sessionName": self._name,
                "data": text,
                "isInitial": False,
                "isComplete": False,
            }
        )
        end = b',"isInitial":false,"isComplete":false}'
        if position is not None:
            message["cursor"], message["size"] = position
            end = b'%b,"cursor":"%b","size":%d}' % (end[:-1], position[0].encode(), position[1])
        message._frame = text_frame(self._begin + orjson.dumps(text) + end)
        return message


def pong_message() -> Message:
    """The answer to a ping."""
    return Message(type="pong")


def error_message(sentence: str, session_name: str | None = None) -> Message:
    """A command's failure, in a sentence."""
    return Message(type="logs:error", sessionName=session_name, error=sentence)


def parse_command(payload: str | bytes) -> Command:
    """Read one command of a client.

    Raises ProtocolError for everything that is not one.
    """
    if isinstance(payload, bytes):
        raise ProtocolError("A command must be a text message, not a binary one.")
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise ProtocolError("A command must be valid JSON.") from None
    if not isinstance(fields, dict):
        raise ProtocolError("A command must be a JSON object.")
    name = fields.get("sessionName")
    known_name = name if isinstance(name, str) else None
    kind = fields.get("type")
    if kind == PING:
        return Ping()
    if kind is None:
        _check_spelling(fields, ("type",), known_name)
    if kind not in (SUBSCRIBE, UNSUBSCRIBE):
        raise ProtocolError(f"The type of a command must be {SUBSCRIBE!r}, {UNSUBSCRIBE!r} or {PING!r}.", known_name)
    if name is None:
        _check_spelling(fields, ("sessionName",))
    if known_name is None:
        raise ProtocolError("A command must name its session, as text, in 'sessionName'.")
    if kind == UNSUBSCRIBE:
        return Unsubscribe(known_name)
    tail, cursor, wait = fields.get("tail"), fields.get("cursor"), fields.get("wait")
    _check_spelling(fields, _OPTIONS, known_name)
    try:
        check_options(tail, cursor, wait)
    except ProtocolError as error:
        raise ProtocolError(str(error), known_name) from None
    return Subscribe(known_name, tail, None if cursor is False else cursor, bool(wait))


def _check_spelling(fields: Iterable[str], words: tuple[str, ...], session_name: str | None = None) -> None:
    """Raise ProtocolError for what is nearly one of these fields' names; other fields are a client's own."""
    for field in fields:
        if field in words:
            continue
        for word in words:
            if _is_slip(field.replace("_", "").lower(), word.lower()) and len(field) <= len(word) + 2:
                kind = "option of a subscribe" if word in _OPTIONS else "field of a command"
                raise ProtocolError(f"{field!r} is no {kind}: {word!r} is one.", session_name)


def _is_slip(text: str, word: str) -> bool:
    """Whether at most one letter is wrong, missing or too many, or two neighbours are swapped."""
    while text and word and text[0] == word[0]:
        text, word = text[1:], word[1:]
    while text and word and text[-1] == word[-1]:
        text, word = text[:-1], word[:-1]
    return max(len(text), len(word)) <= 1 or (len(text) == 2 and text == word[::-1])


def check_options(tail: object, cursor: object, wait: object) -> None:
    """Raise ProtocolError unless these are values for a subscribe's options; None is one for each."""
    if tail is not None and (not isinstance(tail, int) or isinstance(tail, bool) or tail < 0):
        raise ProtocolError("'tail' must be a whole number of lines, 0 or more.")
    if cursor is not None and not isinstance(cursor, (str, bool)):
        raise ProtocolError("'cursor' must be true or a cursor that this server gave.")
    if wait is not None and not isinstance(wait, bool):
        raise ProtocolError("'wait' must be true or false.")


def check_session_name(name: str, suffix: str = "") -> None:
    """Raise ProtocolError unless `name` is one safe path component, with the file's `suffix` too."""
    problem = _name_problem(name, suffix) if isinstance(name, str) else "must be text"
    if problem:
        raise ProtocolError(f"A session name {problem}.", name)


def _name_problem(name: str, suffix: str) -> str | None:
    if not name or name in (".", ".."):
        return "must not be empty, '.' or '..'"
    if "/" in name:
        return "must not contain a slash"
    if _UNSAFE.search(name):
        return "must not contain control characters"
    if len((name + suffix).encode()) > MAX_NAME_BYTES:
        return f"must not be longer than {MAX_NAME_BYTES - len(suffix.encode())} bytes"
    return None


def _deflate(payload: bytes | memoryview) -> bytes:
    compressor = zlib.compressobj(level=_DEFLATE_LEVEL, wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _payload_length(frame: bytes) -> int:
    if frame[1] < 126:
        return frame[1]
    return int.from_bytes(frame[2:4] if frame[1] == 126 else frame[2:10])


def text_frame(payload: bytes) -> bytes:
    """One final, unmasked text frame (RFC 6455, section 5.2)."""
    return frame_header(0x81, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame (RFC 6455, section 5.5.1); `reason` is cut to the 123 bytes that fit."""
    payload = code.to_bytes(2) + reason.encode()[:123].decode(errors="ignore").encode()
    return frame_header(0x88, len(payload)) + payload


def frame_header(first_byte: int, length: int) -> bytes:
    """The header of an unmasked frame with a payload of `length` bytes."""
    if length < 126:
        return bytes((first_byte, length))
    if length < 1 << 16:
        return bytes((first_byte, 126)) + length.to_bytes(2)
    return bytes((first_byte, 127)) + length.to_bytes(8)
