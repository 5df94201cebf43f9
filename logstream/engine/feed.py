"""One followed session: where its live clients stand, and how they are moved on, started over and completed.

The states of a subscription, and what moves it from one to another:

                        subscribe: add
                              │
                              ▼
    (1) the log can be    ┌────────┐  (3) level with those who are live: join
      ┌── read ─────────▶ │ BEHIND │ ──────────────────────────────────────────┐
      │                   └────────┘ ◀───────────────────────────────────┐     ▼
 ┌─────────┐                │    │   (4) refuses an offer; cannot be read │ ┌──────┐
 │ WAITING │ ◀──────────────┘    │                                       └─│ LIVE │
 └─────────┘  (2) no log: join   │                                         └──────┘
      │                          ▼                                             │
      └──────────────────────▶ OVER ◀──────────────────────────────────────────┘
         (5) unsubscribed, its client gone, or the last message sent: remove

(1) Whoever reads for the feed finds a log that it can open, or the session is completed; the client's catch-up gets
    the subscription.
(2) and (3) Its driver, the one thread of its client's that reads for it, has come to the end of what there is. It
    becomes live only at the very place where the live ones are; if they are somewhere else, it has more to read.
(4) Whoever reads for the feed. The message that was refused goes along, and is the first that the catch-up sends.
(5) Any thread. A live one is over, too, with the offer of the last message that it takes.

Every move is made by `Feed._move` with the feed's `_lock` held; 1 to 4 also with `_reading`, so that nobody joins or
leaves those who are live while text is on its way to them. What a move leaves to do for others (a catch-up, the
watcher) is noted as errands, and done by `_pass_on` when no lock is held.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from types import TracebackType

from ..protocol import Increments, Message
from .logfile import LogFile, NotALogError, Signature, identity_of, signature_of, stat_log
from .meter import Meter
from .offering import OfferToAll
from .reading import Reader, RewrittenError
from .sharing import Sharing
from .subscription import CHUNK, LogEnd, State, Subscription, make_message, next_limit
from .watcher import Watcher

logger = logging.getLogger(__name__)

BUDGET = 4 * CHUNK  # bytes that one wake-up may read, so that no session keeps the others waiting
_SMALL = 8192  # bytes of an increment that is read without a look at the file's size


@dataclass(slots=True)
class _Errands:
    """What is left to do for others when no lock is held."""

    hand_over: list[Subscription] = field(default_factory=list)
    watch: bool = False
    wake_again: bool = False
    wake_later: bool = False
    forget: bool = False
    let_go: list[object] = field(default_factory=list)  # closing a file may block, too


class _Section:
    """What is done with one of a feed's locks held; the errands that this leaves are done when it has been released."""

    __slots__ = ("_feed", "_lock")

    def __init__(self, feed: Feed, lock: threading.Lock) -> None:
        self._feed = feed
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()
        if self._feed._errands is not None:
            self._feed._pass_on()


