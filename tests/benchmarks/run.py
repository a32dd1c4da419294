"""Measures Horizon against peers and floors in one run, and prints a table.

    make bench                          everything
    make bench ARGS="calls imports"     some of it
    make bench ARGS="--json"            one JSON object and nothing else on standard output

Ratios travel from machine to machine, absolute figures do not. A missed target, or a peer that could not be installed,
is shown and is no error; the exit code is 1 only when a benchmark broke.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

import machine
import measure_calls
import measure_core
import measure_imports
import measure_limiter
import measure_order_path
from processes import BenchmarkFailed, Places
from report import Row, show

BENCHMARKS: Mapping[str, Callable[[int, Places], Sequence[Row]]] = {
    "imports": measure_imports.measure,
    "calls": measure_calls.measure,
    "order_path": measure_order_path.measure,
    "core": measure_core.measure,
    "limiter": measure_limiter.measure,
}
_LIBRARIES = ("httpx", "httpx-aiohttp", "aiohttp", "msgspec")


def main() -> int:
    arguments = _arguments()
    began, busy_before = time.monotonic(), machine.busy()
    found: dict[str, Sequence[Row]] = {}
    failed = False
    for name in arguments.names or BENCHMARKS:
        print(f"measuring {name}", file=sys.stderr)
        try:
            found[name] = BENCHMARKS[name](arguments.rounds, Places.here())
        except BenchmarkFailed as error:
            failed = True
            found[name] = [Row(name="could not be measured", note=str(error))]
    facts = {
        "machine": machine.description(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "rounds": arguments.rounds,
        "seconds": round(time.monotonic() - began, 1),
        "load": [busy_before, machine.busy()],
    }
    if arguments.json:
        rows = {name: [asdict(row) | {"verdict": row.verdict} for row in each] for name, each in found.items()}
        print(json.dumps({**facts, "benchmarks": rows}))
    else:
        show(found, _sentences(facts, busy_before))
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures Horizon against peers and floors in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of each side (7)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}: choose from {', '.join(BENCHMARKS)}")
    if arguments.rounds < 1:
        parser.error(f"expected one round or more, found {arguments.rounds}")
    return arguments


def _sentences(facts: Mapping[str, object], busy_before: float | None) -> list[str]:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    sentences = [
        f"{facts['machine']}; {libraries}; rounds: {facts['rounds']}, in {facts['seconds']} s",
        "CPU: the same ratio by the CPU time of the measured process, which others on the machine disturb less",
    ]
    if busy_before is not None and busy_before > 0.5 * (os.cpu_count() or 1):
        sentences.append(f"the machine was busy before it began (load {busy_before:.1f}): trust CPU more than time")
    return sentences


if __name__ == "__main__":
    sys.exit(main())
