"""Carrying out the commands of one client."""

from __future__ import annotations

import functools
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from ..config import Settings
from ..engine.manager import LogStreamManager
from ..protocol import ProtocolError, Subscribe, Unsubscribe, error_message, parse_command, pong_message
from ..ratelimit import RateLimitedLog, TokenBucket
from .connection import Connection
from .helpers import Helpers
from .subscribing import Subscribing


class Commands:
    """What one client may ask for, and how often. Only for the thread that reads from it, but for `_subscribe`."""

    def __init__(
        self,
        connection: Connection,
        manager: LogStreamManager,
        settings: Settings,
        refusals: RateLimitedLog,
        *,
        client: str,
        helpers: Helpers,
        allows: Callable[[str], bool],
        on_subscribe: Callable[[], object],
        bring: Callable[[str, bool], bool] = lambda session_name, level: False,
    ) -> None:
        """`allows(session_name)` tells whether the client may see a session.

        `refusals` is for the operator, and `client` how it calls the client. `helpers` carry out the subscribes of
        all clients.

        `on_subscribe()` is called after each subscribe. `bring(session_name, level)` is called before, to have the log
        here, or where `level` all of it; it returns whether the log must be waited for, though nobody asked for that.
        Those two and `allows` are called by a helper.
        """
        self._connection = connection
        self._manager = manager
        self._max_command = settings.max_command
        self._refusals = refusals
        self._client = client
        self._allows = allows
        self._on_subscribe = on_subscribe
        self._bring = bring
        self._subscribes = TokenBucket(settings.max_subscribes, 60.0)
        self._subscribing = Subscribing(connection, helpers)

    def carry_out(self, payload: str | bytes) -> None:
        """Carry out one command, or tell the client why not.

        Raises ConnectionError or TimeoutError when the client is gone, and BrokenPipeError where the command is too
        long: the connection is closed then.
        """
        # simple-websocket counts characters.
        if isinstance(payload, str) and len(payload.encode()) > self._max_command:
            self._connection.shut(CloseReason.MESSAGE_TOO_BIG)
            raise BrokenPipeError("the connection is closed")
        try:
            command = parse_command(payload)
            if isinstance(command, Subscribe):
                self._check_rate(command.session_name)
        except ProtocolError as error:
            self._connection.send(error_message(str(error), error.session_name))
            return
        if isinstance(command, Subscribe):
            self._subscribing.begin(command.session_name, functools.partial(self._subscribe, command))
        elif isinstance(command, Unsubscribe):
            session_name = command.session_name
            self._subscribing.end(session_name, lambda: self._manager.unsubscribe(session_name, self._connection))
        else:
            self._connection.send(pong_message())

    def give_up(self) -> None:
        """The client is gone: whatever still goes on for it is for nobody."""
        self._subscribing.end_all()

    def _subscribe(self, command: Subscribe, is_wanted: Callable[[], bool]) -> None:
        """On any thread. Raises ConnectionError or TimeoutError when the client is gone."""
        session_name = command.session_name
        if not self._allows(session_name):
            shown = ascii(session_name[:100])
            self._refusals.warning("refused session %s to %s: the authorize hook says no", shown, self._client)
            if is_wanted():
                sentence = f"Session {session_name!r} is not for you to follow."
                self._connection.send(error_message(sentence, session_name))
            return
        level = command.tail is not None or isinstance(command.cursor, str)
        wait = self._bring(session_name, level) or command.wait
        self._manager.subscribe(
            session_name,
            self._connection,
            tail=command.tail,
            cursor=command.cursor,
            wait=wait,
            is_wanted=is_wanted,
        )
        self._on_subscribe()

    def _check_rate(self, session_name: str) -> None:
        """Raise ProtocolError where the client subscribes too often."""
        if not self._subscribes.take():
            self._refusals.warning("refused %s: more than LOGSTREAM_MAX_SUBSCRIBES in a minute", self._client)
            raise ProtocolError(
                f"Session {session_name!r} cannot be followed now: this connection subscribes too often.", session_name
            )
