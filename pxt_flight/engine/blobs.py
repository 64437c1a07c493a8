"""Arrays and bytes: blobs as a statement yields them, in the row or as a reference to a file, -> Arrow."""

import io
import mmap
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pxt_flight.engine.cell_values import to_arrow
from pxt_flight.engine.media import opened
from pxt_flight.engine.seam.columns import CellSource
from pxt_flight.engine.store import BlobPlace, Store
from pxt_flight.engine.types import BLOB_TYPES, ENCODING, NPY
from pxt_flight.errors import PxtFlightError, error

_IN_ROW = 1
# After the tag: source, version, then Postgres' binary form of the row id: three numbers of the array, its length and its first index,
# and 12 bytes for each of its elements (array_send).
_HEAD = np.dtype([("source", ">i4"), ("version", ">i8")])
_ARRAY_HEAD, _ELEMENT = 20, np.dtype([("size", ">i4"), ("value", ">i8")])
_MAGIC = b"\x93NUMPY"
# What pgvector sends: the number of dimensions, an unused number, the elements.
_VECTOR_HEAD = 4
_VECTOR_ELEMENTS = {2: np.dtype(">f2"), 4: np.dtype(">f4")}

Piece = "memoryview | np.ndarray[Any, Any] | None"


@dataclass(frozen=True)
class Blobs:
    """The blobs of one stream.

    Attributes:
        sources: what the numbers of references stand for.
        run: that of the statement.
        store: looks up where blobs are.
    """

    sources: Sequence[CellSource]
    run: int
    store: Store

    def converter(self, field: pa.Field) -> Callable[[pa.Array], pa.Array]:
        """From a column of blobs to the promised field.

        The converter raises:
            InvalidRequestError: `type_unsupported`, what no table gave; `media_unreadable`, a file is gone.
            StaleTicketError: a row is gone.
        """

        def convert(column: pa.Array) -> pa.Array:
            with ExitStack() as files:
                try:
                    pieces = self._pieces(column, field.name, files)
                    return _decoded(pieces, field)
                except (ValueError, EOFError, OSError, LookupError):
                    raise unreadable(field.name) from None

        return convert

    def _pieces(self, column: pa.Array, name: str, files: ExitStack) -> list[Any]:
        """The bytes of each blob (an array of bits as such), without a copy."""
        pieces: list[Any] = [None] * len(column)
        starts, ends, data = _offsets(column)
        elsewhere = []
        for i in np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist():
            if data[starts[i]] == _IN_ROW:
                pieces[i] = data[starts[i] + 1 : ends[i]]
            else:
                elsewhere.append(i)
        if elsewhere:
            references = [bytes(data[starts[i] + 1 : ends[i]]) for i in elsewhere]
            read = ChunkFiles(files)
            for i, place in zip(elsewhere, self._places(references, name), strict=True):
                pieces[i] = read.piece(place)
        return pieces

    def _places(self, references: Sequence[bytes], name: str) -> list[BlobPlace]:
        places: list[BlobPlace | None] = [None] * len(references)
        found = [_read_reference(reference) for reference in references]
        if any(row_id[:1] != (self.run,) for _, _, row_id in found):
            raise error("type_unsupported", "A text stands where an array or bytes should.", hint="They can stand beside NULL only.")
        for number in {number for number, _, _ in found}:
            rows = [i for i, (source, _, _) in enumerate(found) if source == number]
            row_ids = list(zip(*(found[i][2][1:] for i in rows), strict=True))
            stored = self.store.blobs(self.sources[number], row_ids, [found[i][1] for i in rows])
            for i, place in zip(rows, stored, strict=True):
                places[i] = place
        present = [place for place in places if place is not None]
        if len(present) < len(places):
            raise error("ticket_stale", f"A cell of column {name} was removed while it was read.", hint="Run the query again.")
        return present


