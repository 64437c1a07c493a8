"""Values of Python -> a column of Arrow, as the table's type of the column has it."""

import dataclasses
import datetime as dt
import decimal
import io
import json
import math
import numbers
import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pxt_flight.client.files import MEDIA, content, is_url
from pxt_flight.errors import PxtFlightError, error

# Whether all values of these very types are what Arrow makes of them; anything else is looked at one by one.
_EXACT: dict[str, frozenset[type]] = {
    "Int": frozenset({int}),
    "Float": frozenset({float, int}),
    "Bool": frozenset({bool}),
    "String": frozenset({str}),
    "Date": frozenset({dt.date}),
    "Binary": frozenset({bytes}),
}
_NONE = type(None)


class Encoder:
    """Makes the values of one column a column of Arrow.

    Args:
        field: the column, with its type in the metadata `pxt:type`.
        first: the first values of it, which decide how it is sent where there are several ways.

    Attributes:
        field: the column as it is sent.
    """

    def __init__(self, field: pa.Field, first: Sequence[Any]) -> None:
        self.kind = pxt_type(field)
        self._name = field.name
        self._convert = self._converter(field)
        self.field = pa.field(field.name, self._sent_as(field.type, first), metadata=_sent_metadata(field))

    @property
    def reads_files(self) -> bool:
        """Whether its values may stand for files, which are read by `content`."""
        return self.kind in MEDIA

    def encode(self, values: Sequence[Any], first_row: int) -> pa.Array:
        """The column of some rows.

        Args:
            values: one of each row.
            first_row: the number of the first of them, from 0, for errors.

        Raises:
            InvalidRequestError: `TYPE_MISMATCH`, a value is not of the column's type.
        """
        if set(map(type, values)) - {_NONE} <= _EXACT.get(self.kind, frozenset()):
            try:
                return pa.array(values, self.field.type)
            except (pa.ArrowException, OverflowError, UnicodeError):
                pass  # looked at one by one
        converted = [self._one(value, first_row + i) for i, value in enumerate(values)]
        if isinstance(self.field.type, pa.BaseExtensionType):
            return pa.ExtensionArray.from_storage(self.field.type, pa.array(converted, self.field.type.storage_type))
        return pa.array(converted, self.field.type)

    def content(self, value: Any, row: int) -> bytes | str | None:
        """The file of a media value, see `files.content`."""
        try:
            return content(value)
        except OSError as fault:
            raise self._refused(row, f"the file cannot be read: {fault.strerror or type(fault).__name__}") from None
        except (TypeError, ValueError) as fault:
            raise self._refused(row, str(fault)) from None

    def _one(self, value: Any, row: int) -> Any:
        if _is_null(value):
            return None
        try:
            converted = self._convert(value)
            if not self.reads_files and not isinstance(self.field.type, pa.BaseExtensionType):
                pa.scalar(converted, self.field.type)  # of a range that the type has not
        except (TypeError, ValueError, OverflowError, pa.ArrowException) as fault:
            raise self._refused(row, str(fault)) from None
        return converted

    def _refused(self, row: int, why: str) -> PxtFlightError:
        where = {"column": self._name, "row": row}
        return error("TYPE_MISMATCH", f"Row {row} (from 0), column {self._name} of type {self.kind}: {why}.", where=where)

    def _sent_as(self, kind: pa.DataType, first: Sequence[Any]) -> pa.DataType:
        if self.reads_files:
            return pa.string() if is_url(next((value for value in first if value is not None), None)) else pa.binary()
        if self.kind == "Timestamp" and any(_is_naive(value) for value in first):
            return pa.timestamp("us")  # which time zone is meant is for the server to say
        return kind

    def _converter(self, field: pa.Field) -> Callable[[Any], Any]:
        if self.kind == "Timestamp":
            return self._moment
        if self.reads_files:
            return self._file
        if self.kind == "Array":
            return _array_converter(field)
        return _CONVERTERS.get(self.kind, lambda value: value)

    def _moment(self, value: Any) -> dt.datetime:
        moment = _moment(value)
        if (moment.tzinfo is None) != (self.field.type.tz is None):
            raise TypeError("times with and without a time zone are mixed in this column")
        return moment

    def _file(self, value: Any) -> Any:
        if isinstance(value, str) != pa.types.is_string(self.field.type):
            raise TypeError("files and URLs are mixed in this column; insert them one after the other")
        return value


def pxt_type(field: pa.Field) -> str:
    """The type of a column by the metadata `pxt:type`, without arguments; empty where it has none."""
    declared: str = (field.metadata or {}).get(b"pxt:type", b"").decode(errors="replace")
    return declared.partition("[")[0]


def _sent_metadata(field: pa.Field) -> dict[bytes, bytes]:
    return {name: value for name, value in (field.metadata or {}).items() if name in (b"pxt:type", b"pxt:encoding")}


