"""The one comparison of the suite: rows that Pixeltable gives against Arrow that we give, value by value.

Both sides are brought to one plain form per type, in which equal means the same stored value: instants for timestamps, bits for floats
(NaN equals NaN, -0.0 is not 0.0), bytes for UUIDs, parsed JSON, the bytes of the file behind a media cell.
"""

import datetime as dt
import json
import struct
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

ARROW_TYPES = {
    "Int": pa.int64(),
    "Float": pa.float64(),
    "Bool": pa.bool_(),
    "String": pa.utf8(),
    "Timestamp": pa.timestamp("us", tz="UTC"),
    "Date": pa.date32(),
    "UUID": pa.uuid(),
    "Json": pa.utf8(),
    "Image": pa.binary(),
}
"""The documented Arrow type of each Pixeltable type, written down once more on purpose."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def same(expected: Iterable[Sequence[Any]], actual: pa.Table, *, ordered: bool = False) -> None:
    """Assert that a table holds exactly the expected rows, in columns of the documented types.

    Args:
        expected: rows as `collect()` gives them, a media cell as the path of its file (`.localpath`).
        actual: what we answered; its fields say by `pxt:type` what their values are, or are of a type that Pixeltable does not have.
        ordered: whether the order of the rows counts; else they are compared as multisets.
    """
    kinds = [kind_of(field) for field in actual.schema]
    for field, kind in zip(actual.schema, kinds, strict=True):
        assert field.type == ARROW_TYPES.get(kind, field.type), f"{field.name} is {field.type}"
        assert field.nullable or not actual[field.name].null_count, f"{field.name} holds NULL and says that it cannot"
    found = [_plain(kinds, row) for row in zip(*(column.to_pylist() for column in actual.columns), strict=True)]
    wanted = [_plain(kinds, [_parsed(kind, value) for kind, value in zip(kinds, row, strict=True)]) for row in expected]
    if ordered:
        assert found == wanted
    else:
        assert Counter(found) == Counter(wanted)


def kind_of(field: pa.Field) -> str:
    """The Pixeltable type of a field, else the name of a type that only SQL has."""
    declared = (field.metadata or {}).get(b"pxt:type")
    return declared.decode() if declared else "Decimal" if pa.types.is_decimal(field.type) else "Other"


def rows_of(result: Iterable[Any]) -> list[tuple[Any, ...]]:
    """The rows of a `collect()` as tuples in the order of the select list."""
    return [tuple(row.values()) for row in result]


def _parsed(kind: str, value: Any) -> Any:
    """A value of `collect()` as our Arrow holds it: JSON as text, a file as its bytes."""
    if value is None:
        return None
    if kind == "Json":
        return json.dumps(value)
    return Path(value).read_bytes() if kind == "Image" else value


def _plain(kinds: Sequence[str], row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(None if value is None else _PLAIN[kind](value) for kind, value in zip(kinds, row, strict=True))


def _exactly(kind: type) -> Any:
    def plain(value: Any) -> Any:
        assert type(value) is kind, f"{value!r} is not of type {kind.__name__}"
        return value

    return plain


def _bits(value: Any) -> bytes:
    number = float(value)
    return struct.pack(">d", float("nan") if number != number else number)


_PLAIN: dict[str, Any] = {
    "Int": _exactly(int),
    "Float": _bits,
    "Bool": _exactly(bool),
    "String": _exactly(str),
    "Timestamp": lambda value: (value - _EPOCH) // dt.timedelta(microseconds=1),
    "Date": _exactly(dt.date),
    "UUID": lambda value: _exactly(uuid.UUID)(value).bytes,
    "Json": lambda value: json.dumps(json.loads(value), sort_keys=True),
    "Image": _exactly(bytes),
    "Decimal": _exactly(Decimal),
    "Other": repr,
}
