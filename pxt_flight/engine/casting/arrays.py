"""Arrays: tensors and `.npy` files, which must be of exactly the element that the column has, as Pixeltable asks of numpy's arrays; and
lists, whose elements become that one, as Pixeltable does with Python's lists, but for what would not fit."""

import io
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from pxt_flight.engine.casting.cast import Cast, Caster, Fault, faults, true_rows
from pxt_flight.engine.casting.storage import is_bytes, is_list, is_row_major, is_text, lists, plain, plain_type
from pxt_flight.engine.target import staged_type
from pxt_flight.engine.types import ELEMENTS, ColumnType

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_SHAPE, _ELEMENT, _NULL = "has another shape", "holds elements that do not fit", "has an empty place"


def arrays(column: ColumnType, kind: pa.DataType) -> Caster | None:
    """What casts to arrays of a column's shape and element; None where the type can never fit."""
    if is_bytes(kind):
        return lambda array: _of_files(array, column)
    if isinstance(kind, pa.FixedShapeTensorType):
        shape = tuple(kind.shape)
        fits = is_row_major(kind) and column.element in (None, _element_name(kind.value_type)) and _fits(shape, column.shape)
        return (lambda array: _of_tensors(array, column, shape)) if fits else None
    shape, leaf = _levels(kind)
    if not shape or not _fits(shape, column.shape) or not _converts(leaf, column.element):
        return None
    return lambda array: _of_lists(array, column)


def _levels(kind: pa.DataType) -> tuple[tuple[int | None, ...], pa.DataType]:
    """The dimensions of a type of lists within lists, None of any length, and the type of what they hold."""
    if not is_list(kind):
        return (), plain_type(kind)
    shape, leaf = _levels(kind.value_type)
    return (kind.list_size if pa.types.is_fixed_size_list(kind) else None, *shape), leaf


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...] | None) -> bool:
    if wanted is None:
        return True
    return len(shape) == len(wanted) and all(None in pair or pair[0] == pair[1] for pair in zip(shape, wanted, strict=True))


def _element_name(kind: pa.DataType) -> str | None:
    return next((name for name, element in ELEMENTS.items() if element == kind), None)


def _converts(leaf: pa.DataType, element: str | None) -> bool:
    if element is None:
        return is_text(leaf) or _element_name(leaf) is not None
    if element in ("str", "bool"):
        return is_text(leaf) if element == "str" else bool(pa.types.is_boolean(leaf))
    return bool(pa.types.is_integer(leaf) or (pa.types.is_floating(leaf) and "float" in element))


def _of_lists(array: pa.Array, column: ColumnType) -> Cast:
    rows = np.arange(len(array))  # of each list of a level
    shapes: list[Any] = []
    ragged, empty = np.zeros(len(array), bool), np.zeros(len(array), bool)
    values = array
    while is_list(values.type):
        lengths, inner = lists(values)
        first = np.zeros(len(array), np.int64)
        first[rows[::-1]] = lengths[::-1]  # the first list of each row stands for it
        ragged[rows[lengths != first[rows]]] = True
        if shapes:
            empty[rows[~true_rows(values.is_valid())]] = True
        shapes.append(first)
        rows, values = np.repeat(rows, lengths), plain(inner) if not is_list(inner.type) else inner
    empty[rows[~true_rows(values.is_valid())]] = True
    elements, unfit = _elements(values, column.element)
    wrong = np.zeros(len(array), bool)
    wrong[rows[unfit]] = True
    shape = _completed(np.stack(shapes, axis=1), column.shape)
    return _staged(
        array, column, shape, elements, np.bincount(rows, minlength=len(array)), ((ragged, _SHAPE), (empty, _NULL), (wrong, _ELEMENT))
    )


def _completed(shapes: Any, wanted: tuple[int | None, ...] | None) -> Any:
    """The dimensions inside of an empty list cannot be told: those that the column names."""
    for place, size in enumerate(wanted or ()):
        if place and size:
            shapes[(shapes[:, :place] == 0).any(axis=1), place] = size
    return shapes


def _of_tensors(array: pa.Array, column: ColumnType, shape: tuple[int, ...]) -> Cast:
    lengths, values = lists(array.storage)
    rows = np.repeat(np.arange(len(array)), lengths)
    empty = np.zeros(len(array), bool)
    empty[rows[~true_rows(values.is_valid())]] = True
    return _staged(array, column, np.tile(shape, (len(array), 1)), _elements(values, None)[0], lengths, ((empty, _NULL),))


