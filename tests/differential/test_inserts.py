"""Rows by each tier against `Table.insert` on a twin: what is in the store, in the views below and in the history is the same, and so is
whatever is done with it afterwards."""

import datetime as dt
import io
import itertools
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from clips import pdf, write_sound, write_video
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from insert_twins import Twins, collected, write
from PIL import Image

NAME = "diff_inserts"
numbered = itertools.count()

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.sampled_from(["", " ", "🙂" * 3, "x" * 600, "é🙂" * 200, "\\N", "\\.", "null", 'a"b\n', "Nest egg two"]),
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
# A day from the ends of Python's years: near them no zone but UTC could show them.
TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001


def arrays(shape, kind):
    size = math.prod(shape)
    return st.lists(st.integers(0, 100), min_size=size, max_size=size).map(lambda values: np.array(values).astype(kind).reshape(shape))


VALUES = {
    "i": st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 2**63 - 1, -(2**63)]),
    "f": st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324]),
    "s": TEXTS,
    "b": st.booleans(),
    "t": TIMES,
    "d": st.dates(),
    "u": st.uuids(),
    "j": DOCUMENTS.filter(lambda document: document is not None),  # JSON null is NULL
    "a": arrays((2, 3), np.float32),
    "h": arrays((3,), np.bool_),
    "o": arrays((64,), np.int64),
    "y": st.binary(max_size=20) | st.just(b"\0" * 512),
    "w": st.binary(min_size=513, max_size=600) | st.binary(max_size=4),
    "g": arrays((65,), np.int64),
    "r": st.integers(0, 80).flatmap(lambda size: arrays((size,), np.int32)),
}
BULK = tuple("ifsbtdujahoy")  # the others are in files beside the rows
LISTED = st.lists(st.sampled_from(BULK), unique=True, max_size=6)


@pytest.fixture(scope="module")
def kinds(pxt):
    plain = {"i": pxt.Int, "f": pxt.Float, "s": pxt.String, "b": pxt.Bool, "t": pxt.Timestamp, "d": pxt.Date, "u": pxt.UUID, "j": pxt.Json}
    arrays = {"a": pxt.Array[(2, 3), np.float32], "h": pxt.Array[(3,), np.bool_], "o": pxt.Array[(64,), np.int64]}
    return plain | arrays | {"y": pxt.Binary, "w": pxt.Binary, "g": pxt.Array[(65,), np.int64], "r": pxt.Array[(None,), np.int32]}


@pytest.fixture(scope="module")
def png():
    """The bytes of a picture of a number."""

    def make(number):
        out = io.BytesIO()
        Image.new("RGB", (8 + number % 5, 6), (number % 256, 90, 200)).save(out, "PNG")
        return out.getvalue()

    return make


@pytest.fixture
def twins(pxt, postgres):
    """Make two tables alike: `twins(schema, computed=..., views=..., **options)`; all are dropped after the test."""
    made = []

    def make(schema, *, computed=(), views=(), **options):
        sides = []
        for _ in range(2):
            name = f"{NAME}_{next(numbered)}"
            table = pxt.create_table(name, schema, **options)
            made.append(name)
            add_columns(table, computed)
            sides.append([table, *add_views(pxt, table, name, views)])
        return Twins(postgres, *sides)

    yield make
    for name in made:
        pxt.drop_table(name, force=True)


def add_columns(table, names):
    import insert_functions as functions

    for name in names:
        if name == "sql":
            table.add_computed_column(c_sql=table.k % 7)
        elif name == "udf":
            table.add_computed_column(c_udf=functions.turned(table.s))
        elif name == "json":
            table.add_computed_column(c_json=functions.packed(functions.turned(table.s), table.f))
        elif name == "virtual":
            table.add_computed_column(c_virtual=functions.turned(table.s), stored=False)


def add_views(pxt, table, name, kinds):
    import insert_functions as functions

    views = []
    if "filter" in kinds:
        views.append(pxt.create_view(f"{name}_filter", table.where(table.k % 2 == 0)))
    if "computed" in kinds:
        views.append(pxt.create_view(f"{name}_computed", table, additional_columns={"again": functions.turned(table.s)}))
        views[-1].add_computed_column(more=views[-1].k + 1)
    if "nested" in kinds:
        base = views[-1] if views else table
        views.append(pxt.create_view(f"{name}_nested", base.where(base.k > 3), additional_columns={"deep": base.k % 5}))
    if "component" in kinds:
        views.append(pxt.create_view(f"{name}_words", table, iterator=functions.words(table.s)))
    return views


def rows_of(columns, required, count, draw):
    """Rows with a key `k`, and a text and a number that columns are computed of."""
    made = []
    for key in range(count):
        row = {"k": key, "s": draw(st.none() | TEXTS), "f": draw(st.none() | VALUES["f"])}
        made.append(row | {name: draw(VALUES[name] if name in required else st.none() | VALUES[name]) for name in columns})
    return made


