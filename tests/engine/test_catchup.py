"""Tests of the turns that a client's subscriptions take."""

import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from logstream.engine.catchup import CatchUp
from logstream.engine.monitor import Monitor
from logstream.engine.subscription import Subscription
from logstream.protocol import Message

from ..serving import PATIENCE, wait_until
from ..stopwatch import Stopwatch


class Scripted:
    """A subscription with so many messages to send."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.left = count
        self.over = False
        self.at_end = False
        self.driver: int | None = None
        self.reading: object = None
        self.released = 0
        self.joined = 0
        self.feed = self

    def next_message(self) -> Message | None:
        if not self.left:
            return None
        self.left -= 1
        return Message(sessionName=self.name, isComplete=False)

    def join(self, subscription: object) -> bool:
        self.joined += 1
        return True

    def release(self) -> None:
        self.released += 1


class Client:
    """What a catch-up sends to, with a gate."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.over: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.blocked = threading.Event()
        self.delivering = 0
        self.most_delivering = 0

    def deliver(self, ws: object, message: Message) -> bool:
        if not self.gate.is_set():
            self.blocked.set()
        self.delivering += 1
        self.most_delivering = max(self.most_delivering, self.delivering)
        assert self.gate.wait(PATIENCE)
        self.delivering -= 1
        self.sent.append(message["sessionName"])
        return True


@pytest.fixture
def client() -> Iterator[Client]:
    """A client; its thread has ended in the end."""
    before = threading.active_count()
    client = Client()
    yield client
    client.gate.set()
    wait_until(lambda: threading.active_count() == before)


@pytest.fixture
def catchup(client: Client) -> Iterator[CatchUp]:
    """The catch-up of the client."""
    monitor = Monitor()
    yield CatchUp("ws", client.deliver, client.over.append, monitor)
    monitor.close()


class Stuck:
    """A read that does not come back until it is let."""

    def __init__(self, subscription: Any) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._read = subscription.next_message
        subscription.next_message = self

    def __call__(self) -> Message | None:
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        return cast("Message | None", self._read())


def scripted(name: str, count: int) -> Any:
    """A subscription for a catch-up."""
    return cast(Subscription, Scripted(name, count))


def test_the_first_message_is_sent_by_the_caller(catchup: CatchUp, client: Client) -> None:
    """What fits one message needs no thread."""
    before = threading.active_count()
    one = scripted("a", 1)
    one.at_end = True
    catchup.begin(one)
    assert client.sent == ["a"]
    assert one.joined == 1
    assert threading.active_count() == before


def test_subscriptions_take_turns(catchup: CatchUp, client: Client) -> None:
    """One message each, so that the short one is through before the long one."""
    client.gate.clear()
    long, short = scripted("long", 50), scripted("short", 2)
    catchup.enqueue(long)
    assert client.blocked.wait(PATIENCE)
    catchup.enqueue(short)
    client.gate.set()
    wait_until(lambda: long.joined and short.joined)
    assert client.sent[:5] == ["long", "short", "long", "short", "long"]


def test_one_thread_serves_all(catchup: CatchUp, client: Client) -> None:
    """However many subscriptions are behind, the client has one thread, and none when all are level."""
    client.gate.clear()
    for number in range(5):
        catchup.enqueue(scripted(str(number), 3))
    assert client.blocked.wait(PATIENCE)
    assert [thread.name for thread in threading.enumerate()].count("logstream-catchup") == 1


def test_what_is_still_read_for_one_that_has_ended_is_not_sent(catchup: CatchUp, client: Client) -> None:
    """A disk may take longer than whoever unsubscribes waits."""
    one = scripted("a", 2)
    stuck = Stuck(one)
    catchup.enqueue(one)
    assert stuck.begun.wait(PATIENCE)
    one.over = True
    begun = time.monotonic()
    catchup.end(one, PATIENCE)
    assert time.monotonic() - begun < PATIENCE / 2  # so nobody waits for that disk
    assert not catchup.is_busy()
    stuck.go_on.set()
    wait_until(lambda: one.released)
    assert client.sent == []


def test_who_is_stuck_keeps_the_others_no_longer_than_a_moment(catchup: CatchUp, client: Client) -> None:
    """Another thread goes on with them, also with those that come later, and in the end there is one thread or none."""
    before = threading.active_count()
    ones = [scripted(name, 3) for name in ("a", "b")]
    stuck = [Stuck(one) for one in ones]
    well = scripted("c", 3)
    for one in (*ones, well):
        catchup.enqueue(one)
    wait_until(lambda: client.sent == ["c"] * 3 and well.joined)
    late = scripted("d", 1)
    catchup.enqueue(late)
    wait_until(lambda: late.joined)
    for one in stuck:
        one.go_on.set()
    wait_until(lambda: all(one.joined for one in ones))
    assert sorted(client.sent) == ["a", "a", "a", "b", "b", "b", "c", "c", "c", "d"]
    wait_until(lambda: threading.active_count() == before)


