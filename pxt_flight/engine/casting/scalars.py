"""Numbers, texts, UUIDs and bytes. What Pixeltable takes in two ways is taken in one: a Bool is no whole number here, and none a Bool."""

import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.casting.cast import Cast, Caster, Fault, bounded, faults, true_rows, without
from pxt_flight.engine.casting.storage import is_bytes, is_text

_MAX_INT = 2**63 - 1
_CANONICAL_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
_UUID_SIZE = 16


def integers(kind: pa.DataType) -> Caster | None:
    """Whole numbers of any width, and decimals without a fraction (a sum of DuckDB's is one). None for any other type."""
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return _integers
    return None


def _integers(array: pa.Array) -> Cast:
    kind = array.type
    if pa.types.is_uint64(kind):
        beyond = true_rows(pc.greater(array, pa.scalar(_MAX_INT, kind)))
    elif pa.types.is_decimal(kind) and kind.precision > 18:
        least, most = (pa.scalar(Decimal(number), kind) for number in (-_MAX_INT - 1, _MAX_INT))
        beyond = true_rows(pc.or_(pc.less(array, least), pc.greater(array, most)))
    else:
        return Cast(array.cast(pa.int64()))
    return Cast(without(array, beyond).cast(pa.int64()), faults((beyond, "does not fit into 64 bits")))


def floats(kind: pa.DataType) -> Caster | None:
    """Floats, whole numbers and decimals, each as the double nearest to it: of a decimal 15 digits are sure to be kept."""
    if pa.types.is_decimal(kind):
        return lambda array: Cast(array.cast(pa.utf8()).cast(pa.float64()))  # Arrow's own cast of decimals may miss the nearest
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return lambda array: Cast(array.cast(pa.float64(), safe=False))
    return None


def booleans(kind: pa.DataType) -> Caster | None:
    """Booleans alone."""
    return Cast if pa.types.is_boolean(kind) else None


def texts(kind: pa.DataType) -> Caster | None:
    """Texts, with a space in place of each NUL, which Postgres cannot hold (Pixeltable does the same); and times of the day."""
    if pa.types.is_time(kind):
        return lambda array: Cast(array.cast(pa.utf8()))
    return _texts if is_text(kind) else None


def _texts(array: pa.Array) -> Cast:
    array, found = bounded(array)
    values = array.cast(pa.utf8())
    return Cast(pc.replace_substring(values, "\0", " ") if _may_hold_nul(values) else values, found)


def _may_hold_nul(values: pa.Array) -> bool:
    """Whether a NUL stands in any text; numpy looks at all bytes at once, which takes a tenth of the time of looking at each text."""
    _, offsets, data = values.buffers()
    if data is None or not len(values):
        return False
    bounds = np.frombuffer(offsets, np.int32)
    return not np.frombuffer(data, np.uint8)[bounds[values.offset] : bounds[values.offset + len(values)]].all()


def uuids(kind: pa.DataType) -> Caster | None:
    """UUIDs of Arrow, 16 bytes, and the texts that Python reads as one."""
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == _UUID_SIZE:
        return Cast
    return _uuids_of_texts if is_text(kind) else None


def _uuids_of_texts(array: pa.Array) -> Cast:
    canonical = true_rows(pc.match_substring_regex(array, _CANONICAL_UUID))
    digits = pc.replace_substring(array.filter(pa.array(canonical)), "-", "").cast(pa.large_utf8())
    read = np.frombuffer(bytes.fromhex("".join(digits.to_pylist())), f"S{_UUID_SIZE}") if len(digits) else np.empty(0, f"S{_UUID_SIZE}")
    values = np.zeros(len(array), f"V{_UUID_SIZE}")
    values[canonical] = read.view(f"V{_UUID_SIZE}")
    wrong = []
    for row in np.flatnonzero(~canonical & true_rows(array.is_valid())).tolist():
        try:
            values[row] = uuid.UUID(array[row].as_py()).bytes
        except ValueError:
            wrong.append(row)
    validity = pa.array(true_rows(array.is_valid())).buffers()[1] if array.null_count else None
    staged = pa.Array.from_buffers(pa.binary(_UUID_SIZE), len(array), [validity, pa.py_buffer(values.tobytes())])
    return Cast(staged, [Fault(np.array(wrong), "is no UUID")] if wrong else [])


def octets(kind: pa.DataType) -> Caster | None:
    """Bytes of any Arrow type."""
    return octets_of if is_bytes(kind) else None


def octets_of(array: pa.Array) -> Cast:
    """Bytes as `binary`."""
    array, found = bounded(array)
    return Cast(array.cast(pa.binary()), found)
