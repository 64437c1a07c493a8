"""The rows that every suite of this folder reads: in Pixeltable, in plain tables of Postgres, and in DuckDB. The same in every run."""

import datetime as dt
import json
import random
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa

# Pixeltable's type, Postgres', Arrow's.
KINDS: dict[str, tuple[str, pa.DataType]] = {
    "Int": ("bigint", pa.int64()),
    "Float": ("float8", pa.float64()),
    "String": ("text", pa.utf8()),
    "Bool": ("boolean", pa.bool_()),
    "Timestamp": ("timestamptz", pa.timestamp("us", "UTC")),
    "Date": ("date", pa.date32()),
    "UUID": ("uuid", pa.string()),
    "Json": ("jsonb", pa.utf8()),
}
COLUMNS: dict[str, dict[str, str]] = {
    "movie": {
        "id": "Int",
        "name": "String?",
        "score": "Float?",
        "votes": "Int?",
        "seen": "Bool?",
        "at": "Timestamp?",
        "day": "Date?",
        "uid": "UUID?",
        "tags": "Json?",
        "place_id": "Int?",
    },
    "reading": {"id": "Int", "movie_id": "Int?", "place_id": "Int", "value": "Float?", "at": "Timestamp", "label": "String?"},
    "place": {"id": "Int", "name": "String", "parent": "Int?", "area": "Float?", "opened": "Date?"},
    # Names that are words of SQL.
    "keyword": {
        "id": "Int",
        "user": "String?",
        "end": "Int?",
        "group": "Int?",
        "table": "Bool?",
        "date": "Date?",
        "timestamp": "Timestamp?",
    },
}
NAMES = [
    "Alien",
    "alien",
    "Heat",
    "Ran",
    "it's",
    '"M"',
    "50% off",
    "a_b",
    "back\\slash",
    "é🙂",
    "",
    " padded ",
    "Zodiac",
    "x, y",
    "new\nline",
]
_START = dt.datetime(2023, 11, 20, 6, 30, tzinfo=dt.UTC)


def tables() -> dict[str, list[dict[str, Any]]]:
    """Every table's rows as Python values."""
    chance = random.Random(20240229)
    return {"movie": _movies(chance), "reading": _readings(chance), "place": _places(), "keyword": _keywords()}


def arrow_tables() -> dict[str, pa.Table]:
    """The same rows as Arrow, UUIDs and Json as texts."""
    return {
        name: pa.table(
            {
                column: pa.array([_as_arrow(row[column]) for row in rows], KINDS[kind.rstrip("?")][1])
                for column, kind in COLUMNS[name].items()
            }
        )
        for name, rows in tables().items()
    }


def _as_arrow(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def _movies(chance: random.Random) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for i in range(400):
        row: dict[str, Any] = {
            "id": i,
            "name": chance.choice(NAMES),
            # Eighths: sums of them are exact, in whatever order they are added.
            "score": chance.randrange(-8, 81) / 8,
            "votes": chance.choice([0, 1, 2, 3, 7, 100, -5, 2**31, 12345]),
            "seen": chance.random() < 0.5,
            "at": _START + dt.timedelta(minutes=chance.randrange(0, 400_000), microseconds=chance.choice([0, 123456])),
            "day": dt.date(2023, 12, 25) + dt.timedelta(days=chance.randrange(0, 420)),
            "uid": uuid.UUID(int=chance.randrange(2**128)),
            "tags": {"n": i % 7, "kind": chance.choice(["a", "b", None]), "list": list(range(i % 4)), "deep": {"k.e'y": i % 3 == 0}},
            "place_id": chance.randrange(0, 15),
        }
        rows.append(row | {name: None for name in row if name != "id" and chance.random() < 0.1})
    return rows


def _readings(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "movie_id": None if chance.random() < 0.1 else chance.randrange(0, 450),
            "place_id": chance.randrange(0, 12),
            "value": None if chance.random() < 0.1 else chance.randrange(-400, 400) / 4,
            "at": _START + dt.timedelta(hours=i // 3),
            "label": chance.choice(["low", "high", "é🙂", "", None]),
        }
        for i in range(500)
    ]


def _places() -> list[dict[str, Any]]:
    names = ["root", "north", "south", "east", "west", "oslo", "bergen", "são paulo", "quito", "it's", "O\u2019Hare", "root"]
    return [
        {
            "id": i,
            "name": name,
            "parent": None if i == 0 else (i - 1) // 2,
            "area": None if i == 3 else float(Decimal(i * 37) / 8),
            "opened": None if i == 5 else dt.date(2000 + i, 1 + i, 28),
        }
        for i, name in enumerate(names)
    ]


def _keywords() -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "user": None if i == 3 else f"user {i % 4}",
            "end": None if i == 7 else i * i,
            "group": i % 3,
            "table": None if i == 5 else i % 2 == 0,
            "date": dt.date(2024, 2, 1) + dt.timedelta(days=i),
            "timestamp": _START + dt.timedelta(days=i),
        }
        for i in range(20)
    ]
