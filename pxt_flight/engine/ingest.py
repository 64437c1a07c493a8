"""Rows that wait -> one version of a table. Everything here runs inside of the write's transaction.

| tier | what writes the rows | for |
|---|---|---|
| `bulk` | COPY, of bytes that are made from Arrow | tables whose rows in the store are what is sent |
| `stream` | Pixeltable's plan, fed batch by batch; COPY below | computed columns, media, long arrays and bytes |
| `rows` | `Table.insert` | all else: at most `MOST_ROWS` |

Each is one version or nothing. A tier is taken for what it is known to be right with; what is not known takes the next one.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pixeltable as pxt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pixeltable.exceptions import Error, ErrorCode, ExprEvalError
from sqlalchemy.exc import DBAPIError

from pxt_flight.engine import copybinary, unstaged
from pxt_flight.engine.copybinary import Encoder
from pxt_flight.engine.seam import rows
from pxt_flight.engine.seam.rows import Inserted
from pxt_flight.engine.target import Target, TargetColumn
from pxt_flight.engine.types import ELEMENTS
from pxt_flight.engine.upload import Upload
from pxt_flight.engine.written import OnProgress, Written
from pxt_flight.errors import PxtFlightError, error

if TYPE_CHECKING:
    from pxt_flight.engine.seam.inserts import StoreColumn

MOST_ROWS = 50_000
"""What the tier `rows` takes: all of them are in memory at once, at 1.5 KB and more a row."""

_PLAIN = frozenset({"Int", "String", "Float", "Bool", "Timestamp", "Date", "UUID", "Binary"})
_TOLD_ROWS = 1024  # between two words of progress
_INLINE = 512  # bytes of an array, or of bytes, that are kept in the row (`CellMaterializationNode.MAX_DB_BINARY_SIZE`)
_PATH = re.compile(r"/\w|\\\w|://")


@dataclass
class WriteTiers:
    """Which tiers this process may take.

    Attributes:
        bulk_off: why not `bulk`; None where it may.
        stream_off: why not `stream`.
        copy_off: why `stream` leaves the writing itself to Pixeltable.
    """

    bulk_off: str | None = None
    stream_off: str | None = None
    copy_off: str | None = None

    @property
    def off(self) -> dict[str, str]:
        """What is switched off, and why."""
        found = {"bulk": self.bulk_off, "stream": self.stream_off, "copy": self.copy_off}
        return {name: reason for name, reason in found.items() if reason is not None}

    @property
    def because(self) -> str | None:
        """The same in words; None where nothing is switched off."""
        return "; ".join(f"{name}: {reason}" for name, reason in self.off.items()) or None


def insert(
    table: Target,
    opened: pxt.Table,
    upload: Upload,
    on_progress: OnProgress | None = None,
    *,
    tiers: WriteTiers | None = None,
    ignore_cell_errors: bool = False,
) -> Written:
    """Insert rows. Needs `in_write`.

    Args:
        table: where to.
        opened: the same as Pixeltable has it.
        upload: the rows.
        on_progress: told how many are written.
        tiers: those that may be taken; default all.
        ignore_cell_errors: whether a computed or media cell that fails is NULL, with its error beside it; else nothing is written.

    Raises:
        ConflictError: `CONSTRAINT_VIOLATION`, a key is there already, or too long for the index.
        InvalidRequestError: `upload_too_large` for the tier `rows`; `media_unreadable`; another code of Pixeltable's where a computed
            column failed.
    """
    if not upload.rows:
        return Written("insert", table.path, rows.live(opened))
    work = _Insert(
        table, opened, upload, on_progress or (lambda *_: None), tiers or WriteTiers(), ignore_cell_errors, rows.live(opened) + 1
    )
    try:
        tier, done = work.run()
    except (DBAPIError, Error, ExprEvalError) as fault:
        if (ours := _ours(fault, table)) is None:
            raise
        raise ours from fault
    return Written(
        "insert",
        table.path,
        done.version,
        inserted=upload.rows,
        errors=done.errors,
        first_row_id=done.first_row_id,
        tier=tier,
    )


@dataclass(frozen=True)
class _Insert:
    """One insert; `version` is the one that it makes."""

    table: Target
    opened: pxt.Table
    upload: Upload
    on_progress: OnProgress
    tiers: WriteTiers
    ignore_cell_errors: bool
    version: int

    def run(self) -> tuple[str, Inserted]:
        """Do it in the fastest tier that may take it."""
        if self.tiers.bulk_off is not None and self.tiers.stream_off is not None:
            return "rows", self._rows()
        # Imported here only: where parts of Pixeltable are missing, the import itself would fail.
        from pxt_flight.engine.seam import inserts

        structure = inserts.structure(self.opened)
        if structure.is_plain and self.tiers.bulk_off is None and self._are_plain():
            return "bulk", self._bulk(inserts.bulk, structure.columns)
        if structure.is_streamable and self.tiers.stream_off is None and not any(map(_is_typed_json, self.table.columns)):
            return "stream", self._stream(inserts.stream)
        return "rows", self._rows()

    def _sent(self) -> list[TargetColumn]:
        columns = (self.table.column(name) for name in self.upload.schema.names)
        return [column for column in columns if column is not None]

    def _are_plain(self) -> bool:
        """Whether all values are kept in the row just as they are."""
        if not all(column.is_computed or is_plain(column) for column in self.table.columns):
            return False
        names = [column.name for column in self._sent() if column.kind.name == "Binary"]
        return not names or all(_longest(batch.column(name)) <= _INLINE for batch in self.upload.batches() for name in names)

    def _bulk(self, bulk: Callable[..., Inserted], columns: Iterable["StoreColumn"]) -> Inserted:
        sent = {column.name: column for column in self._sent()}
        written = [column for column in columns if column.column in sent]
        encoder = Encoder([field_of(sent[column.column], column.characters) for column in written])

        def encode(row_id: int, version: int) -> Iterator[Any]:
            yield copybinary.HEADER
            done = 0
            for batch in self.upload.batches():
                yield from encoder.encode(batch, row_id=row_id + done, version=version)
                done += batch.num_rows
                self.on_progress(done, self.upload.rows)
            yield copybinary.TRAILER

        return bulk(self.opened, written, self.upload.rows, encode)

    def _stream(self, stream: Callable[..., Inserted]) -> Inserted:
        return stream(
            self.opened,
            self.upload.schema.names,
            self._values(),
            width=max(1, self.upload.size // self.upload.rows),
            ignore_errors=self.ignore_cell_errors,
            by_copy=self.tiers.copy_off is None,
        )

    def _rows(self) -> Inserted:
        if self.upload.rows > MOST_ROWS:
            raise error(
                "upload_too_large",
                f"{self.table.path} takes at most {MOST_ROWS} rows at once: an index, or a type, of its columns is filled row by row.",
                hint="Write them in parts; each is a version of its own.",
                where={"table": self.table.path},
            )
        names = self.upload.schema.names
        all_of_them = [dict(zip(names, values, strict=True)) for values in self._values()]
        return rows.insert(self.opened, all_of_them, ignore_errors=self.ignore_cell_errors)

    def _values(self) -> Iterator[tuple[Any, ...]]:
        """All rows, as Pixeltable takes them."""
        done = 0
        for batch in self.upload.batches():
            for row in unstaged.rows(batch, self._sent(), self._file_of):
                yield row
                done += 1
                if done % _TOLD_ROWS == 0:
                    self.on_progress(done, self.upload.rows)
        self.on_progress(done, self.upload.rows)

    def _file_of(self, column: str, content: bytes, suffix: str) -> str:
        return rows.file_of(self.opened, column, content, suffix=suffix, version=self.version)


def _longest(values: pa.Array) -> int:
    return int(pc.max(pc.binary_length(values)).as_py() or 0)


def is_plain(column: TargetColumn) -> bool:
    """Whether the store keeps values of a column as they are staged; bytes only up to a size."""
    kind = column.kind
    if kind.name == "Array":
        element = ELEMENTS.get(kind.element or "")
        if element is None or kind.element == "str" or not kind.shape or not all(kind.shape):
            return False
        width = np.dtype(element.to_pandas_dtype()).itemsize
        return bool(prod(size for size in kind.shape if size) * width <= _INLINE)
    return kind.name in _PLAIN or (kind.name == "Json" and not _is_typed_json(column))


def _is_typed_json(column: TargetColumn) -> bool:
    """Whether Pixeltable checks each value against a schema."""
    return column.declaration.startswith("Json[")


def field_of(column: TargetColumn, characters: int | None = None) -> copybinary.Field:
    """How COPY is given the staged values of a column.

    Args:
        column: of the table.
        characters: how many of a text are kept; None for all.
    """
    kind = column.kind
    shape = tuple(size or 0 for size in kind.shape) if kind.name == "Array" and kind.shape else None
    return copybinary.Field(column.name, is_json=kind.name == "Json", characters=characters, shape=shape)


def _ours(fault: DBAPIError | Error | ExprEvalError, table: Target) -> PxtFlightError | None:
    """What a client is told of an insert that failed; None of what is not known here. No text of Postgres' is passed on."""
    evaluation = fault if isinstance(fault, ExprEvalError) else fault.__cause__
    if isinstance(evaluation, ExprEvalError):
        return _not_computed(evaluation, table)
    database = fault if isinstance(fault, DBAPIError) else fault.__cause__
    orig = database.orig if isinstance(database, DBAPIError) else None
    names = ", ".join(table.primary_key)
    where = {"table": table.path, "columns": list(table.primary_key)}
    if isinstance(orig, psycopg.errors.UniqueViolation):
        hint = "Nothing was written; leave these rows out, or upsert them."
        if table.deletion is not None:
            hint += " A row that is not shown is deleted softly: restore it, or delete it for good with include_deleted=true."
        return error(
            "CONSTRAINT_VIOLATION",
            f"A row has a key ({names}) that is in {table.path} already, or twice among the rows.",
            hint=hint,
            where=where,
        )
    if isinstance(orig, psycopg.errors.ProgramLimitExceeded):
        return error(
            "CONSTRAINT_VIOLATION",
            "A value is too long for an index of the table.",
            hint="Nothing was written.",
            where={"table": table.path},
        )
    if isinstance(fault, Error) and fault.error_code == ErrorCode.INVALID_DATA_FORMAT:
        said = str(fault).split("\n", 1)[0].split(":", 1)[0]  # a path follows
        return error("media_unreadable", f"A media value cannot be read: {said}.", hint="Nothing was written.", where={"table": table.path})
    return None


def _not_computed(fault: ExprEvalError, table: Target) -> PxtFlightError:
    """Which column failed in which row, and the first line of what its function said, where that names no path."""
    said = f"{type(fault.exc).__name__}: {fault.exc}".split("\n", 1)[0]
    if _PATH.search(said):
        said = type(fault.exc).__name__
    return error(
        "INVALID_ARGUMENT",
        f"The {fault.expr_msg.split(chr(10), 1)[0]} failed: {said}",
        hint="Nothing was written; correct the values, or let failed cells be NULL with on_error=ignore.",
        where={"table": table.path},
    )
