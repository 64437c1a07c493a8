"""Every Flight SQL message against the official descriptor through protobuf, and against hostile bytes."""

import json
import re
from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as OfficialAny
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st
from official_descriptor import descriptor, flight_sql_file, label_of, message_class, to_official, type_of

from pxt_flight.flight import messages
from pxt_flight.flight.messages import MESSAGES, decode, encode, pack_any, unpack_any
from pxt_flight.flight.protobuf import layout

BY_NAME = {name: kind for kind, name in MESSAGES.items()}
SQL_KINDS = [kind for kind, name in MESSAGES.items() if name == f"arrow.flight.protocol.sql.{kind.__name__}"]
BARE_KINDS = [kind for kind in MESSAGES if kind not in SQL_KINDS]
every_sql_kind = pytest.mark.parametrize("kind", SQL_KINDS, ids=lambda kind: kind.__name__)
every_kind = pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
briefly = settings(max_examples=40, deadline=None)  # for each of many kinds
thoroughly = settings(max_examples=500, deadline=None)

LEFT_OUT = {
    "SubstraitPlan": "plans are SQL here; SqlInfo says that Substrait is not supported",
    "CommandStatementSubstraitPlan": "as SubstraitPlan",
    "ActionCreatePreparedSubstraitPlanRequest": "as SubstraitPlan",
    "ActionBeginSavepointRequest": "one insert is one version; SqlInfo says that savepoints are not supported",
    "ActionBeginSavepointResult": "as ActionBeginSavepointRequest",
    "ActionEndSavepointRequest": "as ActionBeginSavepointRequest",
}

ENUMS = {
    messages.TableNotExistOption: ("CommandStatementIngest.TableDefinitionOptions", "if_not_exist", "TABLE_NOT_EXIST_OPTION_"),
    messages.TableExistsOption: ("CommandStatementIngest.TableDefinitionOptions", "if_exists", "TABLE_EXISTS_OPTION_"),
    messages.EndTransaction: ("ActionEndTransactionRequest", "action", "END_TRANSACTION_"),
    messages.CancelStatus: ("ActionCancelQueryResult", "result", "CANCEL_RESULT_"),
    messages.SessionOptionErrorValue: ("SetSessionOptionsResult.Error", "value", ""),
    messages.CloseSessionStatus: ("CloseSessionResult", "status", ""),
}


# The declarations


def test_every_message_of_flight_sql_is_here_or_left_out_with_a_reason():
    ours = {kind.__name__ for kind in SQL_KINDS}
    assert ours | LEFT_OUT.keys() == set(flight_sql_file().message_types_by_name)
    assert not ours & LEFT_OUT.keys()


@every_kind
def test_fields_are_those_of_the_official_descriptor(kind):
    ours = {field.number: (field.name, field.type.name, field.label) for field in layout(kind).values()}
    official = {field.number: (field.name, type_of(field), label_of(field)) for field in descriptor(MESSAGES[kind]).fields}
    assert ours == official


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_enum_values_are_those_of_the_official_descriptor(enum: type[IntEnum]):
    message, field, prefix = ENUMS[enum]
    (kind,) = (kind for kind, name in MESSAGES.items() if name.endswith(f".{message}"))
    official = descriptor(MESSAGES[kind]).fields_by_name[field].enum_type
    assert {prefix + value.name: value.value for value in enum} == {value.name: value.number for value in official.values}


def test_flight_numbers_its_cancel_status_as_flight_sql_does():
    official = descriptor("arrow.flight.protocol.CancelFlightInfoResult").fields_by_name["status"].enum_type
    assert {f"CANCEL_STATUS_{value.name}": value.value for value in messages.CancelStatus} == {v.name: v.number for v in official.values}


# Both directions through protobuf


