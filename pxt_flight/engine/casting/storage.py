"""Arrays without their wrapping (dictionaries, runs, views, extension types), and how much memory they take without it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What is cast at once. A dictionary, a run or a view can name the same megabyte in each row, and a NULL takes no byte at all: a message of
# a few KiB may stand for any amount of memory.
MAX_ROWS, MAX_BYTES = 1 << 16, 1 << 26
# Of what views of a batch name: Arrow validates each text as often as it is named.
MAX_VIEWED = 4 << 30
# A number as the text of Json, with its comma.
_AS_TEXT = 24


def pieces(batch: pa.RecordBatch, rows: int = MAX_ROWS) -> Iterator[pa.RecordBatch]:
    """A batch in slices that memory holds in whatever form; one of a single row may still be larger.

    Args:
        batch: validated.
        rows: the most in one.
    """
    for start in range(0, batch.num_rows, rows):
        yield from _halved(batch.slice(start, rows))


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 1 or sum(logical_size(column) for column in batch.columns) <= MAX_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half))
    yield from _halved(batch.slice(half))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes."""
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists."""
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in tests)


def is_row_major(kind: pa.FixedShapeTensorType) -> bool:
    """Whether tensors of a type lie in memory as their shape says, and have any dimension and element."""
    return bool(kind.shape) and all(kind.shape) and list(kind.permutation or range(len(kind.shape))) == list(range(len(kind.shape)))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of `plain` arrays."""
    if isinstance(kind, pa.DictionaryType | pa.RunEndEncodedType):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.Bool8Type):
        return pa.bool_()
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.FixedShapeTensorType):
        return plain_type(kind.storage_type)
    if pa.types.is_string_view(kind):
        return pa.utf8()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def plain(array: pa.Array) -> pa.Array:
    """An array without wrapping; of extension types only tensors are left as they are, for their shape."""
    if isinstance(array, pa.DictionaryArray):
        return plain(array.dictionary).take(array.indices)  # in this order, for Arrow takes nothing from views
    if isinstance(array, pa.RunEndEncodedArray):
        rows = np.arange(array.offset, array.offset + len(array))
        return plain(array.values).take(pa.array(np.searchsorted(array.run_ends.to_numpy(), rows, side="right")))
    if isinstance(array.type, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(array, pa.ExtensionArray) and not isinstance(array.type, pa.FixedShapeTensorType):
        return plain(array.storage)
    return array.cast(plain_type(array.type))


def lists(array: pa.Array) -> tuple[Any, pa.Array]:
    """The lengths of lists of any kind, 0 of NULL, as numpy numbers, and what stands in them, one after another."""
    return pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64), array.flatten()


def binary_lengths(array: pa.Array) -> Any:
    """The bytes of each value, 0 of NULL, as numpy numbers."""
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        # Arrow has no kernel for these; the first of the four numbers of a view is its length (columnar format, variable-size views).
        views = np.frombuffer(array.buffers()[1] or b"", np.int32).reshape(-1, 4)[array.offset : array.offset + len(array), 0]
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), views, 0).astype(np.int64)
    return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def logical_size(array: pa.Array, *, is_nested: bool = False) -> int:
    """At least the bytes that an array takes once it is plain, or text of Json where it is nested."""
    kind, rows = array.type, len(array)
    if isinstance(array, pa.ExtensionArray):
        return logical_size(array.storage, is_nested=is_nested)
    if isinstance(array, pa.DictionaryArray):
        return _repeated(array, is_nested=is_nested)
    if isinstance(array, pa.RunEndEncodedArray):
        return rows * logical_size(array.values, is_nested=is_nested)
    if is_text(kind) or (is_bytes(kind) and not pa.types.is_fixed_size_binary(kind)):
        return int(binary_lengths(array).sum()) + 8 * rows
    if isinstance(array, pa.StructArray):
        names = sum(len(field.name.encode()) + 4 for field in kind)
        return names * rows + sum(logical_size(array.field(i), is_nested=True) for i in range(kind.num_fields))
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return int(pc.sum(pc.list_value_length(array)).as_py() or 0) * logical_size(array.values, is_nested=True) + 8 * rows
    if is_list(kind) or pa.types.is_map(kind):
        return logical_size(_entries(array), is_nested=True) + 8 * rows
    return max(int(array.nbytes), rows * (_AS_TEXT if is_nested else 8))


def viewed_size(array: pa.Array) -> int:
    """The bytes that views anywhere in an array name, each as often as it is named.

    Args:
        array: validated but for the contents of its buffers.
    """
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        return int(np.maximum(binary_lengths(array), 0).sum())
    return sum(viewed_size(child) for child in _children(array))


def _children(array: pa.Array) -> list[pa.Array]:
    if isinstance(array, pa.ExtensionArray):
        return [array.storage]
    if isinstance(array, pa.DictionaryArray):
        return [array.dictionary]
    if isinstance(array, pa.StructArray | pa.UnionArray):
        return [array.field(i) for i in range(array.type.num_fields)]
    if isinstance(array, pa.MapArray):
        return [array.keys, array.items]
    return [array.values] if isinstance(array, pa.RunEndEncodedArray) or is_list(array.type) else []


def _entries(array: pa.Array) -> pa.Array:
    """What stands in lists, or in maps as structs, of the rows of a slice."""
    if isinstance(array, pa.FixedSizeListArray):
        size = array.type.list_size
        return array.values.slice(array.offset * size, len(array) * size)
    start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
    if isinstance(array, pa.MapArray):
        return pa.StructArray.from_arrays([array.keys.slice(start, end - start), array.items.slice(start, end - start)], ["k", "v"])
    return array.values.slice(start, end - start)


def _repeated(array: pa.DictionaryArray, *, is_nested: bool) -> int:
    values = array.dictionary
    if not (is_text(values.type) or is_bytes(values.type)) or pa.types.is_fixed_size_binary(values.type):
        size = logical_size(values, is_nested=is_nested)
        is_flat = values.type.num_fields == 0 and not isinstance(values.type, pa.DictionaryType | pa.RunEndEncodedType)
        return len(array) * (max(size // max(len(values), 1), 8) if is_flat else size)
    lengths = pa.array(binary_lengths(values)).take(array.indices)
    return int(pc.sum(lengths).as_py() or 0) + 8 * len(array)
