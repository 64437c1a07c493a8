"""Protobuf's wire format, driven by the fields that a frozen dataclass declares.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class CommandStatementQuery:
        query: str = string_field(1)
        transaction_id: bytes | None = bytes_field(2, label="optional")

Written by hand because notebooks pin protobuf in conflicting major versions. The bytes come from strangers: every length is checked before
it is used, the work is linear in their number, nesting goes only as deep as the declared messages, and nothing but `ValueError` escapes.
The rules are those of https://protobuf.dev/programming-guides/encoding/ for proto3.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import field, fields
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

M = TypeVar("M")

# An implicit field is left out when it holds its zero; optional and oneof fields are left out when they are None.
# "oneof" names no group: a message may have one only, and Flight's messages have no more.
Label = Literal["implicit", "optional", "oneof", "repeated", "map"]

_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5


class Type(NamedTuple):
    """A protobuf type. A raw value is an `int` on the wire type VARINT, else `bytes` without tag and length."""

    name: str
    wire: int
    zero: Any
    write: Callable[[Any], bytes]
    read: Callable[[Any], Any]


class Field(NamedTuple):
    """One field of a message, as declared."""

    number: int
    type: Type
    label: Label
    name: str = ""


_LAYOUTS: dict[type[Any], dict[int, Field]] = {}


def encode(message: Any) -> bytes:
    """The bytes of `message`, an instance of a dataclass that declares its fields.

    Raises:
        ValueError: a number does not fit its field, or a text is not valid Unicode.
    """
    return b"".join(_write_field(declared, getattr(message, declared.name)) for declared in layout(type(message)).values())


def decode(kind: type[M], data: bytes) -> M:
    """Read a message of `kind`. Fields that `kind` does not declare are skipped; absent ones keep their default.

    Raises:
        ValueError: `data` is not such a message.
    """
    return kind(**_read_fields(layout(kind), data))


def layout(kind: type[Any]) -> dict[int, Field]:
    """The declared fields of a message, by number."""
    if kind not in _LAYOUTS:
        _LAYOUTS[kind] = {f.metadata["field"].number: f.metadata["field"]._replace(name=f.name) for f in fields(kind)}
    return _LAYOUTS[kind]


def _write_field(declared: Field, value: Any) -> bytes:
    match declared.label:
        case "repeated" if declared.type.wire != _LEN:  # numbers travel packed: one field with all of them
            packed = b"".join(map(declared.type.write, value))
            return _write_item(declared.number, _BYTES, packed) if packed else b""
        case "repeated":
            items = value
        case "map":
            items = value.items()
        case "implicit":
            items = () if value == declared.type.zero else (value,)
        case _:
            items = () if value is None else (value,)
    return b"".join(_write_item(declared.number, declared.type, item) for item in items)


def _write_item(number: int, kind: Type, value: Any) -> bytes:
    tag, body = _write_varint(number << 3 | kind.wire), kind.write(value)
    return tag + _write_varint(len(body)) + body if kind.wire == _LEN else tag + body


def _read_fields(declared: dict[int, Field], data: bytes) -> dict[str, Any]:
    found: dict[int, list[Any]] = {}
    for number, wire, raw in _split(data):
        if (target := declared.get(number)) is None:
            continue
        if wire == target.type.wire:
            if target.label == "oneof":  # the last member wins; broken ones before it are still refused
                target.type.read(raw)
                found = {n: raws for n, raws in found.items() if n == number or declared[n].label != "oneof"}
            found.setdefault(number, []).append(raw)
        elif wire == _LEN and target.label == "repeated":
            found.setdefault(number, []).extend(_unpack(target.type.wire, raw))
        # else: another wire type than declared makes it an unknown field
    return {declared[number].name: _read_occurrences(declared[number], raws) for number, raws in found.items()}


def _read_occurrences(declared: Field, raws: list[Any]) -> Any:
    values = [declared.type.read(raw) for raw in raws]
    if declared.label == "repeated":
        return tuple(values)
    if declared.label == "map":
        return dict(values)
    if declared.type.name == "message" and len(raws) > 1:  # occurrences are merged, and to merge is to concatenate
        return declared.type.read(b"".join(raws))
    return values[-1]


def _split(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """The field number, wire type and raw value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at, longest=5)
        if not 1 << 3 <= tag < 1 << 32:
            raise ValueError("a protobuf field number is out of range")
        raw, at = _read_raw(tag & 7, data, at)
        yield tag >> 3, tag & 7, raw


