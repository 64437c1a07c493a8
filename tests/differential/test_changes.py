"""Rows changed by us, and by Pixeltable itself, on twin tables: the same rows in the store, the same history, the same afterwards."""

import datetime as dt
import json
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

UTC = dt.UTC
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.just("é🙂" * 200)
VALUES = {
    "n": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(),
    "b": st.booleans(),
    "s": TEXTS,
    "t": st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999),
    "d": st.dates(),
    "u": st.uuids(),
    "a": st.lists(st.floats(width=32), min_size=3, max_size=3),
    "j": st.recursive(
        st.booleans() | st.integers(-100, 100) | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    ),
}
ARROW = {
    "n": pa.int64(),
    "f": pa.float64(),
    "b": pa.bool_(),
    "s": pa.utf8(),
    "t": pa.timestamp("us", "UTC"),
    "d": pa.date32(),
    "u": pa.binary(16),
    "a": pa.list_(pa.float32(), 3),
    "j": pa.utf8(),
}
ROWS = 20
# Each example changes tables, so that smaller ones would begin elsewhere.
budget = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def sent(name, values):
    """Values as a client sends them."""
    if name == "j":
        values = [None if value is None else json.dumps(value) for value in values]
    if name == "u":
        values = [None if value is None else value.bytes for value in values]
    return pa.array(values, ARROW[name])


def taken(name, value):
    """A value as Pixeltable takes it."""
    return np.array(value, np.float32) if name == "a" and value is not None else value


def schema_of(pxt):
    kinds = {"n": pxt.Int, "f": pxt.Float, "b": pxt.Bool, "s": pxt.String, "t": pxt.Timestamp, "d": pxt.Date, "u": pxt.UUID, "j": pxt.Json}
    kinds["a"] = pxt.Array[(3,), np.float32]
    return {"id": pxt.Int, "k": pxt.String} | {name: kind | None for name, kind in kinds.items()}


def first_rows():
    moment = dt.datetime(2024, 2, 29, 12, tzinfo=UTC)
    return [
        {
            "id": i,
            "k": f"key {i}" + "x" * 300 * (i % 3),
            "n": i * 7 % 5,
            "f": i / 4,
            "b": i % 3 == 0,
            "s": "é🙂" * (i * 30),
            "t": moment + dt.timedelta(days=i),
            "d": moment.date(),
            "u": uuid.UUID(int=i),
            "j": {"a": [i, None]},
        }
        if i % 5
        else {"id": i, "k": f"key {i}"}
        for i in range(ROWS)
    ]


SHAPES = {
    "plain": {},
    "keyed": {"primary_key": ["id", "k"]},
    "indexed": {"has_default_idxs": True},
    "keyed and indexed": {"primary_key": "id", "has_default_idxs": True},
}


@pytest.fixture(scope="module")
def twins(pxt):
    """Make two tables alike: `twins(shape)`; they and their views are dropped at the end."""
    made = []

    def make(shape, *, views=False, computed=False, aged=False):
        pair = []
        for side in "ab":
            name = f"changes_{len(made)}_{side}"
            table = pxt.create_table(name, schema_of(pxt), **SHAPES[shape])
            pair.append(table)
            if aged:
                table.add_column(gone=pxt.Int | None)
                table.add_column(late=pxt.String | None)
            table.insert(first_rows())
            if aged:
                table.drop_column("gone")
            if computed:
                table.add_computed_column(double=table.f + table.f)
            if views:
                positive = pxt.create_view(f"{name}_positive", table.where(table.n > 1), additional_columns={"more": table.f + 1.0})
                pxt.create_view(f"{name}_upper", positive, additional_columns={"shout": positive.s + "!"})
        made.append([table.get_metadata()["path"] for table in pair])
        return pair

    yield make
    for names in made:
        for name in names:
            pxt.drop_table(name, force=True)


@pytest.fixture(scope="module")
def stored(postgres):
    """All that the store has of a table and of its views: `stored(table)`."""

    def read(table):
        found = [rows_of(table)]
        for view in sorted(table.list_views()):
            import pixeltable

            found.append(rows_of(pixeltable.get_table(view)))
        return found

    def rows_of(table):
        name = table._tbl_version.get().store_tbl._storage_name()
        # Json's null and NULL are one here: Pixeltable's own updates (0.7.21) make the first of the second in columns that they only copy.
        rows = postgres.execute(f"SELECT to_jsonb(s) FROM {name} s ORDER BY rowid, v_min").fetchall()
        versions = [{key: value for key, value in version.items() if key != "created_at"} for version in table.get_versions()]
        return [row for (row,) in rows], versions, table._tbl_version.get().next_row_id

    return read


