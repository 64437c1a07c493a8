"""Record batches as JSON: what has a form of its own there, whole and sliced."""

import datetime as dt
import io
import json
import math
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.operations.json_rows import json_columns, json_rows

ID = uuid.UUID("12345678-9abc-4def-8123-456789abcdef")
US = pa.timestamp("us", tz="UTC")


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def tensor(values, shape):
    kind = pa.fixed_shape_tensor(pa.float32(), shape)
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


CASES = {
    "floats": (
        pa.array([1.0, -0.0, math.nan, math.inf, -math.inf, 1e300, 5e-324]),
        [1.0, -0.0, "NaN", "Infinity", "-Infinity", 1e300, 5e-324],
    ),
    "whole": (pa.array([2**63 - 1, -(2**63), 0]), [2**63 - 1, -(2**63), 0]),
    "flags": (pa.array([True, False]), [True, False]),
    "control characters": (pa.array(['\x00\x01\n\t\r\x1f"\\/', "\u2028\x7f", ""]), ['\x00\x01\n\t\r\x1f"\\/', "\u2028\x7f", ""]),
    "nothing": (pa.nulls(2), [None, None]),
    "decimals": (pa.array([Decimal("1.5"), Decimal(0)], pa.decimal128(38, 18)), [1.5, 0.0]),
    "moments": (
        pa.array([dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)], US),
        ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"],
    ),
    "local times": (pa.array([1769860800000000], pa.timestamp("us")), ["2026-01-31T12:00:00.000000"]),
    "days": (pa.array([dt.date(2024, 2, 29)]), ["2024-02-29"]),
    "times": (pa.array([dt.time(1, 2, 3)], pa.time64("us")), ["01:02:03.000000"]),
    "spans": (pa.array([dt.timedelta(days=1, hours=2)], pa.duration("us")), ["P1DT2H"]),
    "ids": (pa.array([ID.bytes], pa.uuid()), [str(ID)]),
    "bytes": (pa.array([b"\xff\x00", b""]), ["/wA=", ""]),
    "lists": (pa.array([[1, None], []], pa.list_(pa.int64())), [[1, None], []]),
    "lists of lists": (pa.array([[[1.5], None], []], pa.list_(pa.list_(pa.float64()))), [[[1.5], None], []]),
    "lists of texts": (pa.array([['a"', "b"], ["", "é"]], pa.list_(pa.utf8(), 2)), [['a"', "b"], ["", "é"]]),
    "tensors": (tensor([[1, 2, 3, 4], [0.5, 0, 0, math.nan]], (2, 2)), [[[1.0, 2.0], [3.0, 4.0]], [[0.5, 0.0], [0.0, "NaN"]]]),
}
BY_METADATA = {
    "json": (pa.array(['{"a": [1, null]}', "null", '"x"']), b"pxt:type", b"Json", [{"a": [1, None]}, None, "x"]),
    "npy": (pa.array([npy(np.array([[1, 2]])), npy(np.array([np.inf]))]), b"pxt:encoding", b"npy", [[[1, 2]], ["Infinity"]]),
}


def read(batch):
    return [row["a"] for row in json.loads(b"[" + json_rows(batch) + b"]")]


@pytest.mark.parametrize("name", [*CASES, *BY_METADATA])
def test_a_type(name):
    if name in CASES:
        column, wanted = CASES[name]
        field = pa.field("a", column.type)
    else:
        column, key, value, wanted = BY_METADATA[name]
        field = pa.field("a", column.type, metadata={key: value})
    batch = pa.RecordBatch.from_arrays([column], schema=pa.schema([field]))
    assert repr(read(batch)) == repr(wanted)  # -0.0 and 0 are not the same
    # With a NULL between, and cut out of a longer one.
    places = pa.array([None, *range(len(column)), None], pa.int64())
    spread = pa.RecordBatch.from_arrays([column.take(places)], schema=pa.schema([field]))
    assert repr(read(spread)) == repr([None, *wanted, None])
    assert repr(read(spread.slice(1, len(column)))) == repr(wanted)


def test_names_and_columns():
    schema = pa.schema([pa.field('a"\\é', pa.int64(), metadata={"pxt:type": "Int"}), pa.field("b", pa.time64("us"))])
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([dt.time(1)], pa.time64("us"))], schema=schema)
    assert json.loads(json_rows(batch)) == {'a"\\é': 1, "b": "01:00:00.000000"}
    assert json_columns(schema) == [{"name": 'a"\\é', "type": "Int"}, {"name": "b", "type": "time64[us]"}]
    assert json_rows(batch.slice(0, 0)) == b""
    assert json_rows(batch.select([]).slice(0, 1)) in (b"{}", b"")  # without columns Arrow keeps no number of rows


def test_a_digit_of_json_is_kept():
    field = pa.field("a", pa.utf8(), metadata={"pxt:type": "Json"})
    batch = pa.RecordBatch.from_arrays([pa.array(["[0.10000000000000000000001, 1e400]"])], schema=pa.schema([field]))
    assert json_rows(batch) == b'{"a":[0.10000000000000000000001, 1e400]}'


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))), min_size=1)
)
def test_any_text_and_number(rows):
    texts, numbers = zip(*rows, strict=True)
    batch = pa.record_batch({"a": pa.array(texts, pa.utf8()), "b": pa.array(numbers, pa.float64())})
    assert repr([(row["a"], row["b"]) for row in json.loads(b"[" + json_rows(batch) + b"]")]) == repr(rows)
