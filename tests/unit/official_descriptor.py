"""The official descriptors of Flight SQL, out of the ADBC driver that our clients use.

The driver is a Go library, and Go's protobuf keeps each serialized `FileDescriptorProto` as plain bytes. So the comparison is with what
real clients speak, and no `.proto` file has to be copied.
"""

from functools import cache
from pathlib import Path
from typing import Any

import adbc_driver_flightsql
from google.protobuf import descriptor_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pxt_flight.flight.messages import MESSAGES

NAME_TAG, SYNTAX_TAG = 1 << 3 | 2, 12 << 3 | 2  # FileDescriptorProto: `name` comes first, `syntax` last
LENGTH_DELIMITED = 2


def message_class(full_name: str) -> type[Message]:
    """The official class of a message, for example `arrow.flight.protocol.sql.CommandStatementQuery`."""
    return GetMessageClass(descriptor(full_name))


def descriptor(full_name: str) -> Descriptor:
    return _pool().FindMessageTypeByName(full_name)


def flight_sql_file() -> FileDescriptor:
    return _pool().FindFileByName("FlightSql.proto")


def type_of(field: FieldDescriptor) -> str:
    names = {getattr(FieldDescriptor, name): name for name in dir(FieldDescriptor) if name.startswith("TYPE_")}
    return names[field.type].removeprefix("TYPE_").lower()


def label_of(field: FieldDescriptor) -> str:
    if field.message_type and field.message_type.GetOptions().map_entry:
        return "map"
    if field.is_repeated:
        return "repeated"
    if field.containing_oneof and len(field.containing_oneof.fields) > 1:
        return "oneof"
    return "optional" if field.has_presence else "implicit"


def to_official(message: Any) -> Message:
    official = message_class(MESSAGES[type(message)])()
    for field in official.DESCRIPTOR.fields:
        _fill(official, field, getattr(message, field.name))
    return official


def _fill(official: Message, field: FieldDescriptor, value: Any) -> None:
    label = label_of(field)
    if label == "map" and field.message_type.fields_by_name["value"].message_type:
        for key, item in value.items():
            getattr(official, field.name)[key].CopyFrom(to_official(item))
    elif label == "map":
        getattr(official, field.name).update(value)
    elif label == "repeated":
        getattr(official, field.name).extend(value)
    elif value is not None and field.message_type:
        getattr(official, field.name).CopyFrom(to_official(value))
        getattr(official, field.name).SetInParent()
    elif value is not None:
        setattr(official, field.name, value)


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for imported in (descriptor_pb2, timestamp_pb2):
        pool.AddSerializedFile(imported.DESCRIPTOR.serialized_pb)
    driver = next(Path(adbc_driver_flightsql.__file__).parent.glob("libadbc_driver_flightsql.*")).read_bytes()
    for name in (b"Flight.proto", b"FlightSql.proto"):
        pool.AddSerializedFile(_find_file(driver, name))
    return pool


def _find_file(library: bytes, name: bytes) -> bytes:
    """The serialized `FileDescriptorProto` of `name`: its fields, one after the other, up to and with `syntax`."""
    start = at = library.index(bytes([NAME_TAG, len(name)]) + name)
    tag = 0
    while tag != SYNTAX_TAG:
        tag, at = _varint(library, at)
        assert tag & 7 == LENGTH_DELIMITED, f"not the descriptor of {name!r}"
        size, at = _varint(library, at)
        at += size
    return library[start:at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    end = next(i for i in range(at, at + 10) if data[i] < 0x80) + 1
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data[at:end])), end