@pytest.fixture(scope="module")
def writer(engine):
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine)
    yield writer
    writer.close()


@pytest.fixture(scope="module")
def change(writer):
    """Change rows by an Arrow table that names them: `change(kind, table, rows, keys, **options)`."""
    from pxt_flight.engine.mutate import Changes
    from pxt_flight.engine.written import Asked

    def run(kind, table, rows, keys, **options):
        target = writer.target(table.get_metadata()["path"])
        reception = writer.receive_changes(target, rows.schema, keys)
        for batch in rows.to_batches(max_chunksize=7):
            reception.add(batch)
        with reception.finish() as upload:
            return writer.change(target, Changes(upload, keys, **options), Asked(kind, "test"))

    return run


@pytest.fixture(scope="module")
def change_where(writer):
    """Change the rows of a condition: `change_where(kind, table, where, **what)`."""
    from pxt_flight.engine import affected
    from pxt_flight.engine.written import Asked

    def run(kind, table, where, **what):
        target = writer.target(table.get_metadata()["path"])
        return writer.change_where(target, affected.affected(target, where, **what), Asked(kind, "test"))

    return run


def same_afterwards(pair, stored):
    """What comes after a change: an insert, an update, a delete, and all of it taken back."""
    a, b = pair
    for table in pair:
        table.insert([{"id": 1000, "k": "later", "s": "new", "n": 3}])
        table.update({"n": 2, "s": "é" * 300}, where=table.n == 3)
        table.delete(where=table.id < 3)
        assert table.get_versions(1)[0]["deletes"] > 0
    assert stored(a) == stored(b)
    for _ in range(3):
        a.revert()
        b.revert()
    assert stored(a) == stored(b)
    assert a.order_by(a.id).collect().to_pandas().equals(b.order_by(b.id).collect().to_pandas())


CASES = [
    ("plain", {"views": True}, ("_rowid",)),
    ("plain", {"aged": True}, ("_rowid",)),
    ("keyed", {}, ("id", "k")),
    ("keyed and indexed", {"views": True, "aged": True}, ("id",)),
    ("indexed", {"computed": True}, ("_rowid",)),
]


@pytest.mark.parametrize(("shape", "options", "keys"), CASES)
def test_rows_named_one_by_one(twins, stored, change, shape, options, keys):
    pair = twins(shape, **options)
    a, b = pair

    @budget
    @given(data=st.data())
    def run(data):
        names = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4, unique=True))
        places = data.draw(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS, unique=True))
        values = {name: [data.draw(st.none() | VALUES[name]) for _ in places] for name in names}
        named = {"_rowid": places, "id": places, "k": [first_rows()[i]["k"] for i in places]}
        rows = pa.table({key: named[key] for key in keys} | {name: sent(name, values[name]) for name in names})
        written = change("update", a, rows, keys, if_missing="error")
        assert (written.updated, written.version) == (len(places), a.get_metadata()["version"])
        b.batch_update(
            [
                {key: (named[key][i],) if key == "_rowid" else named[key][i] for key in keys}
                | {name: taken(name, values[name][i]) for name in names}
                for i in range(len(places))
            ]
        )
        assert stored(a) == stored(b)

    run()
    same_afterwards(pair, stored)


def test_upserts(twins, stored, change):
    pair = twins("keyed", views=True)
    a, b = pair

    @budget
    @given(ids=st.lists(st.integers(0, 2 * ROWS), min_size=1, max_size=ROWS, unique=True), data=st.data())
    def run(ids, data):
        known = set(a.select(a.id).collect()["id"])
        keys = [f"key {i}" if i >= ROWS else first_rows()[i]["k"] for i in ids]
        values = {name: [data.draw(st.none() | VALUES[name]) for _ in ids] for name in ("n", "s", "u")}
        rows = pa.table({"id": ids, "k": keys} | {name: sent(name, given_values) for name, given_values in values.items()})
        written = change("upsert", a, rows, ("id", "k"), if_missing="insert")
        assert (written.updated, written.inserted) == (len(known & set(ids)), len(set(ids) - known))
        if known & set(ids):
            b.batch_update(
                [{"id": i, "k": keys[at]} | {name: values[name][at] for name in values} for at, i in enumerate(ids)], if_not_exists="insert"
            )
        else:  # of which Pixeltable makes an empty version beside
            b.insert([{"id": i, "k": keys[at]} | {name: values[name][at] for name in values} for at, i in enumerate(ids)])
        assert stored(a) == stored(b)
        assert written.version == a.get_metadata()["version"]

    run()
    same_afterwards(pair, stored)


