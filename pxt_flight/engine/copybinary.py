"""Arrow batches -> the bytes of PostgreSQL's COPY ... WITH (FORMAT binary), column by column: no Python object per row.

A row is the number of its fields, and for each field its length and so many bytes, all big-endian (PostgreSQL, COPY, "Binary Format").
Neighbouring fields of fixed width are one numpy record; between these records stand the values of varying width, and Arrow joins them row
by row: the data buffer of what comes out is the stream.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What the stream begins with: no flags, no extension."""
TRAILER = b"\xff\xff"
"""What it ends with."""

_ROWS = 1 << 16  # encoded at a time
_BYTES = 16 << 20  # of the values that are encoded at a time; Arrow's offsets would hold 2 GiB
_NULL = -1  # the length of a NULL
_DAYS = 10957  # from 1970, where Arrow counts from, to 2000, where Postgres does
_MICROSECONDS = _DAYS * 86400 * 10**6
_JSONB = pa.scalar(b"\x01", pa.binary())  # the version of jsonb's binary form; its text follows
_NOTHING = pa.scalar(b"", pa.binary())


@dataclass(frozen=True)
class Field:
    """What a column of the store gets.

    Attributes:
        column: of the batch.
        is_json: whether its text is for jsonb; the text `null` is NULL, as in Pixeltable.
        characters: how many of a text are kept; None for all.
        shape: of arrays, which come as flat lists and go as `.npy` files; None for all else.
    """

    column: str
    is_json: bool = False
    characters: int | None = None
    shape: tuple[int, ...] | None = None


class Encoder:
    """Rows of a store table: two numbers, and then some fields.

    Args:
        fields: in the order of the statement's columns, behind row id and version.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields

    def encode(self, batch: pa.RecordBatch, *, row_id: int, version: int) -> Iterator[memoryview]:
        """A batch, in pieces of a bounded size.

        Args:
            batch: its rows.
            row_id: of the first row; the others follow it one by one.
            version: of all of them.
        """
        for part in parts(batch):
            yield self._encoded(part, row_id, version)
            row_id += part.num_rows

    def _encoded(self, batch: pa.RecordBatch, row_id: int, version: int) -> memoryview:
        rows = _Rows(batch.num_rows)
        rows.add_number(">i2", 2 + len(self._fields))
        for number in (np.arange(row_id, row_id + batch.num_rows), version):
            rows.add_number(">i4", 8)
            rows.add_number(">i8", number)
        for field in self._fields:
            array = batch.column(field.column)
            if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
                rows.add_bytes(_text(array, field))
            else:
                rows.add_fixed(_fixed(array, field), _missing(array))
        return rows.joined()


def parts(batch: pa.RecordBatch, *, rows: int = _ROWS, size: int = _BYTES) -> Iterator[pa.RecordBatch]:
    """A batch in slices.

    Args:
        batch: of any size.
        rows: that a slice has at most.
        size: bytes that a slice of more than one row has at most.
    """
    if batch.num_rows <= 1 or (batch.num_rows <= rows and batch.nbytes <= size):
        yield batch
        return
    half = batch.num_rows // 2
    yield from parts(batch.slice(0, half), rows=rows, size=size)
    yield from parts(batch.slice(half), rows=rows, size=size)


def elements(array: pa.Array) -> np.ndarray[Any, Any]:
    """What fixed-size lists hold, a row each; those of a list that is NULL may be anything."""
    size = array.type.list_size
    values = array.values.slice(array.offset * size, len(array) * size)
    if pa.types.is_boolean(values.type):
        bits: np.ndarray[Any, Any] = values.fill_null(False).to_numpy(zero_copy_only=False)
        return bits.reshape(len(array), size)
    kind = np.dtype(values.type.to_pandas_dtype())
    return np.frombuffer(values.buffers()[1], kind, len(values), values.offset * kind.itemsize).reshape(len(array), size)


class _Rows:
    """The fields of some rows, one after the other."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._record: list[tuple[Any, Any]] = []
        self._columns: list[pa.Array] = []

    def add_number(self, kind: Any, values: Any) -> None:
        """Something of the same width in each row."""
        self._record.append((kind, values))

    def add_fixed(self, values: np.ndarray[Any, Any], missing: np.ndarray[Any, Any] | None) -> None:
        """A field of fixed width."""
        width = values.dtype.itemsize
        if missing is None:
            self.add_number(">i4", width)
            self.add_number(values.dtype, values)
            return
        self.add_number(">i4", np.where(missing, _NULL, width))
        self._flush()
        self._columns.append(_binary(values[~missing], np.where(missing, 0, width)))

    def add_bytes(self, values: pa.Array) -> None:
        """A field of varying width, of type binary."""
        lengths = pc.binary_length(values)
        self.add_number(">i4", lengths.fill_null(_NULL).to_numpy())
        self._flush()
        self._columns.append(values.fill_null(_NOTHING) if values.null_count else values)

    def joined(self) -> memoryview:
        """All of it, row by row."""
        self._flush()
        column = self._columns[0] if len(self._columns) == 1 else pc.binary_join_element_wise(*self._columns, _NOTHING)
        _, offsets, data = column.buffers()
        return memoryview(data)[: int(np.frombuffer(offsets, np.int32)[self._size])]

    def _flush(self) -> None:
        """Make one column of the numbers."""
        if not self._record:
            return
        record = np.empty(self._size, [(str(i), kind) for i, (kind, _) in enumerate(self._record)])
        for i, (_, values) in enumerate(self._record):
            record[str(i)] = values
        self._columns.append(_binary(record, record.dtype.itemsize))
        self._record = []