def values_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values that the official descriptor allows in a field, in our types."""
    label = label_of(field)
    if label == "map":
        return st.dictionaries(st.text(max_size=8), single(field.message_type.fields_by_name["value"]), max_size=3)
    if label == "repeated":
        return st.lists(single(field), max_size=4).map(tuple)
    return single(field) if label == "implicit" else st.none() | single(field)


def single(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type:
        return instances(BY_NAME[field.message_type.full_name])
    int32, int64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
    return {
        "string": st.text(max_size=20),
        "bytes": st.binary(max_size=200),
        "bool": st.booleans(),
        "double": st.floats(allow_nan=False),
        "uint32": st.integers(0, 2**32 - 1),
        "int32": int32,
        "enum": int32,
        "int64": int64,
        "sfixed64": int64,
    }[type_of(field)]


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of one of our messages; of a oneof at most one member is set."""
    fields = descriptor(MESSAGES[kind]).fields
    if any(label_of(field) == "oneof" for field in fields):
        return st.one_of(st.builds(kind), *(st.builds(kind, **{field.name: single(field)}) for field in fields))
    return st.builds(kind, **{field.name: values_of(field) for field in fields})


@every_kind
@briefly
@given(data=st.data())
def test_protobuf_reads_what_we_write(kind, data):
    message = data.draw(instances(kind))
    official = to_official(message)
    assert message_class(MESSAGES[kind]).FromString(encode(message)) == official
    assert len(encode(message)) == official.ByteSize()  # nothing is written that may be left out


@every_kind
@briefly
@given(data=st.data())
def test_we_read_what_protobuf_writes(kind, data):
    message = data.draw(instances(kind))
    assert decode(kind, to_official(message).SerializeToString()) == message


@every_kind
def test_absent_fields_keep_their_defaults(kind):
    assert encode(kind()) == b""
    assert decode(kind, b"") == kind()


# The rules of the wire format, one by one


@pytest.mark.parametrize(
    ("data", "info"),
    [(b"\x0a\x03\x01\xac\x02", (1, 300)), (b"\x08\x01\x08\xac\x02", (1, 300)), (b"\x08\x01\x0a\x02\xac\x02\x08\x05", (1, 300, 5))],
    ids=["packed", "unpacked", "mixed"],
)
def test_repeated_numbers_are_read_packed_and_unpacked(data, info):
    assert decode(messages.CommandGetSqlInfo, data).info == info


@pytest.mark.parametrize(
    "unknown",
    [b"\x98\x06\x96\x01", b"\x99\x06" + bytes(8), b"\x9a\x06\x02hi", b"\x9d\x06" + bytes(4), b"\x08\x07"],
    ids=["varint", "fixed64", "length-delimited", "fixed32", "known number, other wire type"],
)
def test_unknown_fields_are_skipped(unknown):
    known = encode(messages.CommandStatementQuery(query="select 1"))
    assert decode(messages.CommandStatementQuery, unknown + known + unknown) == messages.CommandStatementQuery(query="select 1")


def test_the_last_of_a_repeated_scalar_wins():
    first, last = (encode(messages.CommandStatementQuery(query=query)) for query in ("select 1", "select 2"))
    assert decode(messages.CommandStatementQuery, first + last).query == "select 2"


def test_a_nested_message_that_comes_twice_is_merged():
    first = messages.CommandStatementIngest(table_definition_options=messages.TableDefinitionOptions(if_exists=2))
    last = messages.CommandStatementIngest(table_definition_options=messages.TableDefinitionOptions(if_not_exist=1))
    merged = decode(messages.CommandStatementIngest, encode(first) + encode(last))
    assert merged.table_definition_options == messages.TableDefinitionOptions(if_not_exist=1, if_exists=2)


def test_a_map_entry_with_an_unknown_field_or_without_key_or_value_is_read():
    data = b"\xc2\x3e\x08\x0a\x01k\x12\x01v\x18\x07" + b"\xc2\x3e\x03\x0a\x01a" + b"\xc2\x3e\x03\x12\x01b"
    assert decode(messages.CommandStatementIngest, data).options == {"k": "v", "a": "", "": "b"}
    assert decode(messages.SetSessionOptionsRequest, b"\x0a\x03\x0a\x01a").session_options == {"a": messages.SessionOptionValue()}