def insert_in_order(table, rows, computed):
    """`Table.insert`; where columns are computed it would write the rows in the order in which they are ready."""
    if set(computed) - {"virtual"}:
        assert write(table._name(), rows, tier="rows").tier == "rows"
    else:
        table.insert(rows)


def follow(table):
    """What somebody does with a table afterwards."""
    table.insert([{"k": 1000, "s": "later"} | required_values(table)])
    table.update({"f": 0.5}, where=table.k < 4)
    table.delete(where=table.k == 2)
    table.revert()
    table.delete(where=table.k == 1)


def required_values(table):
    sample = {"i": 1, "b": True, "d": dt.date(2020, 1, 1), "j": {"a": 1}, "y": b"1", "t": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}
    sample |= {
        "a": np.zeros((2, 3), np.float32),
        "h": np.zeros(3, np.bool_),
        "o": np.zeros(64, np.int64),
        "u": uuid.UUID(int=1),
    }
    columns = table.get_metadata()["columns"]
    return {name: value for name, value in sample.items() if name in columns and "None" not in columns[name]["type_"]}


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_random_tables_and_rows_are_written_alike(pxt, kinds, twins, data):
    draw = data.draw
    tier = draw(st.sampled_from(["bulk", "bulk", "stream", "plain stream"]))
    columns = [name for name in draw(LISTED) if name not in "sf"]
    required = {name for name in columns if draw(st.booleans())}
    schema = {"k": pxt.Int, "s": pxt.String | None, "f": pxt.Float | None}
    schema |= {name: kinds[name] if name in required else kinds[name] | None for name in columns}
    options = {"primary_key": ["k"]} if draw(st.booleans()) else {}
    options |= {"has_default_idxs": True} if draw(st.booleans()) else {}
    computed = (
        ["virtual"] if tier == "bulk" else draw(st.lists(st.sampled_from(["sql", "udf", "json", "virtual"]), unique=True, min_size=1))
    )
    views = draw(st.lists(st.sampled_from(["filter", "computed", "nested", "component"]), unique=True))
    pair = twins(schema, computed=computed, views=views, **options)
    rows = rows_of(columns, required, draw(st.integers(1, 30)), draw)
    insert_in_order(pair.left[0], rows, computed)
    written = write(pair.right[0]._name(), rows, tier=tier, size=draw(st.sampled_from([1, 7, 13, 1000])))
    assert (written.tier, written.inserted, written.first_row_id) == (tier.split()[-1], len(rows), 0)
    pair.assert_equal()
    assert written.version == pair.right[0].get_metadata()["version"]
    pair.both(follow)
    pair.assert_equal()


def sample(kinds, count):
    """Rows of all types of the tier `bulk`, the same in each run."""
    moment = dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC)
    cycles = {
        "i": [0, 2**63 - 1, -(2**63), None, 7],
        "f": [math.nan, math.inf, -math.inf, -0.0, None, 5e-324, 0.1],
        "s": ["Nest egg two", "", None, "x" * 600, "🙂" * 300, "\\N", 'a"b\n'],
        "b": [True, None, False],
        "t": [moment, None, dt.datetime(1, 1, 2, tzinfo=dt.UTC), dt.datetime(9999, 12, 30, tzinfo=dt.UTC)],
        "d": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None, moment.date()],
        "u": [uuid.UUID(int=0), None, uuid.UUID(int=2**128 - 1)],
        "j": [{"a": [1, None, {"é🙂": 1e-7}]}, None, [], "null", 10**30, False],
        "a": [np.arange(6, dtype=np.float32).reshape(2, 3), None],
        "h": [np.array([True, False, True]), None, np.array([False, False, True])],
        "o": [None, np.arange(64)],
        "y": [b"", b"\0\xff" * 256, None],
    }
    columns = {name: itertools.cycle(cycles[name]) for name in kinds}
    return [{"k": key} | {name: next(values) for name, values in columns.items()} for key in range(count)]


def nullable(kinds, names):
    return {name: kinds[name] | None for name in names}


def test_all_types_and_views(pxt, kinds, twins):
    schema = {"k": pxt.Int} | nullable(kinds, BULK) | {"s": pxt.String}
    pair = twins(schema, views=["filter", "computed", "nested", "component"], primary_key=["k", "s"], has_default_idxs=True)
    rows = [row | {"s": row["s"] or str(row["k"])} for row in sample(BULK, 60)]
    pair.left[0].insert(rows)
    progress = []
    written = write(pair.right[0]._name(), rows, tier="bulk", size=7, on_progress=lambda done, of: progress.append((done, of)))
    assert (written.tier, written.version, written.inserted, written.first_row_id, written.errors) == ("bulk", 1, 60, 0, 0)
    assert progress[-1] == (60, 60)
    assert progress == sorted(progress)
    pair.assert_equal()
    pair.both(follow)
    pair.assert_equal()


