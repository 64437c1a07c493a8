"""Our own client: `connect`, `Database`, `Table` and `Result` against a running server."""

import datetime as dt
import decimal
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pxt_flight as pf

MOMENT = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture
def few(db, films):
    """A result of three rows."""
    return db.sql(f"select id, name from {films} where id < 3 order by id")


ROWS = [{"id": 0, "name": None}, {"id": 1, "name": "film 1"}, {"id": 2, "name": "film 2"}]


# Result


def test_the_schema_is_known_early(few):
    assert few.schema.names == ["id", "name"]
    assert repr(few) == "Result(not read yet; id: int64, name: string)"
    few.to_arrow()
    assert repr(few) == "Result(3 rows; id: int64, name: string)"


def test_rows_are_kept_for_every_later_form(few):
    table = few.to_arrow()
    assert table.to_pylist() == ROWS
    assert few.to_arrow() is table
    assert few.to_polars().to_dicts() == ROWS
    assert few.to_pandas()["id"].tolist() == [0, 1, 2]
    assert few.to_reader().read_all().equals(table)
    assert few.to_reader().read_all().equals(table)


def test_types_mapper_of_pandas(few):
    assert few.to_pandas(types_mapper=pd.ArrowDtype)["id"].dtype == pd.ArrowDtype(pa.int64())


def test_a_stream_is_taken_once(few):
    assert few.to_reader().read_all().to_pylist() == ROWS
    for again in (few.to_reader, few.to_arrow, few.to_polars, few.to_pandas):
        with pytest.raises(pf.InvalidRequestError, match="streamed already") as caught:
            again()
        assert caught.value.hint == "Run the query again."


@pytest.mark.parametrize(
    "take",
    [
        lambda result: pl.DataFrame(result).to_dicts(),
        lambda result: pa.table(result).to_pylist(),
        lambda result: pa.RecordBatchReader.from_stream(result).read_all().to_pylist(),
        lambda result: pd.DataFrame.from_arrow(result).astype(object).where(lambda f: f.notna(), None).to_dict("records"),
    ],
    ids=["polars", "pyarrow", "reader", "pandas"],
)
def test_whoever_speaks_the_pycapsule_protocol_takes_it(few, take):
    assert take(few) == ROWS


def test_an_empty_result_has_its_columns(db, films):
    assert db.sql(f"select id, day from {films} where id < 0").to_polars().schema == {"id": pl.Int64(), "day": pl.Date()}


# Parameters


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("at = $1", MOMENT),
        ("at = $1", MOMENT.astimezone(dt.timezone(dt.timedelta(hours=-3)))),
        ("at = $1", MOMENT.replace(tzinfo=None)),
        ("day = $1", MOMENT.date()),
        ("uid = $1", uuid.UUID(int=7)),
        ("score = $1", decimal.Decimal("3.5")),
        ("id = $1", np.int32(7)),
        ("score = $1", np.float32(3.5)),
        ("seen = $1", np.bool_(True)),
        ("name = $1", np.str_("seven")),
        ("id = $1 and id = $1", 7),
    ],
)
def test_parameters(db, make_table, pxt, condition, value):
    schema = {
        "id": pxt.Int,
        "at": pxt.Timestamp,
        "day": pxt.Date,
        "uid": pxt.UUID,
        "score": pxt.Float,
        "seen": pxt.Bool,
        "name": pxt.String,
    }
    row = {"id": 7, "at": MOMENT, "day": MOMENT.date(), "uid": uuid.UUID(int=7), "score": 3.5, "seen": True, "name": "seven"}
    name = make_table(schema, [row]).get_metadata()["name"]
    assert db.sql(f"select id from {name} where {condition}", [value]).to_arrow().num_rows == 1


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), [1, 2], {"a": 1}, np.array([1, 2])])
def test_parameters_that_cannot_be_sent(db, films, value):
    with pytest.raises((pf.InvalidRequestError, TypeError, ValueError)):
        db.sql(f"select id from {films} where id = $1", [value])


# Table.scan


