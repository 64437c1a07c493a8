"""What Pixeltable stores of Python's values, and what is staged of the same values from Arrow: equal where both take them."""

import datetime as dt
import io
import json
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pxt_flight.errors import PxtFlightError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["a\0b", "\0", ""])
JSON_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | JSON_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAIVE = st.datetimes(dt.datetime.min.replace(day=3), dt.datetime.max.replace(day=29))  # noqa: DTZ901
DECLARED = {
    "i": "Int",
    "f": "Float",
    "b": "Bool",
    "s": "String",
    "naive": "Timestamp",
    "aware": "Timestamp",
    "said": "Timestamp",
    "d": "Date",
    "j": "Json",
    "u": "UUID",
    "x": "Binary",
    "a": "Array[(None, 2), float32]",
}
ROWS = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1).map(float),
        "b": st.none() | st.booleans(),
        "s": st.none() | TEXTS,
        "naive": st.none() | NAIVE,
        "aware": st.none() | NAIVE.map(lambda value: value.replace(tzinfo=dt.timezone(dt.timedelta(hours=3)))),
        "said": st.none() | NAIVE.map(dt.datetime.isoformat),
        "d": st.none() | st.dates(),
        "j": st.none() | DOCUMENTS,
        "u": st.none() | st.uuids(),
        "x": st.none() | st.binary(max_size=5),
        "a": st.none() | st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2), min_size=1, max_size=3),
    }
)
ARROW = {
    "i": pa.int64(),
    "f": pa.float64(),
    "b": pa.bool_(),
    "s": pa.large_utf8(),
    "naive": pa.timestamp("us"),
    "aware": pa.timestamp("us", "Asia/Tokyo"),
    "said": pa.utf8(),
    "d": pa.date32(),
    "j": pa.utf8(),
    "u": pa.binary(16),
    "x": pa.binary(),
    "a": pa.list_(pa.list_(pa.float64())),
}


@pytest.fixture(scope="module")
def twins(pxt):
    """A table that Pixeltable writes, and one that the server writes."""
    from pxt_flight.engine.inference import pixeltable_types
    from pxt_flight.engine.target import TargetColumn
    from pxt_flight.engine.types import parse_type

    columns = [
        TargetColumn(name, parse_type(f"{kind} | None"), kind, is_computed=False) for name, kind in {"id": "Int", **DECLARED}.items()
    ]
    yield [pxt.create_table(name, pixeltable_types(columns), if_exists="replace") for name in ("staged_a", "staged_b")]
    for name in ("staged_a", "staged_b"):
        pxt.drop_table(name)


def sent(rows):
    def plain(name, value):
        if value is None:
            return None
        return json.dumps(value) if name == "j" else value.bytes if name == "u" else value

    columns = [pa.array([plain(name, row[name]) for row in rows], kind) for name, kind in ARROW.items()]
    return pa.RecordBatch.from_arrays([pa.array(range(len(rows)), pa.int64()), *columns], ["id", *ARROW])


def stored(table):
    rows = table.order_by(table.id).collect()
    return [{name: json_plain(row[name]) if name == "j" else plain(row[name]) for name in DECLARED} for row in rows]


def plain(value):
    """A value in a form in which equal means the same."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return str(value) if isinstance(value, float) else value  # that -0.0 is not 0.0


def json_plain(value):
    """Json with its numbers as their digits: jsonb gives the float 1e120 back as a whole number, whose nearest float it is."""
    if isinstance(value, dict):
        return {key: json_plain(found) for key, found in value.items()}
    if isinstance(value, list):
        return [json_plain(found) for found in value]
    return Decimal(repr(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


# Not made smaller: each try is a write of a tenth of a second.
@settings(deadline=None, max_examples=25, phases=[Phase.generate])
@given(rows=st.lists(ROWS, min_size=1, max_size=20))
def test_what_is_staged_is_what_pixeltable_stores(twins, rows):
    from pxt_flight.engine import target
    from pxt_flight.engine.validation import InsertChecker

    by_pixeltable, _ = twins
    by_pixeltable.delete()
    by_pixeltable.insert([{"id": i, **row} for i, row in enumerate(rows)])
    batch = sent(rows)
    checker = InsertChecker(target.describe("staged_a"), batch.schema)
    staged = [row for piece in checker.check(batch) for row in piece.to_pylist()]
    checker.finish()
    for found, wanted in zip(staged, stored(by_pixeltable), strict=True):
        found["j"] = None if found["j"] is None else json.loads(found["j"])
        found["a"] = None if found["a"] is None else np.load(io.BytesIO(found["a"]))
        found = {name: json_plain(found[name]) if name == "j" else plain(found[name]) for name in DECLARED}
        assert {name: value for name, value in found.items() if value != wanted[name]} == {}, wanted


_BY_ROW = ("i", "f", "b", "s", "naive", "aware", "said", "d", "j")


@settings(deadline=None, max_examples=10, phases=[Phase.generate])
@given(rows=st.lists(ROWS, min_size=1, max_size=10))
def test_what_the_server_stores_is_what_pixeltable_stores(twins, server, rows):
    by_pixeltable, by_server = twins
    for table in twins:
        table.delete()
    kept = [{name: row[name] for name in _BY_ROW} for row in rows]
    by_pixeltable.insert([{"id": i, **row} for i, row in enumerate(kept)])
    batch = sent(rows).select(["id", *_BY_ROW])
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:
        writer, reader = client.do_put(fl.FlightDescriptor.for_path("staged_b"), batch.schema, options)
        writer.write_batch(batch)
        writer.done_writing()
        reader.read()
        writer.close()
    assert stored(by_server) == stored(by_pixeltable)


TRIED = [
    *(True, 1, -1, 2**63 - 1, 1.0, 1.5, "1", "a", "2020-01-01", "2020-01-01T10:00:00", "20200101", "2020-W01-1", b"a", b"a" * 16),
    *(
        dt.date(2020, 1, 1),
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        str(uuid.UUID(int=1)),
        "{1" + "0" * 31 + "}",
        "[1]",
        "null",
        [1],
        [[1.0, 2]],
    ),
]


@pytest.mark.parametrize("name", [name for name in DECLARED if name not in ("naive", "aware", "j")])
def test_what_both_take_is_stored_equally(twins, name):
    """Ours takes less in some places (no Bool for an Int), and never with another meaning."""
    from pxt_flight.engine import target
    from pxt_flight.engine.validation import InsertChecker

    by_pixeltable, _ = twins
    described = target.describe("staged_a")
    both = 0
    for value in TRIED:
        batch = pa.RecordBatch.from_arrays([pa.array([0]), pa.array([value])], ["id", name])
        by_pixeltable.delete()
        try:
            checker = InsertChecker(described, batch.schema)
            (staged,) = [row for piece in checker.check(batch) for row in piece.to_pylist()] or [{}]
            checker.finish()
        except PxtFlightError:
            continue
        try:
            by_pixeltable.insert([{"id": 0, name: value}])
        except Exception:  # noqa: BLE001  # Pixeltable lets errors of every kind out
            continue
        found = np.load(io.BytesIO(staged[name])) if name == "a" else staged[name]
        assert plain(found) == stored(by_pixeltable)[0][name]
        both += 1
    assert both
