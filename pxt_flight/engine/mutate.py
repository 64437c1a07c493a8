"""Rows that change or go, as one version of a table. Everything here runs inside of the write's transaction.

An update copies rows in Postgres where Pixeltable would compute nothing from the new values; else Pixeltable itself makes each row anew.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import pixeltable as pxt
import pyarrow as pa
from pixeltable.exceptions import RequestError

from pxt_flight.engine import copybinary, ingest, unstaged
from pxt_flight.engine.bindings import stamp
from pxt_flight.engine.scan import Pin
from pxt_flight.engine.seam import probe, rows
from pxt_flight.engine.target import ROW_ID, Target, TargetColumn
from pxt_flight.engine.types import ColumnType
from pxt_flight.engine.upload import Checked, Reception, Upload
from pxt_flight.engine.written import WriteKind, Written
from pxt_flight.errors import error

MAX_ROWS = 50_000
"""Of what only Pixeltable can update row by row: it has them all in memory, and takes 1 ms for each."""
# Pixeltable's types -> Postgres' types of what is staged; all others are bytes.
_TYPES = {
    "Int": "int8",
    "Float": "float8",
    "Bool": "bool",
    "String": "text",
    "Timestamp": "timestamptz",
    "Date": "date",
    "UUID": "uuid",
    "Json": "jsonb",
}


_ROW_ID = TargetColumn(ROW_ID, ColumnType("Int", nullable=False), "Int", is_computed=False)


@dataclass(frozen=True)
class Changes:
    """Rows that are named, and their new values.

    Attributes:
        upload: the names, and the values that differ from row to row.
        keys: the columns that name rows: `_rowid`, or the primary key.
        constants: the values that are the same for all rows, as one row; None where there are none.
        pin: of which version of the table the rows were read; None where they were not.
        limit: how many rows may be affected; None for any number.
        if_missing: what becomes of rows that the table does not have: `error`, `ignore` or `insert`.
        include_deleted: whether it has those that are deleted softly.
    """

    upload: Upload
    keys: tuple[str, ...]
    constants: pa.RecordBatch | None = None
    pin: Pin | None = None
    limit: int | None = None
    if_missing: str = "ignore"
    include_deleted: bool = False

    @property
    def varying(self) -> list[str]:
        """The columns with a value for each row."""
        return [name for name in self.upload.schema.names if name not in self.keys]

    @property
    def constant(self) -> dict[str, Any]:
        """The values that are the same for all rows, staged."""
        return {} if self.constants is None else self.constants.to_pylist()[0]


def update(
    table: Target, opened: pxt.Table, changes: Changes, kind: WriteKind = "update", tiers: ingest.WriteTiers | None = None
) -> Written:
    """Update the rows that the table has, and insert the others where that is asked for. Needs `in_write` of what is opened.

    Raises:
        NotFoundError: `ROW_NOT_FOUND`.
        ConflictError: `CONSTRAINT_VIOLATION`, a row is named twice; `too_many_affected`.
        InvalidRequestError: `MISSING_REQUIRED`; `UNSUPPORTED_OPERATION`, a media column is set row by row.
        StaleTicketError: `ticket_stale`, the table is not the one any more that the rows were read from.
    """
    seam = _seam()
    _check_pin(opened, changes)
    found = _find(seam, opened, table, changes)
    errors = _update(seam, opened, table, changes, found) if found else 0
    version = rows.live(opened)
    if changes.if_missing != "insert" or found == changes.upload.rows:
        return Written(kind, table.path, version, updated=found, errors=errors)
    with _others(table, changes.upload, seam.unfound()) as others:
        inserted = ingest.insert(table, opened, others, tiers=tiers)
    return Written(
        kind,
        table.path,
        inserted.version,
        inserted=inserted.inserted,
        updated=found,
        errors=errors + inserted.errors,
        first_row_id=inserted.first_row_id,
        tier=inserted.tier,
    )


def delete(table: Target, opened: pxt.Table, changes: Changes) -> Written:
    """Delete the rows that the table has. Needs `in_write`; errors as of `update`."""
    seam = _seam()
    _check_pin(opened, changes)
    found = _find(seam, opened, table, changes)
    errors = seam.delete(opened).num_excs if found else 0
    return Written("delete", table.path, rows.live(opened), deleted=found, errors=errors)


def apply(table: Target, opened: pxt.Table, changes: Changes, kind: WriteKind, tiers: ingest.WriteTiers | None = None) -> Written:
    """See `update`, `delete`, `soft_delete` and `restore`; `tiers` are those in which rows may be inserted."""
    if kind in ("soft_delete", "restore"):
        return _mark(table, opened, changes, kind)
    return delete(table, opened, changes) if kind == "delete" else update(table, opened, changes, kind, tiers)


def _mark(table: Target, opened: pxt.Table, changes: Changes, kind: WriteKind) -> Written:
    """Delete rows softly, or restore them: all that changes is the column that says when they were deleted."""
    column = table.deletion
    assert column is not None
    moment = dt.datetime.now(dt.UTC) if kind == "soft_delete" else None
    constants = pa.RecordBatch.from_arrays([pa.array([moment], column.staged)], [column.name])
    written = update(table, opened, replace(changes, constants=constants), kind)
    return replace(written, updated=0, deleted=written.updated) if kind == "soft_delete" else written


def told(table: Target, changes: Changes, kind: WriteKind) -> Written:
    """What a change of rows that were read would do."""
    version = (changes.pin.version if changes.pin else table.version) or 0
    if kind in ("delete", "soft_delete"):
        return Written(kind, table.path, version, deleted=changes.upload.rows)
    return Written(kind, table.path, version, updated=changes.upload.rows)


def revert(table: Target, opened: pxt.Table, version: int | None = None) -> Written:
    """Take back the last version of a table, or all after a version. Needs `in_write`.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`, there is no such version, or a snapshot needs one that would go.
    """
    seam = _seam()
    where = {"table": table.path}
    if not table.is_versioned:
        raise error("UNSUPPORTED_OPERATION", f"{table.path} keeps its live rows only.", where=where)
    live = rows.live(opened)
    wanted = live - 1 if version is None else version
    if wanted < 0 or wanted > live:
        said = "There is nothing to take back" if version is None else f"There is no version {version}"
        raise error("UNSUPPORTED_OPERATION", f"{said}: {table.path} is at version {live}.", where=where)
    for number in range(live, wanted, -1):
        try:
            seam.revert(opened)
        except RequestError:  # its text names tables that the caller may not see
            raise error(
                "UNSUPPORTED_OPERATION", f"A snapshot needs version {number}.", hint="Drop the snapshot first.", where=where
            ) from None
    return Written("revert", table.path, wanted)


def _check_pin(opened: Any, changes: Changes) -> None:
    from pxt_flight.engine.seam import plan

    if changes.pin is not None and stamp(plan.moments([opened])[0]) != changes.pin.stamp:
        raise error("ticket_stale", "The table was changed since its rows were read.", hint="Nothing was written; try again.")


def _find(seam: ModuleType, opened: Any, table: Target, changes: Changes) -> int:
    columns = _columns(table, changes.upload)
    seam.stage(columns, _encoded(table, changes.upload))
    where = {"table": table.path}
    if seam.repeated(columns, changes.keys):
        said = "An expression gives several values for one row" if changes.pin else f"A row is named twice, by {', '.join(changes.keys)}"
        raise error("CONSTRAINT_VIOLATION", f"{said}.", hint="Nothing was written.", where=where)
    deletion = None if changes.include_deleted or table.deletion is None else table.deletion.name
    found = int(seam.find(opened, columns, changes.keys, deletion))
    missing = changes.upload.rows - found
    if missing and changes.if_missing == "error":
        raise error("ROW_NOT_FOUND", f"{missing} rows are not there.", hint="Pass if_missing='ignore' to leave them out.", where=where)
    affected = changes.upload.rows if changes.if_missing == "insert" else found
    if changes.limit is not None and affected > changes.limit:
        raise error(
            "too_many_affected", f"{affected} rows are affected, of at most {changes.limit}.", hint="Nothing was written.", where=where
        )
    return found


def _update(seam: ModuleType, opened: Any, table: Target, changes: Changes, found: int) -> int:
    """Update the rows that were found; answers how many cells failed."""
    if not changes.varying and not changes.constant:
        raise error("INVALID_ARGUMENT", "Nothing is to be changed.", where={"table": table.path})
    if not table.is_versioned:
        return _update_rows(seam, opened, table, changes, found)
    bulk = _bulk(seam, opened, table, changes)
    if bulk is not None:
        return int(seam.update_bulk(opened, bulk, {name: _bound(table, name, value) for name, value in changes.constant.items()}).num_excs)
    if not changes.varying:
        return int(seam.update_to(opened, _constants(opened, table, changes)).num_excs)
    return _update_rows(seam, opened, table, changes, found)


def _bulk(seam: ModuleType, opened: Any, table: Target, changes: Changes) -> Any:
    """The update as a copy of rows; None where it is none."""
    plain = (ingest.is_plain(_column(table, name)) and _kind(table, name) != "Binary" for name in changes.varying)
    if not all(plain) or not all(_kind(table, name) in _TYPES and ingest.is_plain(_column(table, name)) for name in changes.constant):
        return None
    columns = _columns(table, changes.upload)
    values = {name: seam.value_of(columns, name) for name in changes.varying}
    return seam.plan_bulk(opened, values | {name: f"CAST(:{name} AS {_TYPES[_kind(table, name)]})" for name in changes.constant})


def _update_rows(seam: ModuleType, opened: Any, table: Target, changes: Changes, found: int) -> int:
    """Let Pixeltable update row by row."""
    if found > MAX_ROWS:
        raise error(
            "too_many_affected",
            f"Pixeltable makes each of these rows anew, and at most {MAX_ROWS} at once, not {found}.",
            hint="Nothing was written; change them in parts.",
            where={"table": table.path},
        )
    media = [name for name in (*changes.varying, *changes.constant) if _column(table, name).kind.is_media]
    if media:
        raise error(
            "UNSUPPORTED_OPERATION",
            f"Column {media[0]} takes one value for all rows, and no other column beside it differs from row to row.",
            hint="Nothing was written; change row by row, or delete the rows and insert them anew.",
            where={"table": table.path, "column": media[0]},
        )
    same, places = _constants(opened, table, changes), seam.found()
    changed = []
    for place, row in enumerate(_rows(opened, table, changes.upload)):
        if place in places:
            named = {ROW_ID: (places[place],)} if table.is_versioned else {key: row[key] for key in changes.keys}
            changed.append({**named, **{name: row[name] for name in changes.varying}, **same})
    return int(opened.batch_update(changed).num_excs)


def _others(table: Target, upload: Upload, places: list[int]) -> Upload:
    """The rows of an upload in some places, all of which shall be inserted."""
    required = [column.name for column in table.columns if not column.is_computed and not column.kind.nullable]
    lacking = [name for name in required if name not in upload.schema.names]
    if lacking:
        raise error(
            "MISSING_REQUIRED",
            f"{len(places)} rows are new, and lack {', '.join(lacking)}.",
            hint="Nothing was written; send the columns, or pass if_missing='ignore'.",
            where={"table": table.path, "column": lacking[0]},
        )
    reception = Reception(Checked(upload.schema), None, upload.size + (1 << 20))
    wanted, start = np.array(places), 0
    for batch in upload.batches():
        own = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
        reception.add(batch.take(pa.array(own)))
        start += batch.num_rows
    return reception.finish()


def _columns(table: Target, upload: Upload) -> dict[str, str]:
    """The names of what is staged, and Postgres' types of it."""
    return {name: _TYPES.get(_kind(table, name), "bytea") for name in upload.schema.names}


def _encoded(table: Target, upload: Upload) -> Iterator[bytes | memoryview]:
    """The rows as `changes.stage` takes them."""
    encoder, place = copybinary.Encoder([ingest.field_of(_column(table, name)) for name in upload.schema.names]), 0
    yield copybinary.HEADER
    for batch in upload.batches():
        yield from encoder.encode(batch, row_id=place, version=0)
        place += batch.num_rows
    yield copybinary.TRAILER


def _constants(opened: Any, table: Target, changes: Changes) -> dict[str, Any]:
    """The values that are the same for all rows, as Pixeltable takes them."""
    if changes.constants is None:
        return {}
    names = changes.constants.schema.names
    return dict(zip(names, *_unstaged(opened, table, [changes.constants], names), strict=True))


def _rows(opened: Any, table: Target, upload: Upload) -> Iterator[dict[str, Any]]:
    """The rows as Pixeltable takes them."""
    names = upload.schema.names
    for values in _unstaged(opened, table, upload.batches(), names):
        yield dict(zip(names, values, strict=True))


def _unstaged(opened: Any, table: Target, batches: Iterable[pa.RecordBatch], names: list[str]) -> Iterator[tuple[Any, ...]]:
    columns, version = [_column(table, name) for name in names], rows.live(opened) + 1

    def file_of(column: str, content: bytes, suffix: str) -> str:
        return rows.file_of(opened, column, content, suffix=suffix, version=version)

    for batch in batches:
        yield from unstaged.rows(batch, columns, file_of)


def _bound(table: Target, name: str, value: Any) -> Any:
    """A staged constant as a parameter of a statement."""
    return UUID(bytes=value) if value is not None and _kind(table, name) == "UUID" else value


def _kind(table: Target, name: str) -> str:
    return _column(table, name).kind.name


def _column(table: Target, name: str) -> TargetColumn:
    column = _ROW_ID if name == ROW_ID else table.column(name)
    assert column is not None, name
    return column


@cache
def _seam() -> ModuleType:
    """The module that names Pixeltable's private parts.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`, this Pixeltable has them no more.
    """
    if probe.missing_parts_of_changes():
        raise error("UNSUPPORTED_OPERATION", "This server's Pixeltable is not one whose rows it can change.", hint="Ask for an insert.")
    from pxt_flight.engine.seam import changes

    return changes
