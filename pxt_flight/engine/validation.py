"""Rows as a client sends them -> rows that may be written, checked column by column."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa

from pxt_flight.engine import fetcher
from pxt_flight.engine.casting.cast import Cast, Caster, Fault
from pxt_flight.engine.casting.columns import caster, taken
from pxt_flight.engine.casting.media import ROWS, Fetch
from pxt_flight.engine.casting.storage import MAX_ROWS, MAX_VIEWED, is_text, pieces, plain_type, viewed_size
from pxt_flight.engine.rejection import Rejection
from pxt_flight.engine.seam.store import time_zone
from pxt_flight.engine.target import ROW_ID, Target, TargetColumn, written_by_deletion
from pxt_flight.engine.types import ColumnType
from pxt_flight.errors import PxtFlightError, error

_NO_VALUE = "has no value, and needs one"
_ROW_ID = TargetColumn(ROW_ID, ColumnType("Int", nullable=False), "Int", is_computed=False)


class InsertChecker:
    """Checks rows that shall be inserted, or that say what shall change.

    Args:
        table: where to.
        schema: the columns as they are sent.
        on_error: `abort`, or `ignore` to leave rows out that are at fault.
        partial: whether required columns may be missing: of rows that change others.
        keys: the columns by which rows are found, `_rowid` among them; each must be there, and without NULL.
        zone: of times without one; None for the time zone of Pixeltable.
        fetch: the bodies behind URLs.

    Raises:
        InvalidRequestError: `MISSING_REQUIRED`, a required column is not there; `TYPE_MISMATCH`, one is of no type that fits;
            `INVALID_ARGUMENT`, one is computed or there twice, or there is none.
        NotFoundError: `COLUMN_NOT_FOUND`, the table has no such column.
    """

    def __init__(
        self,
        table: Target,
        schema: pa.Schema,
        *,
        on_error: str = "abort",
        partial: bool = False,
        keys: Sequence[str] = (),
        zone: tzinfo | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self._ignores = on_error == "ignore"
        keys = tuple(key.lower() for key in keys)
        columns = [_column(table, field.name, keys) for field in schema]
        _check_names(table, columns, keys, partial=partial)
        zone = time_zone() if zone is None else zone
        self._fetch = fetch or fetcher.fetch
        self._casters = [_caster(table, column, field, zone, self._fetched) for column, field in zip(columns, schema, strict=True)]
        self._sent = schema
        self._required = [not column.kind.nullable or column.name in keys for column in columns]
        self._rows = 0
        has_urls = any(column.kind.is_media and is_text(plain_type(field.type)) for column, field in zip(columns, schema, strict=True))
        self._at_once = ROWS if has_urls else MAX_ROWS
        self._rejection = Rejection(table.path, schema, keeps=self._ignores)
        self.schema = pa.schema([pa.field(column.name, column.staged) for column in columns])

    @property
    def rejected(self) -> pa.Table | None:
        """See `upload.Checker`."""
        return self._rejection.table()

    def check(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """See `upload.Checker`.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, the batch is damaged, or too many rows are at fault to leave them out.
        """
        if not batch.schema.equals(self._sent):
            raise error("INVALID_ARGUMENT", "A batch has other columns than were announced.")
        try:
            batch.validate()
            if sum(viewed_size(column) for column in batch.columns) > MAX_VIEWED:
                raise error("INVALID_ARGUMENT", f"A batch has more than {MAX_VIEWED >> 30} GiB of text.", hint="Send smaller batches.")
            batch.validate(full=True)
        except pa.ArrowInvalid:
            raise error("INVALID_ARGUMENT", "A batch is damaged: its buffers are not what Arrow says they must be.") from None
        for piece in pieces(batch, self._at_once):
            yield from self._checked(piece)

    def finish(self) -> None:
        """See `upload.Checker`."""
        fault = None if self._ignores else self._rejection.error()
        if fault is not None:
            raise fault

    def _checked(self, piece: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        values, faults = [], []
        for column, field, cast, is_required in zip(piece.columns, self.schema, self._casters, self._required, strict=True):
            found = _cast(cast, column, field.type)
            values.append(found.values)
            faults += [(field.name, fault) for fault in found.faults]
            if is_required and found.values.null_count:
                missing = found.values.is_null().to_numpy(zero_copy_only=False)
                missing[[row for fault in found.faults for row in fault.rows]] = False
                faults += [(field.name, Fault(rows, _NO_VALUE, "MISSING_REQUIRED"))] if len(rows := np.flatnonzero(missing)) else []
        start, self._rows = self._rows, self._rows + piece.num_rows
        staged = pa.RecordBatch.from_arrays(values, schema=self.schema)
        if faults:
            staged = staged.filter(pa.array(~self._rejection.add(piece, start, faults)))
        if staged.num_rows and (self._ignores or not self._rejection.rows):
            yield staged

    def _fetched(self, urls: Sequence[str]) -> list[bytes | PxtFlightError]:
        """What is behind URLs; nothing is fetched for rows that will not be written."""
        if self._rejection.rows and not self._ignores:
            return [b""] * len(urls)
        return self._fetch(urls)


def _column(table: Target, name: str, keys: Sequence[str]) -> TargetColumn:
    column = _ROW_ID if ROW_ID in keys and name.lower() == ROW_ID else table.column(name)
    if column is None:
        close = get_close_matches(name.lower(), [column.name for column in table.columns if not column.is_computed], n=1)
        raise error(
            "COLUMN_NOT_FOUND",
            f"Table {table.path} has no column {name}.",
            hint=f"Did you mean {close[0]}?" if close else None,
            where={"table": table.path, "column": name},
        )
    return column


def _check_names(table: Target, columns: Sequence[TargetColumn], keys: Sequence[str], *, partial: bool) -> None:
    if not columns:
        raise error("INVALID_ARGUMENT", "The rows have no columns.", where={"table": table.path})
    names = [column.name for column in columns]
    for column in columns:
        place = {"table": table.path, "column": column.name}
        if names.count(column.name) > 1:
            raise error(
                "INVALID_ARGUMENT", f"Column {column.name} is there twice.", hint="Pixeltable folds names to lower case.", where=place
            )
        if column.is_deletion:
            raise written_by_deletion(column, table.path)
        if column.is_computed and column.name not in keys:
            raise error("INVALID_ARGUMENT", f"Column {column.name} is computed.", hint="Leave it out of the rows.", where=place)
    required = [] if partial else [column.name for column in table.columns if not (column.kind.nullable or column.is_computed)]
    for name in (*keys, *required):
        if name not in names:
            raise error(
                "MISSING_REQUIRED",
                f"Column {name} is required, and the rows have none.",
                hint="It names the row." if name in keys else "Only columns declared with | None may be missing.",
                where={"table": table.path, "column": name},
            )


def _caster(table: Target, column: TargetColumn, field: pa.Field, zone: tzinfo, fetch: Fetch) -> Caster:
    found = caster(column.kind, field.type, zone=zone, fetch=fetch)
    if found is None:
        raise error(
            "TYPE_MISMATCH",
            f"Column {column.name} is {column.declaration}, and the rows have {field.type} for it.",
            hint=f"It takes {taken(column.kind)}.",
            where={"table": table.path, "column": column.name},
        )
    return found


def _cast(cast: Caster, column: pa.Array, kind: pa.DataType) -> Cast:
    """What casts a column, row by row where Arrow cannot cast all of it: a number of a year that it has no text for, 2 GiB of text."""
    try:
        return cast(column)
    except pa.ArrowException:
        if len(column) <= 1:
            return Cast(pa.nulls(len(column), kind), [Fault(np.arange(len(column)), "has a value that cannot be converted")])
    half = len(column) // 2
    first, second = _cast(cast, column.slice(0, half), kind), _cast(cast, column.slice(half), kind)
    moved: list[Any] = [fault._replace(rows=fault.rows + half) for fault in second.faults]
    return Cast(pa.concat_arrays([first.values, second.values]), [*first.faults, *moved])
