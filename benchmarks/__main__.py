"""`python -m benchmarks [SCENARIO...]`: run the scenarios and print their figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator

from . import scenarios
from .compare import compare
from .compare import missing as missing_for_comparison
from .fleet import fleet
from .fleet import missing as missing_for_fleet
from .report import Row, table
from .search import search
from .servers import NodePeer, Websocketd
from .soak import soak

_SCENARIOS: dict[str, Callable[[int], Iterator[Row]]] = {
    "latency": scenarios.latency,
    "fanout": scenarios.fanout,
    "bulk": scenarios.bulk,
    "sessions": scenarios.sessions,
    "stalled": scenarios.stalled,
    "idle": scenarios.idle,
    "deflate": scenarios.deflate,
    "completion": scenarios.completion,
    "listing": scenarios.listing,
    "search": search,
    "fleet": fleet,
}


def main() -> None:
    """Run what the command line names, or all but the soak and the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure real servers, side by side.")
    more: dict[str, Callable[[], Iterator[Row]]] = {"soak": lambda: soak(arguments.minutes), "compare": compare}
    known = ", ".join([*_SCENARIOS, *more])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{known} (default: all but the last two)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is measured (default: 3)")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to soak (default: 3)")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - {*_SCENARIOS, *more}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    left_out = {kind.name: missing for kind in (Websocketd, NodePeer) if (missing := kind.missing())}
    if missing := missing_for_fleet():
        left_out["fleet"] = missing
    if "compare" in arguments.scenarios:
        left_out |= missing_for_comparison()
    results: dict[str, list[Row]] = {}
    for name in arguments.scenarios or _SCENARIOS:
        if name in left_out:
            continue
        scenario = {**_SCENARIOS, "soak": soak, "compare": compare}[name]
        results[name] = []
        if not arguments.json:
            print(f"{name}: {scenario.__doc__}", flush=True)
        for row in more[name]() if name in more else _SCENARIOS[name](arguments.rounds):
            results[name].append(row)
        if not arguments.json:
            print(table(results[name]), flush=True)
    if arguments.json:
        print(json.dumps({"left out": left_out, **results}, indent=2))
    else:
        for name, missing in left_out.items():
            print(f"left out: {name}, which is not installed ({missing})")


if __name__ == "__main__":
    main()
