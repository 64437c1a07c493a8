"""Values as a person reads them in a cell: one line, bounded however large the value is."""

import math
from collections.abc import Iterable

import pyarrow as pa

# Characters of a value that are looked at; more than any cell shows.
MAX_TEXT = 1000
# Values of a list or a tensor, and levels of lists in lists.
_FIRST = 6
_DEPTH = 3
# Of the years 1 and 10,000, since 1970.
_FIRST_SECOND, _END_SECOND = -62_135_596_800, 253_402_300_800
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def type_name(field: pa.Field) -> str:
    """The type of a column: Pixeltable's by the metadata `pxt:type`, else Arrow's."""
    declared = (field.metadata or {}).get(b"pxt:type")
    return declared.decode(errors="replace") if declared else str(field.type)


def media_mode(field: pa.Field) -> str | None:
    """How the files of a media column were sent (`thumbnail:96`, `bytes`), None for any other column."""
    mode = (field.metadata or {}).get(b"pxt:media")
    return None if mode is None else mode.decode(errors="replace")


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are compared by their digits, and so stand at the right."""
    return any(is_kind(kind) for is_kind in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_duration))


def size_text(size: int) -> str:
    """A number of bytes: `812 B`, `1.2 MB`."""
    amount, unit = float(size), "B"
    for larger in ("KB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


def value_text(value: pa.Scalar, depth: int = _DEPTH) -> str:
    """One value on one line of at most about `MAX_TEXT` characters.

    Args:
        value: of any Arrow type.
        depth: how many levels of lists and structs are shown.
    """
    if not value.is_valid:
        return "null"
    kind = value.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return _tensor(kind.shape, value.value.values)
    if isinstance(kind, pa.UuidType):
        return str(value.as_py())
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_dictionary(kind):
        return value_text(value.value, depth)
    if pa.types.is_nested(kind):
        return _nested(value, depth)
    return _flat(value)


def _flat(value: pa.Scalar) -> str:
    kind = value.type
    if isinstance(value, pa.StringScalar | pa.LargeStringScalar | pa.StringViewScalar):
        return _line(value.as_buffer())
    if isinstance(value, pa.BinaryScalar):  # and its kin
        return size_text(value.as_buffer().size)
    if pa.types.is_floating(kind):
        return _float(float(value.as_py()))
    if pa.types.is_decimal(kind):
        text = f"{value.as_py():f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if pa.types.is_boolean(kind):
        return "true" if value.as_py() else "false"
    if pa.types.is_duration(kind):
        return _duration(value.value, _PER_SECOND[kind.unit])
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return _moment(value)
    return str(value.as_py())[:MAX_TEXT]


def _line(text: pa.Buffer) -> str:
    # A character is at most 4 bytes: of a text of a gigabyte only its beginning is decoded.
    beginning = text.slice(0, min(text.size, 4 * MAX_TEXT)).to_pybytes().decode(errors="ignore")
    return " ".join(beginning.split())[:MAX_TEXT] + ("…" if text.size > 4 * MAX_TEXT else "")


def _float(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value}"
    if value and not 0.1 <= abs(value) < 1e9:
        return f"{value:.4g}"
    text = f"{value:.4f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _moment(value: pa.Scalar) -> str:
    """In UTC where the type has a time zone."""
    kind, unit = value.type, getattr(value.type, "unit", "days")
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        value = value.cast(pa.timestamp(unit, "UTC"))
    elif pa.types.is_date(kind):
        value = value.cast(pa.date32())
    if not pa.types.is_time(kind) and not _FIRST_SECOND <= _seconds(value, unit) < _END_SECOND:
        return f"{value.value} {unit} since 1970"  # Arrow writes the year 32,768 as -32,768
    text = str(value.cast(pa.string()).as_py()).removesuffix("Z")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _seconds(value: pa.Scalar, unit: str) -> float:
    count: int = value.value
    return count * 86_400 if unit == "days" else count / _PER_SECOND[unit]


def _duration(value: int, per_second: int) -> str:
    seconds, fraction = divmod(abs(value), per_second)
    days, seconds = divmod(seconds, 86_400)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction:
        text += f".{fraction:0{len(str(per_second)) - 1}}".rstrip("0")
    return ("-" if value < 0 else "") + (f"{days} d " if days else "") + text


def _nested(value: pa.Scalar, depth: int) -> str:
    if depth == 0:
        return "…"
    if isinstance(value, pa.StructScalar):
        if set(value) == {"data", "shape"}:  # how arrow.variable_shape_tensor is stored
            return _tensor(value["shape"].as_py() or (), value["data"].values)
        return "{" + _joined((f"{name}: {value_text(part, depth - 1)}" for name, part in value.items()), len(value.type)) + "}"
    if pa.types.is_fixed_size_list(value.type):
        return _tensor(*_unnested(value.values))
    if isinstance(value, pa.ListScalar):  # and its kin, maps too
        return "[" + _joined((value_text(part, depth - 1) for part in value.values), len(value.values)) + "]"
    return str(value.as_py())[:MAX_TEXT]  # a union or the like


def _unnested(values: pa.Array) -> tuple[list[int], pa.Array]:
    """Lists of one length in lists of one length, which is how an array of several dimensions may be sent, as shape and values."""
    shape = [len(values)]
    while pa.types.is_fixed_size_list(values.type):
        shape.append(values.type.list_size)
        values = values.flatten()
    return shape, values


def _tensor(shape: Iterable[int], values: pa.Array) -> str:
    return f"({', '.join(map(str, shape))}) {_joined(map(value_text, values), len(values))}"


def _joined(parts: Iterable[str], count: int) -> str:
    shown = [part for part, _ in zip(parts, range(_FIRST), strict=False)]
    return ", ".join([*shown, "…"] if count > _FIRST else shown)[:MAX_TEXT]
