"""Values of `collect()` and of any client in one plain form, in which equal means the same value."""

import base64
import datetime as dt
import io
import json
import struct
import uuid
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image


def is_null(value: Any) -> bool:
    """None, and what pandas has in its place."""
    return not isinstance(value, np.ndarray | list | tuple | dict | Image.Image) and bool(pd.isna(value))


def same(form: str, found: Any, wanted: Any) -> None:
    """Assert that a client's value is what Pixeltable gives.

    Args:
        form: of the row of `type_table`.
        found: the client's.
        wanted: of `collect()`; of a file its bytes.
    """
    assert is_null(found) is is_null(wanted), f"{found!r} is not {wanted!r}"
    if is_null(wanted):
        return
    if form == "picture" or (form == "url" and isinstance(wanted, Image.Image)):
        _same_picture(_opened(found), wanted)
    elif form == "thumbnail":
        _is_thumbnail(found, wanted)
    elif form == "npy":
        np.testing.assert_array_equal(np.load(io.BytesIO(found)), wanted, strict=True)
    else:
        assert _PLAIN[form](found) == _PLAIN[form](wanted)


def _value(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() and abs(value) > 2**50 else struct.pack(">d", value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value) if abs(value) > 2**50 else struct.pack(">d", value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value


def _json(value: Any) -> Any:
    return _inside(json.loads(value) if isinstance(value, str) else value)


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _inside(found) for key, found in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_inside(found) for found in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, str) and value.startswith("data:image/"):
        value = _opened(base64.b64decode(value.partition(",")[2]))
    return (value.size, value.convert("RGB").tobytes()) if isinstance(value, Image.Image) else value


def _array(value: Any) -> list[Any]:
    """The elements, flat: data frames have no shapes."""
    parts = value.tolist() if isinstance(value, np.ndarray) else list(value)
    return [element for part in parts for element in (_array(part) if isinstance(part, np.ndarray | list | tuple) else [part])]


def _opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def _same_picture(found: Image.Image, wanted: Image.Image) -> None:
    """The same but for what JPEG loses."""
    assert found.size == wanted.size
    difference = np.asarray(found.convert("RGB"), int) - np.asarray(wanted.convert("RGB"), int)
    assert np.abs(difference).max() < 10


def _is_thumbnail(body: bytes, wanted: Any) -> None:
    image = _opened(body)
    assert image.format == "JPEG"
    assert max(image.size) <= 16
    if isinstance(wanted, Image.Image) or wanted.startswith(b"\x89PNG"):
        original = wanted if isinstance(wanted, Image.Image) else _opened(wanted)
        _same_picture(image, original.resize(image.size))


_PLAIN = {"value": _value, "json": _json, "array": _array, "file": bytes, "url": bytes}