@pytest.mark.parametrize("tier", ["stream", "plain stream"])
def test_long_values_and_pictures_are_in_the_same_files(pxt, kinds, twins, tier, png):
    names = [*BULK, "w", "g", "r"]
    pair = twins({"k": pxt.Int, "m": pxt.Image | None} | nullable(kinds, names), views=["filter", "component"], has_default_idxs=True)
    import insert_functions as functions

    for side in (pair.left[0], pair.right[0]):
        side.add_computed_column(shade=functions.shade(side.k))
        side.add_computed_column(size=side.m.width)
    rows = [row | {"w": bytes(700) if row["k"] % 2 else None, "m": png(row["k"]) if row["k"] % 3 else None} for row in sample(BULK, 30)]
    rows = [row | {"g": np.arange(65), "r": np.arange(row["k"] * 9, dtype=np.int32)} for row in rows]
    write(pair.left[0]._name(), rows, tier="rows")
    written = write(pair.right[0]._name(), rows, tier=tier, size=7)
    assert (written.tier, written.version, written.errors) == ("stream", pair.left[0].get_metadata()["version"], 0)
    pair.assert_equal()


def test_all_kinds_of_media_arrive_as_bytes(pxt, twins, png, tmp_path):
    pair = twins({"k": pxt.Int, "p": pxt.Image, "v": pxt.Video | None, "a": pxt.Audio | None, "x": pxt.Document | None})
    video, sound = write_video(tmp_path / "v.mp4").read_bytes(), write_sound(tmp_path / "a.wav", seconds=0.1).read_bytes()
    documents = [
        b"<!doctype html><p>one</p>",
        b"<?xml version='1.0'?><a/>",
        "Plain text, é\n".encode(),
        pdf(b""),
    ]
    rows = [{"k": i, "p": png(i), "v": video, "a": sound, "x": document} for i, document in enumerate(documents)] + [{"k": 9, "p": png(9)}]
    for table, tier in ((pair.left[0], "rows"), (pair.right[0], "stream")):
        written = write(table._name(), rows, tier=tier)
        assert (written.tier, written.inserted, written.errors) == (tier, 5, 0)
        read = {row["k"]: row for row in table.select(table.k, x=table.x.localpath, v=table.v.localpath).collect()}
        assert [Path(read[i]["x"]).read_bytes() for i in range(4)] == documents
        assert [Path(read[i]["x"]).suffix for i in range(4)] == [".html", ".xml", ".txt", ".pdf"]
        assert Path(read[0]["v"]).read_bytes() == video
    assert collected(pair.left[0]) == collected(pair.right[0])


def test_columns_that_came_and_went(pxt, kinds, twins):
    pair = twins({"k": pxt.Int, "s": pxt.String | None, "gone": pxt.Int | None}, views=["computed"], has_default_idxs=True)
    pair.both(lambda table: table.insert([{"k": -1, "gone": 1}]))
    pair.both(lambda table: table.drop_column("gone"))
    pair.both(lambda table: table.add_column(late=pxt.Float | None))
    pair.both(lambda table: table.rename_column("s", "text"))
    rows = [{"k": key, "late": key / 3} for key in range(9)]  # a column that is not sent is NULL
    pair.left[0].insert(rows)
    assert write(pair.right[0]._name(), rows, tier="bulk").tier == "bulk"
    pair.assert_equal()


def test_rows_keep_their_order_where_columns_are_computed(pxt, twins):
    pair = twins({"k": pxt.Int, "s": pxt.String | None, "f": pxt.Float | None}, computed=["udf"])
    rows = [{"k": key, "s": None if key % 3 else "x"} for key in range(40)]
    for table, tier in ((pair.left[0], "rows"), (pair.right[0], "stream")):
        table.insert([{"k": -1}])
        written = write(table._name(), rows, tier=tier)
        assert written.first_row_id == 1
        stored = f"tbl_{table.get_metadata()['id'].hex}"
        found = pair.postgres.execute(f"select rowid - 1, col_0 from {stored} where rowid > 0 order by 1").fetchall()
        assert found == [(key, key) for key in range(40)]
    # But for the numbers of its rows, that is what `Table.insert` writes.
    other = twins({"k": pxt.Int, "s": pxt.String | None, "f": pxt.Float | None}, computed=["udf"]).left[0]
    other.insert([{"k": -1}])
    other.insert(rows)
    assert collected(other) == collected(pair.right[0])
