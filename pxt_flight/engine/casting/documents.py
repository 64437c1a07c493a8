"""Json: texts of it, which are checked as jsonb will read them, and nested values of Arrow, which become such texts without a Python object
per value."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.casting.cast import Cast, Caster, Fault, bounded, faults, true_rows, without
from pxt_flight.engine.casting.storage import is_list, is_row_major, is_text, lists, plain, plain_type

# PostgreSQL, jsonb.h: the length of what stands inside of a container has 28 bits.
_MAX_SIZE = (1 << 28) - 1
_NULL = r"^[ \t\n\r]*null[ \t\n\r]*$"
_ESCAPED_NUL = r"(?:^|[^\\])(?:\\\\)*\\u0000"
_SURROGATE = r"\\u[dD][89a-fA-F]"
# Numbers for which Postgres' numeric may be too small, or Python's reading of digits has a limit.
_LONG_NUMBER = re.compile(r"[0-9]{1000}|[eE][+-]?[0-9]{4}")
# Where a number may stand; what is a text is read in vain.
_NO_NUMBER = r"(?:^|[\[:,])(?:NaN|-?Infinity)"
_LONG = "[eE][+-]?[0-9]{4}"
_MAX_EXPONENT, _MAX_SCALE = 131_071, 16_383
_CONTROLS = [chr(code) for code in range(32)]
_NOT_A_NUMBER = "holds NaN or Infinity, which JSON has not"


def json_values(kind: pa.DataType) -> Caster:
    """What casts values of a type that has a form in JSON: texts are JSON already, all others become it."""
    is_json = is_text(plain_type(kind)) and not isinstance(kind, pa.UuidType)
    return (lambda array: _checked(plain(array), must_parse=True)) if is_json else _of_values


def has_json(kind: pa.DataType) -> bool:
    """Whether values of a type have a form in JSON: times are texts in ISO 8601, UUIDs and JSON itself too."""
    if isinstance(kind, pa.UuidType | pa.JsonType):
        return True
    if isinstance(kind, pa.FixedShapeTensorType):
        return is_row_major(kind)
    kind = plain_type(kind)
    if is_list(kind):
        return has_json(kind.value_type)
    if pa.types.is_struct(kind):
        return all(has_json(field.type) for field in kind)
    if pa.types.is_map(kind):
        return not pa.types.is_nested(plain_type(kind.key_type)) and has_json(kind.key_type) and has_json(kind.item_type)
    tests = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_temporal)
    return is_text(kind) or (any(test(kind) for test in tests) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind))


def _of_values(array: pa.Array) -> Cast:
    texts = pc.if_else(array.is_valid(), json_texts(array), pa.scalar(None, pa.utf8()))
    return _checked(texts, must_parse=_holds_json(array.type))


def _checked(array: pa.Array, *, must_parse: bool) -> Cast:
    array, found = bounded(array, _MAX_SIZE)
    texts = array.cast(pa.utf8())
    # Pixeltable stores None as NULL, and never the null of JSON.
    texts = without(texts, true_rows(pc.match_substring_regex(texts, _NULL)))
    nul = true_rows(pc.match_substring_regex(texts, _ESCAPED_NUL))
    found += faults((nul, r"holds \u0000, which Postgres cannot"))
    doubtful = true_rows(texts.is_valid()) if must_parse else true_rows(pc.match_substring_regex(texts, _NO_NUMBER))
    if doubtful.any():
        careful = true_rows(pc.match_substring_regex(texts, f"{_SURROGATE}|{_LONG}")) | _has_length(texts, 1000)
        found += _unreadable(texts, careful, doubtful & ~nul)
    return Cast(texts, found)


def _has_length(texts: pa.Array, least: int) -> Any:
    return true_rows(pc.greater_equal(pc.binary_length(texts), least))


def _unreadable(texts: pa.Array, careful: Any, doubtful: Any) -> list[Fault]:
    """The faults of texts by reading each.

    Args:
        texts: `utf8`.
        careful: where a text may hold what Python reads, and Postgres does not.
        doubtful: where it is to be read.
    """
    rows: dict[str, list[int]] = {}
    places = np.flatnonzero(doubtful)
    for row, text in zip(places.tolist(), texts.filter(pa.array(doubtful)).to_pylist(), strict=True):
        try:
            if careful[row]:
                _read_carefully(text)
            else:
                _DECODER.decode(text)
        except _NotInJsonb as fault:
            rows.setdefault(str(fault), []).append(row)
        except RecursionError:
            rows.setdefault("is nested too deeply", []).append(row)
        except ValueError:
            rows.setdefault("is no JSON", []).append(row)
    return [Fault(np.array(found), reason) for reason, found in rows.items()]


class _NotInJsonb(Exception):  # noqa: N818  # never leaves this module
    """What Python's json reads, and jsonb does not take."""


def _constant(_: str) -> Any:
    raise _NotInJsonb(_NOT_A_NUMBER)


