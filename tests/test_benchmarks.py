"""Tests of what is made of a benchmark's rounds, and of how a comparison looks; the measuring itself is no test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.compare import restart, rewrite
from benchmarks.pace import find_highest
from benchmarks.repeat import repeat
from benchmarks.report import Row, Spread, table
from benchmarks.servers import Logstream
from benchmarks.summary import summary


def test_rounds_go_on_until_the_medians_hold_still() -> None:
    """A scenario is repeated as often as asked for, then until a round moves no ratio's median, and not for ever."""
    for figures, rounds, median in (
        ([1.0, 1.02, 1.0, 9.0], 3, 1.0),
        ([1.0, 2.0, 3.0, 2.0, 9.0], 4, 2.0),
        ([float(2**number) for number in range(20)], 9, 16.0),
    ):
        left = iter(figures)

        def scenario(left: Iterator[float] = left) -> Iterator[Row]:
            ratio = next(left)
            yield {"server": "ours", "p50 ms": ratio, "p50 ms ratio": ratio, "p99 ms ratio": ratio * ratio}

        [row] = repeat(scenario, 3)
        taken = figures[:rounds]
        assert row["p50 ms ratio"] == Spread(median, min(taken), max(taken))
        assert row["server"] == "ours" and row["p50 ms"] == median
        assert " (1 to " in table([row])
    assert repeat(lambda: iter([{"CPU ratio": 2.0}]), 1) == [{"CPU ratio": Spread(2.0, 2.0, 2.0)}]


@pytest.mark.parametrize("limit", [15.0, 100.0, 27_000.0])
@pytest.mark.parametrize("begin", [20.0, 8000.0])
def test_the_highest_rate_is_found(limit: float, begin: float) -> None:
    """From below and from above, to 3 %, and with what was found at that rate."""
    rate, found = find_highest(lambda rate: {"rate": rate} if rate <= limit else None, begin)
    assert limit / 1.03 <= rate <= limit
    assert found == {"rate": rate}
    with pytest.raises(RuntimeError, match="does not keep pace"):
        find_highest(lambda rate: None, begin)


def test_the_summary_has_what_was_measured_and_no_more() -> None:
    """A figure is there with its peer and its spread; a peer that is not installed has no row."""
    results = {
        "latency": [
            {"server": "logstream", "clients": 1.0, "p50 ms": 0.31, "p99 ms": 0.9},
            {"server": "websocketd", "clients": 1.0, "p50 ms": 0.33, "p99 ms": 1.9},
            {
                "logstream": "against websocketd",
                "clients": 1.0,
                "p50 ms ratio": Spread(0.94, 0.9, 1.0),
                "p99 ms ratio": Spread(0.5, 0.4, 2.0),
            },
        ],
        "fanout": [{"server": "logstream", "CPU µs a line": 7.0}],
    }
    machine = {"cores": "2", "processor": "some", "kernel": "Linux 6", "Python": "CPython 3.11"}
    lines = summary(results, machine).splitlines()
    assert lines[2:] == [
        "| a line to 1 client, p50 | 0.31 ms | 0.33 ms (websocketd) | 0.94 (0.9 to 1) |",
        "| a line to 1 client, p99 | 0.9 ms | 1.9 ms (websocketd) | 0.5 (0.4 to 2) |",
        "",
        "On 2 cores of some, Linux 6, CPython 3.11; clients and servers on the same machine.",
    ]


def test_the_comparison_sees_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ours it says that nothing is missing after a rewrite, and that nothing is sent twice after a restart."""
    monkeypatch.setenv("LOGSTREAM_TMUX", "off")
    with Logstream() as server:
        assert rewrite(server) == "; ".join(f"{n} of {n} lines, and the viewer is told" for n in (500, 6000))
        said = restart(server)
    assert said.startswith("100 of the 100 lines; ")
    assert float(said.split()[-4]) < 10  # kB
