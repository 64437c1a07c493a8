"""What a write of rows did, as JSON tells it."""

import base64
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pxt_flight.engine.casting.json_cells import JsonCell
from pxt_flight.engine.written import Written
from pxt_flight.operations.writes import RowsWritten

_ROWS, _LENGTH = 1000, 1000
"""Of rejected rows: how many, and how long each value."""


def receipt(written: Written, rejected: pa.Table | None) -> RowsWritten:
    """The answer of an operation that takes rows, without its Arrow.

    Args:
        written: what was done.
        rejected: the rows that were left out.
    """
    ids = written.first_row_id is not None and written.inserted <= _ROWS
    first = written.first_row_id or 0
    return RowsWritten(
        **asdict(written),
        row_ids=list(range(first, first + written.inserted)) if ids else None,
        rejected_rows=[] if rejected is None else _as_json(rejected),
    )


def _as_json(rejected: pa.Table) -> list[dict[str, Any]]:
    """The first rows of a table, long values cut: they tell what was wrong, and the client has them."""
    head = rejected.slice(0, _ROWS)
    columns = [_values(column) for column in head.columns]
    return [dict(zip(head.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    shown: Callable[[Any], Any] = _value
    if isinstance(column.type, JsonCell):
        column, shown = pa.chunked_array([chunk.storage for chunk in column.chunks], pa.utf8()), _sent
    try:
        # Arrow writes a time that Python has no class for: what is at fault may be its year.
        values = (column.cast(pa.utf8()) if pa.types.is_temporal(column.type) else column).to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = [None] * len(column)
    return [shown(value) for value in values]


def _sent(text: str | None) -> Any:
    """A value of JSON as it was sent, where it is not too long."""
    if text is None or len(text) > _LENGTH:
        return None if text is None else _value(json.loads(text))
    value = json.loads(text)
    return _value(value) if isinstance(value, float) else value


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value[:_LENGTH]).decode()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_LENGTH]
