"""Real clients against a running server: each way in is used the way its documentation says."""

import adbc_driver_flightsql.dbapi
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest

import pxt_flight as pf


@pytest.fixture
def films(make_table, pxt):
    schema = {"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None}
    rows = [{"id": i, "name": f"film {i}" if i % 3 else None, "score": i / 2} for i in range(100)]
    return make_table(schema, rows, primary_key="id").get_metadata()["name"]


def options(server):
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])


def test_adbc_execute(server, films):
    with (
        adbc_driver_flightsql.dbapi.connect(
            server.flight_uri, db_kwargs={"adbc.flight.sql.authorization_header": f"Bearer {server.key}"}, autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"select id, score from {films} where id < 3 order by id")
        assert cursor.fetchall() == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_adbc_parameters(db, films):
    with db.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(f"select id from {films} where score > ? and name like ? order by id", (48.5, "film%"))
        assert cursor.fetch_arrow_table().to_pylist() == [{"id": 98}]


def test_polars_read_database(db, films):
    with db.adbc() as connection:
        frame = pl.read_database(f"select id, name from {films} where id < 2 order by id", connection)
    assert frame.to_dicts() == [{"id": 0, "name": None}, {"id": 1, "name": "film 1"}]


def test_pyarrow_flight_by_command(server, films):
    with fl.connect(server.flight_uri) as client:
        info = client.get_flight_info(fl.FlightDescriptor.for_command(f"select count(*) as n from {films}"), options(server))
        assert info.schema.field("n").type == pa.int64()
        assert client.do_get(info.endpoints[0].ticket, options(server)).read_all().to_pylist() == [{"n": 100}]


def test_pyarrow_flight_by_path(server, films):
    with fl.connect(server.flight_uri) as client:
        info = client.get_flight_info(fl.FlightDescriptor.for_path(films), options(server))
        assert client.do_get(info.endpoints[0].ticket, options(server)).read_all().num_rows == 100


def test_the_client(db, films):
    result = db.table(films).scan(columns=["id"], where="score >= 49", order_by="id desc", limit=1)
    assert result.schema.names == ["id"]
    assert result.to_arrow().to_pylist() == [{"id": 99}]


def test_a_wrong_key(server):
    with pytest.raises(pf.UnauthenticatedError) as caught:
        pf.connect(server.flight_uri, key="pxt_nonsense")
    assert caught.value.code == "key_invalid"