def test_the_last_member_of_a_oneof_wins():
    first, last = messages.SessionOptionValue(string_value="a"), messages.SessionOptionValue(int64_value=-1)
    assert decode(messages.SessionOptionValue, encode(first) + encode(last)) == last


def test_bits_beyond_64_are_dropped():
    assert decode(messages.DoPutUpdateResult, b"\x08\x85" + b"\x80" * 8 + b"\x02").record_count == 5


@pytest.mark.parametrize(
    "broken",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a\x02\xff\xfe",
        b"\x80" * 4,
        b"\x8a\x80\x80\x80\x80\x00\x01a",
        b"\x0a\x81\x80\x80\x80\x80\x00a",
        b"\x98\x06" + b"\x80" * 10 + b"\x00",
        b"\x9b\x06\x9c\x06",
        b"\x9c\x06",
        b"\x9f\x06",
        b"\x00\x00",
        b"\x80\x80\x80\x80\x10\x00",
        b"\x99\x06" + bytes(7),
    ],
    ids=[
        "no length",
        "length past the end",
        "huge length",
        "invalid UTF-8",
        "cut tag",
        "tag over five bytes",
        "length over five bytes",
        "number over ten bytes",
        "group",
        "end of a group",
        "no such wire type",
        "field number 0",
        "field number over 29 bits",
        "cut fixed64",
    ],
)
def test_broken_bytes_are_refused(broken):
    with pytest.raises(ValueError, match=r"protobuf|utf-8"):
        decode(messages.CommandStatementQuery, broken)


