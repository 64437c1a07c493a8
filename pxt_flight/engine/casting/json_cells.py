"""Values as rows in JSON have them: each cell is the text of one value, read by the type of its column.

| Pixeltable | JSON |
|---|---|
| Int, Bool, String | a whole number (`1.0` too), `true` or `false`, a text |
| Float | a number, or the texts `NaN`, `Infinity`, `-Infinity` |
| Timestamp, Date, UUID | a text: ISO 8601, or a UUID |
| Json | anything |
| Array | lists of its shape; in those of floats the three texts too |
| Binary | a text of base64, or `{"$file": "part"}` |
| media | a text: an https URL or `data:image/png;base64,...`; or `{"$file": "part"}` |
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from pxt_flight.engine.casting.arrays import arrays
from pxt_flight.engine.casting.cast import Cast, Caster, Fault
from pxt_flight.engine.casting.documents import json_values
from pxt_flight.engine.casting.media import Fetch
from pxt_flight.engine.casting.storage import is_list
from pxt_flight.engine.target import staged_type
from pxt_flight.engine.types import ARROW_TYPES, ELEMENTS, ColumnType
from pxt_flight.errors import PxtFlightError

FILE = "$file"
"""`{"$file": "part"}` stands for the file that came beside the rows under that name."""
PART = "cid:"
"""What `fetch` is asked for such a file: RFC 2392's name of a part."""
_DATA_URI = re.compile(r"data:[^,;]*(?:;[^,;]+)*;base64,", re.IGNORECASE)
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INT64 = range(-(2**63), 2**63)
_LATE = ("Timestamp", "Date", "UUID")  # texts that the casters of these read


class JsonCell(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """The type of a column whose cells are texts of JSON; NULL where a row lacks the column. It never travels.

    Args:
        like: the Arrow type that the values of the column would have, for a table that is made of them.
    """

    def __init__(self, like: pa.DataType) -> None:
        self.like = like
        super().__init__(pa.utf8(), "pxt.json_cell")

    def __arrow_ext_serialize__(self) -> bytes:
        return bytes(pa.schema([("like", self.like)]).serialize())

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: pa.DataType, serialized: bytes) -> "JsonCell":
        """Arrow makes the type anew whenever Python has let go of it."""
        return cls(pa.ipc.read_schema(pa.py_buffer(serialized)).field("like").type)

    def __str__(self) -> str:
        return "JSON"


class _UnfitError(Exception):
    """What a value is, as the end of a sentence that its column begins."""


def json_cells(column: ColumnType, caster_of: Callable[[pa.DataType], Caster | None], fetch: Fetch) -> Caster | None:
    """What casts cells of JSON to the staged type of a column.

    Args:
        column: the type of the column.
        caster_of: what casts the values of an Arrow type to it.
        fetch: the files behind URLs, and those that came beside the rows.

    Returns:
        None where the column takes nothing from a client.
    """
    if column.name == "Json":
        return json_values(pa.utf8())
    if column.name == "Array":
        return lambda cells: _arrays(cells, column)
    if column.is_media or column.name == "Binary":
        return lambda cells: _files(cells, fetch, text=_media if column.is_media else _base64)
    read = _READERS.get(column.name)
    kind = pa.utf8() if column.name in _LATE else ARROW_TYPES.get(column.name)
    cast = None if kind is None else caster_of(kind)
    if read is None or cast is None:
        return None

    def scalars(cells: pa.Array) -> Cast:
        values, found = _read(cells, read)
        done = cast(pa.array(values, kind))
        return Cast(done.values, [*found, *done.faults])

    return scalars


