"""The connections to Redis: the only module that knows its client library.

The library's own retrying is off: whoever subscribes again without a word hides what was lost meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config import ConfigurationError

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.retry import Retry
except ImportError:  # it is an extra
    redis = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_TIMEOUT = 2.0  # seconds that Redis has to answer
_CLOSE = 0.5  # seconds that the thread has to end
_SILENCE = 2.0  # seconds without a message after which Redis is asked whether it is there
_FIRST_PAUSE = 0.05  # seconds until the first new attempt; each further one waits twice as long,
_LAST_PAUSE = 0.5  # up to this

Do = Callable[[Any], Any]


class BusError(Exception):
    """Redis cannot be reached, or refuses."""


class Bus:
    """What a host or a dashboard has of Redis: one connection that listens, on its own thread, and one that speaks.

    Any thread may call. What is published while Redis is away is lost, and `BusError` says so.
    """

    def __init__(
        self,
        url: str,
        *,
        channels: tuple[str, ...] = (),
        patterns: tuple[str, ...] = (),
        bell: str | None = None,
        on_message: Callable[[str, bytes], object],
        on_connect: Callable[[], object],
        on_follow: Callable[[str], object] = lambda channel: None,
    ) -> None:
        """Listens to `channels` and `patterns` always, and to what is followed. Nothing is connected yet.

        All callbacks come from the thread that listens: `on_message(channel, message)`, `on_connect()` after each new
        connection, when all is listened to again, and `on_follow(channel)` when one more channel is. `bell` is a
        channel, of which nobody is told, that wakes the thread for new ones; it fits a pattern.
        Raises ConfigurationError where the library is missing or the address is none.
        """
        if redis is None:
            raise ConfigurationError("several hosts need the package redis: pip install 'logstream[fleet]'")
        self._options: dict[str, Any] = {
            "socket_timeout": _TIMEOUT,
            "socket_connect_timeout": _TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        try:
            self._speaker = redis.Redis.from_url(url, max_connections=1, **self._options)
        except ValueError as error:
            raise ConfigurationError(f"LOGSTREAM_REDIS must be an address such as redis://host:6379: {error}") from None
        self._url = url
        self.address = _without_password(url)
        self._always = channels
        self._patterns = patterns
        self._bell = bell
        self._on_message, self._on_connect, self._on_follow = on_message, on_connect, on_follow
        # Held while a command is under way, so that what one thread says before another comes before it. Can block for
        # _TIMEOUT: it is the lock of a socket.
        self._speaking = threading.Lock()
        # Guards the five below.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._followed: set[str] = set()
        self._changes: deque[str] = deque()  # channels that are to be followed, or no more
        self._said = False  # the operator was told that Redis is away
        self._failed: str | None = None
        self._closed = threading.Event()
        self._connected = threading.Event()
        self._settled = threading.Event()  # it is connected, or has failed once

    @property
    def is_connected(self) -> bool:
        """Whether Redis was there when it was last heard of."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to listen, unless that was done. Raises RuntimeError where there is no thread to be had."""
        with self._lock:
            if self._thread is not None or self._closed.is_set():
                return
            thread = threading.Thread(target=self._run, name="logstream-bus", daemon=True)
            thread.start()
            self._thread = thread

    def settle(self, timeout: float) -> bool:
        """Wait until it is known whether Redis is there. Returns whether it is."""
        self._settled.wait(timeout)
        return self.is_connected

    def close(self) -> None:
        """End the thread and the connections. Idempotent. Not for the thread that listens."""
        self._closed.set()
        self._ring()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE)
        self._speaker.close()

    def follow(self, channel: str) -> None:
        """Listen to one more channel, from the call of `on_follow` on."""
        self._change(channel, self._followed.add)

    def unfollow(self, channel: str) -> None:
        """Listen to a channel no more."""
        self._change(channel, self._followed.discard)

    def publish(self, channel: str, message: bytes) -> None:
        """Hand a message to all who listen. Raises BusError."""
        self.publish_all([(channel, message)])

    def do(self, work: Do) -> Any:
        """What `work(client)` returns, which gives commands to the library's client. Raises BusError."""
        if not self.is_connected:
            raise BusError("Redis is away")
        try:
            with self._speaking:
                return work(self._speaker)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self._connected.clear()
            self._ring_anyway()
            raise BusError(str(error)) from None
        except redis.RedisError as error:
            raise BusError(str(error)) from None

    def pipeline(self, fill: Do) -> list[Any]:
        """The answers to the commands that `fill(pipeline)` gives, as one transaction. Raises BusError."""

        def work(client: Any) -> Any:
            with client.pipeline(transaction=True) as pipeline:
                fill(pipeline)
                return pipeline.execute()

        return list(self.do(work))

    def publish_all(self, messages: list[tuple[str, bytes]]) -> None:
        """Hand several messages out in one go, in their order. Raises BusError.

        On the library's connection, and past its client, which takes as long over each message as Redis does.
        """

        def work(client: Any) -> None:
            connection = client.connection_pool.get_connection()
            try:
                connection.send_packed_command([_packed(channel, message) for channel, message in messages])
                answers = [_answer(connection) for _ in messages]
            except BaseException:
                connection.disconnect()  # or an answer that is still to come would be the next command's
                raise
            finally:
                client.connection_pool.release(connection)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer

        self.do(work)

    def _change(self, channel: str, change: Callable[[str], object]) -> None:
        with self._lock:
            change(channel)
            self._changes.append(channel)
        self._ring()

    def _ring(self) -> None:
        """Have the thread look at what is to be done."""
        if self._bell is not None and self.is_connected:
            try:
                self.publish(self._bell, b"")
            except BusError:
                pass  # it will look when it is connected again

    def _ring_anyway(self) -> None:
        """The speaker has failed; the listener finds out in its turn."""
        self._failed = "it does not answer"

    # What follows is for the thread that listens.

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                with self._listen() as pubsub:
                    pause = _FIRST_PAUSE
                    while not self._closed.is_set():
                        self._receive(pubsub)
            except (redis.RedisError, OSError) as error:
                self._say(str(error) or type(error).__name__)
            except Exception:
                logger.exception("the connection to Redis failed")
            self._connected.clear()
            self._settled.set()
            self._closed.wait(pause)
            pause = min(_LAST_PAUSE, 2 * pause)

    def _say(self, problem: str) -> None:
        if not self._said and not self._closed.is_set():
            logger.warning("Redis at %s is away (%s): it is tried again", self.address, problem)
            self._said = True

    def _listen(self) -> _Listener:
        """A new connection that listens to all that is wanted; the one that speaks is there too."""
        self._failed = None
        with self._speaking:
            self._speaker.connection_pool.disconnect()
            self._speaker.ping()
        with self._lock:
            self._changes.clear()
            channels = [*self._always, *self._followed]
        listener = _Listener(redis.Redis.from_url(self._url, **self._options), channels, self._patterns)
        try:
            listener.begin()
            self._connected.set()
            self._settled.set()
            if self._said:
                logger.info("Redis at %s is there again", self.address)
                self._said = False
            self._on_connect()
        except BaseException:
            listener.close()
            raise
        return listener

    def _receive(self, listener: _Listener) -> None:
        if self._failed is not None:
            raise redis.ConnectionError(self._failed)
        with self._lock:
            changes, self._changes = self._changes, deque()
            changed = {channel: channel in self._followed for channel in changes}
        listener.change(changed)
        found = listener.receive(_SILENCE)
        if found is None:
            return
        kind, channel, message = found
        if kind == "subscribe":
            self._on_follow(channel)
        elif kind in ("message", "pmessage") and channel != self._bell:
            self._on_message(channel, message)


