"""A table as a LazyFrame: what crosses the wire, and that the answers are right."""

import polars as pl
import pytest
from events import eventually
from polars.testing import assert_frame_equal

import pxt_flight as pf

c = pl.col


@pytest.fixture(scope="module")
def numbers(pxt):
    """A table of 1,000 rows."""
    rows = [{"id": n, "tens": n // 10, "name": f"row {n}", "score": n / 4} for n in range(1000)]
    pxt.create_table("client_numbers", {"id": pxt.Int, "tens": pxt.Int, "name": pxt.String, "score": pxt.Float}).insert(rows)
    return "client_numbers"


@pytest.fixture
def crossed():
    """What crossed the wire: a list of transfers."""
    return []


@pytest.fixture
def lazy(db, numbers, crossed):
    return db.table(numbers).scan_polars(on_transfer=crossed.append)


def rows_of(crossed):
    assert len(crossed) == 1
    return crossed[0].rows


def test_the_whole_table(db, lazy, numbers, crossed):
    expected = db.table(numbers).scan().to_polars()
    assert lazy.collect_schema() == expected.schema
    assert crossed == []
    assert_frame_equal(lazy.collect(), expected, check_row_order=False)
    assert crossed[0][:1] == (1000,)
    assert crossed[0].bytes > 30_000
    assert crossed[0].complete
    assert crossed[0].columns == ("id", "tens", "name", "score")


def test_only_the_columns_that_are_used(lazy, crossed):
    frame = lazy.filter(c.tens == 3).select(c.score.sum()).collect()
    assert frame.item() == sum(n / 4 for n in range(30, 40))
    assert crossed[0].columns == ("tens", "score")
    assert crossed[0].sql == 'SELECT "tens", "score" FROM "client_numbers" WHERE ("tens" = $1)'


@pytest.mark.parametrize(
    ("predicate", "rows", "over_the_wire"),
    [
        (c.id >= 990, 10, 10),
        ((c.id >= 900) & c.name.str.ends_with("5"), 10, 100),
        (c.name.str.ends_with("5"), 100, 1000),
        ((c.id < 5) | c.name.str.ends_with("5"), 105, 1000),
        ((c.id < 5) | (c.name == "row 7"), 6, 6),
        (~(c.id < 990), 10, 10),
        (c.tens.is_in([1, 2]) & (c.score > 6), 5, 5),
        (c.id < 0, 0, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_the_filter_is_pushed(lazy, crossed, predicate, rows, over_the_wire, engine):
    assert lazy.filter(predicate).collect(engine=engine).height == rows
    assert rows_of(crossed) == over_the_wire


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_head_is_pushed(lazy, crossed, engine):
    assert lazy.head(7).collect(engine=engine).height == 7
    assert rows_of(crossed) == 7
    assert crossed[0].sql.endswith(" LIMIT 7")


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_filter_after_a_head_chooses_from_its_rows(lazy, crossed, engine):
    """polars hands over both at once and means the head first."""
    first = lazy.head(10).collect()
    kept = lazy.head(10).filter(c.id >= 5).collect(engine=engine)
    assert_frame_equal(kept, first.filter(c.id >= 5))
    assert "WHERE" not in crossed[-1].sql
    assert crossed[-1].rows == 10


def test_a_head_after_a_filter(lazy, crossed):
    kept = lazy.filter(c.id >= 990).head(3).collect()
    assert kept.height == 3
    assert kept["id"].min() >= 990
    assert rows_of(crossed) == 10


@pytest.mark.parametrize("query", [lambda frame: frame.select(pl.len()), lambda frame: frame.select(c.id.count())])
def test_counting_asks_for_one_column(lazy, crossed, query):
    assert query(lazy).collect().item() == 1000
    assert len(crossed[0].columns) == 1


def test_joins_and_groups(lazy, crossed):
    left = lazy.filter(c.id < 20).group_by("tens").agg(c.score.max())
    right = lazy.filter(c.id.is_in([3, 13])).select("tens", "name")
    joined = left.join(right, on="tens").sort("tens").collect()
    assert joined.to_dicts() == [{"tens": 0, "score": 2.25, "name": "row 3"}, {"tens": 1, "score": 4.75, "name": "row 13"}]
    assert sorted(transfer.rows for transfer in crossed) == [2, 20]


def test_batches_are_no_larger_than_asked_for(lazy):
    from pxt_flight.client.lazyframe import _applied

    frames = list(_applied(iter([lazy.collect()]), ["id"], c.id >= 10, 100))
    assert [frame.height for frame in frames] == [100] * 9 + [90]
    assert {*frames[0].columns} == {"id"}
    assert sorted(pl.concat(frames)["id"]) == list(range(10, 1000))


def test_a_version_is_read_for_the_life_of_the_frame(db, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}])
    name, version = table.get_metadata()["name"], table.get_metadata()["version"]
    then, now = db.table(name).scan_polars(version=version), db.table(name).scan_polars()
    assert then.collect().height == now.collect().height == 1
    table.insert([{"id": 2}])
    assert then.collect()["id"].to_list() == [1]
    assert sorted(now.collect()["id"]) == [1, 2]


def test_scan_pxt(db, server, numbers, monkeypatch):
    assert pf.scan_pxt(numbers, db).select(c.id.sum()).collect().item() == 499_500
    monkeypatch.setenv("PXT_FLIGHT_URI", server.flight_uri)
    monkeypatch.setenv("PXT_FLIGHT_KEY", server.key)
    assert pf.scan_pxt(numbers).select(c.id.max()).collect().item() == 999


def test_errors(db, lazy, make_table, pxt):
    with pytest.raises(pf.NotFoundError):
        pf.scan_pxt("client_nowhere", db)
    name = make_table({"id": pxt.Int}, [{"id": 1}]).get_metadata()["name"]
    frame = pf.scan_pxt(name, db)
    pxt.drop_table(name)
    with pytest.raises(pf.NotFoundError):
        frame.collect()


def test_nothing_of_a_value_is_in_the_statement(lazy, crossed):
    evil = "x' OR 1=1 --"
    assert lazy.filter(c.name == evil).collect().height == 0
    assert evil not in crossed[0].sql
    assert crossed[0].rows == 0


def test_a_stream_that_polars_leaves_is_cancelled(db, long_lines, crossed, streams):
    lazy = pf.scan_pxt(long_lines, db, on_transfer=crossed.append)
    assert lazy.filter(c.line.str.len_chars() > 1).head(1).collect(engine="streaming").height == 1
    # polars lets go of a source only when it is called again: pyo3 keeps what is dropped without the interpreter's lock until then.
    eventually(lambda: pl.DataFrame({"any": [1]}).height == 1 and streams() == 0)
    assert not crossed[0].complete
    assert crossed[0].rows < 400
