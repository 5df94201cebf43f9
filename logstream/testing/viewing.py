"""A viewer of one session, which waits for what a test expects, and says what came instead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

from ..client import authorization, server_address
from ..websocket import LostError, WebSocket

WITHIN = 10.0  # seconds that is waited for anything

_SHOWN = 1000  # characters of a text that an error shows


class Viewer:
    """One connection that follows one session, and has its text by the protocol's rule. Only for one thread.

    It reads while something is awaited, and at no other time. Whatever does not come in time, or cannot come any more,
    is an AssertionError that says what came so far.
    """

    def __init__(
        self,
        url: str,
        session_name: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        tail: int | None = None,
        cursor: str | None = None,
        wait: bool = False,
    ) -> None:
        """Connect to a server, by its address or that of its WebSocket, and subscribe; nothing is awaited yet.

        Raises RefusedError where it may not connect, LostError and OSError.
        """
        self.session_name = session_name
        self.complete = False  # whether the last message has come
        self.error: str | None = None  # the server's sentence, where it does not serve the session (any more)
        self.close_code: int | None = None  # with which the server has closed the connection; 1006 for none
        self.cursor: str | None = cursor  # the place behind the text
        self.messages = 0  # that have come with text, or with the news that there is none
        self._pieces: list[str] = []
        self._resets = 0
        self._awaited = 1  # of these; the first message begins the text, and is nothing to wait for
        address = f"ws{server_address(url).removeprefix('http')}/ws"
        self._ws = WebSocket(address, {**authorization(token), **(headers or {})}, WITHIN)
        command: dict[str, Any] = {"type": "subscribe:logs", "sessionName": session_name, "cursor": cursor or True}
        if tail is not None:
            command["tail"] = tail
        if wait:
            command["wait"] = True
        if cursor is not None:
            self._awaited = 0
        try:
            self._ws.send(json.dumps(command))
        except BaseException:
            self._ws.close()
            raise

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def text(self) -> str:
        """The session's text, as far as it was read."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def await_text(self, part: str, within: float = WITHIN) -> None:
        """Wait until the text has this part, for so many seconds."""
        self._await(lambda: part in self.text, f"the text {part!r}", within)

    def await_whole_text(self, text: str, within: float = WITHIN) -> None:
        """Wait until this is the text, for so many seconds."""
        self._await(lambda: self.messages > 0 and self.text == text, f"the whole text {text!r}", within)

    def await_reset(self, within: float = WITHIN) -> None:
        """Wait until the text begins again, for so many seconds. Each time that it does can be awaited once."""
        self._await(lambda: self._resets > self._awaited, "a reset", within)
        self._awaited += 1

    def await_complete(self, within: float = WITHIN) -> None:
        """Wait until the session is complete, for so many seconds; then the text is the whole log."""
        self._await(lambda: self.complete, "the completion", within)

    def await_error(self, within: float = WITHIN) -> str:
        """Wait until the server says that it does not serve the session (any more); returns its sentence."""
        self._await(lambda: self.error is not None, "an error", within)
        assert self.error is not None
        return self.error

    def await_close(self, within: float = WITHIN) -> int:
        """Wait until the server closes the connection; returns the code, such as 1001 where it goes away."""
        self._await(lambda: self.close_code is not None, "the end of the connection", within, is_end=True)
        assert self.close_code is not None
        return self.close_code

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._ws.close()

    def _await(self, done: Callable[[], bool], what: str, within: float, *, is_end: bool = False) -> None:
        """`is_end` says that it comes after an error or a completion, too, which are else the last thing to come."""
        deadline = time.monotonic() + within
        while not done():
            if self.close_code is not None:
                self._fail(f"the connection was closed with {self.close_code} before {what} came")
            if self.error is not None and not is_end:
                self._fail(f"the server said {self.error!r} before {what} came")
            if self.complete and not is_end:
                self._fail(f"the session was complete before {what} came")
            try:
                self._take(json.loads(self._ws.receive(within, deadline)))
            except TimeoutError:
                self._fail(f"{what} did not come within {within:g} s")
            except (LostError, OSError):
                self.close_code = self._ws.close_code or 1006
                self._ws.close()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "logs:error":
            self.error = message["error"]
        if message["type"] != "logs:data":
            return
        self.messages += 1
        self.cursor = message["cursor"]
        if message["isInitial"]:
            self._pieces = []
            self._resets += 1
        self._pieces.append(message["data"])
        self.complete = self.complete or message["isComplete"]

    def _fail(self, sentence: str) -> NoReturn:
        text = self.text
        shown = repr(text) if len(text) <= _SHOWN else f"… {text[-_SHOWN:]!r}"
        state = "complete" if self.complete else "not complete"
        raise AssertionError(
            f"session {self.session_name!r}: {sentence}; so far {len(text)} characters came "
            f"in {self.messages} messages ({self._resets} of them began the text), {state}: {shown}"
        )
