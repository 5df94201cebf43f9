"""Tests of processes that are killed while they write a completion down, at every step and at any time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from logstream import LogStreamManager

from ..recorder import Recorder

# Completes session "a" in directory after directory, in a process each: killed before the first call of the state
# directory to the system, before the second, …, in the middle of each write too, until one gets to its end.
EVERY_STEP = """
import itertools, os, signal, sys
from logstream import LogStreamManager
from logstream.engine import completion, state

base, before, most_news = sys.argv[1], sys.argv[2] == "completed before", int(sys.argv[3])
completion._MOST_NEWS = most_news

class Fatal:
    def __init__(self, steps):
        self.left = steps

    def step(self):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        real = getattr(os, name)
        if not callable(real):
            return real
        def call(*arguments, **named):
            self.step()
            if name == "write" and self.left == 1:
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                self.step()
            return real(*arguments, **named)
        return call

def complete(directory, fatal):
    told = open(f"{directory}/told", "w", buffering=1)
    def send(ws, message):
        if message["isComplete"]:
            told.write(f"{message['sessionName']}\\n")
    manager = LogStreamManager(send, lambda ws, message: send(ws, message) or True, directory=directory)
    if before:
        manager.notify_session_completed("a")
        with open(f"{directory}/a.out", "a") as file:
            file.write("more\\n")
    manager.subscribe("a", "viewer")
    state.os = fatal
    manager.notify_session_completed("a")

for steps in itertools.count(1):
    directory = f"{base}/{steps}"
    os.mkdir(directory)
    with open(f"{directory}/a.out", "w") as file:
        file.write("text\\n")
    child = os.fork()
    if not child:
        complete(directory, Fatal(steps))
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        break
"""

# Completes session after session, in a process that is killed at some time; then in another directory.
ANY_TIME = """
import os, random, signal, sys, time
from logstream import LogStreamManager

def complete(directory):
    told = open(f"{directory}/told", "w", buffering=1)
    def send(ws, message):
        if message["isComplete"]:
            told.write(f"{message['sessionName']}\\n")
    manager = LogStreamManager(send, lambda ws, message: send(ws, message) or True, directory=directory)
    for number in range(100000):
        with open(f"{directory}/{number}.out", "w") as file:
            file.write("text\\n")
        manager.subscribe(str(number), "viewer")
        manager.notify_session_completed(str(number))

dice = random.Random(int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    directory = f"{sys.argv[1]}/{number}"
    os.mkdir(directory)
    child = os.fork()
    if not child:
        complete(directory)
    wanted = 2 * dice.randint(1, 6)  # bytes: so many sessions are told of before
    while not (os.path.exists(f"{directory}/told") and os.path.getsize(f"{directory}/told") >= wanted):
        time.sleep(0.001)
    time.sleep(dice.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def check(directory: Path) -> list[str]:
    """There is no half record, and what somebody was told is remembered; returns what that is."""
    for path in (directory / ".logstream" / "complete").glob("*"):
        if not path.name.startswith("."):
            assert json.loads(path.read_text())["version"] == 1
    told = (directory / "told").read_text().split() if (directory / "told").exists() else []
    clients = Recorder()
    manager = LogStreamManager(clients.send, clients.offer, directory=directory)
    for name in told:
        manager.subscribe(name, name)
        assert clients.last(name)["isComplete"], name
    if (log := directory / "a.out").exists():
        manager.notify_session_completed("a")  # which whatever was left there does not hinder
        record = json.loads((directory / ".logstream" / "complete" / log.name).read_text())
        assert record["size"] == log.stat().st_size
    manager.close()
    return told


@pytest.mark.parametrize("before", ["completed before", "never completed"])
@pytest.mark.parametrize("most_news", [1, 1000], ids=["news begin anew", "news go on"])
def test_killed_at_every_step(tmp_path: Path, before: str, most_news: int) -> None:
    """Before each call to the system by which a completion is written down, and within each write."""
    subprocess.run([sys.executable, "-c", EVERY_STEP, tmp_path, before, str(most_news)], check=True, timeout=60)
    told = [check(tmp_path / f"{steps}") for steps in range(1, len(list(tmp_path.iterdir())) + 1)]
    assert len(told) > 15
    assert told[0] == []
    assert told[-1] == ["a"]


def test_killed_at_any_time(tmp_path: Path) -> None:
    """Whenever that is: in the middle of a record, of the news of it, or of telling of it."""
    subprocess.run([sys.executable, "-c", ANY_TIME, tmp_path, "3", "30"], check=True)
    told = [check(directory) for directory in tmp_path.iterdir()]
    assert len(told) == 30
    assert max(map(len, told)) > 3
