"""Who follows what: the engine's front, which makes feeds and drops them.

Locks are taken in this order and never in another: the manager's, a feed's, a catch-up's, a socket's.
The watcher's, the endpoint's, the tmux watcher's, a rate's and a file's own are leaves: nothing else is taken, and
nothing called, while one is held. The metrics' own is taken with none held; prometheus_client's are behind it, and
behind a feed's.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from simple_websocket import ConnectionClosed

from ..protocol import (
    DEFAULT_DIRECTORY,
    DEFAULT_SUFFIX,
    Message,
    ProtocolError,
    check_options,
    check_session_name,
    error_message,
)
from ..ratelimit import RateLimitedLog
from .catchup import CatchUp
from .feed import Feed, Meter
from .logfile import LogFile, NotALogError, Signature
from .reading import Reader, resume, tail_offset
from .sharing import Sharing
from .subscription import End, Subscription
from .watcher import Watcher

logger = logging.getLogger(__name__)

_GRACE = 0.5  # seconds that an unsubscribe waits for a message that is on its way out
_MAX_COMPLETED = 10_000  # completed sessions that are remembered; the longest known is forgotten first

Send = Callable[[Hashable, Message], None]
Offer = Callable[[Hashable, Message], bool]


@dataclass(frozen=True, slots=True)
class _Completed:
    """What a completed session is known by, so that one of its name that starts anew is live again.

    Identity and size are not enough: a new file may get the old one's inode, and hold as much.
    """

    size: int  # bytes, as in the signature
    signature: Signature
    cursor: str

    @classmethod
    def at(cls, end: End) -> _Completed | None:
        """None where there is no file, or one that has gone on already."""
        try:
            if end.file is None:
                return None
            signature = end.file.signature()
            if signature[2] != end.offset:
                return None
            return cls(end.offset, signature, Reader.at(end.file, end.offset).cursor)
        except OSError:
            return None

    def fits(self, file: LogFile) -> bool:
        try:
            return file.signature() == self.signature and Reader.at(file, self.size).cursor == self.cursor
        except OSError:
            return False


@dataclass(slots=True)
class _Client:
    """One `ws` and what it follows, by session name."""

    catchup: CatchUp
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


class LogStreamManager:
    """Follows sessions' log files and sends what is new to all who subscribed.

    All methods may be called from any thread. None raises for a client or a session it does not know.
    Threads, watches and descriptors exist only while there are subscriptions.
    """

    def __init__(
        self,
        send: Send,
        offer: Offer | None = None,
        directory: str | os.PathLike[str] = DEFAULT_DIRECTORY,
        suffix: str = DEFAULT_SUFFIX,
        *,
        max_subscriptions: int | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Make a manager of the sessions whose logs are `<directory>/<session><suffix>`.

        `send(ws, message)` hands one message to one client. It may block, and raises when the client is
        gone; the client is then forgotten. It is called with no lock held, for one client possibly by two
        threads at once (of two sessions).

        `offer(ws, message)` is the same without blocking: it returns False when the client cannot take the
        message now, and is then sent it by `send`. It must not call the manager. Without it, `send` is
        used for everything.

        A message is a dict with exactly the protocol's keys; its `frame` is the encoded WebSocket frame.

        A client that follows `max_subscriptions` sessions gets an error for any further one. `meter` is told
        what can be measured.
        """
        self._send = send
        self._offer: Offer = offer or _refuse
        self._directory = os.fspath(directory)
        self._suffix = suffix
        self._max_subscriptions = max_subscriptions
        self._meter = meter
        self._watcher = Watcher()
        self._sharing = Sharing()
        self._troubles = RateLimitedLog(logger)
        # Guards all below: who follows what.
        self._lock = threading.Lock()
        self._clients: dict[Hashable, _Client] = {}
        self._feeds: dict[str, Feed] = {}  # the sessions that are followed and not complete
        self._completed: OrderedDict[str, _Completed] = OrderedDict()
        self._closed = False
        self._on_close: list[Callable[[], object]] = []

    def subscribe(
        self,
        session_name: str,
        ws: Hashable,
        tail: int | None = None,
        cursor: str | bool | None = None,
        wait: bool = False,
    ) -> None:
        """Follow a session: its log, or the last `tail` lines of it, and then whatever is appended.

        With `cursor` (True, or one that an earlier message carried) each message carries a cursor and the
        file's size in bytes; one that fits the file lets the client go on from there. With `wait` a log
        that is not there yet is waited for. A session that cannot be followed gives the client an error.

        The first message has been handed to `send` when this returns, unless it is waited for.
        Subscribing again starts over.
        """
        try:
            check_session_name(session_name, self._suffix)
            check_options(tail, cursor, wait)
            file = self._open(session_name, wait)
        except ProtocolError as error:
            self._deliver(ws, error_message(str(error), session_name))
            return
        if file is None:
            self._begin(session_name, ws, None, cursors=bool(cursor), resumed=False)
            return
        try:
            reader, resumed = _place(file, tail, cursor)
        except OSError as error:
            file.close()
            self._troubles.warning("session %r cannot be read: %s", session_name, error)
            self._deliver(ws, error_message(f"Session {session_name!r} cannot be read.", session_name))
            return
        self._begin(session_name, ws, reader, cursors=bool(cursor), resumed=resumed)

    def unsubscribe(self, session_name: str, ws: Hashable) -> None:
        """Stop following a session: nothing more about it is handed to `send` or `offer`.

        Waits for a `send` about it that is in progress, but no longer than half a second.
        """
        with self._lock:
            client = self._clients.get(ws)
            subscription = client.subscriptions.get(session_name) if client is not None else None
            if client is None or subscription is None:
                return
            idle = self._drop(subscription)
        _close(idle)
        client.catchup.end(subscription, _GRACE)
        with self._lock:
            self._discard(ws)

    def handle_client_disconnect(self, ws: Hashable) -> None:
        """Forget a client and all that it follows, as `unsubscribe` does for each."""
        self._forget(ws, "it has disconnected", _GRACE)

    def notify_session_completed(self, session_name: str) -> None:
        """Send each subscriber what remains of a session and then its last message, `isComplete`.

        Who is behind gets it on arriving there. After that nothing of the session is left; a later
        subscriber gets the log with `isComplete`. May be repeated, and is no error for a session that nobody
        follows or that does not exist. Does not wait for any client; only without `offer`, where all is left to
        `send`, it gives the clients half a second to be told.
        """
        try:
            check_session_name(session_name, self._suffix)
        except ProtocolError:
            return
        while not self._complete(session_name):
            pass

    def subscription_count(self, session_name: str) -> int:
        """How many clients follow a session that is not complete."""
        with self._lock:
            feed = self._feeds.get(session_name)
            return feed.count() if feed is not None else 0

    def has_watcher(self, session_name: str) -> bool:
        """Whether a session's file is being watched."""
        return session_name in self._feeds

    def followed_sessions(self) -> list[str]:
        """The sessions that somebody follows and that are not complete."""
        with self._lock:
            return list(self._feeds)

    def is_complete(self, session_name: str, signature: Signature) -> bool:
        """Whether a session is known as complete whose file has this signature."""
        known = self._completed.get(session_name)
        return known is not None and known.signature == signature

    def file_position(self, session_name: str) -> int:
        """How many bytes of a session's file have been delivered, to those who are furthest."""
        feed = self._feeds.get(session_name)
        return feed.position() if feed is not None else 0

    def counts(self) -> dict[str, int]:
        """Totals for monitoring: subscriptions, watched_sessions and clients_behind."""
        with self._lock:
            feeds = list(self._feeds.values())
            subscriptions = sum(len(client.subscriptions) for client in self._clients.values())
        behind = {subscription.ws for feed in feeds for subscription in feed.behind()}
        return {
            "subscriptions": subscriptions,
            "watched_sessions": len(feeds),
            "clients_behind": len(behind),
        }

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have `close` call `callback()` first, to end what only its owner can: the clients' connections."""
        with self._lock:
            self._on_close.append(callback)

    def close(self) -> None:
        """End everything: connections, subscriptions, threads, watches and descriptors. Idempotent.

        Takes as long as the connections' owner gives the clients to leave: with LogStream, about a second.
        """
        with self._lock:
            self._closed = True
            callbacks, self._on_close = self._on_close, []
        for callback in callbacks:
            callback()
        for ws in list(self._clients):
            self._forget(ws, "the server is closing")
        self._watcher.close()

    def open_log(self, session_name: str) -> LogFile:
        """A session's log, opened safely; the caller closes it. Raises ProtocolError."""
        check_session_name(session_name, self._suffix)
        file = self._open(session_name, wait=False)
        assert file is not None, "only waiting gives none"
        return file

    def _path(self, session_name: str) -> str:
        return os.path.join(self._directory, session_name + self._suffix)

    def _open(self, session_name: str, wait: bool) -> LogFile | None:
        """The session's file; None if it is not there and may be waited for. Raises ProtocolError."""
        try:
            return LogFile.open(self._path(session_name))
        except FileNotFoundError:
            if wait:
                return None
            problem = "was not found"
        except NotALogError:
            problem = "has a log that is not a regular file"
        except PermissionError:
            problem = "has a log that the server may not read"
        except OSError as error:
            self._troubles.warning("session %r cannot be opened: %s", session_name, error)
            out_of_files = error.errno in (errno.EMFILE, errno.ENFILE)
            problem = "cannot be opened: the server has too many open files" if out_of_files else "cannot be opened"
        raise ProtocolError(f"Session {session_name!r} {problem}.", session_name)

    def _begin(self, session_name: str, ws: Hashable, reader: Reader | None, *, cursors: bool, resumed: bool) -> None:
        """Take a client in, with a reader that becomes its own, and send it the first message."""
        while True:
            known = self._completed.get(session_name)
            ended = known is not None and reader is not None and known.fits(reader.file)
            with self._lock:
                if self._closed:
                    problem = "The server is shutting down."
                    break
                if self._is_full(ws, session_name):
                    problem = f"Session {session_name!r} is one too many: {self._max_subscriptions} can be followed."
                    break
                if self._completed.get(session_name) is not known:
                    continue  # completed meanwhile
                if known is not None and not ended:
                    del self._completed[session_name]  # a session of that name starts anew
                client = self._client(ws)
                feed = self._ended_feed(session_name, reader) if ended and reader else self._feed(session_name)
                subscription = Subscription(ws, feed, reader, client.catchup.enqueue, cursors=cursors, resumed=resumed)
                feed.add(subscription)
                earlier = client.subscriptions.get(session_name)
                idle = self._drop(earlier) if earlier is not None else None
                client.subscriptions[session_name] = subscription
            if earlier is not None:
                _close(idle)
                client.catchup.end(earlier, None)
            feed.pass_on()
            client.catchup.begin(subscription)
            return
        if reader is not None:
            reader.close()
        self._deliver(ws, error_message(problem, session_name))

    def _complete(self, session_name: str) -> bool:
        """Complete a session; False if its feed came or went meanwhile, so that it has to be done again."""
        feed = self._feeds.get(session_name)
        end, everyone = feed.complete() if feed is not None else (End.at(self._path(session_name)), [])
        completed = _Completed.at(end)
        end.close()
        with self._lock:
            if self._feeds.get(session_name) is not feed:
                return False
            self._remember(session_name, completed)
            self._feeds.pop(session_name, None)
            late = [(self._clients[one.ws].catchup, one) for one in everyone if one.ws in self._clients]
            for subscription in everyone:
                if subscription.over:
                    self._drop(subscription)
                    self._discard(subscription.ws)
            empty = feed is not None and feed.count() == 0
        if feed is not None:
            self._watcher.forget(feed)
        _close(feed if empty else None)
        if self._offer is _refuse:  # all is on its way, and most of it is there in a moment
            deadline = time.monotonic() + _GRACE
            for catchup, subscription in late:
                catchup.await_over(subscription, max(0.0, deadline - time.monotonic()))
        return True

    def _deliver(self, ws: Hashable, message: Message) -> bool:
        """Hand a message to a client; if that fails, the client is gone."""
        try:
            self._send(ws, message)
        except Exception as error:
            if not isinstance(error, (OSError, ConnectionClosed)):
                logger.exception("sending to a client failed")
            self._forget(ws, error)
            return False
        return True

    def _over(self, subscription: Subscription) -> None:
        """A subscription gets no further message."""
        with self._lock:
            idle = self._drop(subscription)
            self._discard(subscription.ws)
        _close(idle)

    def _forget(self, ws: Hashable, reason: object, grace: float = 0.0) -> None:
        with self._lock:
            client = self._clients.pop(ws, None)
            if client is None:
                return
            subscriptions = list(client.subscriptions.values())
            idle = [self._drop(subscription) for subscription in subscriptions]
        logger.debug("a client is gone: %s", reason)
        for feed in idle:
            _close(feed)
        deadline = time.monotonic() + grace
        for subscription in subscriptions:
            client.catchup.end(subscription, max(0.0, deadline - time.monotonic()))

    # What follows is called with the lock held.

    def _client(self, ws: Hashable) -> _Client:
        client = self._clients.get(ws)
        if client is None:
            client = self._clients[ws] = _Client(CatchUp(ws, self._deliver, self._over))
        return client

    def _is_full(self, ws: Hashable, session_name: str) -> bool:
        client = self._clients.get(ws)
        if client is None or self._max_subscriptions is None:
            return False
        return len(client.subscriptions) >= self._max_subscriptions and session_name not in client.subscriptions

    def _feed(self, session_name: str) -> Feed:
        feed = self._feeds.get(session_name)
        if feed is None:
            feed = self._feeds[session_name] = self._make_feed(session_name, None)
        return feed

    def _ended_feed(self, session_name: str, reader: Reader) -> Feed:
        """A feed for one late reader of a complete session, which nobody else will follow."""
        known = self._completed[session_name]
        return self._make_feed(session_name, End(reader.file.share(), known.size))

    def _make_feed(self, session_name: str, end: End | None) -> Feed:
        return Feed(
            session_name,
            self._path(session_name),
            self._offer,
            self._watcher,
            end,
            meter=self._meter,
            sharing=self._sharing,
        )

    def _drop(self, subscription: Subscription) -> Feed | None:
        """Take a subscription out. Returns its feed, to be closed, if nobody is left to follow it."""
        feed = subscription.feed
        client = self._clients.get(subscription.ws)
        if client is not None and client.subscriptions.get(feed.name) is subscription:
            del client.subscriptions[feed.name]
        if not feed.remove(subscription):
            return None
        if self._feeds.get(feed.name) is feed:
            del self._feeds[feed.name]
        return feed

    def _discard(self, ws: Hashable) -> None:
        """Forget a client that follows nothing and has nothing on its way out."""
        client = self._clients.get(ws)
        if client is not None and not client.subscriptions and not client.catchup.busy():
            del self._clients[ws]

    def _remember(self, session_name: str, completed: _Completed | None) -> None:
        self._completed.pop(session_name, None)
        if completed is not None:
            self._completed[session_name] = completed
            if len(self._completed) > _MAX_COMPLETED:
                self._completed.popitem(last=False)


def _refuse(ws: Hashable, message: Message) -> bool:
    """The offer of a manager that has only `send`."""
    return False


def _close(feed: Feed | None) -> None:
    if feed is not None:
        feed.close()


def _place(file: LogFile, tail: int | None, cursor: str | bool | None) -> tuple[Reader, bool]:
    """Where a new subscription begins, and whether it resumes; takes over the caller's share of the file."""
    if isinstance(cursor, str):
        reader = resume(file, cursor)
        if reader is not None:
            return reader, True
    if tail is not None:
        return Reader.at(file, tail_offset(file, tail)), False
    return Reader(file), False
