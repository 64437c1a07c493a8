"""Values of Python -> the column that they would be, where there is no table yet to say it."""

import datetime as dt
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pxt_flight.client.files import is_picture, media_kind
from pxt_flight.errors import error

_PLAIN: tuple[tuple[type | tuple[type, ...], str, pa.DataType], ...] = (
    (bool, "Bool", pa.bool_()),
    (int, "Int", pa.int64()),
    (float, "Float", pa.float64()),
    (str, "String", pa.string()),
    ((bytes, bytearray, memoryview), "Binary", pa.binary()),
    (dt.datetime, "Timestamp", pa.timestamp("us", "UTC")),
    (dt.date, "Date", pa.date32()),
    (uuid.UUID, "UUID", pa.uuid()),
    ((Mapping, list, tuple), "Json", pa.string()),
)


def inferred(name: str, values: Sequence[Any]) -> pa.Field:
    """The column of some values, with its type in the metadata `pxt:type`; NULL may be in it.

    Pictures and paths of files are media, dicts and lists are Json, numpy's arrays are arrays, of one shape where they have one.

    Args:
        name: of the column.
        values: its first values.

    Raises:
        InvalidRequestError: `TYPE_MISMATCH`, they are of no type, or of several.
    """
    there = [value for value in values if value is not None]
    if not there:
        raise error(
            "TYPE_MISMATCH",
            f"Column {name} has no value that would tell its type.",
            hint="Create the table with a pyarrow.Schema.",
            where={"column": name},
        )
    if media := _media(there[0]):
        return _field(name, media, pa.binary())
    if all(hasattr(value, "__array__") and getattr(value, "shape", ()) for value in there):
        return _array(name, there)
    if any(type(value) is float for value in there) and all(type(value) in (int, float) for value in there):
        return _field(name, "Float", pa.float64())
    for kind, pxt, arrow in _PLAIN:
        if isinstance(there[0], kind):
            return _field(name, pxt, arrow)
    return _by_arrow(name, there)


def _media(value: Any) -> str | None:
    if is_picture(value):
        return "Image"
    return media_kind(value) if isinstance(value, os.PathLike) else None


def _array(name: str, values: Sequence[Any]) -> pa.Field:
    shapes, dtypes = {value.shape for value in values}, {value.dtype.name for value in values}
    if len(dtypes) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise error("TYPE_MISMATCH", f"The arrays of column {name} are of several types.", where={"column": name})
    try:
        element = pa.from_numpy_dtype(values[0].dtype)
    except pa.ArrowException:
        raise error("TYPE_MISMATCH", f"Column {name} has arrays of {values[0].dtype}.", where={"column": name}) from None
    shape = tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))
    declared = f"Array[{shape}, {values[0].dtype.name}]"
    if None not in shape and not pa.types.is_boolean(element):
        return _field(name, declared, pa.fixed_shape_tensor(element, shape))
    for size in reversed(shape):
        element = pa.list_(element) if None in shape else pa.list_(element, size)
    return _field(name, declared, element)


def _by_arrow(name: str, values: Sequence[Any]) -> pa.Field:
    """What Arrow makes of them: decimals, times of the day, scalars of numpy's."""
    try:
        return pa.field(name, pa.array(values).type)
    except pa.ArrowException:
        message = f"Column {name} has values that no column holds: {type(values[0]).__name__}."
        raise error("TYPE_MISMATCH", message, where={"column": name}) from None


def _field(name: str, pxt: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, metadata={b"pxt:type": pxt.encode()})
