"""ADBC and what stands on it (polars, pandas), used the way its documentation says."""

import datetime as dt
import decimal
import uuid

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

MOMENT = dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC)
ID = uuid.UUID(int=7)


@pytest.fixture(scope="module")
def typed(pxt):
    """One row with a value of each type, one with NULLs."""
    schema = {"i": pxt.Int, "f": pxt.Float | None, "s": pxt.String | None, "b": pxt.Bool | None}
    schema |= {"t": pxt.Timestamp | None, "d": pxt.Date | None, "u": pxt.UUID | None}
    row = {"i": 7, "f": 1.5, "s": "seven", "b": True, "t": MOMENT, "d": MOMENT.date(), "u": ID}
    pxt.create_table("wire_typed", schema).insert([row, {"i": 8}])
    return "wire_typed"


def test_execute_and_every_way_to_fetch(adbc, films):
    sql = f"select id, score from {films} where id < 3 order by id"
    with adbc.cursor() as cursor:
        cursor.execute(sql)
        assert [column[0] for column in cursor.description] == ["id", "score"]
        assert cursor.fetchone() == (0, 0.0)
        assert cursor.fetchmany(1) == [(1, 0.5)]
        assert cursor.fetchall() == [(2, 1.0)]
        cursor.execute(sql)
        assert cursor.fetch_arrow_table().to_pylist() == [{"id": i, "score": i / 2} for i in range(3)]
        cursor.execute(sql)
        assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 3
        assert [cursor.execute(sql).fetchall() for _ in range(2)] == [[(0, 0.0), (1, 0.5), (2, 1.0)]] * 2


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("i = ?", 7),
        ("i = ?", "7"),
        ("f = ?", 1.5),
        ("f = ?", decimal.Decimal("1.5")),
        ("s = ?", "seven"),
        ("b = ?", True),
        ("t = ?", MOMENT),
        ("t = ?", MOMENT.isoformat()),
        ("t = ?", MOMENT.astimezone(dt.timezone(dt.timedelta(hours=5)))),
        ("d = ?", MOMENT.date()),
        ("u = ?", ID),
        ("u = ?", str(ID)),
        ("s like ?", "sev%"),
        ("i in (?, 9)", 7),
        ("? < i and i < 8", 6),
        ("i = $1", 7),
    ],
)
def test_parameters_of_each_type(adbc, typed, condition, value):
    with adbc.cursor() as cursor:
        assert cursor.execute(f"select i from {typed} where {condition}", (value,)).fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("condition", "value", "code"),
    [
        ("i = ?", "seven", "TYPE_MISMATCH"),
        ("b = ?", 1, "TYPE_MISMATCH"),
        ("d = ?", "2024-02-30", "INVALID_ARGUMENT"),
        ("t = ?", "yesterday's", "TYPE_MISMATCH"),
        ("s = ?", b"seven", "TYPE_MISMATCH"),
        ("s = ?", ["seven"], "INVALID_ARGUMENT"),
        ("s = ?", "a\0b", "INVALID_ARGUMENT"),
        ("i = 7", 7, "INVALID_ARGUMENT"),
        ("i = ? and f = ?", 7, "INVALID_ARGUMENT"),
    ],
)
def test_parameters_that_do_not_fit(adbc, typed, condition, value, code):
    with adbc.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=f"{code}: "):
        # Where the plan of another value is at hand, Postgres sees this one when it reads.
        cursor.execute(f"select i from {typed} where {condition}", (value,)).fetchall()


@pytest.mark.parametrize(("condition", "value"), [("i = ?", None), ("f = ?", float("nan")), ("i < ?", -(2**63))])
def test_parameters_that_fit_and_find_nothing(adbc, typed, condition, value):
    with adbc.cursor() as cursor:
        assert cursor.execute(f"select i from {typed} where {condition}", (value,)).fetchall() == []


def test_parameters_may_be_bound_again(adbc, typed):
    with adbc.cursor() as cursor:
        for value, expected in ((7, [(7,)]), (9, []), (8, [(8,)])):
            assert cursor.execute(f"select i from {typed} where i = ?", (value,)).fetchall() == expected


def test_the_server_says_who_it_is(adbc):
    info = adbc.adbc_get_info()
    assert info["vendor_name"] == "pxt-flight"
    assert info["vendor_arrow_version"] == pa.__version__


def test_partitions_are_readable_elsewhere(adbc, db, films):
    with adbc.cursor() as cursor:
        (ticket,), schema = cursor.adbc_execute_partitions(f"select id from {films} where id < 5")
    with db.adbc() as elsewhere, elsewhere.cursor() as cursor:
        cursor.adbc_read_partition(ticket)
        assert sorted(cursor.fetchall()) == [(i,) for i in range(5)]
    assert schema.names == ["id"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "key_missing"),
        ({"adbc.flight.sql.authorization_header": "Bearer pxt_nonsense"}, "key_invalid"),
        ({"adbc.flight.sql.authorization_header": "Basic dTpw"}, "key_invalid"),
        ({"username": "u", "password": "p"}, "key_invalid"),
    ],
)
def test_no_or_a_wrong_key(server, films, options, code):
    with (
        pytest.raises(adbc_driver_manager.ProgrammingError, match=f"(?i:unauthenticated).*{code}: "),
        flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"select id from {films}")


def test_closing_early_gives_the_connection_back(server, pxt, busy_backends, soon):
    table = pxt.create_table("wire_adbc_long", {"id": pxt.Int, "text": pxt.String})
    table.insert([{"id": i, "text": "x" * 4000} for i in range(4000)])
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select * from wire_adbc_long")
            reader = cursor.fetch_record_batch()
            assert reader.read_next_batch().num_rows > 0
            reader.close()
        with connection.cursor() as cursor:
            assert cursor.execute("select count(*) from wire_adbc_long").fetchall() == [(4000,)]
    soon(lambda: not busy_backends())


def test_polars_in_batches_and_with_parameters(adbc, films):
    frames = list(pl.read_database(f"select id from {films}", adbc, iter_batches=True, batch_size=10))
    assert sorted(pl.concat(frames)["id"].to_list()) == list(range(100))
    options = {"parameters": ("film 7",)}
    assert pl.read_database(f"select id from {films} where name = ?", adbc, execute_options=options).to_dicts() == [{"id": 7}]


def test_polars_types(adbc, typed):
    frame = pl.read_database(f"select * from {typed} order by i", adbc)
    assert frame.schema["t"] == pl.Datetime("us", "UTC")
    assert frame.drop("u").row(0) == (7, 1.5, "seven", True, MOMENT, MOMENT.date())
    assert frame.row(1)[1:] == (None,) * 6


def test_pandas_read_sql(adbc, typed):
    frame = pd.read_sql(f"select i, t, s from {typed} order by i", adbc, dtype_backend="pyarrow")
    assert frame["i"].tolist() == [7, 8]
    assert frame["t"][0] == pd.Timestamp(MOMENT)
