"""`python tests/coverage/coverage_page.py coverage.json [PAGE]`: branch coverage by package; exit status 1 where a floor is missed."""

import json
import sys
from pathlib import Path
from typing import Any

FLOORS = {"operations": 95.0, "http": 95.0, "flight": 95.0, "engine": 90.0}
_WORST = 25
_ABOUT = """\
# Coverage

How much of the server the tests run: statements and branches together, in every process that the tests start. `make coverage` runs all of
them, wrote this page, and fails below the floors.

"""


def main(arguments: list[str]) -> int:
    files = json.loads(Path(arguments[0]).read_text())["files"]
    shares = {package: share(of_package(files, package)) for package in FLOORS}
    text = told(files, shares)
    sys.stdout.write(text)
    if arguments[1:]:
        Path(arguments[1]).write_text(_ABOUT + text)
    return 1 if any(shares[package] < floor for package, floor in FLOORS.items()) else 0


def of_package(files: dict[str, Any], package: str) -> list[dict[str, Any]]:
    """The sums of the files of a package."""
    return [file["summary"] for path, file in files.items() if f"pxt_flight/{package}/" in path]


def share(sums: list[dict[str, Any]]) -> float:
    """Covered statements and branches in a hundred; 0 where there are none."""
    found = sum(one["num_statements"] + one["num_branches"] for one in sums)
    covered = sum(one["covered_lines"] + one["covered_branches"] for one in sums)
    return 100 * covered / found if found else 0.0


def told(files: dict[str, Any], shares: dict[str, float]) -> str:
    """The packages, and the files with the most that no test runs."""
    lines = ["| package | covered | floor |", "| --- | --- | --- |"]
    lines += [f"| {package} | {shares[package]:.1f} % | {floor:g} % |" for package, floor in FLOORS.items()]
    missing = {path: file["summary"]["missing_lines"] + file["summary"]["missing_branches"] for path, file in files.items()}
    worst = sorted(missing, key=lambda path: -missing[path])[:_WORST]
    lines += ["", "| file | covered | not covered: lines |", "| --- | --- | --- |"]
    for path in worst:
        numbers = ", ".join(map(str, files[path]["missing_lines"][:20]))
        lines.append(f"| {path} | {share([files[path]['summary']]):.1f} % | {numbers} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
