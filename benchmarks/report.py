"""Figures of several rounds, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]


class Spread(NamedTuple):
    """A figure over several rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


def quantiles(delays: Iterable[float]) -> dict[str, float]:
    """The median and the 99th percentile of delays in seconds, in milliseconds."""
    ordered = sorted(delays)
    return {f"p{percent} ms": ordered[len(ordered) * percent // 100] * 1e3 for percent in (50, 99)}


def quantiles_and_most(delays: Iterable[float]) -> dict[str, float]:
    """The same, and the longest of them."""
    found = list(delays)
    return quantiles(found) | {"max ms": max(found) * 1e3}


def ratios(ours: Row, theirs: Row, figures: Mapping[str, str]) -> Row:
    """How some figures of two rows compare: the name of each ratio, and which figure it is of."""
    return {f"{name} ratio": float(ours[key]) / float(theirs[key]) for name, key in figures.items()}


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned text, with a heading wherever the columns change."""
    lines: list[str] = []
    start = 0
    while start < len(rows):
        keys = list(rows[start])
        end = start
        while end < len(rows) and list(rows[end]) == keys:
            end += 1
        cells = [keys] + [[_format(row[key]) for key in keys] for row in rows[start:end]]
        widths = [max(len(line[column]) for line in cells) for column in range(len(keys))]
        for line in cells:
            lines.append("   " + "   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
        lines.append("")
        start = end
    return "\n".join(lines)


def _format(value: str | float | Spread) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
