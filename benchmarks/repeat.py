"""Scenarios are repeated until their figures hold still, and summed up."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from .report import Row, Spread

_STILL = 0.05  # of a ratio's median, by which one more round may move it
_MOST = 3  # times as many rounds as are wanted at least


def repeat(scenario: Callable[[], Iterator[Row]], least: int) -> list[Row]:
    """Run a scenario `least` times, and then until no ratio's median moves by more than 5 %, but not for ever.

    A 99th percentile's ratio may move: its spread says by how much.
    """
    rounds: list[list[Row]] = []
    while len(rounds) < least * _MOST:
        rounds.append(list(scenario()))
        if len(rounds) >= least and (least == 1 or _hold_still(rounds)):
            break
    return _sum_up(rounds)


def _sum_up(rounds: Sequence[Sequence[Row]]) -> list[Row]:
    return [_merge(rows) for rows in zip(*rounds, strict=True)]


def _merge(rows: Sequence[Row]) -> Row:
    """For each figure its median over the rounds, for each ratio its spread too; what is text is the same in all."""
    merged: Row = {}
    for key, value in rows[0].items():
        if isinstance(value, str):
            merged[key] = value
        else:
            figures = [float(row[key]) for row in rows]
            middle = statistics.median(figures)
            merged[key] = Spread(middle, min(figures), max(figures)) if "ratio" in key else middle
    return merged


def _hold_still(rounds: Sequence[Sequence[Row]]) -> bool:
    before, now = _sum_up(rounds[:-1]), _sum_up(rounds)
    return all(
        abs(figure.median - row[key].median) <= _STILL * figure.median
        for row, later in zip(before, now, strict=True)
        for key, figure in later.items()
        if isinstance(figure, Spread) and "p99" not in key
    )