def test_scan_with_everything(db, films):
    result = db[films].scan(columns=["id", "score"], where="score > 48 -- and not id", order_by="id desc", limit=2)
    assert result.to_arrow().to_pylist() == [{"id": 99, "score": 49.5}, {"id": 98, "score": 49.0}]
    assert db.table(films).schema.names == ["id", "name", "score", "seen", "at", "day", "uid", "tags"]
    assert repr(db.table(films)) == f"Table('{films}')"


@pytest.mark.parametrize(
    "arguments",
    [
        {"columns": ['id" from x --']},
        {"columns": ["id", "*"]},
        {"where": "id = 1; drop table wire_films"},
        {"where": "id = 1 union select 1"},
        {"where": "id = 1 /*", "limit": 1},
        {"order_by": "id; select 1"},
        {"order_by": "id /*", "limit": 1},
    ],
)
def test_scan_cannot_be_made_to_say_more(db, films, arguments):
    with pytest.raises((pf.InvalidRequestError, pf.NotFoundError)):
        db.table(films).scan(**arguments)
    assert db.sql(f"select count(*) as n from {films}").to_arrow().to_pylist() == [{"n": 100}]


@pytest.mark.parametrize("limit", ["1; drop table x", "all", None, 2.9])
def test_a_limit_is_a_whole_number(db, films, limit):
    if isinstance(limit, str):
        with pytest.raises(ValueError, match="invalid literal"):
            db.table(films).scan(limit=limit)
    else:
        assert db.table(films).scan(limit=limit).to_arrow().num_rows == (100 if limit is None else 2)


def test_a_version_of_a_table(db, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}])
    name, version = table.get_metadata()["name"], table.get_metadata()["version"]
    table.insert([{"id": 2}])
    assert db.table(name).scan(version=version).to_arrow().num_rows == 1
    assert db.table(name).scan().to_arrow().num_rows == 2
    with pytest.raises(pf.NotFoundError, match=f"Table {name} has no version 99"):
        db.table(name).scan(version=99)


def test_names_with_dots_slashes_and_capitals(db, pxt):
    pxt.create_dir("wire_box")
    pxt.create_table("wire_box/caps", {"id": pxt.Int}).insert([{"id": 1}])
    for name in ("wire_box.caps", "wire_box/caps", "Wire_Box.CAPS"):
        assert db.table(name).scan(columns=["ID"]).to_arrow().to_pylist() == [{"id": 1}]
    assert db.tables("wire_box") == ["wire_box/caps"]


# connect


def test_connect_by_home(server, store):
    with pf.connect(home=store) as db:
        assert db.uri == server.flight_uri
    with pf.connect(home=str(store)) as db:
        assert isinstance(db.tables(), list)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "{}", '{"flight_uri": "grpc://127.0.0.1:1"}'])
def test_a_home_without_a_server(tmp_path, content):
    (tmp_path / "pxt_flight").mkdir()
    if content is not None:
        (tmp_path / "pxt_flight" / "server.json").write_text(content)
    with pytest.raises(pf.ConnectError) as caught:
        pf.connect(home=tmp_path)
    assert caught.value.code == "connect_failed"
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("uri", ["grpc://127.0.0.1:1", "http://127.0.0.1:1", "nonsense", "grpc://"])
def test_no_server_answers(tmp_path, uri):
    with pytest.raises(pf.ConnectError, match="No server answers") as caught:
        pf.connect(uri, key="pxt_secret")
    assert caught.value.where == {"step": "the arguments"}
    assert "pxt_secret" not in str(caught.value)


def test_a_key_is_never_shown(server, films):
    with pf.connect(server.flight_uri, key=server.key) as db:
        shown = [repr(db), str(db), repr(db.table(films)), repr(db.sql(f"select id from {films}")), repr(server)]
    assert not [text for text in shown if server.key in text]


def test_an_error_carries_everything(db, films):
    with pytest.raises(pf.NotFoundError) as caught:
        db.sql(f"select id,\n  scor\nfrom {films}")
    fault = caught.value
    assert (fault.code, fault.message, fault.hint) == ("COLUMN_NOT_FOUND", "There is no column scor.", "Did you mean score?")
    assert fault.where == {"column": "scor", "line": 2, "character": 3}
    assert not fault.retryable
