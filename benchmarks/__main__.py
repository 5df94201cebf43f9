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
from .machine import facts
from .repeat import repeat
from .report import Row, table
from .search import search
from .servers import NodePeer, Websocketd
from .soak import soak
from .summary import SUMMARISED, summary

_SCENARIOS: dict[str, Callable[[], Iterator[Row]]] = {
    "latency": scenarios.latency,
    "fanout": scenarios.fanout,
    "bulk": scenarios.bulk,
    "cores": scenarios.cores,
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
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    shape.add_argument(
        "--summary", action="store_true", help="print the README's table, by the scenarios that it needs"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="how often each server is measured (default: 3), and then until the medians hold still, three times as "
        "often at most; 1 is once",
    )
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to soak (default: 3)")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - {*_SCENARIOS, *more}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    left_out = {kind.name: missing for kind in (Websocketd, NodePeer) if (missing := kind.missing())}
    if missing := missing_for_fleet():
        left_out["fleet"] = missing
    if "compare" in arguments.scenarios:
        left_out |= missing_for_comparison()
    machine = facts()
    chatty = not (arguments.json or arguments.summary)
    if chatty:
        print("; ".join(f"{name}: {fact}" for name, fact in machine.items()), end="\n\n", flush=True)
    results: dict[str, list[Row]] = {}
    for name in arguments.scenarios or (SUMMARISED if arguments.summary else _SCENARIOS):
        if name in left_out:
            continue
        scenario = {**_SCENARIOS, "soak": soak, "compare": compare}[name]
        if chatty:
            print(f"{name}: {scenario.__doc__}", flush=True)
        results[name] = list(more[name]()) if name in more else repeat(_SCENARIOS[name], arguments.rounds)
        if chatty:
            print(table(results[name]), flush=True)
    if arguments.json:
        print(json.dumps({"machine": machine, "left out": left_out, **results}, indent=2))
    elif arguments.summary:
        print(summary(results, machine))
    else:
        for name, missing in left_out.items():
            print(f"left out: {name}, which is not installed ({missing})")


if __name__ == "__main__":
    main()
