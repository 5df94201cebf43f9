"""The connections to Redis, with a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from logstream import ConfigurationError
from logstream.fleet.bus import Bus, BusError

from ..serving import wait_until
from ..stopwatch import Stopwatch
from .fleetparts import RedisServer


class Ear:
    """What a bus has told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.connects = 0
        self.followed: list[str] = []
        self.raises = False

    def hear(self, channel: str, message: bytes) -> None:
        """A message has come."""
        self.messages.append((channel, message))
        if self.raises:
            raise RuntimeError("a bug")

    def connect(self) -> None:
        """It is connected."""
        self.connects += 1


Make = Callable[..., tuple[Bus, Ear]]


@pytest.fixture
def make(redis_server: RedisServer) -> Iterator[Make]:
    """Makes buses that listen to `own` and to what begins with `to:`."""
    buses: list[Bus] = []

    def make(url: str | None = None) -> tuple[Bus, Ear]:
        ear = Ear()
        bus = Bus(
            url or redis_server.url,
            channels=("own",),
            patterns=("to:*",),
            bell="to:bell",
            on_message=ear.hear,
            on_connect=ear.connect,
            on_follow=ear.followed.append,
        )
        buses.append(bus)
        bus.start()
        return bus, ear

    yield make
    for bus in buses:
        bus.close()


def test_messages_come_by_channel_and_pattern(make: Make) -> None:
    """Bytes come as they were sent, in their order."""
    bus, ear = make()
    assert bus.settle(10)
    bus.publish("own", b"\xff\x00")
    bus.publish_all([("to:here", b"1"), ("own", b"2")])
    wait_until(lambda: len(ear.messages) == 3)
    assert ear.messages == [("own", b"\xff\x00"), ("to:here", b"1"), ("own", b"2")]


def test_channel_that_is_followed_is_told_of_at_once(make: Make) -> None:
    """The thread that listens is woken for a new channel, and for one that is followed no more."""
    bus, ear = make()
    assert bus.settle(10)
    watch = Stopwatch()
    bus.follow("log:a")
    wait_until(lambda: ear.followed == ["log:a"])
    assert watch.seconds() < 0.5
    bus.publish("log:a", b"1")
    wait_until(lambda: ear.messages == [("log:a", b"1")])
    bus.unfollow("log:a")
    bus.follow("log:b")
    wait_until(lambda: ear.followed == ["log:a", "log:b"])
    bus.publish_all([("log:a", b"2"), ("log:b", b"3")])
    wait_until(lambda: ear.messages[-1] == ("log:b", b"3"))
    assert ("log:a", b"2") not in ear.messages


def test_redis_that_is_killed_and_comes_back(make: Make, redis_server: RedisServer) -> None:
    """What is followed is listened to again, and the owner is told of each new connection."""
    bus, ear = make()
    assert bus.settle(10)
    bus.follow("log:a")
    wait_until(lambda: ear.followed)
    redis_server.kill()
    wait_until(lambda: not bus.is_connected)
    with pytest.raises(BusError):
        bus.publish("own", b"lost")
    bus.follow("log:b")
    redis_server.start()
    wait_until(lambda: ear.connects == 2, timeout=2)
    bus.publish_all([("log:a", b"1"), ("log:b", b"2")])
    wait_until(lambda: ear.messages == [("log:a", b"1"), ("log:b", b"2")])


def test_redis_that_is_not_there_yet(make: Make, redis_server: RedisServer) -> None:
    """Who comes first waits a moment, and goes on as soon as there is one."""
    redis_server.kill()
    bus, ear = make()
    assert not bus.settle(10)
    redis_server.start()
    wait_until(lambda: ear.connects == 1, timeout=2)


def test_redis_that_hangs_is_found_out(make: Make, redis_server: RedisServer) -> None:
    """Nobody waits for it for longer than a few seconds, and it is connected to again when it goes on."""
    bus, ear = make()
    assert bus.settle(10)
    redis_server.freeze()
    watch = Stopwatch()
    with pytest.raises(BusError):
        bus.publish("own", b"lost")
    assert watch.seconds() < 5
    watch = Stopwatch()
    with pytest.raises(BusError):  # and who comes next does not wait at all
        bus.publish("own", b"lost")
    assert watch.seconds() < 0.5
    redis_server.thaw()
    wait_until(lambda: ear.connects >= 2 and bus.is_connected)


def test_error_in_a_callback_ends_no_thread(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one message's way is printed, and the next message comes."""
    bus, ear = make()
    assert bus.settle(10)
    ear.raises = True
    bus.publish("own", b"1")
    wait_until(lambda: ear.connects == 2)
    ear.raises = False
    bus.publish("own", b"2")
    wait_until(lambda: ear.messages[-1] == ("own", b"2"))
    assert "a bug" in caplog.text


def test_silence_is_no_fault(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A connection on which nothing comes for longer than the library's timeouts stays as it is."""
    bus, ear = make()
    assert bus.settle(10)
    threading.Event().wait(6)
    assert ear.connects == 1
    assert not caplog.records


def test_wrong_password_is_said_once_without_it(
    make: Make, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator is told once, and no password is in the log."""
    bus, _ = make(f"redis://:wrong-secret@127.0.0.1:{redis_server.port}")
    assert not bus.settle(10)
    threading.Event().wait(1)
    assert caplog.text.count("is away") == 1
    assert "wrong-secret" not in caplog.text


def test_address_that_is_none_is_a_configuration_error() -> None:
    """It is said in one line at the start."""
    with pytest.raises(ConfigurationError):
        Bus("http://x", on_message=lambda channel, message: None, on_connect=lambda: None)
