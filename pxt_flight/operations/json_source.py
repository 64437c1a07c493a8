"""Rows in JSON, as the body of an operation that takes rows: few, and each value in the form in which answers have it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from pxt_flight.engine.casting.json_cells import JsonCell
from pxt_flight.errors import error
from pxt_flight.operations.attached import Attached
from pxt_flight.operations.writes import Rows
from pxt_flight.public_api import Operation, invalid

MAX_ROWS = 1000
_FILES_AT_ONCE = 64 << 20  # bytes in memory
_MAX_COLUMNS = 1600  # of a table of Postgres
_NAMES = ("rows", "row", "source")
_LIKE: tuple[tuple[frozenset[type], pa.DataType], ...] = (
    (frozenset(), pa.null()),
    (frozenset({bool}), pa.bool_()),
    (frozenset({int}), pa.int64()),
    (frozenset({float}), pa.float64()),
    (frozenset({int, float}), pa.float64()),
    (frozenset({str}), pa.utf8()),
)
Row = dict[str, Any]


@cache
def rows_model(operation: Operation, without: tuple[str, ...] = ()) -> type[BaseModel]:
    """The model of a body: the arguments of an operation, and its rows.

    Args:
        operation: that takes rows.
        without: arguments that stand elsewhere.
    """
    fields: dict[str, Any] = {"rows": (list[Row] | None, None), "row": (Row | None, None), "source": (list[Row] | None, None)}
    names = tuple(name for name in operation.arguments if name not in without)
    return operation.model_of(f"{operation.title}Rows", names, **fields)


def read_rows(operation: Operation, body: bytes, given: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], list[Row] | None]:
    """The arguments and the rows of a body; None where there are none, and need not be.

    Args:
        operation: that takes rows.
        body: a JSON object: arguments, and one of `rows` (a list), `row` (one) and `source` (the same as `rows`).
        given: arguments that came beside it.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`; `upload_too_large`, there are too many rows.
    """
    found = parsed(body)
    if not isinstance(found, dict):
        raise error("INVALID_ARGUMENT", f"{operation.name}: the body is no JSON object.")
    return checked_rows(operation, found, given)


def checked_rows(
    operation: Operation, body: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Row] | None]:
    """The same for a body that is parsed."""
    for name in _NAMES:
        if isinstance(body.get(name), list) and len(body[name]) > MAX_ROWS:
            raise error(
                "upload_too_large",
                f"{len(body[name])} rows are more than the {MAX_ROWS} that JSON may bring.",
                hint="Nothing was written. Send them as an Arrow stream: application/vnd.apache.arrow.stream, or Flight's DoPut.",
                where={"argument": name},
            )
    try:
        values = dict(rows_model(operation).model_validate(merged(body, given or {})))
    except ValidationError as fault:
        raise invalid(operation, fault) from None
    present = [name for name in _NAMES if values[name] is not None]
    if len(present) > 1 or (not present and operation.needs_rows):
        raise error("INVALID_ARGUMENT", f"{operation.name}: send one of rows, row and source.", where={"argument": "rows"})
    sent = values[present[0]] if present else None
    return {name: value for name, value in values.items() if name not in _NAMES}, [sent] if isinstance(sent, dict) else sent


def merged(body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of two places.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, both have one, and they differ.
    """
    for name in body.keys() & given.keys():
        if body[name] is not None and body[name] != given[name]:
            raise error("INVALID_ARGUMENT", f"{name} is given twice, with two values.", where={"argument": name})
    return {**body, **given}


def parsed(body: bytes) -> Any:
    """The value of a body.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it is no JSON.
    """
    try:
        # Pydantic's own JSON, unlike Python's, refuses half of a surrogate pair, which no answer could quote, and bounds the depth.
        return from_json(body or b"{}")
    except ValueError:
        raise error("INVALID_ARGUMENT", "The body is not valid JSON.") from None


def sent_rows(rows: Sequence[Row] | None, attached: Attached | None = None) -> Rows | None:
    """Rows as an operation takes them; what stands in them is for the table to check.

    Args:
        rows: as they were sent; None where there are none.
        attached: the files that came beside them; default none.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, there are too many columns.
    """
    if rows is None:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > _MAX_COLUMNS:
        raise error("INVALID_ARGUMENT", f"The rows have {len(names)} columns, more than any table.", hint="Nothing was written.")
    schema = pa.schema([pa.field(name, JsonCell(_like(rows, name))) for name in names])
    lacking = next(((i, name) for i, row in enumerate(rows) for name in names if name not in row), None)
    attached = attached or Attached()
    return Rows(schema, _batches(rows, schema, attached), lambda: True, fetch=attached.fetch, lacking=lacking)


def _batches(rows: Sequence[Row], schema: pa.Schema, attached: Attached) -> Iterator[pa.RecordBatch]:
    """Made only when they are asked for: by then the columns are known to be those of the table."""
    for part in _parts(rows, attached):
        columns = [
            pa.ExtensionArray.from_storage(field.type, pa.array([_text(row, field.name) for row in part], pa.utf8())) for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _parts(rows: Sequence[Row], attached: Attached) -> Iterator[list[Row]]:
    """The rows in parts whose files memory holds; one of a single row may be larger."""
    part: list[Row] = []
    size = 0
    for row in rows:
        own = attached.size_of(row)
        if part and size + own > _FILES_AT_ONCE:
            yield part
            part, size = [], 0
        part.append(row)
        size += own
    yield part


def _text(row: Row, name: str) -> str | None:
    return json.dumps(row[name], ensure_ascii=False) if name in row else None


def _like(rows: Sequence[Row], name: str) -> pa.DataType:
    """The Arrow type of a column: that of its values where they are of one kind, else JSON."""
    kinds = {type(row[name]) for row in rows if row.get(name) is not None}
    return next((like for known, like in _LIKE if kinds == known), pa.json_(pa.utf8()))
