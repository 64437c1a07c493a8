"""The rows that everybody reads. Nothing is random, so that each run reads the same."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

COLUMNS = ("id", "name", "score", "ts", "meta")
_START = datetime(2024, 1, 1, tzinfo=UTC)


def row(i: int) -> dict[str, Any]:
    """Row `i` of every table."""
    return {
        "id": i,
        "name": f"name-{i % 977}-{'x' if i % 3 else 'y'}",
        "score": (i * 37 % 1000) / 10.0,
        "ts": _START + timedelta(seconds=i),
        "meta": {"k": i % 10, "tags": ["a", "b"][: i % 3], "lab": f"l{i % 5}"},
    }


def expected(rows: int) -> pl.DataFrame:
    """What everybody must read, made without any of them; `meta` as JSON text."""
    found = [row(i) for i in range(rows)]
    columns = {name: [cells[name] for cells in found] for name in COLUMNS}
    return pl.DataFrame(columns | {"meta": [json.dumps(cell) for cell in columns["meta"]]})
