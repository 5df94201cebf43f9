"""Tests of the times at which logs arrived, against a plain model: every byte with its own time."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream.engine import arrivals
from logstream.engine.arrivals import Span, Standing, merged, parse, place_at, spans, thinned

from .logs import make_log

# A log's life: so many bytes are written, or so many milliseconds pass, or somebody (of two) looks.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 9)),
        st.tuples(st.just("pass"), st.integers(1, 5000)),
        st.tuples(st.sampled_from(["one looks", "other looks"]), st.just(0)),
    ),
    max_size=60,
)


def live(life: list[tuple[str, int]]) -> tuple[list[int], list[Standing]]:
    """When each byte came, and what was seen by whoever looked: each says the same size once, as long as it lasts."""
    time, changed = 1000, 1000
    came: list[int] = []
    seen: dict[tuple[str, int], Standing] = {}
    for step, amount in life:
        if step == "write":
            time += 1
            changed = time
            came += [time] * amount
        elif step == "pass":
            time += amount
        else:
            size = len(came)
            before = seen.get((step, size))
            since = changed if before is None else before.since
            seen[step, size] = Standing(size, since, time, f"{size}.00000000")
    return came, list(seen.values())


@given(steps, st.integers(3, 8), st.data())
def test_what_is_told_is_true(life: list[tuple[str, int]], most: int, data: st.DataObject) -> None:
    """Each byte came between the times that are told of it, however much was left out, and all of them are told of."""
    came, seen = live(life)
    standings = merged(data.draw(st.permutations(seen)))
    if data.draw(st.booleans()):
        standings = thinned(standings, most)
        assert len(standings) <= most
        assert not seen or standings[-1].size == max(standing.size for standing in seen)
    start, stop = sorted((data.draw(st.integers(0, len(came))), data.draw(st.integers(0, len(came)))))
    place = start
    for span in spans(standings, start, stop):
        assert span.offset == place < span.end
        place = span.end
        for time in came[span.offset : span.end]:
            assert span.earliest is None or span.earliest < time
            assert span.latest is None or time <= span.latest
    assert place == stop


@given(steps, st.integers(0, 200_000))
def test_the_place_of_a_time(life: list[tuple[str, int]], time: int) -> None:
    """Nothing before it came later; and it is the last such place of those that were seen."""
    came, seen = live(life)
    standings = merged(seen)
    place = place_at(standings, time)
    assert all(one <= time for one in came[:place])
    assert all(standing.size <= place for standing in standings if standing.since <= time)


@given(steps, st.data())
def test_a_record_says_what_was_written_down(life: list[tuple[str, int]], data: st.DataObject) -> None:
    """However many wrote to it in turns, with a line that was cut off between them, and what is of another file."""
    _, seen = live(life)
    record = bytearray()
    for standing in seen:
        record += arrivals.beginning(7) + arrivals.lines([standing])
        if data.draw(st.booleans()):
            record += arrivals.beginning(8) + arrivals.lines([Standing(5, 3, 4, "5.0")])
        if data.draw(st.booleans()):
            record += arrivals.lines([standing])[: data.draw(st.integers(0, 10))]
    assert parse(bytes(record), 7)[0] == merged(seen)


def test_what_nobody_saw_has_two_times() -> None:
    """What was written while nobody looked came between the looks before and after; the rest is known by one end."""
    standings = [Standing(10, 1000, 5000, "10.0"), Standing(30, 90_000, 95_000, "30.0")]
    assert spans(standings, 0, 40) == [
        Span(0, 10, None, 1000),
        Span(10, 30, 5000, 90_000),
        Span(30, 40, 95_000, None),
    ]
    assert [place_at(standings, time) for time in (999, 1000, 50_000, 90_000)] == [0, 10, 10, 30]


def test_old_times_are_left_out_before_new_ones() -> None:
    """Where there are too many, those of the last minutes stay as they are, and a long pause stays in its place."""
    pause = 5000
    standings = [
        Standing(number, at := number * 1000 + (3_600_000 if number >= pause else 0), at, "")
        for number in range(10_000)
    ]
    left = thinned(standings, 2048)
    assert len(left) == 2048
    assert left[-100:] == standings[-100:]
    assert {pause - 1, pause} <= {standing.size for standing in left}
    assert max(after.size - before.size for before, after in itertools.pairwise(left)) < 100


@pytest.mark.parametrize(
    "line",
    [
        b'["4.0",1]',
        b'["x",1,2]',
        b'["4.0",2,1]',
        b'["4.0",-1,1]',
        b'["4.0",1.5,2]',
        b'["4.0",1,99999999999999999]',
        b"[4,1,2]",
        b"5",
        b"\xff",
    ],
)
def test_a_line_that_is_none(line: bytes) -> None:
    """It is counted, and the others hold."""
    record = arrivals.beginning(7) + line + b"\n" + arrivals.lines([Standing(5, 3, 4, "5.0")])
    assert parse(record, 7) == ([Standing(5, 3, 4, "5.0")], 1)


@pytest.mark.parametrize("record", [b"\xff", b"[]", b'{"version":2,"inode":7}', b'["4.0",1,2]', b"{}"])
def test_a_record_that_is_none(record: bytes) -> None:
    """It says so."""
    with pytest.raises(ValueError):
        parse(record, 7)


def test_a_standing_holds_for_the_content_that_was_there(tmp_path: Path) -> None:
    """And for no other, of the same size or not; what is appended changes nothing."""
    path = tmp_path / "log.out"
    file = make_log(path, b"one\n")
    standing = Standing.now(file)
    assert standing.size == 4
    assert standing.since <= standing.until <= arrivals.now() + 1
    assert arrivals.now() - standing.since < 60_000
    with path.open("ab") as log:
        log.write(b"two\n")
    assert standing.fits(file)
    for other in (b"One\ntwo\n", b"one"):
        path.write_bytes(other)
        assert not standing.fits(file)


@pytest.mark.parametrize("size", [0, 10, 5000])
@pytest.mark.parametrize("later", [0, 10, 4096, 4097, 20_000])
@pytest.mark.parametrize("change", ["grown", "rewritten", "truncated"])
def test_what_comes_after_a_standing(tmp_path: Path, size: int, later: int, change: str) -> None:
    """One read, or several, tell how large a log is now, and whether it has gone on from what it was."""
    before = os.urandom(size)
    path = tmp_path / "log.out"
    file = make_log(path, before)
    standing = Standing.now(file)
    after = {"grown": before, "rewritten": os.urandom(size), "truncated": before[: size // 2]}[change]
    path.write_bytes(after + os.urandom(later))
    state = file.state()
    found, fits = standing.then(file, state, arrivals.now())
    assert found._replace(until=0) == Standing.now(file)._replace(until=0)
    assert found.until >= found.since
    assert fits is standing.fits(file) is (change == "grown" or not size)
