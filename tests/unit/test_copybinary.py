"""COPY's binary form, against a reading of it that is written from PostgreSQL's description alone."""

import datetime as dt
import io
import json
import math
import struct

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.engine.copybinary import HEADER, TRAILER, Encoder, Field, parts

EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
SHAPE = (2, 3)
COLUMNS = {
    "i": (pa.int64(), st.integers(-(2**63), 2**63 - 1), Field("i")),
    "f": (pa.float64(), st.floats(), Field("f")),
    "b": (pa.bool_(), st.booleans(), Field("b")),
    "s": (pa.utf8(), TEXTS, Field("s")),
    "cut": (pa.utf8(), TEXTS, Field("cut", characters=3)),
    "t": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC)), Field("t")),
    "d": (pa.date32(), st.dates(), Field("d")),
    "u": (pa.binary(16), st.binary(min_size=16, max_size=16), Field("u")),
    "y": (pa.binary(), st.binary(max_size=9), Field("y")),
    "j": (pa.utf8(), st.sampled_from(["null", " null\n", "[null]", '"é🙂"', "1e3", "{}"]), Field("j", is_json=True)),
    "a": (
        pa.list_(pa.field("item", pa.float32(), nullable=False), 6),
        st.lists(st.floats(width=32), min_size=6, max_size=6),
        Field("a", shape=SHAPE),
    ),
    "h": (
        pa.list_(pa.field("item", pa.bool_(), nullable=False), 3),
        st.lists(st.booleans(), min_size=3, max_size=3),
        Field("h", shape=(3,)),
    ),
}
READ = {
    "i": lambda raw: struct.unpack(">q", raw)[0],
    "f": lambda raw: raw,
    "b": lambda raw: {b"\0": False, b"\1": True}[raw],
    "s": bytes.decode,
    "cut": bytes.decode,
    "t": lambda raw: EPOCH + dt.timedelta(microseconds=struct.unpack(">q", raw)[0]),
    "d": lambda raw: EPOCH.date() + dt.timedelta(days=struct.unpack(">i", raw)[0]),
    "u": bytes,
    "y": bytes,
    "j": lambda raw: (raw[:1], json.loads(raw[1:])),
    "a": bytes,
    "h": bytes,
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


WANTED = {
    "f": lambda value: struct.pack(">d", math.nan if math.isnan(value) else value),
    "cut": lambda value: value[:3],
    "j": lambda value: None if json.loads(value) is None else (b"\1", json.loads(value)),
    "a": lambda value: npy(np.array(value, np.float32).reshape(SHAPE)),
    "h": lambda value: npy(np.array(value)),
}


def read(data):
    """The rows of a stream: for each field its bytes, None for NULL."""
    assert data.startswith(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
    stream = io.BytesIO(data[19:])
    while (count := struct.unpack(">h", stream.read(2))[0]) >= 0:
        lengths = ((size, stream.read(max(size, 0))) for size in (struct.unpack(">i", stream.read(4))[0] for _ in range(count)))
        row = [None if size == -1 else raw for size, raw in lengths]
        assert all(raw is None or isinstance(raw, bytes) for raw in row)
        yield row
    assert count == -1
    assert stream.read() == b""


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_postgres_reads_is_what_was_sent(data):
    names = data.draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True))
    nulls = [name for name in names if data.draw(st.booleans())]
    count = data.draw(st.integers(0, 12))
    values = {
        name: [data.draw(st.none() | COLUMNS[name][1] if name in nulls else COLUMNS[name][1]) for _ in range(count)] for name in names
    }
    arrays = [pa.array(values[name], COLUMNS[name][0]) for name in names]
    whole = pa.RecordBatch.from_arrays(arrays, names) if names else pa.RecordBatch.from_pydict({"unused": pa.nulls(count)})
    cut = data.draw(st.integers(0, count))
    encoder, out = Encoder([COLUMNS[name][2] for name in names]), bytearray(HEADER)
    for batch, start in ((whole.slice(0, cut), 0), (whole.slice(cut), cut)):
        for piece in encoder.encode(batch, row_id=2**40 + start, version=7):
            out += piece
    rows = list(read(bytes(out + TRAILER)))
    assert [[struct.unpack(">q", raw)[0] for raw in row[:2]] for row in rows] == [[2**40 + i, 7] for i in range(count)]
    for column, name in enumerate(names):
        found = [None if row[2 + column] is None else READ[name](row[2 + column]) for row in rows]
        wanted = WANTED.get(name, lambda value: value)
        assert found == [None if value is None else wanted(value) for value in values[name]]


def test_batches_are_cut_into_parts_of_a_size():
    wide = pa.RecordBatch.from_pydict({"s": ["x" * 1000] * 300})
    assert [part.num_rows for part in parts(pa.RecordBatch.from_pydict({"i": range(10)}), rows=3)] == [2, 3, 2, 3]
    assert all(part.nbytes <= 20_000 for part in parts(wide, size=20_000))
    assert sum(part.num_rows for part in parts(wide, size=20_000)) == 300
    assert [part.num_rows for part in parts(wide.slice(0, 2), size=1)] == [1, 1]
