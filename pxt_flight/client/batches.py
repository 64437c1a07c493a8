"""Chunks of columns -> the record batches that are sent, as the table has its columns, none of them large."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from pxt_flight.client.cells import Encoder, pxt_type
from pxt_flight.client.files import MEDIA
from pxt_flight.client.inference import inferred
from pxt_flight.client.sources import MAX_BYTES, MAX_ROWS, Chunk, Column, Source
from pxt_flight.errors import PxtFlightError, error

ROW_ID = pa.field("_rowid", pa.int64(), metadata={b"pxt:type": b"Int"})


class ArrowColumn:
    """A column that is Arrow's already: the server looks at its values.

    Attributes:
        field: the column as it is sent.
    """

    reads_files = False

    def __init__(self, field: pa.Field) -> None:
        self.field = field.with_type(_flat_type(field.type)).with_metadata(_kept_metadata(field))

    def encode(self, values: pa.Array, first_row: int) -> pa.Array:  # noqa: ARG002  # as of an Encoder
        """The column of some rows."""
        if pa.types.is_dictionary(values.type):
            return values.dictionary.cast(self.field.type).take(values.indices)
        return values.cast(self.field.type)


class Batches:
    """The rows of a source as they are sent; iterate it once.

    Args:
        source: the rows.
        declared: the columns of the table; None where there is no table yet.
        whole_rows: whether each row must have all columns: where to leave one out means that it stays as it is.

    Attributes:
        schema: the columns that are sent: none that the table computes.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, there are no rows.
        NotFoundError: `COLUMN_NOT_FOUND`, the rows have a column that the table has not.
    """

    def __init__(self, source: Source, declared: pa.Schema | None, *, whole_rows: bool = False) -> None:
        self._whole_rows = whole_rows
        self._chunks = source.chunks()
        self._first = next(self._chunks, None)
        if self._first is None:
            if source.schema is None:
                raise error("INVALID_ARGUMENT", "There are no rows to write.")
            self._first = Chunk({field.name: pa.nulls(0, field.type) for field in source.schema}, 0)
        self._columns: dict[str, Encoder | ArrowColumn] = {}
        for name, values in self._first.columns.items():
            field = _declared(name, declared)
            if not _is_computed(field):
                self._columns[name] = _column(name, values, field, source.schema)
        self._names = frozenset(self._first.columns)
        self.schema = pa.schema([column.field for column in self._columns.values()])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches, of `MAX_ROWS` rows and `MAX_BYTES` bytes at most, unless one value is larger.

        Raises:
            InvalidRequestError: `TYPE_MISMATCH`, a value is not of its column's type; `INVALID_ARGUMENT`, rows have other columns than
                those before them.
        """
        row = 0
        chunk = self._first
        while chunk is not None:
            self._check(chunk, row)
            start = row
            for part in self._portions(chunk, row):
                arrays = [column.encode(part.columns[name], start) for name, column in self._columns.items()]
                yield from _sliced(pa.record_batch(arrays, schema=self.schema))
                start += part.rows
            row += chunk.rows
            chunk = next(self._chunks, None)

    def _check(self, chunk: Chunk, first_row: int) -> None:
        if self._whole_rows and chunk.ragged is not None:
            raise _not_alike(first_row + chunk.ragged, "lacks a column that others have", "Write rows with other columns by themselves.")
        if new := sorted(chunk.columns.keys() - self._names):
            raise _not_alike(first_row, f"or one soon after it has the column {new[0]}, which none before has", "Give it in the first row.")
        if missing := sorted(self._names - chunk.columns.keys()):
            if self._whole_rows:
                raise _not_alike(first_row, f"lacks the column {missing[0]}", "Write rows with other columns by themselves.")
            chunk.columns.update({name: [None] * chunk.rows for name in missing})

    def _portions(self, chunk: Chunk, first_row: int) -> Iterator[Chunk]:
        """The rows of a chunk with their files read, so many at a time as may be sent together."""
        readers = {name: column for name, column in self._columns.items() if isinstance(column, Encoder) and column.reads_files}
        if not readers:
            yield chunk
            return
        waiting: dict[str, list[Any]] = {name: [] for name in readers}
        values = {name: _as_values(chunk.columns[name]) for name in readers}
        start = size = 0
        for i in range(chunk.rows):
            read = {name: column.content(values[name][i], first_row + i) for name, column in readers.items()}
            grown = sum(len(content) for content in read.values() if content is not None)
            if i > start and size + grown > MAX_BYTES:
                yield _part(chunk, start, i, waiting)
                waiting, start, size = {name: [] for name in readers}, i, 0
            for name, content in read.items():
                waiting[name].append(content)
            size += grown
        yield _part(chunk, start, chunk.rows, waiting)


def _column(name: str, values: Column, declared: pa.Field | None, schema: pa.Schema | None) -> Encoder | ArrowColumn:
    if not isinstance(values, pa.Array):
        first = values if declared is None or pxt_type(declared) in ("Timestamp", *MEDIA) else ()
        field = inferred(name, values) if declared is None else declared
        return Encoder(field, first)
    sent = schema.field(name) if schema is not None and name in schema.names else pa.field(name, values.type)
    if declared is not None and pxt_type(declared) in MEDIA and _is_text(values.type):
        return Encoder(declared, _as_values(values))
    return ArrowColumn(sent)


def _declared(name: str, declared: pa.Schema | None) -> pa.Field | None:
    if declared is None:
        return None
    if name == ROW_ID.name:
        return ROW_ID
    # Pixeltable folds names to lower case.
    found = next((field for field in declared if field.name == name.lower()), None)
    if found is None:
        hint = f"It has {', '.join(declared.names)}."
        raise error("COLUMN_NOT_FOUND", f"The table has no column {name}.", hint=hint, where={"column": name})
    return found


def _is_computed(field: pa.Field | None) -> bool:
    return field is not None and (field.metadata or {}).get(b"pxt:computed") == b"true"


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _flat_type(kind: pa.DataType) -> pa.DataType:
    """Without dictionaries and views: a slice of them has the size of the whole, and could never be cut small enough."""
    if pa.types.is_dictionary(kind):
        return _flat_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _kept_metadata(field: pa.Field) -> dict[bytes, bytes] | None:
    return {name: value for name, value in (field.metadata or {}).items() if name.startswith(b"pxt:")} or None


def _as_values(column: Column) -> Sequence[Any]:
    values: Sequence[Any] = column.to_pylist() if isinstance(column, pa.Array) else column
    return values


def _part(chunk: Chunk, start: int, end: int, read: dict[str, list[Any]]) -> Chunk:
    return Chunk({name: read.get(name, column[start:end]) for name, column in chunk.columns.items()}, end - start)


def _sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows > 1 and (batch.num_rows > MAX_ROWS or batch.nbytes > MAX_BYTES):
        half = batch.num_rows // 2
        yield from _sliced(batch.slice(0, half))
        yield from _sliced(batch.slice(half))
    elif batch.num_rows:
        yield batch


def _not_alike(row: int, what: str, hint: str) -> PxtFlightError:
    return error("INVALID_ARGUMENT", f"Row {row} (from 0) {what}.", hint=hint, where={"row": row})