@pytest.mark.parametrize(
    "unfit",
    [
        messages.DoPutUpdateResult(record_count=2**63),
        messages.CommandGetSqlInfo(info=(-1,)),
        messages.CommandGetXdbcTypeInfo(data_type=2**31),
        messages.SessionOptionValue(int64_value=2**63),
        messages.CommandStatementQuery(query="\ud800"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_values_that_do_not_fit_are_not_written(unfit):
    with pytest.raises(ValueError, match=r"fit|utf-8"):
        encode(unfit)


# Any


@every_sql_kind
@briefly
@given(data=st.data())
def test_a_message_survives_any(kind, data):
    message = data.draw(instances(kind))
    assert unpack_any(pack_any(message)) == message


@every_sql_kind
def test_any_is_that_of_protobuf(kind):
    official = OfficialAny()
    official.Pack(to_official(kind()))
    assert pack_any(kind()) == official.SerializeToString()


@pytest.mark.parametrize("kind", BARE_KINDS, ids=lambda kind: kind.__name__)
def test_messages_of_flight_and_parts_of_others_are_not_read_out_of_any(kind):
    assert unpack_any(pack_any(kind())) is None


def test_the_fields_of_any_may_come_in_any_order_and_twice():
    command = messages.CommandStatementQuery(query="select 1")
    envelope = OfficialAny.FromString(pack_any(command))
    value, url = OfficialAny(value=envelope.value), OfficialAny(type_url=envelope.type_url)
    assert unpack_any(value.SerializeToString() + url.SerializeToString()) == command
    assert unpack_any(pack_any(messages.CommandGetCatalogs()) + pack_any(command)) == command


@pytest.mark.parametrize(
    "type_url",
    [
        "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementSubstraitPlan",
        "type.googleapis.com/arrow.flight.protocol.CommandStatementQuery",
        "type.googleapis.com/CommandStatementQuery",
        "arrow.flight.protocol.sql.CommandStatementQuery",
        "",
    ],
)
def test_an_any_of_another_type_is_not_ours(type_url):
    assert unpack_any(OfficialAny(type_url=type_url, value=b"\x0a\x01a").SerializeToString()) is None


def test_a_known_type_with_a_broken_body_is_an_error():
    (url,) = {OfficialAny.FromString(pack_any(messages.CommandStatementQuery())).type_url}
    with pytest.raises(ValueError, match="cut short"):
        unpack_any(OfficialAny(type_url=url, value=b"\x0a\x05abc").SerializeToString())


@pytest.mark.parametrize(
    "text",
    ["", "\n", "\n\n", "select 1", "\nselect 1", "\n select * from films", '{"table": "films"}', "\n{}", "{}", "[]", "\x12\x00", "films"],
)
def test_sql_and_json_are_not_any(text):
    assert unpack_any(text.encode()) is None


@thoroughly
@given(text=st.text() | st.text().map("\n".__add__))
def test_plain_text_is_not_any(text):
    assert unpack_any(text.encode()) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@thoroughly
@given(value=json_values, indent=st.none() | st.just(2))
def test_json_text_is_not_any(value, indent):
    assert unpack_any(json.dumps(value, indent=indent).encode()) is None


# Hostile bytes


@st.composite
def damaged(draw: st.DrawFn, parts: st.SearchStrategy[bytes]) -> bytes:
    """Well-formed parts, joined and then changed in a few places."""
    data = bytearray(b"".join(draw(st.lists(parts, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        data[start:end] = draw(st.binary(max_size=6) | st.just(data[start:end] * 2))
    return bytes(data)


def read_officially(official: type[Message], raw: bytes) -> Message | None:
    try:
        return official.FromString(raw)
    except DecodeError:
        return None


@every_kind
@briefly
@given(data=st.data())
def test_of_any_bytes_we_read_what_protobuf_reads_or_raise_value_error(kind, data):
    raw = data.draw(st.binary(max_size=200) | damaged(instances(kind).map(encode)))
    official = read_officially(message_class(MESSAGES[kind]), raw)
    if official is None:
        with pytest.raises(ValueError, match=r"protobuf|utf-8"):
            decode(kind, raw)
        return
    try:
        message = decode(kind, raw)
    except ValueError as refusal:
        # Python's protobuf skips groups, and lets field number 0 pass, which the specification forbids.
        if not re.search("groups|field number", str(refusal)):
            raise
        return
    maps = {number for number, field in layout(kind).items() if field.label == "map"}
    if maps.isdisjoint(unknown.field_number for unknown in UnknownFieldSet(official)):  # it sets entries aside that hold unknown fields
        official.DiscardUnknownFields()
        assert to_official(message).SerializeToString(deterministic=True) == official.SerializeToString(deterministic=True)


@thoroughly
@given(raw=st.binary(max_size=300) | damaged(st.sampled_from(SQL_KINDS).flatmap(instances).map(pack_any)))
def test_any_bytes_give_a_message_only_if_they_are_an_any_of_its_type(raw):
    try:
        message = unpack_any(raw)
    except ValueError as error:
        message = error
    if message is not None:
        official = read_officially(OfficialAny, raw)
        assert official.type_url.removeprefix("type.googleapis.com/arrow.flight.protocol.sql.") in {kind.__name__ for kind in SQL_KINDS}
        assert isinstance(message, ValueError) or official.type_url.endswith(f".{type(message).__name__}")


ITEM = encode(messages.StringListValue(values=("a",)))
HOSTILE = {
    "one option, merged again and again": (messages.SessionOptionValue, b"\x2a\x03" + ITEM),
    "oneof members in turn": (messages.SessionOptionValue, b"\x2a\x03" + ITEM + b"\x10\x01"),
    "map entries": (messages.SetSessionOptionsRequest, b"\x0a\x00"),
    "unpacked numbers": (messages.CommandGetSqlInfo, b"\x08\x01"),
    "empty packed numbers": (messages.CommandGetSqlInfo, b"\x0a\x00"),
    "unknown fields": (messages.CommandGetCatalogs, b"\x08\x01"),
    "long numbers": (messages.CommandGetCatalogs, b"\x08" + b"\xff" * 9 + b"\x01"),
    "texts": (messages.CommandGetTables, b"\x22\x00"),
}


@pytest.mark.timeout(60)  # a linear reader needs a second or two, a quadratic one many minutes
@pytest.mark.parametrize("case", HOSTILE)
def test_time_is_linear_in_the_bytes(case):
    kind, piece = HOSTILE[case]
    decode(kind, piece * (1_000_000 // len(piece)))
