"""Tests of what is written down of tmux."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logstream.engine.state import StateDirectory
from logstream.tmux import records as records_module
from logstream.tmux.logs import State
from logstream.tmux.processes import Process
from logstream.tmux.records import Records, Seen, host_key
from logstream.tmux.server import Session

HERE = Process.find(os.getpid(), "")
SEEN = (
    Seen("a.b", Session("$0", "a_b", 1000, {"%0": os.getpid(), "%1": None}, (80, 24), 3), HERE, State(1, 2, 3, 4)),
    Seen("größe", Session("$1", "größe", 1000, {}), Process(1, None), None, True, False, ("größe",), ("a", "größe")),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file."""
    return tmp_path / "state" / "seen.json"


def records(place: Path) -> Records:
    """As a process of its own has them."""
    return Records(StateDirectory(str(place.parent)), place.name)


def test_what_one_process_writes_another_one_knows(place: Path) -> None:
    """All of it, once; and what it has written itself is no news to it."""
    writer, reader = records(place), records(place)
    assert (reader.read(), reader.recall()) == ((), None)
    writer.save(SEEN)
    assert writer.recall() is None
    assert reader.read() == SEEN
    assert reader.recall() == SEEN
    assert reader.recall() is None
    writer.save(())
    assert reader.read() == reader.recall() == ()


def test_nothing_is_written_twice(place: Path) -> None:
    """Unless somebody has taken it away."""
    writer = records(place)
    writer.save(())
    assert not place.exists()
    writer.save(SEEN)
    before = place.stat()
    writer.save(SEEN)
    assert place.stat() == before
    place.unlink()
    writer.save(SEEN)
    assert place.stat().st_mode & 0o777 == 0o600
    assert json.loads(place.read_text())["sessions"][0]["log"] == "a.b"


def test_after_the_machine_has_started_anew_all_that_was_seen_is_gone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a process may have the number and the start of one of then."""
    records(place).save(SEEN)
    assert not records(place).read()[0].server.is_gone()
    monkeypatch.setattr(records_module, "boot_id", lambda: "another one")
    seen = records(place).read()[0]
    assert seen.server.is_gone()
    assert not seen.running


def damage(record: Any) -> list[bytes]:
    """What is no record of ours."""
    return [
        b"",
        json.dumps(record)[:100].encode(),
        b"[1]",
        json.dumps(record | {"version": 2}).encode(),
        json.dumps(record | {"sessions": [{}]}).encode(),
        json.dumps(record | {"sessions": 5}).encode(),
        json.dumps(record | {"sessions": [record["sessions"][0] | {"server": "x"}]}).encode(),
        json.dumps(record | {"sessions": [record["sessions"][0] | {"file": [1]}]}).encode(),
    ]


def test_what_is_damaged_is_not_believed(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor what is of a later version; it is said in a line, and replaced by what is seen next."""
    records(place).save(SEEN)
    for content in damage(json.loads(place.read_text())):
        caplog.clear()
        place.write_bytes(content)
        reader = records(place)
        assert reader.read() == ()
        assert [record.levelno for record in caplog.records] == [logging.WARNING], content
        reader.save(SEEN)
        assert records(place).read() == SEEN


def let_others_write(place: Path) -> None:
    """To the directory."""
    place.parent.chmod(0o777)


def link_it(place: Path) -> None:
    """To a file somewhere else."""
    place.rename(place.with_suffix(".other"))
    place.symlink_to(place.with_suffix(".other"))


def give_it_away(place: Path) -> None:
    """The file is another user's."""
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(place, 65534, 65534)


@pytest.mark.parametrize("how", [let_others_write, link_it, give_it_away])
def test_what_another_user_could_have_written_is_not_believed(place: Path, how: Callable[[Path], None]) -> None:
    """As with completions."""
    records(place).save(SEEN)
    how(place)
    assert records(place).read() == ()


def test_what_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With what it costs, and which setting helps."""
    writer = records(tmp_path / "none" / "none" / "seen.json")
    for _ in range(3):
        writer.save(SEEN)
    (line,) = caplog.messages
    assert "LOGSTREAM_STATE" in line
    Records(None, "seen.json").save(SEEN)


def test_each_socket_has_a_file_of_its_own() -> None:
    """And always the same one."""
    assert host_key("/tmp/a") == host_key("/tmp/a") != host_key("/tmp/b")