def _unpack(wire: int, packed: bytes) -> Iterator[Any]:
    at = 0
    while at < len(packed):
        raw, at = _read_raw(wire, packed, at)
        yield raw


def _read_raw(wire: int, data: bytes, at: int) -> tuple[Any, int]:
    if wire == _VARINT:
        return _read_varint(data, at, longest=10)
    if wire == _LEN:
        size, at = _read_varint(data, at, longest=5)
    elif wire in (_I64, _I32):
        size = 8 if wire == _I64 else 4
    else:
        raise ValueError("protobuf groups are not supported")  # proto3 has none, and skipping them takes unbounded nesting
    if size > len(data) - at:
        raise ValueError("a protobuf field is cut short")
    return data[at : at + size], at + size


def _read_varint(data: bytes, at: int, *, longest: int) -> tuple[int, int]:
    # `longest` in bytes: protobuf takes ten for a value, five for a tag or a length.
    value = 0
    for index, byte in enumerate(data[at : at + longest]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value % (1 << 64), at + index + 1  # as protobuf, drop what the tenth byte holds beyond 64 bits
    raise ValueError("a protobuf number is cut short or too long")


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(name: str, bits: int, *, signed: bool = True) -> Type:
    span = 1 << bits
    end = span >> 1 if signed else span

    def write(value: int) -> bytes:
        if not end - span <= value < end:
            raise ValueError(f"{value} does not fit into {name}")
        return _write_varint(value % (1 << 64))  # a negative number of any size takes ten bytes

    def read(raw: int) -> int:
        low = raw % span
        return low - span if low >= end else low

    return Type(name, _VARINT, 0, write, read)


def _fixed(name: str, form: str) -> Type:
    packed = struct.Struct(form)

    def write(value: float) -> bytes:
        try:
            return packed.pack(value)
        except struct.error:
            raise ValueError(f"{value} does not fit into {name}") from None

    return Type(name, _I64, 0, write, lambda raw: packed.unpack(raw)[0])


def _nested(kind: type[Any]) -> Type:
    return Type("message", _LEN, None, encode, partial(decode, kind))


def _entry(value: Type) -> Type:
    """A pair of a map: on the wire a message of key and value, either of which may be absent."""
    pair = {1: Field(1, _STRING, "implicit", "key"), 2: Field(2, value, "optional", "value")}

    def write(item: tuple[str, Any]) -> bytes:
        return _write_item(1, _STRING, item[0]) + _write_item(2, value, item[1])

    def read(raw: bytes) -> tuple[str, Any]:
        found = _read_fields(pair, raw)
        return found.get("key", ""), found["value"] if "value" in found else value.read(b"")

    return Type("message", _LEN, None, write, read)


_STRING = Type("string", _LEN, "", str.encode, bytes.decode)
_BYTES = Type("bytes", _LEN, b"", bytes, bytes)


def _declare(kind: Type, number: int, *, label: Label = "implicit") -> Any:
    default = {"implicit": kind.zero, "repeated": ()}.get(label)
    return field(default=default, metadata={"field": Field(number, kind, label)})


string_field = partial(_declare, _STRING)
bytes_field = partial(_declare, _BYTES)
bool_field = partial(_declare, Type("bool", _VARINT, False, _write_varint, bool))
int32_field = partial(_declare, _integer("int32", 32))
int64_field = partial(_declare, _integer("int64", 64))
uint32_field = partial(_declare, _integer("uint32", 32, signed=False))
enum_field = partial(_declare, _integer("enum", 32))
sfixed64_field = partial(_declare, _fixed("sfixed64", "<q"))
double_field = partial(_declare, _fixed("double", "<d"))


def message_field(number: int, kind: type[Any], *, label: Label = "optional") -> Any:
    """A field that holds another message; `None` when absent."""
    return _declare(_nested(kind), number, label=label)


def map_field(number: int, value: type[Any]) -> Any:
    """A map from string to `value`: `str`, or a message."""
    pair = _entry(_STRING if value is str else _nested(value))
    return field(default_factory=dict, metadata={"field": Field(number, pair, "map")})