def _elements(values: pa.Array, element: str | None) -> tuple[Any, Any]:
    """Elements as numpy's of a type, NULL as 0, and which of them do not fit."""
    if is_text(values.type):
        return np.array(values.to_pylist(), object), np.zeros(len(values), bool)
    filled = values.fill_null(False if pa.types.is_boolean(values.type) else 0) if values.null_count else values
    found = filled.to_numpy(zero_copy_only=False)
    if element is None or found.dtype == element:
        return found, np.zeros(len(found), bool)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = found.astype(element)
    if cast.dtype.kind == "f":
        return cast, np.isfinite(found) & ~np.isfinite(cast)
    limits = np.iinfo(cast.dtype)
    return cast, (found < limits.min) | (found > limits.max)


def _staged(array: pa.Array, column: ColumnType, shapes: Any, elements: Any, counts: Any, found: tuple[tuple[Any, str], ...]) -> Cast:
    """Elements of all rows as they are staged.

    Args:
        array: what was sent.
        column: the type of the column.
        shapes: of each row.
        elements: those of one row after those of another.
        counts: how many of them each row has.
        found: the faults until here.
    """
    valid = true_rows(array.is_valid())
    wanted = column.shape or ()
    misshapen = valid & np.any([shapes[:, place] != size for place, size in enumerate(wanted) if size] or [~valid], axis=0)
    found = tuple((mask & valid, reason) for mask, reason in (*found, (misshapen, _SHAPE)))
    good = valid & ~np.any([mask for mask, _ in found], axis=0)
    kind = staged_type(column)
    if pa.types.is_fixed_size_list(kind):
        flat = np.zeros((len(array), kind.list_size), elements.dtype)
        flat[good] = elements[np.repeat(good, counts)].reshape(-1, kind.list_size)
        return Cast(_flat(flat, kind, good), faults(*found))
    ends = np.cumsum(counts)
    parts = [
        _npy(elements[end - count : end], tuple(shape)) if is_good else None
        for end, count, shape, is_good in zip(ends.tolist(), counts.tolist(), shapes.tolist(), good.tolist(), strict=True)
    ]
    return Cast(pa.array(parts, pa.binary()), faults(*found))


def _flat(rows: Any, kind: pa.DataType, good: Any) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=kind, mask=None if good.all() else pa.array(~good))


def _npy(elements: Any, shape: tuple[int, ...]) -> bytes:
    """As `np.save` writes an array."""
    if elements.dtype == object:
        elements = np.array(elements.tolist(), np.str_)
    return _header(elements.dtype.str, shape) + bytes(elements.tobytes())


@lru_cache(maxsize=1024)
def _header(element: str, shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": element, "fortran_order": False, "shape": shape})
    return out.getvalue()


def _of_files(array: pa.Array, column: ColumnType) -> Cast:
    kind = staged_type(column)
    is_flat = pa.types.is_fixed_size_list(kind)
    flat = np.zeros((len(array), kind.list_size), column.element) if is_flat else None
    files: list[bytes | None] = [None] * len(array)
    wrong: dict[str, list[int]] = {}
    for row, value in enumerate(array):
        if not value.is_valid:
            continue
        found = _read(value.as_buffer(), column)
        if isinstance(found, str):
            wrong.setdefault(found, []).append(row)
        elif flat is not None:
            flat[row] = found.reshape(-1)
        else:
            files[row] = _npy(found.reshape(-1), found.shape)
    faulty = [Fault(np.array(rows), reason) for reason, rows in wrong.items()]
    if flat is None:
        return Cast(pa.array(files, pa.binary()), faulty)
    good = true_rows(array.is_valid())
    good[[row for rows in wrong.values() for row in rows]] = False
    return Cast(_flat(flat, kind, good), faulty)


def _read(file: pa.Buffer, column: ColumnType) -> Any:
    """The array of a `.npy` file, or what is wrong with it. Its header is not believed: it may name a shape of any size."""
    stream = io.BytesIO(file)
    try:
        shape, is_fortran, kind = _HEADERS[np.lib.format.read_magic(stream)](stream)
        place = stream.tell()
        if kind.hasobject or not kind.itemsize or prod(shape) * kind.itemsize != file.size - place:
            return "is no array in the format npy"
        found = np.frombuffer(file, kind, offset=place) if prod(shape) else np.empty(0, kind)
    except (KeyError, ValueError, TypeError):
        return "is no array in the format npy"
    name = "str" if kind.type is np.str_ else kind.name if kind.isnative else None
    if name not in ELEMENTS or column.element not in (None, name):
        return f"is an array of {kind}" if kind.names is None else "is no array in the format npy"
    if not _fits(shape, column.shape):
        return _SHAPE
    return np.ascontiguousarray(found.reshape(shape, order="F" if is_fortran else "C"))