def _read(cells: pa.Array, read: Callable[[Any], Any]) -> tuple[list[Any], list[Fault]]:
    """The values of cells, NULL where one is unfit."""
    values: list[Any] = []
    wrong: dict[str, list[int]] = {}
    for row, text in enumerate(cells.to_pylist()):
        try:
            value = None if text is None else json.loads(text)
            values.append(None if value is None else read(value))
        except _UnfitError as fault:
            wrong.setdefault(str(fault), []).append(row)
            values.append(None)
    return values, [Fault(np.array(rows), reason) for reason, rows in wrong.items()]


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _UnfitError("is no whole number")
    if value not in _INT64:
        raise _UnfitError("does not fit into 64 bits")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) and value in _FLOATS:
        return _FLOATS[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnfitError("is no number")
    try:
        return float(value)
    except OverflowError:
        raise _UnfitError("is out of range") from None


def _of(kind: type, reason: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _UnfitError(reason)
        return value

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "Int": _whole,
    "Float": _number,
    "Bool": _of(bool, "is neither true nor false"),
    "String": _of(str, "is no text"),
    "Timestamp": _of(str, "is no text of a time in ISO 8601"),
    "Date": _of(str, "is no text of a date in ISO 8601"),
    "UUID": _of(str, "is no text of a UUID"),
}


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _UnfitError("is no base64") from None


def _media(text: str) -> bytes | str:
    """A URL as it is, what it holds where it is one of data."""
    found = _DATA_URI.match(text)
    if found is not None:
        return _base64(text[found.end() :])
    if not text.startswith("https:"):
        raise _UnfitError("is neither an https URL nor data in base64")
    return text


def _files(cells: pa.Array, fetch: Fetch, *, text: Callable[[str], bytes | str]) -> Cast:
    def read(value: Any) -> bytes | str:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, dict) and value.keys() == {FILE} and isinstance(value[FILE], str):
            return f"{PART}{value[FILE]}"
        raise _UnfitError(f'is neither a text nor {{"{FILE}": "part"}}')

    values, found = _read(cells, read)
    rows = [row for row, value in enumerate(values) if isinstance(value, str)]
    wrong: dict[tuple[str, str], list[int]] = {}
    for row, body in zip(rows, fetch([values[row] for row in rows]), strict=True):
        values[row] = body if isinstance(body, bytes) else None
        if isinstance(body, PxtFlightError):
            wrong.setdefault((body.message, body.code), []).append(row)
    found += [Fault(np.array(at), reason, code) for (reason, code), at in wrong.items()]
    return Cast(pa.array(values, pa.binary()), found)


def _arrays(cells: pa.Array, column: ColumnType) -> Cast:
    values, found = _read(cells, _lists(column))
    done = _converted(values, column)
    return Cast(done.values, [*found, *done.faults])


def _lists(column: ColumnType) -> Callable[[Any], Any]:
    has_floats = column.element is None or "float" in column.element

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _UnfitError("is no list")
        return _floats(value) if has_floats else value

    return read


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_floats(part) for part in value]
    return _FLOATS.get(value, value) if isinstance(value, str) else value


def _converted(values: list[Any], column: ColumnType) -> Cast:
    """Lists as arrays: all at once, or one by one where they are of different types."""
    try:
        sent = pa.array(values)
    except (pa.ArrowException, OverflowError):
        sent = None
    if sent is not None:
        sent = sent.cast(_typed(sent.type, column))
        cast = (lambda array: Cast(pa.nulls(len(array), staged_type(column)))) if pa.types.is_null(sent.type) else arrays(column, sent.type)
        if cast is not None:
            return cast(sent)
    if len(values) == 1:
        return Cast(pa.nulls(1, staged_type(column)), [Fault(np.array([0]), "is no list of its shape and element")])
    return _joined(_converted([value], column) for value in values)


def _joined(casts: Iterable[Cast]) -> Cast:
    found = list(casts)
    moved = [fault._replace(rows=fault.rows + row) for row, cast in enumerate(found) for fault in cast.faults]
    return Cast(pa.concat_arrays([cast.values for cast in found]), moved)


def _typed(kind: pa.DataType, column: ColumnType) -> pa.DataType:
    """The type of lists that hold nothing: as many levels, of the column's element."""
    if is_list(kind):
        return pa.list_(_typed(kind.value_type, column) if is_list(kind.value_type) else _leaf(kind.value_type, column))
    return kind


def _leaf(kind: pa.DataType, column: ColumnType) -> pa.DataType:
    if not pa.types.is_null(kind):
        return kind
    return (
        pa.utf8() if column.element == "str" else pa.bool_() if column.element == "bool" else ELEMENTS.get(column.element or "", pa.int64())
    )
