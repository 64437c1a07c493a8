"""Values of cells in Python, as Pixeltable computes them -> Arrow, by the field that was promised."""

import base64
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pxt_flight.engine.types import ENCODING, NPY
from pxt_flight.errors import error

_JPEG_QUALITY = 90
_JPEG_MODES = frozenset({"RGB", "L"})
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def to_arrow(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """A column of Python values as an array of exactly the promised type.

    Args:
        values: numbers, texts, times, UUIDs, bytes, numpy arrays, and for Json whatever Pixeltable allows in it; None is NULL.
        field: its type, and in its metadata `pxt:type` = `Json` and `pxt:encoding` = `npy`.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, a value that the type cannot hold; `type_unsupported`, an object inside of Json that has
            no form there.
    """
    metadata = field.metadata or {}
    try:
        if metadata.get(b"pxt:type") == b"Json":
            return pa.array([None if value is None else json_text(value, field.name) for value in values], field.type)
        if metadata.get(ENCODING) == NPY:
            return pa.array([None if value is None else _npy(value) for value in values], field.type)
        return _array(list(values), field.type)
    except (pa.ArrowInvalid, OverflowError):
        raise error("INVALID_ARGUMENT", f"A value of column {field.name} is out of range.", where={"column": field.name}) from None


def json_text(value: Any, column: str) -> str:
    """A value of Json as its text: images as data URLs, arrays as lists, bytes in base64, NaN and infinities as null.

    Raises:
        InvalidRequestError: `type_unsupported`, for any other object.
    """

    def plain(found: Any) -> Any:
        for kind, convert in _INSIDE_JSON:
            if isinstance(found, kind):
                return convert(found)
        raise error("type_unsupported", f"Json column {column} holds an object that JSON has no form for.", where={"column": column})

    try:
        return json.dumps(value, ensure_ascii=False, default=plain, allow_nan=False)
    except ValueError:  # a number that JSON has not
        return json.dumps(_finite(value, plain), ensure_ascii=False, allow_nan=False)


def image_bytes(image: Image.Image) -> bytes:
    """A picture that has no file, as one: JPEG where that can hold its mode, else PNG, without loss."""
    return _saved(image, "JPEG", quality=_JPEG_QUALITY) if image.mode in _JPEG_MODES else png_bytes(image)


def png_bytes(image: Image.Image) -> bytes:
    """A picture as PNG; a mode that PNG lacks goes as 16 bits of grey, as RGBA or as RGB, whichever holds most of it."""
    if image.mode not in _PNG_MODES:
        image = image.convert("I;16" if image.mode == "I" else "RGBA" if image.getbands()[-1] in "aA" else "RGB")
    return _saved(image, "PNG")


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An array of a type, arrays of numpy laid out without a Python object per element where the type allows it."""
    if isinstance(kind, pa.UuidType):
        return pa.array([None if value is None else value.bytes for value in values], kind)
    if isinstance(kind, pa.FixedShapeTensorType):
        return pa.ExtensionArray.from_storage(kind, _fixed(values, kind.storage_type, tuple(kind.shape)))
    if pa.types.is_fixed_size_list(kind):
        return _fixed(values, kind, _shape(kind))
    if pa.types.is_list(kind):
        return _ragged(values, kind)
    return pa.array(values, kind)


def _shape(kind: pa.DataType) -> tuple[int, ...]:
    return (kind.list_size, *_shape(kind.value_type)) if pa.types.is_fixed_size_list(kind) else ()


def _fixed(values: list[Any], kind: pa.DataType, shape: tuple[int, ...]) -> pa.Array:
    """Arrays of one shape as (nested) fixed-size lists; one of another shape is an error."""
    missing = np.array([value is None for value in values], dtype=bool)
    arrays = [np.asarray(value) for value in values if value is not None]
    if any(array.shape != shape for array in arrays):
        raise pa.ArrowInvalid("an array of another shape")
    flat = pa.array([], _leaf(kind)) if not arrays else _elements(np.concatenate([array.reshape(-1) for array in arrays]), _leaf(kind))
    size = math.prod(shape)
    if missing.any():  # NULL takes the place of a list: what it holds is never read
        places = np.repeat(np.cumsum(~missing) - 1, size) * size + np.tile(np.arange(size), len(values))
        flat = flat.take(pa.array(places, pa.int64(), mask=np.repeat(missing, size)))
    return _nested(flat, kind, pa.array(missing) if missing.any() else None)


def _nested(flat: pa.Array, kind: pa.DataType, missing: pa.Array | None) -> pa.Array:
    inner = flat if not pa.types.is_fixed_size_list(kind.value_type) else _nested(flat, kind.value_type, None)
    return pa.FixedSizeListArray.from_arrays(inner, type=kind, mask=missing)


def _leaf(kind: pa.DataType) -> pa.DataType:
    return _leaf(kind.value_type) if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) else kind


def _elements(flat: Any, kind: pa.DataType) -> pa.Array:
    return pa.array(flat.tolist() if flat.dtype.kind in "OUS" else np.ascontiguousarray(flat), kind)


def _ragged(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Arrays of any lengths as (nested) lists."""
    ends = np.cumsum([0, *(0 if value is None else len(value) for value in values)])
    offsets = pa.array(ends, pa.int32(), mask=np.array([*(value is None for value in values), False]))
    present = [value for value in values if value is not None]
    if pa.types.is_list(kind.value_type):
        inner = _ragged([part for value in present for part in value], kind.value_type)
    else:
        inner = _elements(np.concatenate(present), kind.value_type) if present else pa.array([], kind.value_type)
    return pa.ListArray.from_arrays(offsets, inner, type=kind)


def _npy(value: Any) -> bytes:
    """The file format of numpy: it says type and shape of the array."""
    out = io.BytesIO()
    np.save(out, np.asarray(value), allow_pickle=False)
    return out.getvalue()


def _data_url(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_bytes(image)).decode()}"


def _finite(value: Any, plain: Callable[[Any], Any]) -> Any:
    """The value with null in place of the numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(found, plain) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(found, plain) for found in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else _finite(plain(value), plain)


_INSIDE_JSON: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Image.Image, _data_url),
    (np.ndarray, np.ndarray.tolist),
    (np.generic, np.generic.item),
    (bytes, lambda value: base64.b64encode(value).decode()),
)
