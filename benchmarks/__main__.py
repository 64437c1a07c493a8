"""`python -m benchmarks`: measure, print, judge; exit status 1 where a gate fails."""

import argparse
import sys
import warnings
from pathlib import Path

from benchmarks import machine, page
from benchmarks.store import temporary_server

_PARTS = ("write", "memory", "thumbnails", "read", "latency", "client", "links", "rest")
_SIZES, _SMOKE_SIZES = (1_000, 100_000, 1_000_000), (2_000,)
_ROUNDS, _SMOKE_ROUNDS = 5, 1


def main(arguments: list[str]) -> int:
    """Run the parts that the arguments name; answers the exit status."""
    options = _parser().parse_args(arguments)
    sizes = options.rows or (_SMOKE_SIZES if options.smoke else _SIZES)
    rounds = options.rounds or (_SMOKE_ROUNDS if options.smoke else _ROUNDS)
    before = machine.load()
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # of a library of Pixeltable's
    with temporary_server() as server:
        # Imported here: Pixeltable takes its home from the environment at its import.
        from benchmarks.suite import Suite

        suite = Suite(server, sizes=sizes, rounds=rounds, smoke=options.smoke, quiet=machine.is_quiet(before))
        suite.run(options.only)
    facts = machine.facts() | {"load_before": before, "load_after": machine.load(), "quiet": machine.is_quiet(before)}
    settings = {"arguments": arguments, "sizes": sizes, "rounds": rounds, "smoke": options.smoke}
    pages = {
        "read": (suite.parts, suite.gates),
        "write": (suite.write_parts, suite.write_gates),
        "rest": (suite.rest_parts, suite.rest_gates),
    }
    for name, (parts, gates) in pages.items():
        if parts:
            told = page.Run(name, facts, settings, parts, gates)
            print(told.text())
            if options.report:
                told.write(options.report)
    return 1 if any(gate.failed for gate in suite.gates + suite.write_gates + suite.rest_gates) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios measured in this run.")
    parser.add_argument(
        "--rows", type=_counts, help=f"rows of the tables that are read (default {_told(_SIZES)}; {_told(_SMOKE_SIZES)} with --smoke)"
    )
    parser.add_argument("--rounds", type=_count, help=f"interleaved rounds (default {_ROUNDS}; {_SMOKE_ROUNDS} with --smoke)")
    parser.add_argument("--only", type=_parts, default=_PARTS, help=f"parts to run, of {','.join(_PARTS)} (default all)")
    parser.add_argument("--report", type=Path, help="folder to write read.md, write.md, rest.md and their numbers (.json) to")
    parser.add_argument("--smoke", action="store_true", help="small and quick: no ratio decides, but who runs, equal answers and memory do")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({_count(part) for part in text.split(",")}))


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if not set(parts) <= set(_PARTS):
        raise ValueError(text)
    return parts


def _told(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