class _Listener:
    """One connection that listens, from its beginning to its end. For one thread."""

    def __init__(self, client: Any, channels: list[str], patterns: tuple[str, ...]) -> None:
        self._client = client
        self._pubsub = client.pubsub()
        self._channels = channels
        self._patterns = patterns
        self._asked = False  # whether Redis is there, and it has not answered yet

    def __enter__(self) -> _Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Listen to everything, and wait until that is so."""
        if self._channels:
            self._pubsub.subscribe(*self._channels)
        if self._patterns:
            self._pubsub.psubscribe(*self._patterns)
        left = len(set(self._channels)) + len(set(self._patterns))
        while left:
            found = self._pubsub.get_message(timeout=_TIMEOUT)
            if found is None:
                raise redis.TimeoutError("it does not answer")
            left -= found["type"] in ("subscribe", "psubscribe")

    def change(self, channels: Mapping[str, bool]) -> None:
        """Listen to those channels that are true, and to the others no more."""
        more = [channel for channel, wanted in channels.items() if wanted]
        less = [channel for channel, wanted in channels.items() if not wanted]
        if more:
            self._pubsub.subscribe(*more)
        if less:
            self._pubsub.unsubscribe(*less)

    def receive(self, timeout: float) -> tuple[str, str, bytes] | None:
        """The next message's kind, channel and content. Raises what the library does, also where Redis is silent."""
        found = self._pubsub.get_message(timeout=timeout)
        if found is None:
            if self._asked:
                raise redis.TimeoutError("it does not answer")
            self._pubsub.ping()
            self._asked = True
            return None
        self._asked = False
        channel = found["channel"]
        name = channel.decode("utf-8", "replace") if isinstance(channel, bytes) else ""
        content = found["data"]
        return found["type"], name, content if isinstance(content, bytes) else b""

    def close(self) -> None:
        """End the connection."""
        self._pubsub.close()
        self._client.close()


def _packed(channel: str, message: bytes) -> bytes:
    """The command PUBLISH as it goes over the wire."""
    name = channel.encode()
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(message), message)


def _answer(connection: Any) -> Any:
    """What Redis answers next, or the refusal."""
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