def _is_null(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")  # of pandas


def _plain(value: Any) -> Any:
    """A scalar of numpy's as Python's own."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _named(value: Any) -> str:
    return f"{'an' if type(value).__name__[:1].lower() in 'aeiou' else 'a'} {type(value).__name__}"


def _int(value: Any) -> int:
    value = _plain(value)
    if isinstance(value, bool):
        raise TypeError("a bool is no whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{_named(value)} is no whole number") from None


def _float(value: Any) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real | decimal.Decimal):
        raise TypeError(f"{_named(value)} is no number")
    return float(value)


def _bool(value: Any) -> bool:
    value = _plain(value)
    if not isinstance(value, bool):
        raise TypeError(f"{_named(value)} is no bool")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_named(value)} is no text")
    if not value.isascii():
        value.encode()  # a half of a surrogate pair: UnicodeEncodeError is a ValueError
    return str(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{_named(value)} is no bytes")
    return bytes(value)


def _date(value: Any) -> dt.date:
    value = _plain(value)
    if isinstance(value, str):
        return dt.date.fromisoformat(value)
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise TypeError(f"{_named(value)} is no date")
    return value


def _moment(value: Any) -> dt.datetime:
    if type(value).__name__ == "datetime64":
        value = value.astype("datetime64[us]").item()
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    if not isinstance(value, dt.datetime):
        raise TypeError(f"{_named(value)} is no time")
    return value


def _is_naive(value: Any) -> bool:
    try:
        return not _is_null(value) and _moment(value).tzinfo is None
    except (TypeError, ValueError):
        return False


def _uuid(value: Any) -> bytes:
    if isinstance(value, uuid.UUID):
        return value.bytes
    if not isinstance(value, str):
        raise TypeError(f"{_named(value)} is no UUID")
    return uuid.UUID(value).bytes


def _json(value: Any) -> str:
    return json.dumps(_jsonable(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _jsonable(value: Any) -> Any:
    """A value as JSON has it: text, numbers, lists and objects."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("the names in an object of JSON are texts")
        return {name: _jsonable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(part) for part in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # of numpy
        return _jsonable(value.tolist())
    if hasattr(value, "model_dump"):  # of pydantic
        return _jsonable(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _jsonable(dataclasses.asdict(value))
    raise TypeError(f"JSON has no {type(value).__name__}")


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "Int": _int,
    "Float": _float,
    "Bool": _bool,
    "String": _string,
    "Binary": _bytes,
    "Date": _date,
    "UUID": _uuid,
    "Json": _json,
}


def _array_converter(field: pa.Field) -> Callable[[Any], Any]:
    """Arrays are sent as they are read: tensors flat, others as lists, those of any shape as `.npy` files."""
    kind = field.type
    if isinstance(kind, pa.FixedShapeTensorType):
        element, shape = kind.value_type, tuple(kind.shape)
        return lambda value: _array(value, element, shape).ravel()
    if pa.types.is_binary(kind):
        return _npy
    sizes: list[int | None] = []
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        sizes.append(kind.list_size if pa.types.is_fixed_size_list(kind) else None)
        kind = kind.value_type
    return lambda value: _array(value, kind, tuple(sizes)).tolist()


def _array(value: Any, element: pa.DataType, shape: tuple[int | None, ...]) -> Any:
    import numpy as np

    wanted = np.dtype("str") if pa.types.is_string(element) else np.dtype(element.to_pandas_dtype())
    if hasattr(value, "__array__"):
        found = np.asarray(value)
        if not (found.dtype.kind == "U" if wanted.kind == "U" else np.can_cast(found.dtype, wanted, "safe")):
            raise TypeError(f"an array of {found.dtype} is none of {wanted}")
    elif isinstance(value, list | tuple):
        found = np.asarray(value)
        if found.size and not np.can_cast(found.dtype, wanted, "same_kind") and (found.dtype.kind, wanted.kind) != ("i", "u"):
            raise TypeError(f"a list of {found.dtype} is no array of {wanted}")
    else:
        raise TypeError(f"{_named(value)} is no array")
    if len(found.shape) != len(shape) or any(size not in (None, has) for size, has in zip(shape, found.shape, strict=True)):
        raise ValueError(f"an array of shape {found.shape} is none of {shape}")
    cast = found.astype(wanted)
    if wanted.kind in "iu" and not np.array_equal(cast, found):
        raise ValueError(f"a value of the list is out of the range of {wanted}")
    return np.ascontiguousarray(cast)


def _npy(value: Any) -> bytes:
    import numpy as np

    if not hasattr(value, "__array__") and not isinstance(value, list | tuple):
        raise TypeError(f"{_named(value)} is no array")
    target = io.BytesIO()
    np.save(target, np.ascontiguousarray(value), allow_pickle=False)
    return target.getvalue()
