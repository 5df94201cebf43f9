"""`python -m benchmarks [--json] [SCENARIO...]`: run the scenarios and print their figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator

from . import scenarios

_SCENARIOS: dict[str, Callable[[], Iterator[scenarios.Row]]] = {
    "latency": scenarios.latency,
    "sessions": scenarios.sessions,
    "bulk": scenarios.bulk,
    "stalled": scenarios.stalled,
}


def main() -> None:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a real server.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(_SCENARIOS) + " (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - set(_SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    results = {}
    for name in arguments.scenarios or _SCENARIOS:
        scenario = _SCENARIOS[name]
        results[name] = list(scenario())
        if not arguments.json:
            print(f"\n{name}: {scenario.__doc__}")
            for row in results[name]:
                print("   " + "   ".join(f"{key} {value:.4g}" for key, value in row.items()))
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
