"""What hosts and dashboards say to each other: names of channels and keys, and messages. All of it is pure.

A message is a JSON head, a newline, and raw bytes of a log. Offsets and sizes are bytes. Whatever comes over the wire
is checked here, before it is used for anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import orjson

from ..protocol import ProtocolError, check_session_name

DEFAULT_PREFIX = "logstream"
START = "0.00000000"  # the cursor at the beginning of any log
PIECE = 256 * 1024  # bytes of a log that one message carries at most
PULL = 4 * 1024 * 1024  # bytes of a log that answer one pull
PUSH = 1024 * 1024  # bytes pending from which on dashboards are told to pull
LEASE = 15.0  # seconds that a host pushes a session after a dashboard has last said that it follows it
EXPIRY = 15  # seconds after which a host that is not heard of is away

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_CURSOR = re.compile(r"\d{1,18}\.[0-9a-f]{8}", re.ASCII)


class WordsError(ValueError):
    """What has come over the wire is no message; its text says why."""


def is_host(name: object) -> bool:
    """Whether this can name a host, or a dashboard."""
    return isinstance(name, str) and _HOST.fullmatch(name) is not None


def is_prefix(text: object) -> bool:
    """Whether channels and keys can begin with this."""
    return isinstance(text, str) and _PREFIX.fullmatch(text) is not None


def is_cursor(text: object) -> bool:
    """Whether this has the form of a cursor."""
    return isinstance(text, str) and _CURSOR.fullmatch(text) is not None


def offset_of(cursor: str) -> int:
    """The offset of a cursor that was checked."""
    return int(cursor.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Names:
    """The channels and keys of one fleet."""

    prefix: str = DEFAULT_PREFIX

    def ask(self, host: str) -> str:
        """The channel by which dashboards ask a host."""
        return f"{self.prefix}:ask:{host}"

    def to(self, dashboard: str, host: str) -> str:
        """The channel by which a host answers a dashboard."""
        return f"{self.prefix}:to:{dashboard}:{host}"

    def answers(self, dashboard: str) -> str:
        """The pattern of all channels by which a dashboard is answered."""
        return self.to(dashboard, "*")

    def log(self, host: str, session_name: str) -> str:
        """The channel with what is appended to a log."""
        return f"{self.prefix}:log:{host}:{session_name}"

    def sessions(self, host: str) -> str:
        """The key with the sessions of a host."""
        return f"{self.prefix}:sessions:{host}"

    def host(self, host: str) -> str:
        """The key with the last beat of a host."""
        return f"{self.prefix}:host:{host}"

    def sender(self, channel: str) -> tuple[str, str | None]:
        """The host that alone may publish on a channel, and the session where it is a log's. Raises WordsError."""
        kind, _, rest = channel.removeprefix(f"{self.prefix}:").partition(":")
        first, _, second = rest.partition(":")
        host, session_name = (second, None) if kind == "to" else (first, second)
        if kind not in ("to", "log") or not is_host(host):
            raise WordsError(f"no host is known by {channel[:100]!a}")
        return host, session_name


@dataclass(frozen=True, slots=True)
class Message:
    """Any message. A field's letter on the wire is in its class's `letters`, in the order of the fields."""

    kind: ClassVar[str]
    letters: ClassVar[str]

    def pack(self) -> bytes:
        """The message as it goes over the wire."""
        head: dict[str, Any] = {"t": self.kind}
        payload = b""
        for letter, field in zip(self.letters, fields(self), strict=True):
            value = getattr(self, field.name)
            if letter == "=":
                payload = value
            else:
                head[letter] = value
        return orjson.dumps(head) + b"\n" + payload


@dataclass(frozen=True, slots=True)
class Data(Message):
    """To all who follow: bytes behind `cursor`, of a log of `size` bytes."""

    kind: ClassVar[str] = "data"
    letters: ClassVar[str] = "ncs="
    name: str
    cursor: str
    size: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class More(Message):
    """To all who follow, or to one dashboard: much is pending, or the log started over, or something is missing."""

    kind: ClassVar[str] = "more"
    letters: ClassVar[str] = "ns"
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Done(Message):
    """To all who follow, or to one dashboard: the session is complete, and its log ends at `cursor`."""

    kind: ClassVar[str] = "done"
    letters: ClassVar[str] = "nc"
    name: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Reply(Message):
    """To one dashboard: a piece of what it has asked for by `number`.

    `start_over` says that its cursor does not fit, so that the log begins anew; `last` that no other piece follows.
    """

    kind: ClassVar[str] = "reply"
    letters: ClassVar[str] = "nicsrl="
    name: str
    number: int
    cursor: str
    size: int
    start_over: bool
    last: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class Missing(Message):
    """To one dashboard: there is no such log, says the answer to what it has asked by `number`."""

    kind: ClassVar[str] = "none"
    letters: ClassVar[str] = "ni"
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Read(Message):
    """To a host: up to `most` bytes behind `cursor`. The log is followed from now on, unless that is 0."""

    kind: ClassVar[str] = "read"
    letters: ClassVar[str] = "ncdib"
    name: str
    cursor: str
    dashboard: str
    number: int
    most: int


@dataclass(frozen=True, slots=True)
class Roll(Message):
    """To a host: all that a dashboard follows of it, and where the copies stand."""

    kind: ClassVar[str] = "roll"
    letters: ClassVar[str] = "da"
    dashboard: str
    cursors: dict[str, str]


@dataclass(frozen=True, slots=True)
class Complete(Message):
    """To a host: somebody says that a session is complete. Answered by `Done` or `Missing`."""

    kind: ClassVar[str] = "done?"
    letters: ClassVar[str] = "ndi"
    name: str
    dashboard: str
    number: int


_KINDS: dict[str, type[Message]] = {
    kind.kind: kind for kind in (Data, More, Done, Reply, Missing, Read, Roll, Complete)
}


def parse(message: bytes) -> Message:
    """Read a message. Raises WordsError for whatever is none."""
    head, newline, payload = message.partition(b"\n")
    try:
        words = orjson.loads(head)
    except orjson.JSONDecodeError:
        raise WordsError("its head is not JSON") from None
    kind = _KINDS.get(words.get("t", "")) if isinstance(words, dict) and isinstance(words.get("t", ""), str) else None
    if kind is None or not newline:
        raise WordsError("it is of no kind that is known")
    values: list[object] = []
    for letter in kind.letters:
        value = payload if letter == "=" else words.get(letter)
        if not _CHECKS[letter](value):
            raise WordsError(f"its {letter!r} is {ascii(value)[:100]}")
        values.append(value)
    return kind(*values)


def _is_name(value: object) -> bool:
    try:
        check_session_name(value)  # type: ignore[arg-type]  # which it finds out
    except ProtocolError:
        return False
    return True


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _are_cursors(value: object) -> bool:
    return isinstance(value, dict) and all(_is_name(name) and is_cursor(cursor) for name, cursor in value.items())


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "n": _is_name,
    "c": is_cursor,
    "s": _is_count,
    "i": _is_count,
    "b": lambda value: _is_count(value) and value <= PULL,
    "d": is_host,
    "a": _are_cursors,
    "r": lambda value: isinstance(value, bool),
    "l": lambda value: isinstance(value, bool),
    "=": lambda value: len(value) <= PIECE,
}
