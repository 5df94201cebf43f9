"""`python -m benchmarks [--json] [SCENARIO...]`: run the scenarios and print their figures."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Iterator

from . import scenarios
from .soak import soak

_SCENARIOS: dict[str, Callable[[], Iterator[scenarios.Row]]] = {
    "latency": scenarios.latency,
    "sessions": scenarios.sessions,
    "bulk": scenarios.bulk,
    "stalled": scenarios.stalled,
}


def main() -> None:
    """Run what the command line names, or all but the soak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a real server.")
    known = ", ".join([*_SCENARIOS, "soak"])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{known} (default: all but soak)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long to soak (default: 3)")
    arguments = parser.parse_args()
    runs: dict[str, Callable[[], Iterator[scenarios.Row]]] = {
        **_SCENARIOS,
        "soak": functools.partial(soak, arguments.minutes),
    }
    if unknown := set(arguments.scenarios) - set(runs):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    results: dict[str, list[scenarios.Row]] = {}
    for name in arguments.scenarios or _SCENARIOS:
        results[name] = []
        if not arguments.json:
            print(f"\n{name}: {(soak if name == 'soak' else runs[name]).__doc__}")
        for row in runs[name]():
            results[name].append(row)
            if not arguments.json:
                print("   " + "   ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
