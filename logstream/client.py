"""Following a session from a Python program: `for event in follow("http://127.0.0.1:8000", "build"): …`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .websocket import LostError, RefusedError, WebSocket

CONNECT_TIMEOUT = 10.0  # seconds that a server has to answer
SILENCE = 20.0  # seconds after which a server that has said nothing is asked whether it is there,
PATIENCE = 5.0  # and then until its connection counts as lost

_FIRST_DELAY = 0.1  # seconds until the first new attempt; each further one waits twice as long,
_LAST_DELAY = 5.0  # up to this
_STRANGE = "The server speaks something else than logstream's do."


class FollowError(Exception):
    """A session cannot be followed; the text says why, in a sentence."""


class NoServerError(FollowError):
    """Nobody answers at this address, or nobody who speaks WebSocket."""


class NotAllowedError(FollowError):
    """The server refuses this client: the token is missing or wrong (`needs_token`), or it serves others."""

    def __init__(self, sentence: str, *, needs_token: bool = False) -> None:
        super().__init__(sentence)
        self.needs_token = needs_token


class SessionError(FollowError):
    """The server cannot serve this session: there is no such log, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class Event:
    """Some more of a session's text."""

    text: str
    reset: bool  # the text so far is void, and this is the beginning: at first, and when the log was started over
    complete: bool  # this is the last one
    cursor: str  # the place behind the text, to go on from some other time
    offset: int  # the same in bytes
    size: int  # of the log now, in bytes


class Backoff:
    """Growing pauses between attempts, up to five seconds. Only for one thread."""

    def __init__(self) -> None:
        self._delay = 0.0

    def reset(self) -> None:
        """It has worked: begin with a short pause when it does not again."""
        self._delay = 0.0

    def pause(self) -> None:
        """Wait until the next attempt."""
        self._delay = min(_LAST_DELAY, max(_FIRST_DELAY, 2 * self._delay))
        time.sleep(self._delay * random.uniform(0.5, 1.0))  # not all clients of a server at once


def follow(
    url: str,
    session_name: str,
    *,
    token: str | None = None,
    tail: int | None = None,
    cursor: str | None = None,
    wait: bool = False,
    reconnect: bool = True,
    trouble: Callable[[str], object] | None = None,
) -> Generator[Event, None, None]:
    """The events of a session, to its completion; each `next` waits for one.

    `url` is the server's address, or that of its WebSocket endpoint. `tail` begins with so many last lines, `cursor`
    behind what an earlier event had; `wait` waits for a log that is not there yet. A connection that is lost, or on
    which nothing comes any more, is opened again, and goes on where it was, unless `reconnect` is off. So it does when
    the server says that a session which was followed cannot be for now: `trouble` is then told the sentence, once
    until it can be again. A program that takes longer than the server waits (50 seconds) is disconnected meanwhile.

    Raises NoServerError where the first connection cannot be opened (later ones are tried for ever) or the server is
    none of ours, NotAllowedError, and SessionError where the session cannot be followed from the start. Each iterator
    is for one thread; end it early with its `close`.
    """
    address = _endpoint(url)
    backoff = Backoff()
    begun = said = False
    while True:
        try:
            ws = _connect(address, token)
        except NoServerError:
            if not begun:
                raise
        else:
            try:
                for event in _events(ws, session_name, tail, cursor, wait):  # pragma: no branch: it ends by an error
                    begun, said, cursor = True, False, event.cursor
                    backoff.reset()
                    yield event
                    if event.complete:
                        return
            except SessionError as error:
                if not begun or not reconnect:
                    raise
                if trouble is not None and not said:
                    trouble(str(error))
                said = True
            except (LostError, OSError):
                if not reconnect:
                    raise NoServerError(f"The connection to {url} was lost.") from None
            finally:
                ws.close()
        backoff.pause()


