"""The first rows of a table or a query, read for its display alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pxt_flight.client.values import media_mode
from pxt_flight.errors import PxtFlightError

if TYPE_CHECKING:
    from pxt_flight.client.result import Result

ROWS = 20
# How a display asks for media, whatever the default of the server: a URL would put a grant into a saved notebook.
MEDIA = "thumbnail:96"
# Counting stops here, so that a display never waits for a count of a billion rows.
COUNTED = 1_000_000

# Runs the query of a display again: all of its columns, or those of the names; media as `MEDIA`, or as a second argument says.
Read = Callable[..., "Result"]


@dataclass(frozen=True)
class Preview:
    """What a display shows.

    Attributes:
        rows: the first rows, `ROWS` at most.
        total: how many there are; None where that is not known.
        name: the table's path.
        version: the table's version.
    """

    rows: pa.Table
    total: int | None = None
    name: str | None = None
    version: int | None = None


def first_rows(read: Read, schema: Callable[[], pa.Schema]) -> pa.Table:
    """The first rows of a query. A media column whose files cannot be shown holds NULL in all of them.

    Args:
        read: runs the query.
        schema: its columns; asked for only where one of them cannot be shown.

    Raises:
        PxtFlightError: what the server says.
    """
    try:
        return _read(read, None)
    except PxtFlightError as fault:
        columns = schema()
        shown = list(columns.names)
        while shown := _without_the_faulty(fault, columns, shown):
            try:
                return _completed(_read(read, shown), columns, shown)
            except PxtFlightError as another:
                fault = another
        raise fault from None


def first_kept_rows(kept: pa.Table, read: Read) -> pa.Table:
    """The first of rows that are at hand, with thumbnails where they are proven to belong to them.

    Args:
        kept: all rows.
        read: runs their query again.
    """
    rows = kept.slice(0, ROWS)
    others = [i for i, field in enumerate(rows.schema) if media_mode(field) is None]
    if not others or len(others) == rows.num_columns:
        return rows
    try:
        fresh = first_rows(read, lambda: rows.schema)
    except PxtFlightError:
        return rows
    # The table may have moved on since. As text: a NaN equals none.
    same = all(str(rows.column(i).to_pylist()) == str(fresh.column(i).to_pylist()) for i in others)
    return fresh if same else rows


def _read(read: Read, columns: Sequence[str] | None) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    with read(columns) as result:  # what is left of the stream is cancelled
        for batch in result:
            batches.append(batch)
            if sum(map(len, batches)) >= ROWS:
                break
        return pa.Table.from_batches(batches, result.schema).slice(0, ROWS)


def _without_the_faulty(fault: PxtFlightError, columns: pa.Schema, shown: list[str]) -> list[str]:
    """The columns to try next: without the one that the server names, or without any media; none where that is not what is wrong."""
    media = {field.name for field in columns if media_mode(field) is not None and field.name in shown}
    if fault.code not in ("type_unsupported", "media_unreadable") or not media:
        return []
    faulty = {fault.where.get("column")} & media or media
    return [name for name in shown if name not in faulty]


def _completed(rows: pa.Table, columns: pa.Schema, shown: list[str]) -> pa.Table:
    arrays = [rows[field.name] if field.name in shown else pa.nulls(rows.num_rows, field.type) for field in columns]
    fields = [rows.schema.field(field.name) if field.name in shown else field.with_nullable(True) for field in columns]
    return pa.table(arrays, pa.schema(fields))
