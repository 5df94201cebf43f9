"""Tests of which sessions are over, with servers that are processes of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from logstream.tmux.processes import Process
from logstream.tmux.server import Answer, Session
from logstream.tmux.sightings import Sightings

from ..serving import wait_until


class Place:
    """A process that stands for a tmux server."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen(["sleep", "60"])
        wait_until(lambda: Process.find(self.popen.pid, "sleep").started is not None)
        self.process = Process.find(self.popen.pid, "sleep")

    def answer(self, **sessions: tuple[str, ...]) -> Answer:
        """What it says when it has these sessions: their names, each with its number and its panes."""
        made = [
            Session(number, name, 0, dict.fromkeys(panes or (f"%{number}",)))
            for name, (number, *panes) in sessions.items()
        ]
        return Answer(self.process, {session.number: session for session in made})

    def end(self) -> None:
        """End the process."""
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def places() -> Iterator[tuple[Place, Place]]:
    """Two servers."""
    both = Place(), Place()
    yield both
    for place in both:
        place.end()


def look(sightings: Sightings, answer: Answer | None, *followed: str) -> list[str]:
    """The logs whose sessions are over after an answer."""
    if answer is not None:
        sightings.note(followed, answer)
    return [name for name, _ in sightings.take_over(answer)]


def test_only_what_was_seen_can_be_over(places: tuple[Place, Place]) -> None:
    """Not what tmux has never had, not what has a new name, and not while tmux does not answer."""
    here, _ = places
    sightings = Sightings()
    assert look(sightings, here.answer(), "a") == []
    assert look(sightings, here.answer(a=("$0",)), "a") == []
    assert look(sightings, here.answer(other=("$0",)), "a") == []
    assert look(sightings, None, "a") == []
    assert look(sightings, here.answer(), "a") == ["a"]
    assert look(sightings, here.answer(), "a") == []


def test_a_server_that_ends_with_its_answer_is_the_same(places: tuple[Place, Place]) -> None:
    """By the time that its process is looked for it may be gone: its sessions are over all the same."""
    here, _ = places
    sightings = Sightings()
    look(sightings, here.answer(a=("$0",), b=("$1",)), "a", "b")
    last = here.answer(a=("$0",))
    here.end()
    assert look(sightings, replace(last, server=Process(here.popen.pid, None)), "a", "b") == ["b"]
    assert not sightings.silent_servers(replace(last, server=Process(here.popen.pid, None)))
    assert look(sightings, None, "a", "b") == ["a"]
    assert not list(sightings.all())


def test_a_session_that_begins_again_is_not_over(places: tuple[Place, Place]) -> None:
    """Where a new one of its name is there at the next look."""
    here, _ = places
    sightings = Sightings()
    look(sightings, here.answer(a=("$0",)), "a")
    assert look(sightings, here.answer(a=("$1",)), "a") == []
    assert look(sightings, here.answer(), "a") == ["a"]


def test_another_server_s_answer_means_nothing(places: tuple[Place, Place]) -> None:
    """Until the process of the one that the session was seen in is gone."""
    here, there = places
    sightings = Sightings()
    look(sightings, here.answer(a=("$0",)), "a")
    assert look(sightings, there.answer(b=("$0",)), "a") == []
    assert sightings.silent_servers(there.answer()) == {here.process}
    here.end()
    assert look(sightings, there.answer(b=("$0",)), "a") == ["a"]


def test_a_session_in_two_servers_is_over_when_both_are(places: tuple[Place, Place]) -> None:
    """Where nobody can tell which of them writes the log."""
    here, there = places
    sightings = Sightings()
    look(sightings, here.answer(a=("$0",)), "a")
    look(sightings, there.answer(a=("$0",)), "a")
    assert look(sightings, there.answer(), "a") == []
    here.end()
    assert look(sightings, None, "a") == ["a"]


def test_a_session_s_panes_may_go_on_without_it(places: tuple[Place, Place]) -> None:
    """In another session of its group, or one that they were moved to."""
    here, _ = places
    sightings = Sightings()
    look(sightings, here.answer(a=("$0", "%0", "%1"), b=("$1", "%0", "%1")), "a")
    assert look(sightings, here.answer(b=("$1", "%0", "%2")), "a") == []
    assert look(sightings, here.answer(b=("$1", "%2")), "a") == ["a"]


def test_a_server_that_cannot_be_seen_is_only_believed(places: tuple[Place, Place]) -> None:
    """In another container, it has to answer; once another has its place, nothing is ever known of it."""
    here, there = places
    unseen = Answer(Process(1, None), here.answer(a=("$0",)).sessions)
    sightings = Sightings()
    look(sightings, unseen, "a")
    assert look(sightings, None, "a") == []
    assert look(sightings, Answer(unseen.server, {}), "a") == ["a"]
    look(sightings, unseen, "a")
    assert look(sightings, there.answer(), "a") == []
    assert "a" not in sightings


def test_what_is_over_or_not_wanted_is_forgotten(places: tuple[Place, Place]) -> None:
    """Nothing grows with the sessions that come and go."""
    here, _ = places
    sightings = Sightings()
    for number in range(100):
        name = f"session{number}"
        look(sightings, here.answer(**{name: (f"${number}",)}), name)
    look(sightings, here.answer(kept=("$1000",), other=("$1001",)), "kept", "other")
    sightings.forget_unless(lambda name: name == "kept")
    assert [name for name, _ in sightings.all()] == ["kept"]
