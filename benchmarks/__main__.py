"""`python -m benchmarks`: measure, print, judge; exit status 1 where a gate fails."""

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.store import temporary_server

_PARTS = ("read", "memory", "latency")


def main(arguments: list[str]) -> int:
    """Run the parts that the arguments name; answers the exit status."""
    options = _parser().parse_args(arguments)
    rows, rounds = options.rows or (10_000 if options.smoke else 100_000), options.rounds or (2 if options.smoke else 5)
    before = machine.load()
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # of a library of Pixeltable's
    with temporary_server() as server:
        # Imported here: Pixeltable takes its home from the environment at its import.
        from benchmarks.suite import Suite

        results, gates = Suite(server, rows=rows, rounds=rounds, smoke=options.smoke).run(options.only)
    told = {
        "machine": machine.facts() | {"load_before": before, "load_after": machine.load()},
        "settings": {"rows": rows, "rounds": rounds, "smoke": options.smoke},
        "results": results,
        "gates": [vars(gate) | {"passed": gate.passed} for gate in gates],
    }
    _print(told)
    for gate in gates:
        print(gate)
    if options.json:
        report.write(options.json, told)
    return 0 if all(gate.passed for gate in gates if gate.decides) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios measured in this run.")
    parser.add_argument("--rows", type=_count, help="rows of the table that is read (default 100000; 10000 with --smoke)")
    parser.add_argument("--rounds", type=_count, help="interleaved rounds (default 5; 2 with --smoke)")
    parser.add_argument("--only", type=_parts, default=_PARTS, help=f"parts to run, of {','.join(_PARTS)} (default all)")
    parser.add_argument("--json", type=Path, help="file to write the report to")
    parser.add_argument("--smoke", action="store_true", help="small and quick: only memory and equal answers decide")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if not set(parts) <= set(_PARTS):
        raise ValueError(text)
    return parts


def _print(told: dict[str, Any]) -> None:
    facts = told["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    print(f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['system']}; {versions}")
    print(f"load {facts['load_before'][0]} before, {facts['load_after'][0]} after; {told['settings']}\n")
    for name, result in told["results"].items():
        print(f"{name}\n{report.table(result if isinstance(result, list) else [result])}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