def test_no_more_threads_than_eight_are_stuck_for_a_client(catchup: CatchUp, client: Client) -> None:
    """The rest of its sessions wait, and all go on when they can be read."""
    before = threading.active_count()
    ones = [scripted(str(number), 1) for number in range(12)]
    stuck = [Stuck(one) for one in ones]
    for one in ones:
        catchup.enqueue(one)
    wait_until(lambda: sum(one.begun.is_set() for one in stuck) == 9)  # eight that were relieved, and the last one
    assert threading.active_count() == before + 9 + 1  # the monitor's, too
    for one in stuck:
        one.go_on.set()
    wait_until(lambda: all(one.joined for one in ones))


def test_where_there_is_no_thread_for_the_others_the_next_look_tries_again(
    catchup: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost meanwhile."""
    one, other = scripted("one", 1), scripted("other", 1)
    stuck = Stuck(one)
    catchup.enqueue(one)
    assert stuck.begun.wait(PATIENCE)
    refused = threading.Event()
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if refused.is_set():
            start(thread)
        else:
            refused.set()
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    catchup.enqueue(other)
    assert refused.wait(PATIENCE)
    wait_until(lambda: other.joined)
    stuck.go_on.set()
    wait_until(lambda: one.joined)


def test_ending_one_that_is_queued_closes_it(catchup: CatchUp, client: Client) -> None:
    """It sends nothing more and gives up its file at once, though its turn has not come."""
    client.gate.clear()
    first, second = scripted("first", 1), scripted("second", 1)
    catchup.enqueue(first)
    assert client.blocked.wait(PATIENCE)
    catchup.enqueue(second)
    second.over = True
    catchup.end(second, None)
    assert second.released
    client.gate.set()
    wait_until(lambda: first.joined)
    assert client.sent == ["first"]


def test_ending_one_that_is_sending_waits_for_it(catchup: CatchUp, client: Client) -> None:
    """Once the end has been awaited, nothing more comes; with a time limit, the next beginning waits instead."""
    client.gate.clear()
    one, other = scripted("one", 9), scripted("other", 1)
    catchup.enqueue(one)
    assert client.blocked.wait(PATIENCE)
    one.over = True
    catchup.end(one, 0.01)
    assert catchup.is_busy()
    beginning = threading.Thread(target=catchup.begin, args=(other,))
    beginning.start()
    beginning.join(0.1)
    client.gate.set()
    beginning.join()
    wait_until(lambda: other.joined)
    assert client.sent == ["one", "other"]
    assert client.most_delivering == 1
    assert one.released
    assert not catchup.is_busy()


def test_one_that_falls_behind_again_at_once_belongs_to_the_thread(catchup: CatchUp, client: Client) -> None:
    """Who made it live does not take it from the thread that drives it by the time it returns."""
    one = scripted("one", 2)

    def join_and_fall_behind(subscription: Subscription) -> bool:
        client.gate.clear()
        one.join = lambda subscription: True
        catchup.enqueue(one)
        assert client.blocked.wait(PATIENCE)
        return True

    one.at_end = True
    one.join = join_and_fall_behind
    catchup.begin(one)
    assert one.driver is not None
    one.over = True
    catchup.end(one, 0.01)
    assert catchup.is_busy()
    assert not one.released
    client.gate.set()
    wait_until(lambda: one.released)


def test_one_that_is_over_is_closed_instead_of_queued(catchup: CatchUp, client: Client) -> None:
    """A subscription that ended before its turn was even taken gives up its file."""
    one = scripted("one", 1)
    one.over = True
    catchup.enqueue(one)
    assert one.released
    assert not client.sent


def test_a_file_that_cannot_be_read_is_an_error_to_the_client(catchup: CatchUp, client: Client) -> None:
    """The subscription is over, and the client is told in a message."""
    one = scripted("one", 1)

    def fail() -> None:
        raise OSError(5, "Input/output error")

    one.next_message = fail
    catchup.begin(one)
    assert client.over == [one]
    assert client.sent == ["one"]


def test_who_sends_the_last_message_does_not_wait_for_it(catchup: CatchUp) -> None:
    """A program that completes a session from within its `send` is not held up by itself."""
    one = scripted("a", 1)
    one.driver = threading.get_ident()
    watch = Stopwatch()
    catchup.await_over(one, PATIENCE)
    assert watch.seconds() < PATIENCE / 2


def test_a_subscription_that_fails_is_given_up_and_said(
    catchup: CatchUp, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug costs that one only: its client is told, the operator gets the traceback, and nobody waits for it."""
    one = scripted("a", 1)

    def fail() -> Message:
        raise ValueError("broken")

    monkeypatch.setattr(one, "next_message", fail)
    sent: list[Message] = []
    monkeypatch.setattr(catchup, "_deliver", lambda ws, message: sent.append(message) or True)
    catchup.begin(one)
    assert [dict(message) for message in sent] == [
        {"type": "logs:error", "sessionName": "a", "error": "Session 'a' cannot be followed any longer."}
    ]
    assert client.over == [one]
    assert one.driver is None
    assert "ValueError: broken" in caplog.text
