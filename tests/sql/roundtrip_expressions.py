"""Expressions over a row of `movie AS m` that must mean the same as written and as regenerated, by what they are hostile to.

Each stands on a line of its own in `expressions/*.txt`. With `roundtrip_statements.py` they use every function that is served.
"""

from pathlib import Path

EXPRESSIONS = [
    (path.stem, line) for path in sorted((Path(__file__).parent / "expressions").glob("*.txt")) for line in path.read_text().splitlines()
]
