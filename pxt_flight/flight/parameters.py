"""The values that a client binds to a statement: read from Arrow, and kept in signed JSON with their types."""

import base64
import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.errors import PxtFlightError, error

Row = tuple[Any, ...]

# Of all values of one statement: they travel in each ticket. One counts as 8 bytes at least, however tightly Arrow packs it (a bool, NULL).
MAX_BYTES = 1 << 20
_LEAST_BYTES = 8

# What JSON has no type for, as [name, text]; the class of a datetime is a date's too, so that one goes first.
_TYPES: tuple[tuple[str, type, Callable[[Any], str], Callable[[str], Any]], ...] = (
    ("timestamp", dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    ("date", dt.date, dt.date.isoformat, dt.date.fromisoformat),
    ("time", dt.time, dt.time.isoformat, dt.time.fromisoformat),
    ("uuid", uuid.UUID, str, uuid.UUID),
    ("decimal", decimal.Decimal, str, decimal.Decimal),
    ("bytes", bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
)
_READERS = {name: read for name, _, _, read in _TYPES}
_SERVED = (bool, int, float, str, *(kind for _, kind, _, _ in _TYPES))

# For the plan of a statement that is bound to no row at all: any value of the type.
_SPECIMENS: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
    (pa.types.is_boolean, False),
    (pa.types.is_integer, 0),
    (pa.types.is_floating, 0.0),
    (pa.types.is_decimal, "0"),
    (pa.types.is_date, dt.date(1970, 1, 1)),
    (pa.types.is_timestamp, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    (pa.types.is_time, dt.time()),
)


def bound_rows(reader: fl.MetadataRecordBatchReader) -> tuple[tuple[Row, ...], Row]:
    """The rows of parameters that a client binds to a prepared statement.

    Returns:
        The rows in order, and one row to plan with: the first, or values of the same types where there is none.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, for more than `MAX_BYTES` of values, or a value that is not a scalar.
    """
    table = received(reader)
    rows = rows_of(table)
    return rows, rows[0] if rows else tuple(_specimen(field.type) for field in table.schema)


def rows_of(table: pa.Table) -> tuple[Row, ...]:
    """Rows of parameters as Python values; raises like `bound_rows`."""
    try:
        columns = [_values(column) for column in table.columns]
    except (pa.ArrowException, ValueError, OverflowError, LookupError):
        raise _damaged() from None
    return tuple(zip(*columns, strict=True)) if columns else ((),) * table.num_rows


def to_json(row: Row) -> list[Any]:
    """A row as JSON that `from_json` gives back with the same types."""
    return [_tagged(value) for value in row]


def from_json(row: list[Any]) -> Row:
    """A row out of `to_json`."""
    return tuple(_READERS[value[0]](value[1]) if isinstance(value, list) else value for value in row)


def received(reader: fl.MetadataRecordBatchReader) -> pa.Table:
    """What a client binds, as it was sent, and whole in itself; raises like `bound_rows`."""
    batches, size = [], 0
    try:
        for chunk in reader:
            size += max(chunk.data.nbytes, chunk.data.num_rows * max(chunk.data.num_columns, 1) * _LEAST_BYTES)
            if size > MAX_BYTES:
                raise error(
                    "INVALID_ARGUMENT", f"The bound values take more than {MAX_BYTES >> 20} MiB.", hint="Bind fewer rows at a time."
                )
            batches.append(chunk.data)
        table = pa.Table.from_batches(batches, schema=reader.schema)
    except (pa.ArrowException, OSError):  # no schema ever came, or a body that is none
        raise error("INVALID_ARGUMENT", "The bound values are not a stream of Arrow record batches.") from None
    try:
        # Offsets and texts come from a stranger: unchecked, they may point out of the buffer.
        table.validate(full=True)
    except (pa.ArrowException, ValueError):
        raise _damaged() from None
    return table


def _damaged() -> PxtFlightError:
    return error("INVALID_ARGUMENT", "A parameter is damaged, out of range, or in a time zone that is not known.")


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type) or pa.types.is_time64(column.type):
        column = _in_microseconds(column)
    values: list[Any] = column.to_pylist()
    for value in values:
        if value is not None and not isinstance(value, _SERVED):
            raise error("INVALID_ARGUMENT", f"A parameter of type {type(value).__name__} is not served.")
    return values


def _in_microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What Python, Pixeltable and Postgres count in; a finer value is refused rather than cut."""
    target = pa.timestamp("us", column.type.tz) if pa.types.is_timestamp(column.type) else pa.time64("us")
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        raise error("INVALID_ARGUMENT", "A time is finer than a microsecond, or out of range.") from None


def _tagged(value: Any) -> Any:
    for name, kind, write, _ in _TYPES:
        if isinstance(value, kind):
            return [name, write(value)]
    return value


def _specimen(kind: pa.DataType) -> Any:
    return next((value for fits, value in _SPECIMENS if fits(kind)), "")