class ChunkFiles:
    """The files of one batch, in which the blobs of many rows stand; each is opened once."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, memoryview] = {}

    def piece(self, place: BlobPlace) -> Any:
        """The bytes of a blob, without a copy; an array of bits as such.

        Raises:
            OSError: the file is gone.
        """
        view = self._open.get(place.url)
        if view is None:
            path = self._stack.enter_context(opened(place.url))
            file = self._stack.enter_context(path.open("rb"))
            # Closed by the last view of it that is left.
            view = self._open[place.url] = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        piece = view[place.start : place.end]
        if place.shape is None:
            return piece
        bits = np.unpackbits(loaded(piece), count=int(np.prod(place.shape)))
        return bits.reshape(place.shape).astype(bool)


def is_blob(field: pa.Field) -> bool:
    """Whether a promised field is of blobs."""
    return (field.metadata or {}).get(b"pxt:type", b"").decode() in BLOB_TYPES


def _offsets(column: pa.Array) -> tuple[Any, Any, memoryview]:
    _, offsets, data = column.buffers()
    width = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    bounds = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1].tolist() if offsets is not None else [0]
    return bounds[:-1], bounds[1:], memoryview(data if data is not None else b"").cast("B")


def _read_reference(reference: bytes) -> tuple[int, int, tuple[int, ...]]:
    head = np.frombuffer(reference, _HEAD, 1)[0]
    row_id = np.frombuffer(reference, _ELEMENT, offset=_HEAD.itemsize + _ARRAY_HEAD)["value"]
    return int(head["source"]), int(head["version"]), tuple(row_id.tolist())


def _decoded(pieces: list[Any], field: pa.Field) -> pa.Array:
    if (field.metadata or {}).get(b"pxt:type") == b"Binary":
        return pa.array([None if piece is None else bytes(piece) for piece in pieces], field.type)
    if (field.metadata or {}).get(ENCODING) == NPY and not any(isinstance(piece, np.ndarray) for piece in pieces):
        return pa.array([None if piece is None else bytes(piece) for piece in pieces], field.type)
    if isinstance(field.type, pa.FixedShapeTensorType) and (tensors := _tensors(pieces, field.type)) is not None:
        return tensors
    return to_arrow([None if piece is None else loaded(piece) for piece in pieces], field)


def _tensors(pieces: list[Any], kind: pa.FixedShapeTensorType) -> pa.Array | None:
    """Arrays whose files have one header, and hold just what was promised: no array is made for each. None where it is otherwise."""
    first = next((piece for piece in pieces if piece is not None), None)
    if first is None:
        return None
    if _is_vector(first):
        return None
    start = 10 + int.from_bytes(first[8:10], "little")  # version 1.0 of the format: magic, version, length of the header
    header = bytes(first[:start])
    example = loaded(first)
    is_plain = header[:8] == _MAGIC + b"\x01\x00" and example.flags.c_contiguous and example.dtype.isnative
    if not is_plain or example.shape != tuple(kind.shape) or example.dtype != kind.value_type.to_pandas_dtype():
        return None
    size = len(first)
    missing = bytes(size - start)
    if any(piece is not None and (len(piece) != size or piece[:start] != header) for piece in pieces):
        return None
    values = b"".join([missing if piece is None else piece[start:] for piece in pieces])
    flat = pa.Array.from_buffers(kind.value_type, len(pieces) * example.size, [None, pa.py_buffer(values)])
    mask = pa.array([piece is None for piece in pieces]) if None in pieces else None
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, type=kind.storage_type, mask=mask))


def loaded(piece: Any) -> Any:
    """The array of a `.npy` file; raises ValueError or EOFError where it is none."""
    if isinstance(piece, np.ndarray):
        return piece
    return _vector(piece) if _is_vector(piece) else np.load(io.BytesIO(piece), allow_pickle=False)


def _is_vector(piece: Any) -> bool:
    return bool(piece[0] != _MAGIC[0])


def _vector(piece: Any) -> Any:
    """The elements of what pgvector sent."""
    size = int.from_bytes(piece[:2], "big")
    element: Any = _VECTOR_ELEMENTS[(len(piece) - _VECTOR_HEAD) // max(size, 1)]
    return np.frombuffer(piece, element, size, _VECTOR_HEAD).astype(np.float32)


def unreadable(column: str) -> PxtFlightError:
    """The error of a file of a column."""
    return error(
        "media_unreadable",
        f"A file of column {column} is gone or cannot be read.",
        hint="Leave the column out, or the row, to read the rest.",
        where={"column": column},
    )
