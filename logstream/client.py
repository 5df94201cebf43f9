"""Following a session from a Python program: `for event in follow("http://127.0.0.1:8000", "build"): …`."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from simple_websocket import Client, ConnectionClosed
from simple_websocket import ConnectionError as HandshakeError

_FIRST_DELAY = 0.1  # seconds until the first new attempt to connect; each further one waits twice as long,
_LAST_DELAY = 5.0  # up to this
_CLOSE_TIMEOUT = 1.0  # seconds that the thread which reads has to end
_PING_INTERVAL = 25  # seconds after which a server that has said nothing is asked whether it is there


class FollowError(Exception):
    """A session cannot be followed; the text says why, in a sentence."""


class NoServerError(FollowError):
    """Nobody answers at this address, or nobody who speaks WebSocket."""


class NotAllowedError(FollowError):
    """The server refuses this client: the token is missing or wrong, or it serves others."""


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


def follow(
    url: str,
    session_name: str,
    *,
    token: str | None = None,
    tail: int | None = None,
    cursor: str | None = None,
    wait: bool = False,
    reconnect: bool = True,
) -> Generator[Event, None, None]:
    """The events of a session, to its completion; each `next` waits for one.

    `url` is the server's address, or that of its WebSocket endpoint. `tail` begins with so many last lines, `cursor`
    behind what an earlier event had; `wait` waits for a log that is not there yet. A connection that is lost is opened
    again, and goes on where it was, unless `reconnect` is off.

    Raises NoServerError where the first connection cannot be opened (later ones are tried for ever),
    NotAllowedError and SessionError. Each iterator is for one thread; end it early with its `close`.
    """
    address = _endpoint(url)
    delay = 0.0
    begun = False
    while True:
        try:
            ws = _connect(address, token)
        except NoServerError:
            if not begun:
                raise
        else:
            try:
                for event in _events(ws, session_name, tail, cursor, wait):
                    begun, delay, cursor = True, 0.0, event.cursor
                    yield event
                    if event.complete:
                        return
            except (ConnectionClosed, OSError):
                if not reconnect:
                    raise NoServerError(f"The connection to {url} was lost.") from None
            finally:
                _close(ws)
        delay = min(_LAST_DELAY, max(_FIRST_DELAY, 2 * delay))
        time.sleep(delay * random.uniform(0.5, 1.0))  # not all clients of a server at once


def server_address(url: str) -> str:
    """The server's HTTP address without a slash at its end, for an address with or without scheme or endpoint.

    Raises NoServerError.
    """
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.hostname:
        raise NoServerError(f"{url!r} is no address of a server: http://127.0.0.1:8000 is one.")
    path = parts.path.rstrip("/").removesuffix("/ws")
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def _endpoint(url: str) -> str:
    """The address of the WebSocket endpoint."""
    return f"ws{server_address(url).removeprefix('http')}/ws"


def _connect(address: str, token: str | None) -> Client:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    try:
        return Client.connect(address, headers=headers, receive_bytes=65536, ping_interval=_PING_INTERVAL)
    except HandshakeError as error:
        if error.status_code in (401, 403):
            what = "a valid token is needed" if error.status_code == 401 else "it does not serve this client"
            raise NotAllowedError(f"The server refuses: {what}.") from None
        raise NoServerError(f"The server at {address} answers with HTTP status {error.status_code}.") from None
    except Exception as error:  # from the name's resolution to a server that speaks something else
        raise NoServerError(f"There is no server at {address}: {error}.") from None


def _events(ws: Client, session_name: str, tail: int | None, cursor: str | None, wait: bool) -> Iterator[Event]:
    command: dict[str, Any] = {"type": "subscribe:logs", "sessionName": session_name, "cursor": cursor or True}
    if tail is not None and cursor is None:
        command["tail"] = tail
    if wait or cursor is not None:  # a log that was there may be gone for a moment, while it is rotated
        command["wait"] = True
    ws.send(json.dumps(command))
    while True:
        message = json.loads(ws.receive())
        if message["type"] == "logs:error":
            raise SessionError(message["error"])
        place = message["cursor"]
        yield Event(
            text=message["data"],
            reset=message["isInitial"],
            complete=message["isComplete"],
            cursor=place,
            offset=int(place.partition(".")[0]),
            size=message["size"],
        )


def _close(ws: Client) -> None:
    try:
        # Says so. The client's own would go on to close the socket under the thread that reads.
        super(Client, ws).close()
    except (ConnectionClosed, OSError):
        pass  # it was closed already
    try:
        ws.sock.shutdown(socket.SHUT_RDWR)  # which ends the thread
    except OSError:
        pass
    ws.thread.join(_CLOSE_TIMEOUT)