CONDITIONS = {
    "n > 1": lambda t: t.n > 1,
    "n IS NULL OR f >= 2 -- or more": lambda t: (t.n == None) | (t.f >= 2),
    "id % 2 = 0 AND NOT b": lambda t: (t.id % 2 == 0) & ~t.b,
    "id IN (SELECT max(id) FROM {t} UNION SELECT 3)": lambda t: t.id.isin([3, ROWS - 1]),
}
SETTINGS = [
    ({"n": 7, "s": "é" * 300, "b": None}, {}, lambda t: {"n": 7, "s": "é" * 300, "b": None}),
    ({"t": "2024-02-29T12:00:00+01:00"}, {"n": "id * 2"}, lambda t: {"t": dt.datetime(2024, 2, 29, 11, tzinfo=UTC), "n": t.id * 2}),
    (
        {"j": {"x": [1.5, None]}, "u": str(uuid.UUID(int=9)), "d": "0001-01-01"},
        {},
        lambda t: {"j": {"x": [1.5, None]}, "u": uuid.UUID(int=9), "d": dt.date(1, 1, 1)},
    ),
    ({}, {"f": "n"}, lambda t: {"f": t.n}),
]


@pytest.mark.parametrize("shape", [("keyed and indexed", {"views": True, "aged": True}), ("plain", {"computed": True})])
def test_rows_of_a_condition(twins, stored, change_where, shape):
    pair = twins(shape[0], **shape[1])
    a, b = pair
    for (where, predicate), (values, expressions, build) in zip(CONDITIONS.items(), SETTINGS, strict=True):
        condition = where.format(t=a.get_metadata()["path"])
        written = change_where("update", a, condition, values=values, expressions=expressions)
        status = b.update(build(b), where=predicate(b))
        assert written.updated == status.row_count_stats.upd_rows > 0
        assert stored(a) == stored(b)
    same_afterwards(pair, stored)


@pytest.mark.parametrize("shape", [("keyed and indexed", {"views": True, "aged": True}), ("plain", {"computed": True})])
def test_deletes(twins, stored, change, change_where, shape):
    pair = twins(shape[0], **shape[1])
    a, b = pair
    assert change_where("delete", a, "n > 2").deleted == b.delete(where=b.n > 2).row_count_stats.del_rows > 0
    named = ("id",) if a.get_metadata()["primary_key"] else ("_rowid",)
    assert change("delete", a, pa.table({named[0]: [0, 5, 99]}), named).deleted == 2
    b.delete(where=b.id.isin([0, 5]))
    assert change_where("delete", a, "n > 100").deleted == b.delete(where=b.n > 100).row_count_stats.del_rows == 0
    assert stored(a) == stored(b)
    same_afterwards(pair, stored)
    assert change_where("delete", a, None).deleted == b.delete().row_count_stats.del_rows > 0
    assert stored(a) == stored(b)


def test_reverts_by_one_version(twins, stored, writer):
    from pxt_flight.engine.written import Asked

    a, b = twins("keyed and indexed", views=True)
    for table in (a, b):
        table.update({"n": 4}, where=table.id < 5)
    assert writer.revert(writer.target(a.get_metadata()["path"]), None, Asked("revert", "test")).version == 1
    b.revert()
    assert stored(a) == stored(b)


def test_reverts_to_a_version(pxt, twins, stored, writer):
    """Views keep what the table's last version left as it was, which Pixeltable itself (0.7.21) takes back too."""
    from pxt_flight.engine.written import Asked

    table, _ = twins("keyed and indexed", views=True)
    before = [(rows, versions) for rows, versions, _ in stored(table)]
    table.update({"n": 4}, where=table.id < 5)
    middle = [(rows, versions) for rows, versions, _ in stored(table)]
    table.update({"b": True}, where=table.id == 7)
    table.add_column(extra=pxt.Int | None)
    table.insert([{"id": 500, "k": "x", "extra": 1}])
    path = table.get_metadata()["path"]
    for version, expected in ((2, middle), (1, before)):
        assert writer.revert(writer.target(path), version, Asked("revert", "test")).version == version
        assert [(rows, versions) for rows, versions, _ in stored(pxt.get_table(path))] == expected
    pxt.get_table(path).insert([{"id": 500, "k": "x"}])
    # Row ids are not given twice, whoever writes next.
    assert pxt.get_table(path)._tbl_version.get().next_row_id == ROWS + 2
