"""A digest of rows that is the same in whatever batches they come: what tells whether two uploads are the same."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

_SIZE = 32


class Digest:
    """The digest of staged batches.

    Each column feeds streams of its own: where it is NULL, the lengths of its values where they differ, and the bytes of all that are not
    NULL. None of them knows where a batch ends.

    Args:
        schema: the staged types: of a fixed width, texts, bytes, or fixed-size lists without NULL inside.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = 0
        self._streams = [[hashlib.blake2b(digest_size=_SIZE) for _ in range(3)] for _ in schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows."""
        for column, (nulls, lengths, values) in zip(batch.columns, self._streams, strict=True):
            if column.null_count:
                places: Any = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)) + self._rows
                nulls.update(places)
                column = column.drop_null()  # noqa: PLW2901
            if column.type.num_fields:
                column = column.flatten()  # noqa: PLW2901
            if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
                bounds: Any = np.frombuffer(column.buffers()[1] or bytes(4), np.int32)[column.offset : column.offset + len(column) + 1]
                lengths.update(np.diff(bounds))
                values.update(memoryview(column.buffers()[2] or b"")[bounds[0] : bounds[-1]])
            else:
                values.update(_bytes(column))
        self._rows += batch.num_rows

    def digest(self) -> bytes:
        """The digest of all rows until now."""
        whole = hashlib.blake2b(f"{self._rows} {self._schema.to_string(show_field_metadata=False)}".encode(), digest_size=_SIZE)
        for streams in self._streams:
            for stream in streams:
                whole.update(stream.digest())
        return whole.digest()


def _bytes(column: pa.Array) -> Any:
    """The bytes of values of a fixed width, none of them NULL."""
    if pa.types.is_boolean(column.type):
        return column.to_numpy(zero_copy_only=False)
    width = column.type.bit_width // 8
    return memoryview(column.buffers()[1] or b"")[column.offset * width : (column.offset + len(column)) * width]