def server_address(url: str) -> str:
    """The server's HTTP address without a slash at its end, for an address with or without scheme or endpoint.

    Raises NoServerError.
    """
    try:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        known = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        known = False
    if not known:
        raise NoServerError(f"{url!r} is no address of a server: http://127.0.0.1:8000 is one.")
    path = parts.path.rstrip("/").removesuffix("/ws")
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))


def authorization(token: str | None) -> dict[str, str]:
    """The headers that show a token. Raises NotAllowedError for one that no server can have."""
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise NotAllowedError("The server refuses: a token has only printable ASCII characters.")
    return {"Authorization": f"Bearer {token}"}


def refusal(address: str, status: int, headers: Mapping[str, str], body: bytes) -> FollowError:
    """What to say where a server answers with an HTTP status other than the one that is hoped for.

    `address` is what was asked, `headers` are asked for by lower-case names, and of the `body` the beginning is enough.
    """
    said = _sentence(headers.get("content-type") or "", body)
    if status in (401, 403):
        needs_token = status == 401
        said = said or ("A valid token is needed." if needs_token else "It does not serve this client.")
        return NotAllowedError(f"The server refuses: {said}", needs_token=needs_token)
    if said:
        return NoServerError(said)
    location = headers.get("location") or ""
    if 300 <= status < 400 and location.isprintable():
        path = urlsplit(address).path
        base = location.removesuffix(path)
        hint = f": give {base} instead." if base and base != location else "."
        return NoServerError(f"The server at {address} leads to {location}{hint}")
    hint = ": is there a path in the address that is wrong or missing?" if status == 404 else "."
    return NoServerError(f"The server at {address} answers with HTTP status {status}{hint}")


def _sentence(content_type: str, body: bytes) -> str:
    """What a refusal's body says; empty where that is no sentence."""
    if content_type.startswith("application/json"):
        try:
            said = json.loads(body)["error"]
        except (ValueError, LookupError, TypeError):
            said = ""
    else:
        said = body.decode(errors="replace") if content_type.startswith("text/plain") else ""
    lines = str(said).strip().splitlines()
    return lines[0] if lines and lines[0].isprintable() else ""


_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def _endpoint(url: str) -> str:
    """The address of the WebSocket endpoint."""
    return f"ws{server_address(url).removeprefix('http')}/ws"


def _connect(address: str, token: str | None) -> WebSocket:
    headers = authorization(token)
    try:
        return WebSocket(address, headers, CONNECT_TIMEOUT)
    except RefusedError as error:
        raise refusal(address, error.status, error.headers, error.body) from None
    except (LostError, OSError, ValueError) as error:
        raise NoServerError(f"There is no server at {address}: {error}.") from None


def _events(ws: WebSocket, session_name: str, tail: int | None, cursor: str | None, wait: bool) -> Iterator[Event]:
    command: dict[str, Any] = {"type": "subscribe:logs", "sessionName": session_name, "cursor": cursor or True}
    if tail is not None and cursor is None:
        command["tail"] = tail
    if wait or cursor is not None:  # a log that was there may be gone for a moment, while it is rotated
        command["wait"] = True
    ws.send(json.dumps(command))
    asked = False  # whether it is there, so that any answer will do
    while True:
        try:
            message = _parse(ws.receive(PATIENCE if asked else SILENCE))
        except TimeoutError:
            if asked:
                raise LostError("nothing comes any more") from None
            ws.send(json.dumps({"type": "ping"}))
            asked = True
            continue
        kind = message.get("type")
        # A server that knows no ping says so, of no session.
        if kind == "logs:error" and not (asked and message.get("sessionName") is None):
            raise SessionError(str(message.get("error")))
        asked = False
        if kind == "logs:data":
            yield _event(message)


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise NoServerError(_STRANGE)
    return message


def _event(message: dict[str, Any]) -> Event:
    try:
        place = message["cursor"]
        return Event(
            text=message["data"],
            reset=message["isInitial"],
            complete=message["isComplete"],
            cursor=place,
            offset=int(place.partition(".")[0]),
            size=message["size"],
        )
    except (KeyError, ValueError, AttributeError):
        raise NoServerError(_STRANGE) from None
