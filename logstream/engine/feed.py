"""One followed session: where its live clients stand, and how they are moved on, started over and completed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from ..protocol import Message
from .logfile import Identity, LogFile, Signature, identity_of, look, signature_of
from .reading import Reader, RewrittenError
from .sharing import Sharing
from .subscription import CHUNK, End, Increment, Subscription, next_limit

logger = logging.getLogger(__name__)

BUDGET = 4 * CHUNK  # bytes that one wake-up may read, so that no session keeps the others waiting


class Hints(Protocol):
    """What a feed asks of the watcher. Called with no lock held."""

    def follow(self, feed: Feed, file: LogFile | None) -> None:
        """Watch the feed's path, and this file, if any, instead of an earlier one."""

    def wake_again(self, feed: Feed) -> None:
        """Wake the feed soon."""

    def forget(self, feed: Feed) -> None:
        """Watch nothing for the feed any more."""


class Meter:
    """What is measured of feeds; here, nothing. May be called with a feed's lock held, and must not block."""

    def delivered(self, seconds: float) -> None:
        """Text was offered to all who are live, so long after it was written."""

    def started_over(self, subscriptions: int) -> None:
        """So many subscriptions begin again, since their file is not what it was."""


class Feed:
    """One session and those who follow it. All methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        path: str,
        offer: Callable[[Hashable, Message], bool],
        hints: Hints,
        end: End | None = None,
        *,
        meter: Meter | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        """Make a feed that watches and reads nothing yet.

        `offer(ws, message)` is called with the feed's lock held, so it must neither block nor call back.
        `end` is for a session that is complete already; the feed takes over its share of the file.
        """
        self.name = name
        self.path = path
        self.seen: Signature | None = None  # the file as it was when last looked at
        self.meter = meter or Meter()
        self.sharing = sharing or Sharing()
        self._offer = offer
        self._hints = hints
        # Guards all below, each subscription's change of state, and the order of what is offered.
        self._lock = threading.Lock()
        self._live: dict[Subscription, None] = {}
        self._behind: dict[Subscription, None] = {}
        self._waiting: dict[Subscription, None] = {}  # for a file that is not there yet
        self._reader: Reader | None = None  # where the live ones stand, while there are any
        self._end = end
        self._closed = False
        self._watched: Identity | None = None  # the file that the watcher was told of last
        self._unknown = end is None  # to the watcher, which has to be told
        # To be passed on when the lock is free again.
        self._to_watch: LogFile | None = None
        self._to_hand_over: list[Subscription] = []
        self._more = False  # a wake-up's budget ran out before the file did

    def add(self, subscription: Subscription) -> None:
        """Take in a subscription that its client's catch-up is about to drive."""
        with self._lock:
            self._behind[subscription] = None
            if self._end is not None:
                subscription.end = self._end.share()
            elif subscription.reader is not None:
                self._watch(subscription.reader.file)

    def remove(self, subscription: Subscription) -> bool:
        """Offer nothing more to a subscription. Returns whether the feed has no other left."""
        with self._lock:
            subscription.over = True
            for group in (self._live, self._behind, self._waiting):
                group.pop(subscription, None)
            if not self._behind:
                self.sharing.clear()
            self._rest_if_unheard()
            return not (self._live or self._behind or self._waiting)

    def count(self) -> int:
        """How many subscriptions there are."""
        with self._lock:
            return len(self._live) + len(self._behind) + len(self._waiting)

    def behind(self) -> list[Subscription]:
        """Those who were not level with the file when last heard of."""
        with self._lock:
            return [subscription for subscription in self._behind if not subscription.at_end]

    def is_loaded_by_several(self) -> bool:
        """Whether others may read the same just now: a complete session has a feed for each late reader."""
        return len(self._behind) > 1 or self._end is not None

    def position(self) -> int:
        """The bytes of the file delivered so far to those who are furthest."""
        with self._lock:
            if self._reader is not None:
                return self._reader.offset
            readers = [subscription.reader for subscription in self._behind]
            return max((reader.offset for reader in readers if reader is not None), default=0)

    def wake(self) -> None:
        """Look at the file, which may have changed, and tell the live ones what is new."""
        with self._lock:
            self._pump(BUDGET)
        self.pass_on()

    def join(self, subscription: Subscription) -> bool:
        """Make a subscription live that has sent all it could read.

        Returns whether its catch-up is over; if not, there is more to send. Raises OSError where a file
        that was waited for cannot be opened. Only for the thread that drives the subscription.
        """
        with self._lock:
            done = subscription.over or (subscription.end is None and self._join(subscription))
            if not done and subscription in self._to_hand_over:
                self._to_hand_over.remove(subscription)  # its driver is at hand already
        self.pass_on()
        return done

    def complete(self) -> tuple[End, list[Subscription]]:
        """End the session: the rest of the file, and the last message, to everyone.

        Returns where it ended, with a share of the file for the caller to close, and the subscriptions. Those
        that are not over yet could not take the last message now: their catch-up sends it.
        """
        everyone: list[Subscription] = []
        with self._lock:
            if self._closed:  # its last follower has just left
                return End.at(self.path), []
            if self._end is None:
                everyone = [*self._live, *self._behind, *self._waiting]
                self._pump(None, final=True)
                self._send_off()
            assert self._end is not None
            end = self._end.share()
        self.pass_on()
        return end, everyone

    def close(self) -> None:
        """Give up the files and the watch of a feed that nobody follows any more."""
        with self._lock:
            self._closed = True
            self._rest_if_unheard()
            if self._end is not None:
                self._end.close()
                self._end = None
        self.sharing.clear()
        self._hints.forget(self)

    def pass_on(self) -> None:
        """Do what must not be done with the lock held."""
        with self._lock:
            subscriptions, self._to_hand_over = self._to_hand_over, []
            file, self._to_watch = self._to_watch, None
            again, self._more = self._more or file is not None, False
            unknown, self._unknown = self._unknown, False
        for subscription in subscriptions:
            subscription.on_behind(subscription)
        if file is not None or unknown:
            self._hints.follow(self, file)
        if file is not None:
            file.close()
        if again:  # a new watch tells nothing of what was written before it
            self._hints.wake_again(self)
        if self._closed or self._end is not None:
            self._hints.forget(self)

    # What follows is called with the lock held.

    def _pump(self, budget: int | None, *, final: bool = False) -> None:
        """Send what is new to the live ones, from the next file too if the path leads to another one."""
        reader = self._reader
        if reader is None:
            if self._waiting:
                self._look_for_file()
            return
        try:
            # First what is there to send, and then whether the path still leads to it: what the old file
            # still holds goes out before the next one's in any case.
            state = reader.file.state()
            if not final:
                self._advance(reader, state, budget)
            found = self._look_for_file()
            if found is None or identity_of(found) == reader.file.identity:
                if found is not None:
                    self.seen = signature_of(state)  # what was written since we read is still to be seen
                if final:
                    self._send(reader, reader.file.size(), budget, final=True)
            else:
                if final:
                    self._send(reader, state.st_size, budget)
                self._switch(reader, budget, final=final)
        except OSError as error:
            logger.warning("session %r cannot be read: %s", self.name, error)
            for subscription in list(self._live):
                self._fall_behind(subscription, None)  # its own next read tells its client
            self._rest_if_unheard()

    def _advance(self, reader: Reader, state: os.stat_result, budget: int | None) -> None:
        before = reader.offset
        self._send(reader, state.st_size, budget)
        if reader.offset != before:
            self.meter.delivered(time.time() - state.st_mtime)

    def _look_for_file(self) -> os.stat_result | None:
        """What is at the path now, for which those who wait begin."""
        found = look(self.path)
        self.seen = found and signature_of(found)
        if found is not None and self._waiting:
            self._admit()
        return found

    def _send(
        self, reader: Reader, size: int, budget: int | None, *, initial: bool = False, final: bool = False
    ) -> None:
        """Read on to `size` and offer it to the live ones, while there are any."""
        while self._live:
            start = reader.offset
            try:
                text = reader.read(size, next_limit(initial, size - start), final=final)
            except RewrittenError:
                reader.start_over()
                size, initial = reader.file.size(), True
                continue
            complete = final and reader.offset >= size
            if not (text or initial or complete):
                return
            if complete:
                self._end = End(reader.file.share(), reader.offset)
            self._tell(Increment(self.name, text, reader, size, initial=initial, complete=complete))
            if complete:
                return
            initial = False
            if budget is not None and reader.offset < size:
                budget -= reader.offset - start
                if budget <= 0:
                    self._more = True
                    return

    def _switch(self, reader: Reader, budget: int | None, *, final: bool) -> None:
        """Start the live ones over on the file that is at the path now, once the old one is out."""
        if self._more or not self._live:
            return
        try:
            file = LogFile.open(self.path)
        except OSError:
            self.seen = None  # gone again, or not ours to read: the sweep has us look again
            if final:
                self._send(reader, reader.file.size(), None, final=True)
            return
        reader.start_over(file)
        self._watch(file)
        self._send(reader, file.size(), budget, initial=True, final=final)

    def _tell(self, increment: Increment) -> None:
        """Offer an increment to the live ones; who cannot take it falls behind."""
        if increment.initial:
            self.meter.started_over(len(self._live))
        forms = increment.forms
        for subscription in list(self._live):
            message = forms[subscription.cursors] or increment.message(subscription.cursors)
            try:
                taken = self._offer(subscription.ws, message)
            except Exception:
                logger.exception("offering a message failed")
                taken = False
            if not taken:
                self._fall_behind(subscription, message)
            elif increment.complete:
                del self._live[subscription]
                subscription.over = True
        self._rest_if_unheard()

    def _fall_behind(self, subscription: Subscription, message: Message | None) -> None:
        assert self._reader is not None
        del self._live[subscription]
        self._behind[subscription] = None
        subscription.reader = self._reader.clone()
        subscription.pending, subscription.at_end = message, False
        self._to_hand_over.append(subscription)

    def _rest_if_unheard(self) -> None:
        """Without live ones there is nothing to read for."""
        if self._reader is not None and not self._live:
            self._reader.close()
            self._reader = None

    def _join(self, subscription: Subscription) -> bool:
        if subscription.reader is None:
            return self._begin_or_wait(subscription)
        self._pump(BUDGET)
        if self._reader is None:
            return self._lead(subscription, subscription.reader)
        if subscription.reader.file.identity != self._reader.file.identity:
            subscription.start_over(self._reader.file.share())
            return False
        if not subscription.reader.level_with(self._reader):
            return False
        subscription.close()
        self._become_live(subscription)
        return True

    def _begin_or_wait(self, subscription: Subscription) -> bool:
        try:
            file = LogFile.open(self.path)
        except FileNotFoundError:
            self._behind.pop(subscription)
            self._waiting[subscription] = None
            self.seen = None
            return True
        subscription.start_over(file)
        self._watch(file)
        return False

    def _lead(self, subscription: Subscription, reader: Reader) -> bool:
        """Let a subscription be the first live one, if it is in the file that is at the path."""
        found = look(self.path)
        if found is not None and identity_of(found) != reader.file.identity:
            try:
                file = LogFile.open(self.path)
            except OSError:
                pass  # gone again, or not ours to read: for now the old file is all there is
            else:
                subscription.start_over(file)
                self._watch(file)
                return False
        self._reader, subscription.reader = reader, None
        self._watch(reader.file)
        self._become_live(subscription)
        self._pump(BUDGET)  # for what was written since
        return subscription in self._live

    def _become_live(self, subscription: Subscription) -> None:
        self._behind.pop(subscription)
        self._live[subscription] = None
        if not self._behind:
            self.sharing.clear()

    def _admit(self) -> None:
        """Let those who wait begin: the file is there."""
        self._to_hand_over += self._waiting
        self._behind |= self._waiting
        self._waiting = {}

    def _send_off(self) -> None:
        """Tell those who are not live where the session ends."""
        if self._end is None:
            self._end = End.at(self.path)
        self._admit()
        for subscription in self._behind:
            subscription.end = self._end.share()

    def _watch(self, file: LogFile) -> None:
        """Have the watcher told, when the lock is free, that this is the file to watch."""
        if file.identity != self._watched:
            self._watched = file.identity
            if self._to_watch is not None:
                self._to_watch.close()
            self._to_watch = file.share()