def _binary(values: np.ndarray[Any, Any], lengths: Any) -> pa.Array:
    """The bytes of values, and how many each row has of them."""
    if isinstance(lengths, int):
        offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(lengths)
    else:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    data = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data.view(np.uint8))])


def _missing(array: pa.Array) -> np.ndarray[Any, Any] | None:
    return np.asarray(array.is_null()) if array.null_count else None


def _text(array: pa.Array, field: Field) -> pa.Array:
    if field.is_json:
        is_null = pc.equal(pc.utf8_trim(array, " \t\r\n"), "null")
        return pc.binary_join_element_wise(_JSONB, pc.if_else(is_null, None, array).cast(pa.binary()), _NOTHING)
    if field.characters is not None:
        array = pc.utf8_slice_codeunits(array, 0, field.characters)  # code points, whatever its name says
    return array.cast(pa.binary())


def _fixed(array: pa.Array, field: Field) -> np.ndarray[Any, Any]:
    """Values as Postgres keeps them; any value in the place of NULL."""
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        return _npy_files(array, field.shape or (kind.list_size,))
    if pa.types.is_fixed_size_binary(kind):
        return np.frombuffer(array.buffers()[1], f"V{kind.byte_width}", len(array), array.offset * kind.byte_width)
    if pa.types.is_boolean(kind):
        return _plain(array.cast(pa.uint8()))
    if pa.types.is_floating(kind):
        values = _plain(array).astype(">f8")
        values[np.isnan(values)] = np.nan  # one of its many patterns, as Pixeltable writes it
        return values
    if pa.types.is_timestamp(kind):
        return (_plain(array.cast(pa.int64())) - _MICROSECONDS).astype(">i8")
    if pa.types.is_date32(kind):
        return (_plain(array.cast(pa.int32())) - _DAYS).astype(">i4")
    return _plain(array).astype(">i8")


def _plain(array: pa.Array) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = (array.fill_null(0) if array.null_count else array).to_numpy(zero_copy_only=False)
    return values


def _npy_files(array: pa.Array, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Each list as the file that `np.save` writes."""
    values = np.ascontiguousarray(elements(array))
    file = io.BytesIO()
    np.save(file, np.zeros(shape, values.dtype))
    body = values.shape[1] * values.itemsize
    head = np.frombuffer(file.getvalue()[:-body], np.uint8)
    files = np.empty((len(array), len(head) + body), np.uint8)
    files[:, : len(head)] = head
    files[:, len(head) :] = values.view(np.uint8)
    return files.view(f"V{files.shape[1]}").reshape(len(array))
