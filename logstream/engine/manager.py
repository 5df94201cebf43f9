"""Who follows what: the engine's front, which makes feeds and lets them go."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager
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
from .completion import Completion, Completions, Listing
from .feed import Feed
from .lineindex import LineIndexes
from .logfile import LogFile, NotALogError, Signature
from .meter import Meter
from .monitor import Monitor
from .news import News
from .offering import Offer, OfferToAll, one_by_one, refuse_all
from .pacing import Pace
from .reading import Reader, resume, tail_offset
from .search import Searches
from .sessions import SessionList, directory_problem, log_path
from .sharing import Sharing
from .state import DIRECTORY_NAME, StateDirectory
from .subscription import Followed, LogEnd, Subscription
from .texts import Texts
from .timekeeper import Timekeeper
from .watcher import NoThreadError, Watcher

logger = logging.getLogger(__name__)

_GRACE = 0.5  # seconds that an unsubscribe waits for a message that is on its way out

Send = Callable[[Hashable, Message], None]


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
        offer_to_all: OfferToAll | None = None,
        max_subscriptions: int | None = None,
        state: str | os.PathLike[str] | None = None,
        meter: Meter | None = None,
        watcher: str = "auto",
    ) -> None:
        """Make a manager of the sessions whose logs are `<directory>/<session><suffix>`.

        `send(ws, message)` hands one message to one client. It may block, and raises when the client is
        gone; the client is then forgotten. It is called with no lock held, for one client possibly by two
        threads at once (of two sessions).

        `offer(ws, message)` is the same without blocking: it returns False when the client cannot take the
        message now, and is then sent it by `send`. It must not call the manager. Without it, `send` is
        used for everything. `offer_to_all(clients, message)` is `offer` for many clients in one call, on the shortest
        way: it returns those who cannot take the message now, and must not raise.

        A message is a dict with exactly the protocol's keys; its `frame` is the encoded WebSocket frame.

        A client that follows `max_subscriptions` sessions gets an error for any further one. `state` is the directory
        in which completions are written down, `<directory>/.logstream` where it is None. `meter` is told what can be
        measured. `watcher` is what tells of changes: `inotify`, watchdog's `observer`, the `sweep` alone, or `auto`.
        """
        self._send = send
        self._offer_to_all = offer_to_all or (refuse_all if offer is None else one_by_one(offer))
        self._directory = os.fspath(directory)
        self._suffix = suffix
        self._max_subscriptions = max_subscriptions
        self._meter = meter
        self._watcher = Watcher(watcher)
        self._monitor = Monitor()
        self._sharing = Sharing()
        self._pace = Pace()
        place = os.path.join(self._directory, DIRECTORY_NAME) if state is None else os.fspath(state)
        self._state = StateDirectory(place)
        self._completions = Completions(self._directory, suffix, self._state)
        self.sessions = SessionList(self._directory, suffix)
        self.line_indexes = LineIndexes(self._directory, suffix, self._state, self._pace)
        self.searches = Searches(self.line_indexes, self._pace, lambda: bool(self._feeds))
        self.texts = Texts(self._pace, lambda: bool(self._feeds))
        self.times = Timekeeper(self._directory, suffix, self._state, self._pace, lambda: self._feeds, self._seen_of)
        self._on_completed: list[Callable[[str, int | None], object]] = []
        self._complete_elsewhere: Callable[[str], bool] | None = None
        self._news = News(self._completions.news_path, self._watcher, lambda: bool(self._feeds), self._hear)
        self._troubles = RateLimitedLog(logger)
        # Guards all below: who follows what. A feed's locks are not taken under it, since a feed may read meanwhile.
        self._lock = threading.Lock()
        self._clients: dict[Hashable, _Client] = {}
        self._feeds: dict[str, Feed] = {}  # the sessions that are followed and not complete
        self._closed = False
        self._on_close: list[Callable[[], object]] = []

    def subscribe(
        self,
        session_name: str,
        ws: Hashable,
        tail: int | None = None,
        cursor: str | bool | None = None,
        wait: bool = False,
        *,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Follow a session: its log, or the last `tail` lines of it, and then whatever is appended.

        With `cursor` (True, or one that an earlier message carried) each message carries a cursor and the
        file's size in bytes; one that fits the file lets the client go on from there. With `wait` a log
        that is not there yet is waited for. A session that cannot be followed gives the client an error.

        The first message has been handed to `send` when this returns, unless it is waited for.
        Subscribing again starts over.

        Opening a log takes as long as its disk does. `is_wanted()` is asked right before the client is taken in, or
        given an error, perhaps with a lock held: where it says no by then, neither is done.
        """
        try:
            check_session_name(session_name, self._suffix)
            check_options(tail, cursor, wait)
            file = self._open(session_name, wait)
        except ProtocolError as error:
            if is_wanted():
                self._deliver(ws, error_message(str(error), session_name))
            return
        try:
            reader, resumed = self._starting_place(file, tail, cursor) if file is not None else (None, False)
            with self._watcher.running():
                self._begin(session_name, ws, reader, bool(cursor), resumed, is_wanted)
        except (OSError, NoThreadError) as error:
            what = "followed: the server has no thread left" if isinstance(error, NoThreadError) else "read"
            self._troubles.warning("session %r cannot be %s: %s", session_name, what.partition(":")[0], str(error))
            if is_wanted():
                self._deliver(ws, error_message(f"Session {session_name!r} cannot be {what}.", session_name))

    def unsubscribe(self, session_name: str, ws: Hashable) -> bool:
        """Stop following a session: nothing more about it is handed to `send` or `offer`. Whether it was followed.

        Waits for a `send` about it that is in progress, but no longer than half a second.
        """
        with self._lock:
            client = self._clients.get(ws)
            subscription = client.subscriptions.pop(session_name, None) if client is not None else None
        if client is None or subscription is None:
            return False
        for one in _with_those_before(subscription):
            self._leave(one)
            client.catchup.end(one, _GRACE)
        self._discard(ws)
        return True

    def handle_client_disconnect(self, ws: Hashable) -> None:
        """Forget a client and all that it follows, as `unsubscribe` does for each."""
        self._forget(ws, "it has disconnected", _GRACE)

    def notify_session_completed(self, session_name: str, exit_status: int | None = None) -> bool:
        """Send each subscriber what remains of a session and then its last message, `isComplete`.

        Who is behind gets it on arriving there. After that nothing of the session is left; a later
        subscriber gets the log with `isComplete`. May be repeated, and is no error for a session that nobody
        follows or that does not exist. `exit_status` is its program's, where that is known; what `script` has written
        at the log's end goes before it. Does not wait for any client; only without `offer`, where all is left to
        `send`, it gives the clients half a second to be told.

        Where sessions run on other hosts, the session's host is told, which tells everyone, and that is waited for.
        Returns False where that host is away: then nothing is complete.
        """
        try:
            check_session_name(session_name, self._suffix)
        except ProtocolError:
            return True
        if self._complete_elsewhere is not None:
            return self._complete_elsewhere(session_name)
        self.complete_here(session_name, exit_status)
        return True

    def complete_here(self, session_name: str, exit_status: int | None = None) -> None:
        """The same for who has heard from the session's host that all of the log is here."""
        while not self._complete(session_name, exit_status):
            pass

    def complete_elsewhere(self, complete: Callable[[str], bool]) -> None:
        """Have `complete(session_name)` tell the sessions' hosts what `notify_session_completed` is told here.

        It returns False where a host is away.
        """
        self._complete_elsewhere = complete

    def subscription_count(self, session_name: str) -> int:
        """How many clients follow a session that is not complete."""
        feed = self._feeds.get(session_name)
        return feed.count() if feed is not None else 0

    def has_watcher(self, session_name: str) -> bool:
        """Whether a session's file is being watched."""
        return session_name in self._feeds

    def followed_sessions(self) -> list[str]:
        """The sessions that somebody follows and that are not complete."""
        with self._lock:
            return list(self._feeds)

    def completions(self) -> AbstractContextManager[Listing]:
        """For a list: `with manager.completions() as completed_since`.

        `completed_since(session_name, signature)` is when a session was completed whose file still has this signature,
        in seconds since the epoch; else None. `completed_since.exit_status(session_name)` is its exit status, or None.
        """
        return self._completions.listed()

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

    @property
    def state_directory(self) -> StateDirectory:
        """Where it is written down what must outlast this process."""
        return self._state

    def on_completed(self, callback: Callable[[str, int | None], object]) -> None:
        """Have `callback(session_name, exit_status)` called once a session is complete and that is written down.

        Of all processes that learn of it, that is in the one which has written it down. To be called before there are
        subscriptions; `callback` may be called on any thread, with a lock of the session's held: it must not block.
        """
        self._on_completed.append(callback)

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have `close` call `callback()` first, to end what only its owner can: the clients' connections."""
        with self._lock:
            self._on_close.append(callback)

    def followed_by(self, ws: Hashable) -> list[str]:
        """The names of the sessions that a client follows now. Any thread."""
        with self._lock:
            client = self._clients.get(ws)
            return list(client.subscriptions) if client is not None else []

    @property
    def closed(self) -> bool:
        """Whether `close` was called. Any thread."""
        return self._closed

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
        self._monitor.close()
        self.line_indexes.close()
        self.times.close()

    def open_log(self, session_name: str) -> LogFile:
        """A session's log, opened safely. Raises ProtocolError."""
        check_session_name(session_name, self._suffix)
        file = self._open(session_name, wait=False)
        if file is None:
            raise ProtocolError(f"Session {session_name!r} is locked by another process just now.", session_name)
        return file

    def _seen_of(self, session_name: str) -> Signature | None:
        feed = self._feeds.get(session_name)
        return feed.seen if feed is not None else None

    def _path(self, session_name: str) -> str:
        return log_path(self._directory, session_name, self._suffix)

    def _open(self, session_name: str, wait: bool) -> LogFile | None:
        """The session's file; None if it is to be waited for. Raises ProtocolError."""
        try:
            return LogFile.open(self._path(session_name))
        except FileNotFoundError:
            if wait:
                return None
            problem = "was not found"
        except BlockingIOError:
            return None  # a lease that another process has on it, and gives up now
        except NotALogError:
            problem = "has a log that is not a regular file"
        except PermissionError:
            sentence = directory_problem(self._directory)
            if sentence is not None:
                self._troubles.warning("session %r cannot be opened: %s", session_name, sentence)
                raise ProtocolError(sentence, session_name) from None
            problem = "has a log that the server may not read"
        except OSError as error:
            self._troubles.warning("session %r cannot be opened: %s", session_name, str(error))
            out_of_files = error.errno in (errno.EMFILE, errno.ENFILE)
            problem = "cannot be opened: the server has too many open files" if out_of_files else "cannot be opened"
        raise ProtocolError(f"Session {session_name!r} {problem}.", session_name)

    def _starting_place(self, file: LogFile, tail: int | None, cursor: str | bool | None) -> tuple[Reader, bool]:
        """Where a new subscription begins, and whether it resumes. Raises OSError."""
        if isinstance(cursor, str):
            reader = resume(file, cursor)
            if reader is not None:
                return reader, True
        if tail is None:
            return Reader(file), False
        with self._pace.work() as rest:
            return Reader.at(file, tail_offset(file, tail, rest)), False

    def _begin(
        self,
        session_name: str,
        ws: Hashable,
        reader: Reader | None,
        cursors: bool,
        resumed: bool,
        is_wanted: Callable[[], bool],
    ) -> None:
        """Take a client in, with a reader that becomes its own, and send it the first message."""
        added, subscription = False, None
        while not added:
            known = self._completions.find(session_name) if reader is not None else None
            end = known.end_in(reader.file) if known is not None and reader is not None else None
            with self._lock:
                if subscription is None and not is_wanted():
                    return
                if subscription is not None and self._latest(session_name, ws) is not subscription:
                    return  # where it is the latest, it goes on: who does not want it any more is about to say so
                problem = self._problem(session_name, ws)
                if problem:
                    break
                client = self._client(ws)
                if end is not None:
                    feed = self._make_feed(session_name, end)  # for this one late reader: nobody else will follow it
                else:
                    feed = self._feeds.get(session_name) or self._make_feed(session_name)
                    self._feeds[session_name] = feed
                subscription = Subscription(ws, feed, reader, client.catchup.enqueue, cursors=cursors, resumed=resumed)
                earlier = subscription.before = client.subscriptions.get(session_name)
                client.subscriptions[session_name] = subscription
            added = feed.add(subscription, earlier if earlier is not None and earlier.feed is feed else None)
            for one in _with_those_before(earlier):
                self._leave(one)
                client.catchup.end(one, None)
            subscription.before = None
            if not added:
                self._drop(feed)
        if problem:
            self._deliver(ws, error_message(problem, session_name))
            return
        if end is None:
            self._news.settle()
            self.times.settle()
            self._complete_if_known(session_name)  # if so, since we looked
        assert subscription is not None
        client.catchup.begin(subscription)

    def _hear(self, names: list[str] | None) -> None:
        """Some sessions were completed, perhaps by another process; None: it may be any."""
        for name in self.followed_sessions() if names is None else names:
            if name in self._feeds:
                self._complete_if_known(name)

    def _complete_if_known(self, session_name: str) -> None:
        known = self._completions.find(session_name)
        if known is None:
            return

        def find_end() -> LogEnd | None:
            try:
                return known.end_in(LogFile.open(self._path(session_name)))
            except OSError:
                return None

        if find_end() is not None:
            while not self._complete(session_name, find_end=find_end):
                pass

    def _complete(
        self, session_name: str, exit_status: int | None = None, find_end: Callable[[], LogEnd | None] | None = None
    ) -> bool:
        """Complete a session, in the way of `Feed.complete`.

        False if its feed came or went meanwhile, so that it has to be done again.
        """
        feed = self._feeds.get(session_name)
        everyone: list[Subscription] | None = []
        if feed is not None:
            everyone = feed.complete(lambda end: self._note_end(session_name, end, exit_status), find_end)
            if find_end is not None and everyone == []:
                return True  # it has begun anew
        elif find_end is None:
            self._note_end(session_name, LogEnd.at(self._path(session_name)), exit_status)
        if everyone is None:  # its last follower has just left, or another thread completes it
            assert feed is not None
            self._drop(feed)
            return False
        with self._lock:
            is_current = self._feeds.get(session_name) is feed
            if is_current:
                self._feeds.pop(session_name, None)
            late = [(self._clients[one.ws].catchup, one) for one in everyone if one.ws in self._clients]
        self._news.settle()
        self.times.settle()
        for subscription in everyone:
            if subscription.over:
                self._over(subscription)
        if self._offer_to_all is refuse_all:  # all is on its way, and most of it is there in a moment
            deadline = time.monotonic() + _GRACE
            for catchup, subscription in late:
                catchup.await_over(subscription, max(0.0, deadline - time.monotonic()))
        if not is_current:  # who has come meanwhile follows what is complete, or a log that has begun anew
            self._complete_if_known(session_name)
        return True

    def _note_end(self, session_name: str, end: LogEnd, exit_status: int | None) -> None:
        completion = Completion.at(end, exit_status)
        if completion is not None and self._completions.note(session_name, completion):
            for callback in self._on_completed:
                callback(session_name, completion.exit_status)

    def _deliver(self, ws: Hashable, message: Message) -> bool:
        """Hand a message to a client; if that fails, the client is gone."""
        try:
            self._send(ws, message)
        except Exception as error:
            if not isinstance(error, (OSError, ConnectionClosed)):
                logger.exception("sending to a client failed")
            self._forget(ws, str(error))
            return False
        return True

    def _over(self, subscription: Subscription) -> None:
        """A subscription gets no further message."""
        with self._lock:
            client = self._clients.get(subscription.ws)
            name = subscription.feed.name
            if client is not None and client.subscriptions.get(name) is subscription:
                del client.subscriptions[name]
        self._leave(subscription)
        self._discard(subscription.ws)

    def _forget(self, ws: Hashable, reason: str, grace: float = 0.0) -> None:
        with self._lock:
            client = self._clients.pop(ws, None)
            if client is None:
                return
            subscriptions = [one for latest in client.subscriptions.values() for one in _with_those_before(latest)]
        logger.debug("a client is gone: %s", reason)
        for subscription in subscriptions:
            self._leave(subscription)
        deadline = time.monotonic() + grace
        for subscription in subscriptions:
            client.catchup.end(subscription, max(0.0, deadline - time.monotonic()))

    def _leave(self, subscription: Subscription) -> None:
        """Take a subscription out of its feed, which is dropped with its last one."""
        if subscription.feed.remove(subscription):
            self._drop(subscription.feed)

    def _drop(self, feed: Followed) -> None:
        """Forget a feed that is closed."""
        with self._lock:
            if self._feeds.get(feed.name) is feed:
                del self._feeds[feed.name]
        self._news.settle()
        self.times.settle()

    def _discard(self, ws: Hashable) -> None:
        """Forget a client that follows nothing and has nothing on its way out."""
        with self._lock:
            client = self._clients.get(ws)
            if client is not None and not client.subscriptions and not client.catchup.is_busy():
                del self._clients[ws]

    # What follows is called with the lock held.

    def _latest(self, session_name: str, ws: Hashable) -> Subscription | None:
        client = self._clients.get(ws)
        return client.subscriptions.get(session_name) if client is not None else None

    def _client(self, ws: Hashable) -> _Client:
        client = self._clients.get(ws)
        if client is None:
            client = self._clients[ws] = _Client(CatchUp(ws, self._deliver, self._over, self._monitor))
        return client

    def _problem(self, session_name: str, ws: Hashable) -> str | None:
        """Why a client cannot follow a session now."""
        if self._closed:
            return "The server is shutting down."
        client = self._clients.get(ws)
        if client is None or self._max_subscriptions is None or session_name in client.subscriptions:
            return None
        if len(client.subscriptions) < self._max_subscriptions:
            return None
        return f"Session {session_name!r} is one too many: {self._max_subscriptions} can be followed."

    def _make_feed(self, session_name: str, end: LogEnd | None = None) -> Feed:
        return Feed(
            session_name,
            self._path(session_name),
            self._offer_to_all,
            self._watcher,
            end,
            meter=self._meter,
            sharing=self._sharing,
        )


def _with_those_before(subscription: Subscription | None) -> Iterator[Subscription]:
    """It, and those in whose place it was to be: another thread may have come no further than to say so."""
    while subscription is not None:
        yield subscription
        subscription = subscription.before
