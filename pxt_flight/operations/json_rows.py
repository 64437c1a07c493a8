"""Record batches -> rows in JSON, with nothing lost.

| Arrow | JSON |
|---|---|
| int64, float64, decimal128 | a number; of a float's NaN and infinities the texts "NaN", "Infinity", "-Infinity" |
| bool, utf8, NULL | true and false, a text, null |
| timestamp, date32, time64 | ISO 8601: 2026-01-31T12:00:00.000000Z, 2026-01-31, 12:00:00.000000 |
| duration | ISO 8601: P1DT2H |
| arrow.uuid | a text of 36 characters |
| utf8 that is Json | that JSON |
| lists, tensors, `.npy` | nested lists |
| binary | base64, with padding |

Each column becomes an array of texts, each row a text, by kernels of Arrow: 1000 rows of 5 numbers, texts and times take 1 ms, and no
object of Python stands for a cell, but where the table above has base64, UUIDs, durations or `.npy`.
"""

import base64
import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from pxt_flight.engine.types import ENCODING, NPY

# A text of 2 GB would overflow the offsets of a smaller type.
_TEXT = pa.large_utf8()
_ESCAPED = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_CONTROL = "[\x00-\x1f]"
_NOT_FINITE = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def json_rows(batch: pa.RecordBatch) -> bytes:
    """The rows of a batch as JSON objects with commas between them, without the brackets of a list.

    Args:
        batch: as the engine reads it; `pxt:type` and `pxt:encoding` in the metadata of its fields say what Json and `.npy` are.
    """
    if not batch.num_rows:
        return b""
    parts: list[Any] = []
    for i, (field, column) in enumerate(zip(batch.schema, batch.columns, strict=True)):
        parts += [_scalar(f"{',' if i else '{'}{json.dumps(field.name, ensure_ascii=False)}:"), _cells(field, column)]
    rows = pc.binary_join_element_wise(*parts, _scalar("}"), _scalar("")) if parts else pa.array(["{}"] * batch.num_rows, _TEXT)
    return bytes(_joined(rows))


def json_columns(schema: pa.Schema) -> list[dict[str, str]]:
    """The columns of a result: `name`, and `type` by Pixeltable's name, where there is none by Arrow's."""
    return [{"name": field.name, "type": (field.metadata or {}).get(b"pxt:type", str(field.type).encode()).decode()} for field in schema]


def _cells(field: pa.Field, column: pa.Array) -> pa.Array:
    """Each cell as JSON; none is NULL."""
    metadata = field.metadata or {}
    if metadata.get(b"pxt:type") == b"Json" and not pa.types.is_nested(column.type):
        return _filled(_storage(column).cast(_TEXT))
    if metadata.get(ENCODING) == NPY:
        return _each(column, lambda value: np.load(io.BytesIO(value), allow_pickle=False).tolist())
    return _values(column)


def _values(column: pa.Array) -> pa.Array:
    kind = column.type
    if isinstance(kind, pa.UuidType):
        return _each(column, str)
    if isinstance(kind, pa.FixedShapeTensorType):
        return _filled(_nested(column.storage, tuple(kind.shape)))
    column = _storage(column)
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(column)
    if pa.types.is_floating(kind):
        return _floats(column)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return _filled(_times(column))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _filled(_texts(column.cast(_TEXT)))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return _filled(column.cast(_TEXT))
    return _each(column, lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else value)


def _times(column: pa.Array) -> pa.Array:
    # Arrow's own text is ISO 8601, but for the blank before the time; with a time zone it takes ten times as long.
    zone = _scalar('Z"' if pa.types.is_timestamp(column.type) and column.type.tz else '"')
    plain = column.cast(pa.timestamp(column.type.unit)) if pa.types.is_timestamp(column.type) else column
    return pc.binary_join_element_wise(_scalar('"'), pc.replace_substring(plain.cast(_TEXT), " ", "T"), zone, _scalar(""))


def _floats(column: pa.Array) -> pa.Array:
    # Arrow writes the fewest digits from which the same double is read; a whole one keeps a sign that it is no integer (-0.0).
    texts = column.cast(pa.float64()).cast(_TEXT)
    texts = pc.if_else(pc.match_substring_regex(texts, "^-?[0-9]+$"), pc.binary_join_element_wise(texts, _scalar(".0"), _scalar("")), texts)
    if not pc.all(pc.is_finite(column), min_count=0).as_py():
        for found, written in _NOT_FINITE.items():
            texts = pc.if_else(pc.equal(texts, _scalar(found)), _scalar(written), texts)
    return _filled(texts)


def _texts(texts: pa.Array) -> pa.Array:
    for found, written in _ESCAPED:
        texts = pc.replace_substring(texts, found, written)
    if pc.any(pc.match_substring_regex(texts, _CONTROL), min_count=0).as_py():  # one of those that are never written
        for number in range(0x20):
            texts = pc.replace_substring(texts, chr(number), f"\\u{number:04x}")
    return _quoted(texts)


def _lists(column: pa.Array) -> pa.Array:
    """Each list as JSON: its elements, then those of each row joined."""
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_field))
    elements = _values(column.flatten())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return _filled(pc.if_else(column.is_valid(), _grouped(elements, np.concatenate([[0], np.cumsum(lengths)])), pa.scalar(None, _TEXT)))


def _nested(column: pa.Array, shape: tuple[int, ...]) -> pa.Array:
    """Tensors as lists within lists: their elements lie in one row after the other (C order)."""
    written = _values(column.flatten())
    rows = len(column) - column.null_count  # a NULL has no elements
    for i in reversed(range(len(shape))):
        count = rows * math.prod(shape[:i])
        written = _grouped(written, np.arange(count + 1) * shape[i])
    places = np.cumsum(column.is_valid().to_numpy(zero_copy_only=False)) - 1
    return written.take(pa.array(places, pa.int64(), mask=column.is_null().to_numpy(zero_copy_only=False)))


def _grouped(elements: pa.Array, offsets: Any) -> pa.Array:
    """Texts of elements, joined to those of lists."""
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements), _scalar(","))
    return pc.binary_join_element_wise(_scalar("["), joined, _scalar("]"), _scalar(""))


def _each(column: pa.Array, convert: Any) -> pa.Array:
    """Values that no kernel writes, one by one."""
    written = [b"null" if value is None else to_json(convert(value), inf_nan_mode="strings") for value in column.to_pylist()]
    return pa.array(written, pa.large_binary()).cast(_TEXT)


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(_scalar('"'), texts, _scalar('"'), _scalar(""))


def _filled(texts: pa.Array) -> pa.Array:
    return pc.fill_null(texts, _scalar("null"))


def _joined(texts: pa.Array) -> pa.Buffer:
    offsets = pa.array([0, len(texts)], pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), _scalar(","))[0].as_buffer()


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)
