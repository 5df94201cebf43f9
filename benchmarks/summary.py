"""The README's table, of one run's results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .report import Row

SUMMARISED = ("latency", "fanout", "sessions", "bulk", "cores", "idle")  # the scenarios that it needs

Results = Mapping[str, Sequence[Row]]


def summary(results: Results, machine: Mapping[str, str]) -> str:
    """A table in Markdown, and a sentence of the machine; a scenario or a server that is not there is left out."""
    lines = ["| | logstream | beside it | ratio (over the rounds) |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(cells)} |" for cells in _rows(results)]
    where = f"{machine['cores']} cores of {machine['processor']}, {machine['kernel']}, {machine['Python']}"
    return "\n".join([*lines, "", f"On {where}; clients and servers on the same machine."])


def _rows(results: Results) -> Iterator[tuple[str, str, str, str]]:
    for clients in (1, 200, 500):
        for quantile in ("p50", "p99"):
            what = f"a line to {clients} client{'s' * (clients > 1)}, {quantile}"
            yield from _beside(results, "latency", "websocketd", f"{quantile} ms", what, "ms", clients)
    yield from _beside(results, "fanout", "bare loop", "CPU µs a line", "CPU of a line to one of 200 clients", "µs")
    yield from _beside(results, "bulk", "sendfile", "seconds", "first load of 100 MB", "s", 1)
    for row in results.get("sessions", ()):
        if row.get("logstream") == "800 sessions against 2":
            yield "800 sessions, against 2: CPU", "", "", str(row["CPU ratio"])
            yield "800 sessions, against 2: p99", "", "", str(row["p99 ratio"])
    for row in results.get("cores", ()):
        if row.get("logstream") == "2 workers against 1":
            what = f"2 workers, against 1: lines a second ({row['sessions']})"
            yield what, "", "", str(row["lines a second ratio"])
    for row in results.get("idle", ()):
        if row.get("server") == "logstream":
            yield "an idle client", f"{row['KB a client']:.0f} KB", "", ""


def _beside(
    results: Results, scenario: str, other: str, figure: str, what: str, unit: str, clients: int | None = None
) -> Iterator[tuple[str, str, str, str]]:
    rows = [row for row in results.get(scenario, ()) if clients is None or row.get("clients") == clients]
    found = {row["server"]: row[figure] for row in rows if "server" in row and figure in row}
    ratios = [row[f"{figure} ratio"] for row in rows if row.get("logstream") == f"against {other}"]
    if ratios and other in found:
        ours, theirs = found["logstream"], found[other]
        yield what, f"{ours:.3g} {unit}", f"{theirs:.3g} {unit} ({other})", str(ratios[0])
