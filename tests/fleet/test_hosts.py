"""What a dashboard asks session hosts."""

from __future__ import annotations

from typing import cast

import pytest

from logstream.fleet.bus import Bus, BusError
from logstream.fleet.hosts import Hosts, SilentError
from logstream.fleet.words import START, Complete, Done, Message, Missing, Names, Read, Reply, Roll, parse

from ..stopwatch import Stopwatch

NAMES = Names()


class AnsweringBus:
    """A bus whose hosts answer at once: each has logs of some sizes, or says nothing."""

    def __init__(self, logs: dict[str, dict[str, int]]) -> None:
        self.hosts = Hosts(cast(Bus, self), NAMES, "dashboard")
        self.logs = logs
        self.asked: list[tuple[str, Message]] = []
        self.is_away = False

    def publish(self, channel: str, message: bytes) -> None:
        """Have a host hear a message, and the dashboard its answer."""
        if self.is_away:
            raise BusError("Redis is away")
        host, said = channel.rpartition(":")[2], parse(message)
        assert channel == NAMES.ask(host)
        self.asked.append((host, said))
        if host not in self.logs:
            return
        if isinstance(said, Read):
            size = self.logs[host].get(said.name)
            missing = Missing(said.name, said.number)
            has = Reply(said.name, said.number, START, size or 0, False, True, b"")
            assert self.hosts.is_answer(host, missing if size is None else has)
        elif isinstance(said, Complete):
            assert not self.hosts.is_answer(host, Done(said.name, START))


def test_hosts_say_whether_they_have_a_log() -> None:
    """It is known as soon as one has it, or all have said no; who says nothing is waited for, and not for long."""
    bus = AnsweringBus({"one": {"build": 5}, "two": {}})
    watch = Stopwatch()
    assert bus.hosts.ask({"one": "build", "two": "build"}) == {"one": 5}
    assert bus.hosts.ask({"one": "other", "two": "other"}) == {}
    assert watch.seconds() < 0.9
    assert bus.hosts.ask({"silent": "build"}) == {}
    bus.is_away = True
    assert bus.hosts.ask({"one": "build"}) == {}


def test_no_answer_is_not_taken_for_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has a log, and somebody has said nothing, it cannot be known; else who has it is."""
    monkeypatch.setattr("logstream.fleet.hosts._PROBE", 0.2)
    bus = AnsweringBus({"one": {"build": 5}, "two": {}})
    assert bus.hosts.probe(["one", "two", "silent"], "build") == {"one": 5}
    assert bus.hosts.probe(["one", "two"], "other") == {}
    assert bus.hosts.probe([], "other") == {}
    with pytest.raises(SilentError):
        bus.hosts.probe(["one", "two", "silent"], "other")
    bus.is_away = True
    with pytest.raises(SilentError):
        bus.hosts.probe(["one"], "build")


def test_host_is_asked_to_complete_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has when it says so; one that says nothing, or that cannot be reached, has not."""
    monkeypatch.setattr("logstream.fleet.hosts._COMPLETION", 0.1)
    bus = AnsweringBus({"one": {"build": 5}})
    assert bus.hosts.complete(("one", "build"))
    assert not bus.hosts.complete(("silent", "build"))
    bus.is_away = True
    assert not bus.hosts.complete(("one", "build"))
    assert not bus.hosts.is_answer("one", Done("build", START))  # nobody waits for it any more


def test_what_is_followed_is_said_in_parts_and_answers_to_pulls_are_for_the_copies() -> None:
    """No message is long; and a number is no one else's."""
    bus = AnsweringBus({})
    cursors = {f"session{number}": START for number in range(2500)}
    bus.hosts.roll("one", cursors)
    number = bus.hosts.number()
    bus.hosts.pull(("one", "build"), START, number)
    rolls = [said.cursors for _, said in bus.asked if isinstance(said, Roll)]
    assert [len(part) for part in rolls] == [1000, 1000, 500]
    assert rolls[0] | rolls[1] | rolls[2] == cursors
    host, pull = bus.asked[-1]
    assert (host, isinstance(pull, Read) and pull.number) == ("one", number)
    assert not bus.hosts.is_answer("one", Reply("build", number, START, 0, False, True, b""))
    assert bus.hosts.number() != number