def _number(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _NotInJsonb("holds a number that is out of range") from None
    if number.adjusted() > _MAX_EXPONENT or -int(number.as_tuple().exponent) > _MAX_SCALE:
        raise _NotInJsonb("holds a number that is out of range")
    return text


_DECODER = json.JSONDecoder(parse_constant=_constant)
_CAREFUL_DECODER = json.JSONDecoder(parse_constant=_constant, parse_int=_number, parse_float=_number)


def _read_carefully(text: str) -> None:
    decoder = _CAREFUL_DECODER if _LONG_NUMBER.search(text) else _DECODER
    value = decoder.decode(text)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _NotInJsonb("holds half of a surrogate pair") from None


def json_texts(array: pa.Array) -> pa.Array:
    """The JSON of any array that has one, as `utf8`; NULL as `null`."""
    if isinstance(array, pa.FixedShapeTensorArray):
        array = _nested(array)
    kind = array.type
    texts = _uuid_texts(array) if isinstance(kind, pa.UuidType) else _texts(plain(array), is_json=isinstance(kind, pa.JsonType))
    return pc.fill_null(pc.if_else(array.is_valid(), texts, pa.scalar(None, pa.utf8())), "null")


def _texts(array: pa.Array, *, is_json: bool) -> pa.Array:
    kind = array.type
    if is_text(kind):
        return array.cast(pa.utf8()) if is_json else _quoted(_escaped(array.cast(pa.utf8())))
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            return _quoted(pc.strftime(array, "%Y-%m-%dT%H:%M:%S"))
        return _quoted(pc.strftime(array.cast(pa.timestamp(kind.unit, "UTC")), "%Y-%m-%dT%H:%M:%SZ"))
    if pa.types.is_struct(kind):
        return _objects(array)
    if pa.types.is_map(kind):
        return _maps(array)
    if is_list(kind):
        lengths, values = lists(array)
        return _joined(lengths, json_texts(values), "[", "]")
    if pa.types.is_null(kind):
        return array.cast(pa.utf8())
    if pa.types.is_float16(kind):
        array = array.cast(pa.float32())
    texts = array.cast(pa.utf8())
    if pa.types.is_floating(kind) and not pc.all(pc.is_finite(array)).as_py():  # the names by which json reads and refuses them
        texts = pc.replace_substring(pc.replace_substring(texts, "nan", "NaN"), "inf", "Infinity")
    return _quoted(texts) if pa.types.is_temporal(kind) else texts


def _objects(array: pa.StructArray) -> pa.Array:
    if not array.type.num_fields:
        return pa.array(["{}"] * len(array), pa.utf8())
    parts: list[Any] = []
    for number, field in enumerate(array.type):
        parts += [f"{',' if number else '{'}{json.dumps(field.name)}:", json_texts(array.field(number))]
    return pc.binary_join_element_wise(*parts, "}", "")


def _maps(array: pa.MapArray) -> pa.Array:
    # The offsets of a slice count from the child's first entry, NULL rows may have entries too.
    offsets = array.offsets.to_numpy()
    keys = json_texts(array.keys.slice(offsets[0], offsets[-1] - offsets[0]))
    items = json_texts(array.items.slice(offsets[0], offsets[-1] - offsets[0]))
    keys = pc.if_else(pc.starts_with(keys, '"'), keys, _quoted(keys))
    return _joined(np.diff(offsets), pc.binary_join_element_wise(keys, items, ":"), "{", "}")


def _joined(lengths: Any, texts: pa.Array, opening: str, closing: str) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    inside = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), texts), ",")
    return pc.binary_join_element_wise(opening, inside, closing, "").cast(pa.utf8())


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _escaped(texts: pa.Array) -> pa.Array:
    """As RFC 8259 has it: quotes, backslashes and control characters."""
    for character in ("\\", '"'):
        texts = pc.replace_substring(texts, character, f"\\{character}")
    if pc.any(pc.match_substring_regex(texts, "[\\x00-\\x1f]")).as_py():
        for character in _CONTROLS:
            texts = pc.replace_substring(texts, character, json.dumps(character)[1:-1])
    return texts


def _uuid_texts(array: pa.Array) -> pa.Array:
    return _quoted(pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.utf8()))


def _nested(array: pa.FixedShapeTensorArray) -> pa.Array:
    """A tensor as lists of lists."""
    first, *rest = array.type.shape
    size = array.type.storage_type.list_size
    inner = array.storage.values.slice(array.storage.offset * size, len(array) * size)
    for length in reversed(rest):
        inner = pa.FixedSizeListArray.from_arrays(inner, length)
    return pa.FixedSizeListArray.from_arrays(inner, first, mask=array.is_null() if array.null_count else None)


def _holds_json(kind: pa.DataType) -> bool:
    """Whether documents stand inside of a type, which may be anything."""
    if isinstance(kind, pa.BaseExtensionType):
        return isinstance(kind, pa.JsonType) or _holds_json(kind.storage_type)
    if isinstance(kind, pa.DictionaryType | pa.RunEndEncodedType):
        return _holds_json(kind.value_type)
    return any(_holds_json(kind.field(i).type) for i in range(kind.num_fields))
