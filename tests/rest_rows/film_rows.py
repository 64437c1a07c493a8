"""Films as rows: scores repeat, and every seventh value of each column is missing."""

import datetime as dt
from typing import Any


def film(i: int) -> dict[str, Any]:
    """The row of a number."""
    lab: dict[str, Any] = {"lab": f"l{i % 4}", "n": i if i % 3 else str(i), "tags": [i % 2, "x"], "a.b": None if i % 5 else True}
    return {
        "id": i,
        "name": None if i % 7 == 6 else f"film {i:02d}%" + "_"[: i % 2],
        "score": None if i % 7 == 3 else i % 5 / 2,
        "made": None if i % 7 == 4 else dt.datetime(2026, 1, 1, i % 24, tzinfo=dt.UTC),
        "meta": None if i % 7 == 5 else lab,
    }


def path_of(table: Any) -> str:
    """The path of a table."""
    path: str = table.get_metadata()["path"]
    return path
