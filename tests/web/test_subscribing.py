"""Tests of subscribes that take long, and of what is asked meanwhile."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from logstream.web.connection import Connection
from logstream.web.helpers import Helpers
from logstream.web.subscribing import Subscribing

from ..serving import PATIENCE, wait_until
from ..stopwatch import Stopwatch


class Stuck:
    """A subscribe that does not come back until it is let."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.answered: bool | None = None
        self.thread: threading.Thread | None = None

    def __call__(self, is_wanted: Callable[[], bool]) -> None:
        self.thread = threading.current_thread()
        assert self.go_on.wait(PATIENCE)
        self.answered = is_wanted()


@pytest.fixture
def peer() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection's two ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def subscribing(peer: tuple[socket.socket, socket.socket]) -> Subscribing:
    """The subscribes of one client, with three helpers."""
    return Subscribing(Connection(peer[0], 30.0), Helpers(3))


def test_while_all_is_well_one_is_done_after_the_other(subscribing: Subscribing) -> None:
    """Each is over when the next command is read."""
    done: list[str] = []
    for name in "abcde":
        subscribing.begin(name, lambda is_wanted, name=name: done.append(name) or is_wanted())
    assert done == list("abcde")


def test_one_that_takes_long_does_not_keep_the_next(subscribing: Subscribing) -> None:
    """And is answered in the end."""
    stuck, done = Stuck(), threading.Event()
    subscribing.begin("stuck", stuck)
    subscribing.begin("well", lambda is_wanted: done.set())
    assert done.wait(PATIENCE)
    stuck.go_on.set()
    wait_until(lambda: stuck.answered)


@pytest.mark.parametrize("end", ["unsubscribe", "subscribe", "leave"])
def test_what_is_not_wanted_any_more_is_not_answered(subscribing: Subscribing, end: str) -> None:
    """The client has unsubscribed, subscribed again, or gone; another session's is answered where it is still there."""
    stuck, other = Stuck(), Stuck()
    subscribing.begin("stuck", stuck)
    subscribing.begin("other", other)
    match end:
        case "unsubscribe":
            watch = Stopwatch()
            subscribing.end("stuck", lambda: False)
            assert watch.seconds() < 0.5  # nobody waits for what would not be answered
        case "subscribe":
            subscribing.begin("stuck", lambda is_wanted: None)
        case "leave":
            subscribing.end_all()
    stuck.go_on.set()
    other.go_on.set()
    wait_until(lambda: stuck.answered is not None and other.answered is not None)
    assert (stuck.answered, other.answered) == (False, end != "leave")


def test_an_unsubscribe_waits_for_an_error_that_is_on_its_way_out(subscribing: Subscribing) -> None:
    """So nothing about the session comes after it."""
    answering, ending, sent = threading.Event(), threading.Event(), threading.Event()

    def answer(is_wanted: Callable[[], bool]) -> None:
        assert is_wanted()
        answering.set()
        assert ending.wait(PATIENCE)
        sent.set()

    def unsubscribe() -> bool:
        ending.set()
        return False

    subscribing.begin("a", answer)
    assert answering.wait(PATIENCE)
    assert not sent.is_set()
    subscribing.end("a", unsubscribe)
    assert sent.is_set()


def test_without_a_helper_a_client_waits_for_its_own(subscribing: Subscribing) -> None:
    """It is carried out by the thread that reads, and raises what it raises."""
    stuck = [Stuck() for _ in range(3)]
    for number, one in enumerate(stuck):
        subscribing.begin(str(number), one)
    threads: list[threading.Thread] = []

    def fail(is_wanted: Callable[[], bool]) -> None:
        threads.append(threading.current_thread())
        assert is_wanted()
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        subscribing.begin("one more", fail)
    assert threads == [threading.current_thread()]
    for one in stuck:
        one.go_on.set()
    wait_until(lambda: all(one.answered for one in stuck))


def test_a_client_that_is_gone_is_no_failure_but_a_bug_is(
    subscribing: Subscribing, peer: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """The one says nothing, the other closes the connection and tells the operator."""

    def fail(error: Exception) -> Callable[[Callable[[], bool]], None]:
        def raise_it(is_wanted: Callable[[], bool]) -> None:
            raise error

        return raise_it

    subscribing.begin("a", fail(BrokenPipeError()))
    assert not caplog.records
    subscribing.begin("a", fail(ValueError("broken")))
    assert "ValueError: broken" in caplog.text
    assert peer[1].recv(100)[2:4] == (1011).to_bytes(2, "big")


def test_an_answer_that_is_on_its_way_comes_before_the_next_one(subscribing: Subscribing) -> None:
    """Or an error would seem to be of the later subscribe: a client takes that one for over."""
    said: list[str] = []
    has_come, go_on = threading.Event(), threading.Event()

    def fail(is_wanted: Callable[[], bool]) -> None:
        if is_wanted():
            has_come.set()
            assert go_on.wait(PATIENCE)
            said.append("error")

    subscribing.begin("a", fail)
    assert has_come.wait(PATIENCE)
    threading.Timer(0.2, go_on.set).start()
    subscribing.begin("a", lambda is_wanted: is_wanted() and said.append("text"))
    wait_until(lambda: len(said) == 2)
    assert said == ["error", "text"]
