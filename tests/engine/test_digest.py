"""The digest of an upload: the same however its rows are cut, another for another value."""

import sys
import time
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("b", pa.bool_()),
        ("s", pa.utf8()),
        ("x", pa.binary()),
        ("u", pa.binary(16)),
        ("t", pa.timestamp("us", tz="UTC")),
        ("d", pa.date32()),
        ("a", pa.list_(pa.field("item", pa.float16(), nullable=False), 2)),
    ]
)
ROWS = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-2, 2),
        "b": st.none() | st.booleans(),
        "s": st.none() | st.sampled_from(["", "a", "aa", "b"]),
        "x": st.none() | st.sampled_from([b"", b"a", b"aa"]),
        "u": st.none() | st.sampled_from([bytes(16), b"0" * 16]),
        "t": st.none() | st.integers(0, 1),
        "d": st.none() | st.integers(0, 1),
        "a": st.none() | st.lists(st.sampled_from([0.0, 1.5]), min_size=2, max_size=2),
    }
)


def digest(batches, schema=SCHEMA):
    from pxt_flight.engine.digest import Digest

    found = Digest(schema)
    for batch in batches:
        found.update(batch)
    return found.digest()


def batch_of(rows):
    columns = [[row[name] for row in rows] for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(ROWS, max_size=12), cuts=st.lists(st.integers(0, 12), max_size=4), other=st.lists(ROWS, max_size=12))
def test_rows_and_nothing_else(pxt, rows, cuts, other):
    batch = batch_of(rows)
    bounds = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    sliced = [batch.slice(start, end - start) for start, end in pairwise(bounds)]
    assert digest(sliced) == digest([batch]) == digest([batch_of([row]) for row in rows])
    assert (digest([batch_of(other)]) == digest([batch])) is (other == rows)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(ROWS, min_size=1, max_size=6), data=st.data())
def test_any_other_value(pxt, rows, data):
    row, name = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(SCHEMA.names))
    value = data.draw(ROWS)[name]
    changed = [{**found, name: value} if place == row else found for place, found in enumerate(rows)]
    assert (digest([batch_of(changed)]) == digest([batch_of(rows)])) is (value == rows[row][name])


def test_what_null_hides_does_not_count(pxt):
    schema = pa.schema([("i", pa.int64())])
    for hidden in (1, 2):
        array = pa.array(np.array([hidden, 3]), mask=np.array([True, False]))
        assert digest([pa.record_batch([array], schema=schema)], schema) == digest(
            [pa.record_batch([pa.array([None, 3])], schema=schema)], schema
        )
    assert digest([], schema) != digest([], pa.schema([("j", pa.int64())]))


def test_speed(pxt, capsys):
    rows = 100_000
    columns = {"a": np.arange(rows), "b": np.linspace(0, 1, rows), "c": [f"row {i}" for i in range(rows)]}
    batch = pa.record_batch(columns)
    started = time.perf_counter()
    found = digest([batch], batch.schema)
    with capsys.disabled():
        sys.stdout.write(f"\ndigest of 100K x 3 in {1000 * (time.perf_counter() - started):.1f} ms\n")
    assert len(found) == 32
