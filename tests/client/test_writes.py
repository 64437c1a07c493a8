"""Rows that a client inserts: what it takes, what it answers, and what it refuses before anything is sent."""

import dataclasses
import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

import pxt_flight as pf


@pytest.fixture
def films(db, pxt, make_table):
    """A table with a key, and the client's table of it."""
    made = make_table({"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None}, primary_key="id")
    return db.table(made.get_metadata()["path"])


def rows_of(table):
    return sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["id"])


@dataclasses.dataclass
class Film:
    id: int
    name: str


class Model(pydantic.BaseModel):
    id: int
    name: str


ONE = {"id": 1, "name": "Brazil"}
SOURCES = {
    "a dict": lambda: ONE,
    "dicts": lambda: [ONE, {"id": 2, "name": None}],
    "a generator of dicts": lambda: (row for row in [ONE, {"id": 2, "name": None}]),
    "a dataclass": lambda: Film(1, "Brazil"),
    "dataclasses": lambda: [Film(1, "Brazil"), Film(2, None)],
    "models": lambda: [Model(**ONE)],
    "a table": lambda: pa.table({"id": [1, 2], "name": ["Brazil", None]}),
    "a batch": lambda: pa.record_batch({"id": [1], "name": ["Brazil"]}),
    "batches": lambda: [pa.record_batch({"id": [1], "name": ["Brazil"]}), pa.record_batch({"id": [2], "name": ["Alien"]})],
    "a generator of batches": lambda: (pa.record_batch({"id": [i], "name": ["Brazil"]}) for i in (1, 2)),
    "a reader": lambda: pa.table({"id": [1, 2], "name": ["Brazil", "Alien"]}).to_reader(),
    "polars": lambda: pl.DataFrame({"id": [1, 2], "name": ["Brazil", None]}),
    "lazy polars": lambda: pl.LazyFrame({"id": [1], "name": ["Brazil"]}),
    "polars categories": lambda: pl.DataFrame({"id": [1, 2], "name": ["Brazil", "Brazil"]}, schema_overrides={"name": pl.Categorical}),
    "pandas": lambda: pd.DataFrame({"id": [1, 2], "name": ["Brazil", None]}, index=["x", "y"]),
    "pandas objects": lambda: pd.DataFrame({"id": [1, 2], "name": pd.Series(["Brazil", None], dtype=object)}),
    "pandas categories": lambda: pd.DataFrame({"id": pd.array([1, 2], "Int64"), "name": pd.Categorical(["Brazil", "Brazil"])}),
    "structured numpy": lambda: np.array([(1, "Brazil")], dtype=[("id", "i4"), ("name", "U9")]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_everything_that_holds_rows(films, source):
    written = films.insert(SOURCES[source]())
    got = rows_of(films)
    assert got[0] == {"id": 1, "name": "Brazil", "score": None}
    assert [row["id"] for row in got] == [1, 2][: written.inserted]
    assert (written.kind, written.table, written.rejected, written.repeated) == ("insert", films.name, None, False)
    assert written.version == films.versions()[0].version == 1


def test_a_relation_of_duckdb(films):
    import duckdb

    assert films.insert(duckdb.sql("select 1::integer as id, 'Brazil' as name")).inserted == 1
    assert rows_of(films)[0]["name"] == "Brazil"


def test_one_row_by_keywords(films):
    assert films.insert(id=1, name="Brazil", score=8).inserted == 1
    assert rows_of(films) == [{"id": 1, "name": "Brazil", "score": 8.0}]


def test_keywords_are_of_every_row(films):
    films.insert(pa.table({"id": [1, 2]}), name="Brazil")
    assert [row["name"] for row in rows_of(films)] == ["Brazil", "Brazil"]
    with pytest.raises(pf.InvalidRequestError, match="given by the rows and by its name"):
        films.insert([{"id": 3, "name": "a"}], name="b")


def test_many_rows_are_one_version(films):
    written = films.insert({"id": i, "score": i / 2} for i in range(20_000))
    assert (written.inserted, written.version) == (20_000, 1)
    assert films.scan(["id"]).to_arrow().num_rows == 20_000


def test_a_result_is_inserted(films, db):
    films.insert([{"id": 1, "name": "Brazil", "score": 1.0}])
    films.insert(db.sql(f'select id + 10 as id, name, score from "{films.name}"'))
    assert rows_of(films)[1] == {"id": 11, "name": "Brazil", "score": 1.0}


def test_what_was_written_reads_well(films):
    written = films.insert(id=1)
    assert repr(written) == f"Written(insert {films.name!r}, version=1, inserted=1, tier={written.tier!r})"
    assert (
        repr(pf.Written("update", "films", 3, updated=1200, repeated=True))
        == "Written(update 'films', version=3, updated=1,200, repeated=True)"
    )
    assert pf.Written("insert", "films", 1, inserted=3, first_row_id=7).row_ids == range(7, 10)
    assert len(pf.Written("insert", "films", 1, inserted=3).row_ids) == 0


# What is refused


@pytest.mark.parametrize(
    ("rows", "code", "where"),
    [
        ([{"id": 1}, {"id": "2"}], "TYPE_MISMATCH", {"row": 1, "column": "id"}),
        ([{"id": True}], "TYPE_MISMATCH", {"row": 0, "column": "id"}),
        ([{"id": 2**63}], "TYPE_MISMATCH", {"row": 0, "column": "id"}),
        ([{"id": 1, "name": b"x"}], "TYPE_MISMATCH", {"row": 0, "column": "name"}),
        ([{"id": 1, "name": "\ud800"}], "TYPE_MISMATCH", {"row": 0, "column": "name"}),
        ([{"id": 1, "score": "8"}], "TYPE_MISMATCH", {"row": 0, "column": "score"}),
        ([{"id": 1, "scor": 8}], "COLUMN_NOT_FOUND", {"column": "scor"}),
        ([], "INVALID_ARGUMENT", {}),
        (iter(()), "INVALID_ARGUMENT", {}),
        ([1], "INVALID_ARGUMENT", {}),
        (7, "INVALID_ARGUMENT", {}),
        (b"bytes", "INVALID_ARGUMENT", {}),
        (None, "INVALID_ARGUMENT", {}),
        (pa.table([[1], [2]], names=["id", "id"]), "INVALID_ARGUMENT", {"column": "id"}),
        (iter([pa.record_batch({"id": [1]}), pa.record_batch({"id": ["2"]})]), "INVALID_ARGUMENT", {}),
    ],
)
def test_what_is_refused(films, rows, code, where):
    with pytest.raises(pf.PxtFlightError) as refused:
        films.insert(rows)
    assert refused.value.code == code
    assert refused.value.where == where
    assert films.versions()[0].version == 0


def test_a_generator_that_fails_in_the_middle_writes_nothing(films):
    def rows():
        yield from ({"id": i} for i in range(20_000))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        films.insert(rows())
    with pytest.raises(pf.InvalidRequestError, match="column name, which none before has"):
        films.insert({"id": i} | ({"name": "x"} if i > 15_000 else {}) for i in range(20_000))
    assert films.insert(id=1).version == 1
    assert [row["id"] for row in rows_of(films)] == [1]


def test_columns_that_come_late_and_leave_early(films):
    films.insert({"id": i} | ({"name": "x"} if i < 10 else {}) for i in range(20_000))
    assert films.scan(where="name = 'x'").to_arrow().num_rows == 10


def test_no_table(db):
    with pytest.raises(pf.NotFoundError, match="TABLE_NOT_FOUND"):
        db.table("writes_nowhere").insert(id=1)


def test_a_key_that_is_there(films):
    films.insert(id=1)
    with pytest.raises(pf.ConflictError, match="CONSTRAINT_VIOLATION"):
        films.insert([{"id": 2}, {"id": 1}])
    assert len(rows_of(films)) == 1


def test_the_same_key_writes_once(films):
    key = str(uuid.uuid4())
    rows = [{"id": 20}]
    first = films.insert(rows, idempotency_key=key)
    again = films.insert(rows, idempotency_key=key)
    assert (again.repeated, again.version, first.repeated) == (True, first.version, False)
    assert again.row_ids == first.row_ids
    with pytest.raises(pf.ConflictError, match="idempotency_key_reused"):
        films.insert([{"id": 21}], idempotency_key=key)
    assert [write["inserted"] for write in films.writes()] == [1]


# Values


def test_values_of_python(db, pxt, make_table):
    made = make_table(
        {
            "id": pxt.Int,
            "seen": pxt.Bool | None,
            "at": pxt.Timestamp | None,
            "day": pxt.Date | None,
            "key": pxt.UUID | None,
            "info": pxt.Json | None,
            "data": pxt.Binary | None,
            "vector": pxt.Array[(3,), pxt.Float] | None,
            "score": pxt.Float | None,
        }
    )
    table = db.table(made.get_metadata()["path"])
    key = uuid.uuid4()
    at = dt.datetime(2026, 3, 29, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=5)))
    table.insert(
        [
            {
                "id": 0,
                "seen": True,
                "at": at,
                "day": at.date(),
                "key": key,
                "info": {"a": [1, None, "é"]},
                "data": b"\0",
                "score": Decimal("0.5"),
            },
            {"id": 1, "seen": np.bool_(False), "key": str(key), "info": "text", "data": bytearray(b"x"), "score": np.float32(0.25)},
            {"id": np.int16(2), "info": [np.float32(0.5), {"b": np.arange(2)}], "day": "2026-03-29", "score": 3},
            {"id": 3, "info": None, "score": None},
        ]
    )
    got = made.select(made.id, made.seen, made.at, made.day, made.key, made.info, made.data, made.score).order_by(made.id).collect()
    assert list(got["seen"]) == [True, False, None, None]
    assert got["at"][0] == at
    assert list(got["day"]) == [at.date(), None, at.date(), None]
    assert list(got["key"]) == [key, key, None, None]
    assert list(got["info"]) == [{"a": [1, None, "é"]}, "text", [0.5, {"b": [0, 1]}], None]
    assert list(got["data"]) == [b"\0", b"x", None, None]
    assert list(got["score"]) == [0.5, 0.25, 3.0, None]


@pytest.mark.parametrize("info", [float("nan"), {"a": float("inf")}, {1: 2}, {"a": {1, 2}}, object()])
def test_what_json_is_not(db, pxt, make_table, info):
    made = make_table({"info": pxt.Json | None})
    with pytest.raises(pf.InvalidRequestError) as refused:
        db.table(made.get_metadata()["path"]).insert([{"info": None}, {"info": info}])
    assert (refused.value.code, refused.value.where) == ("TYPE_MISMATCH", {"row": 1, "column": "info"})


def test_columns_that_are_computed_are_not_sent(db, pxt, make_table):
    made = make_table({"id": pxt.Int})
    made.add_computed_column(twice=made.id * 2)
    table = db.table(made.get_metadata()["path"])
    table.insert([{"id": 1, "twice": 99}])
    table.insert(table.scan())
    assert table.scan().to_arrow().to_pylist() == [{"id": 1, "twice": 2}] * 2