class Feed:
    """One session and those who follow it. All methods may be called from any thread.

    A feed is closed when the last subscription is removed, for good: the next one needs another feed.
    """

    def __init__(
        self,
        name: str,
        path: str,
        offer: OfferToAll,
        watcher: Watcher,
        end: LogEnd | None = None,
        *,
        meter: Meter | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        """Make a feed that watches and reads nothing yet.

        `offer(clients, message)` returns those that could not take the message. It is called with the feed's locks
        held, so it must neither block nor call back; nor may it raise.
        `end` is for a session that is complete already: its feed is not watched.
        """
        self.name = name
        self.path = path
        self.seen: Signature | None = None  # the file as it was when last looked at
        self.meter = meter or Meter()
        self.sharing = sharing or Sharing()
        self._offer = offer
        self._increments = Increments(name)
        self._watcher = watcher
        # Held by whoever reads for those who are live, and so while a disk is slow: guards the place of _reader, and
        # the order of what is offered.
        self._reading = threading.Lock()
        # Guarded by _reading too:
        self._joining: Subscription | None = None  # its driver is at hand already
        self._note_end: Callable[[LogEnd], object] = lambda end: None
        self._ending: LogEnd | None = None  # where the session ends, while it is completed; who leaves may drop _end
        self._is_unreadable = False  # the operator was told that the file cannot be opened
        # Guards all below, and each subscription's state and end. Never held while a file is read or opened.
        self._lock = threading.Lock()
        self._members: dict[State, dict[Subscription, None]] = {state: {} for state in State}  # none that is over
        self._live = self._members[State.LIVE]
        # The live ones' clients, by whether they get cursors; None where that has changed.
        self._audiences: list[tuple[bool, list[Hashable]]] | None = None
        self._behind = self._members[State.BEHIND]
        self._waiting = self._members[State.WAITING]
        self._reader: Reader | None = None  # where the live ones stand, while there are any
        self._end = end
        self._open = True  # to further subscriptions
        self._watched: LogFile | None = None  # the file that the watcher was told of last; open, so no other is like it
        self._to_hand_over_later: list[Subscription] = []  # with the next wake-up
        self._errands = _Errands(watch=True) if end is None else None
        self._passing_on = False  # some thread is doing errands, and will find those that are noted meanwhile

    def add(self, subscription: Subscription, instead_of: Subscription | None = None) -> bool:
        """Take in a subscription that its client's catch-up is about to drive, in the place of an earlier one.

        Returns False where the feed is closed, or its session has been completed since.
        """
        with _Section(self, self._lock):
            if not self._open:
                return False
            if subscription.state is State.BEHIND:  # and not removed before it was here
                self._behind[subscription] = None
                if self._end is not None:
                    subscription.end = self._end
                elif subscription.reader is not None:
                    self._watch(subscription.reader.file)
            if instead_of is not None:
                self._move(instead_of, State.OVER)
            return True

    def remove(self, subscription: Subscription) -> bool:
        """Offer nothing more to a subscription. Returns whether the feed is closed, since it has no other left."""
        with _Section(self, self._lock):
            self._move(subscription, State.OVER)
            if self._live or self._behind or self._waiting:
                return False
            self._open = False
            self._note_forget().let_go += (self._watched, self._end)
            self._watched = self._end = None
            return True

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
            reader = self._reader
            readers = [reader] if reader is not None else [subscription.reader for subscription in self._behind]
            return max((reader.offset for reader in readers if reader is not None), default=0)

    def wake(self) -> None:
        """Look at the file, which may have changed, and tell the live ones what is new."""
        self._reading.acquire()  # a section, too, but with no object made and no call more than needed for a line
        try:
            if self._to_hand_over_later:
                with self._lock:
                    self._noted().hand_over += self._to_hand_over_later
                    self._to_hand_over_later = []
            self._pump(BUDGET)
        finally:
            self._reading.release()
            if self._errands is not None:
                self._pass_on()

    def join(self, subscription: Subscription) -> bool:
        """Make a subscription live, or wait, that has sent all it could read.

        Returns whether its catch-up is over; if not, there is more to send. Only for the thread that drives it.
        """
        with _Section(self, self._reading):
            self._joining = subscription
            try:
                return subscription.over or (subscription.end is None and self._join(subscription))
            finally:
                self._joining = None

    def try_again(self, subscription: Subscription) -> None:
        """Hand a subscription that is behind over to its client's catch-up once more, in a while."""
        with _Section(self, self._lock):
            if subscription.state is State.BEHIND:
                self._to_hand_over_later.append(subscription)
                errands = self._noted()
                errands.wake_later = True
                if not self._open or self._end is not None:  # it is not woken any more, but for this
                    errands.let_go.append(self._watched)
                    self._watched, errands.watch, errands.forget = None, True, False

    def complete(
        self, note_end: Callable[[LogEnd], object], find_end: Callable[[], LogEnd | None] | None = None
    ) -> list[Subscription] | None:
        """End the session: the rest of the file, and the last message, to everyone.

        `note_end(end)` is told where it ends before anyone else is. `find_end()` is for one that was completed
        elsewhere: it ends where that says, whatever is written by now; None there: it has begun anew, and goes on.

        Returns the subscriptions, none where it goes on; None where the last one has just left. Those that are not over
        yet could not take the last message now: their catch-up sends it. Afterwards nobody is live.
        """
        with _Section(self, self._reading):
            known_end = find_end() if find_end is not None else None
            if find_end is not None and known_end is None:
                return []
            with self._lock:
                if not self._open:
                    return None
                self._open = False
                self._end = known_end
                everyone = [*self._live, *self._behind, *self._waiting]
            self._note_end, self._ending = note_end, known_end
            if known_end is None:
                self._pump(None, final=True)
            else:
                self._finish(known_end)
            self._send_off()
            return everyone

    def _pass_on(self) -> None:
        """Do the errands that were noted, one thread at a time, so that the watcher is told things in order."""
        while True:
            with self._lock:
                errands = self._errands
                if self._passing_on or errands is None:
                    return
                self._errands = None
                self._passing_on = True
                file = self._watched
            errands.let_go.clear()
            try:
                for subscription in errands.hand_over:
                    subscription.on_behind(subscription)
                if errands.watch:
                    self._watcher.follow(self, file)
                if errands.forget:
                    self._watcher.forget(self)
                elif errands.wake_again or (errands.watch and file is not None):
                    self._watcher.wake_again(self)  # a new watch tells nothing of what was written before it
                elif errands.wake_later:
                    self._watcher.wake_later(self)
            finally:
                with self._lock:
                    self._passing_on = False

    # What follows is called with _lock held.

    def _noted(self) -> _Errands:
        """The errands, to note one more."""
        if self._errands is None:
            self._errands = _Errands()
        return self._errands

    def _note_forget(self) -> _Errands:
        errands = self._noted()
        errands.watch, errands.forget = False, True
        return errands

    def _move(self, subscription: Subscription, state: State) -> None:
        self._members[subscription.state].pop(subscription, None)
        if State.LIVE in (subscription.state, state):
            self._audiences = None
        subscription.state = state
        if state is not State.OVER:
            self._members[state][subscription] = None
        if not self._behind:
            self.sharing.clear()
        if not self._live and self._reader is not None:  # there is nothing to read for
            self._noted().let_go.append(self._reader)
            self._reader = None

    def _fall_behind(self, subscription: Subscription, reader: Reader, message: Message | None) -> None:
        self._move(subscription, State.BEHIND)
        subscription.reader = reader.clone()
        subscription.pending, subscription.at_end = message, False
        if subscription is not self._joining:
            self._noted().hand_over.append(subscription)

    def _find_audiences(self) -> list[tuple[bool, list[Hashable]]]:
        audiences = [
            (with_cursor, [subscription.ws for subscription in self._live if subscription.cursors is with_cursor])
            for with_cursor in (False, True)
        ]
        self._audiences = [audience for audience in audiences if audience[1]]
        return self._audiences

    def _watch(self, file: LogFile) -> None:
        """Have the watcher told that this is the file to watch."""
        if self._open and (self._watched is None or file.identity != self._watched.identity):
            self._watched = file
            self._noted().watch = True

    # What follows is called with _reading held.

    def _pump(self, budget: int | None, *, final: bool = False) -> bool:
        """Send what is new to the live ones, from the next file too if the path leads to another one.

        Returns whether the budget ran out before the end of the file they were in.
        """
        reader, has_more = self._reader, False
        if reader is None:
            if self._waiting:
                self._look_for_file()
            return False
        try:
            # First what is there to send, and then whether the path still leads to it: what the old file
            # still holds goes out before the next one's in any case.
            start = reader.offset
            has_more = not final and self._advance(reader, budget)
            found = self._look_for_file()
            if found is None:
                self.seen = reader.file.signature()  # the sweep has us look again: it may still be written to
            if found is not None and identity_of(found) != reader.file.identity:
                if final:
                    self._send(reader, reader.file.size(), budget)
                elif not has_more:
                    has_more = self._advance(reader, budget)  # what was written between the read and the look
                if not has_more and self._live:
                    self._switch(reader, budget, final=final)
            elif final:
                self._send(reader, reader.file.size(), budget, final=True)
            elif found is not None:
                if found.st_size != reader.end and not has_more and self._live:
                    self._advance(reader, budget)  # it counts as seen with what was written since
                if reader.offset != start:
                    self.meter.delivered(time.time() - found.st_mtime)
        except OSError as error:
            self._give_up(reader, error)
        return has_more

    def _finish(self, end: LogEnd) -> None:
        """Send the live ones the rest up to a known end, if it is in their file; or else it is for their catch-ups."""
        reader = self._reader
        if reader is not None and end.is_in(reader.file):
            try:
                self._send(reader, end.size(reader.file), None, final=True)
            except OSError as error:
                self._give_up(reader, error)

    def _give_up(self, reader: Reader, error: OSError) -> None:
        logger.warning("session %r cannot be read: %s", self.name, str(error))
        with self._lock:
            for subscription in list(self._live):
                self._fall_behind(subscription, reader, None)  # its own next read tells its client
                if reader.offset == 0:  # perhaps of another file, and the message that starts over was not made
                    subscription.initial = subscription.due = True

    def _advance(self, reader: Reader, budget: int | None) -> bool:
        """Send what is new. Returns whether the budget ran out before the end."""
        text = reader.read_new(_SMALL)
        if text is None:
            return self._send(reader, reader.file.size(), budget)
        if text:
            self._tell(text, reader, reader.end)
        return False

    def _look_for_file(self) -> os.stat_result | None:
        """What is at the path now, for which those who wait begin."""
        found = stat_log(self.path)
        self.seen = found and signature_of(found)
        if found is not None and self._waiting:
            self._admit()
        return found

    def _send(
        self, reader: Reader, size: int, budget: int | None, *, initial: bool = False, final: bool = False
    ) -> bool:
        """Read on to `size` and offer it to the live ones, while there are any.

        Returns whether the budget ran out before that; the feed is then woken again.
        """
        while self._live:
            start = reader.offset
            try:
                text = reader.read(size, next_limit(initial, size - start), final=final)
            except RewrittenError:
                reader.start_over()
                end = self._end
                size, initial = reader.file.size() if end is None else end.size(reader.file), True
                continue
            complete = final and (reader.at_end or reader.offset >= size)
            if not (text or initial or complete):
                break
            if complete:
                self._end_at(LogEnd(reader.file, reader.offset))
            self._tell(text, reader, size, initial=initial, complete=complete)
            if complete or reader.offset >= size:
                break
            initial = False
            if budget is not None:
                budget -= reader.offset - start
                if budget <= 0:
                    with self._lock:
                        self._noted().wake_again = True
                    return True
        return False

    def _switch(self, reader: Reader, budget: int | None, *, final: bool) -> None:
        """Start the live ones over on the file that is at the path now, once the old one is out."""
        try:
            file = LogFile.open(self.path)
        except OSError:
            self.seen = None  # gone again, or not ours to read: the sweep has us look again
            if final:
                self._send(reader, reader.file.size(), None, final=True)
            return
        reader.start_over(file)
        with self._lock:
            self._watch(file)
        self._send(reader, file.size(), budget, initial=True, final=final)

    def _tell(self, text: str, reader: Reader, size: int, *, initial: bool = False, complete: bool = False) -> None:
        """Offer text to the live ones, `reader` being behind it; who cannot take it falls behind."""
        with self._lock:
            if initial:
                self.meter.started_over(len(self._live))
            for with_cursor, clients in self._audiences or self._find_audiences():
                if initial or complete:
                    message = make_message(
                        self.name, text, reader, size, initial=initial, complete=complete, with_cursor=with_cursor
                    )
                else:
                    message = self._increments.message(text, (reader.cursor, size) if with_cursor else None)
                refusing = self._offer(clients, message)
                if refusing:
                    late = set(refusing)
                    for subscription in list(self._live):
                        if subscription.cursors is with_cursor and subscription.ws in late:
                            self._fall_behind(subscription, reader, message)
            if complete:
                for subscription in list(self._live):
                    self._move(subscription, State.OVER)

    def _join(self, subscription: Subscription) -> bool:
        reader = subscription.reader
        if reader is None:
            return self._begin_or_wait(subscription)
        has_more = self._pump(BUDGET)
        leader = self._reader
        if leader is None:
            return self._lead(subscription, reader)
        if reader.file.identity != leader.file.identity:
            found = stat_log(self.path) if has_more else None
            if found is None or identity_of(found) != reader.file.identity:
                self._change_over(subscription, leader.file)
            return False  # where it is in the next file already, the live ones are still to come there
        return reader.level_with(leader) and self._become_live(subscription, leader)

    def _begin_or_wait(self, subscription: Subscription) -> bool:
        try:
            file = LogFile.open(self.path)
        except OSError as error:
            self._note_unreadable(error)
            with self._lock:
                if not subscription.over:
                    self._move(subscription, State.WAITING)
                if not (self._live or self._behind):  # or a deleted file would take space
                    self._noted().let_go.append(self._watched)
                    self._watched = None
            return True
        subscription.start_over(file)
        with self._lock:
            self._watch(file)
        return False

    def _lead(self, subscription: Subscription, reader: Reader) -> bool:
        """Let a subscription be the first live one, if it is in the file that is at the path."""
        found = stat_log(self.path)
        if found is not None and identity_of(found) != reader.file.identity:
            try:
                file = LogFile.open(self.path)
            except OSError:
                pass  # gone again, or not ours to read: for now the old file is all there is
            else:
                self._change_over(subscription, file)
                with self._lock:
                    self._watch(file)
                return False
        self._become_live(subscription, reader)
        self._pump(BUDGET)  # for what was written since
        return subscription.state is not State.BEHIND

    def _change_over(self, subscription: Subscription, file: LogFile) -> None:
        """Have a subscription go on in another file, once it has all of its own.

        That may have grown since: its last message can have been long on its way.
        """
        try:
            subscription.pending = subscription.next_message()
        except OSError:
            return  # its own next read tells its client
        if subscription.pending is None:
            subscription.start_over(file)

    def _become_live(self, subscription: Subscription, reader: Reader) -> bool:
        """Have a subscription offered what comes behind `reader`. True: there is nothing more to drive."""
        with self._lock:
            if not subscription.over:
                subscription.reader = None
                self._watch(reader.file)
                self._move(subscription, State.LIVE)
                self._reader = reader
        return True

    def _admit(self) -> None:
        """Let those who wait begin, if the file can be opened."""
        try:
            file = LogFile.open(self.path)
        except OSError as error:
            self._note_unreadable(error)
            return
        self._is_unreadable = False
        with self._lock:
            self._watch(file)
            for subscription in list(self._waiting):
                subscription.start_over(file)
                self._move(subscription, State.BEHIND)
                self._noted().hand_over.append(subscription)

    def _note_unreadable(self, error: OSError) -> None:
        """A file that is not to be opened now may be in a moment: have the sweep ask again, and say so once."""
        self.seen = None
        if not isinstance(error, (FileNotFoundError, NotALogError, BlockingIOError)) and not self._is_unreadable:
            self._is_unreadable = True
            logger.warning("session %r cannot be opened, and is waited for: %s", self.name, str(error))

    def _end_at(self, end: LogEnd) -> None:
        self._note_end(end)
        self._end = self._ending = end

    def _send_off(self) -> None:
        """Tell those who have not had the last message where the session ends."""
        end = self._ending
        if end is None:
            end = LogEnd.at(self.path)
            self._end_at(end)
        self._ending = None
        reader = self._reader
        with self._lock:
            if reader is not None:
                for subscription in list(self._live):
                    self._fall_behind(subscription, reader, None)
            for subscription in list(self._waiting):
                self._move(subscription, State.BEHIND)
                self._noted().hand_over.append(subscription)
            for subscription in self._behind:
                subscription.end = end
            self._note_forget().hand_over += self._to_hand_over_later  # it is not woken any more
            self._to_hand_over_later = []
