"""The command itself: runs every check and prints a line for each."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from pxt_flight.doctor import environment, home
from pxt_flight.doctor.check import Check


def run(folder: Path | None, *, as_json: bool = False) -> int:
    """Look at everything and say what was found; nothing is changed or started.

    Args:
        folder: the Pixeltable home; default PXT_FLIGHT_HOME, PIXELTABLE_HOME, or `~/.pixeltable` if it exists.
        as_json: print one JSON object in place of lines: `{"ok": bool, "checks": [{"name", "status", "message", "hint"}]}`.

    Returns:
        0 where everything works, warnings included; 1 where a check failed.
    """
    checks = chain(environment.checks(), home.checks(home.chosen(folder)))
    found = list(checks if as_json else _printed(checks))
    works = all(check.status != "fail" for check in found)
    if as_json:
        sys.stdout.write(json.dumps({"ok": works, "checks": [asdict(check) for check in found]}, indent=2) + "\n")
    return 0 if works else 1


def _printed(checks: Iterable[Check]) -> Iterator[Check]:
    """Each as soon as it is known: the slow ones take seconds."""
    for check in checks:
        sys.stdout.write(f"{check}\n")
        sys.stdout.flush()
        yield check
