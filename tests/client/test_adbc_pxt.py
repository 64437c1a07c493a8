"""`adbc_driver_pxt`: the key in the address, for polars and whoever else opens a database by its URI."""

import logging
import traceback
from urllib.parse import quote

import pandas as pd
import polars as pl
import pytest
from adbc_driver_manager import dbapi as manager

import adbc_driver_pxt.dbapi
import pxt_flight as pf

QUERY = "select id from client_lines where id < 3 order by id"


@pytest.fixture
def uri(server, long_lines):
    return server.flight_uri.replace("grpc://", f"pxt://{quote(server.key, safe='')}@")


def test_polars_by_address(uri):
    assert pl.read_database_uri(QUERY, uri, engine="adbc")["id"].to_list() == [0, 1, 2]


def test_polars_with_parameters(uri):
    query = "select id from client_lines where id = ?"
    frame = pl.read_database_uri(query, uri, engine="adbc", execute_options={"parameters": (7,)})
    assert frame["id"].to_list() == [7]


def test_pandas_over_a_connection(uri):
    with adbc_driver_pxt.dbapi.connect(uri) as connection:
        assert pd.read_sql_query(QUERY, connection)["id"].tolist() == [0, 1, 2]


def test_it_is_a_driver_of_db_api(uri):
    driver = adbc_driver_pxt.dbapi
    assert (driver.apilevel, driver.paramstyle, driver.Error) == (manager.apilevel, "qmark", manager.Error)
    with driver.connect(uri, db_kwargs={"adbc.flight.sql.rpc.timeout_seconds.query": "30"}) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        assert cursor.fetchall() == [(0,), (1,), (2,)]


def test_a_value_larger_than_the_drivers_own_bound(db, make_table, pxt):
    """17 MiB in one cell: beyond the 16 MiB that ADBC takes by default."""
    name = make_table({"text": pxt.String}, [{"text": "x" * (17 << 20)}]).get_metadata()["name"]
    with db.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(f"select text from {name}")
        assert len(cursor.fetchone()[0]) == 17 << 20


def test_the_session_keeps_its_cookies(db):
    with db.adbc() as connection:
        assert connection.adbc_database.get_option("adbc.flight.sql.rpc.with_cookie_middleware") == "true"


@pytest.mark.parametrize("address", ["pxt://localhost:1", "pxt://@localhost:1", "grpc://localhost:1"])
def test_an_address_without_a_key(address):
    with pytest.raises(pf.UnauthenticatedError) as caught:
        adbc_driver_pxt.dbapi.connect(address)
    assert caught.value.code == "key_missing"


# The key in what is shown


SECRET = "pxt_SECRET"


def shown(call, caplog):
    """All that a failing call shows: its errors with those behind them, without the source lines of the test, and the logs."""
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception) as caught:  # noqa: PT011  # any
        call()
    return "".join(traceback.TracebackException.from_exception(caught.value).format(chain=True)) + caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "pxt://{}@127.0.0.1:1",
        "pxt://{}@127.0.0.1:none",
        "pxt://{}@[::1",
        "pxt://{}@host:1/path",
        "pxt+tls://{}@127.0.0.1:1",
        "pxt://{}@127.0.0.1:1?no=1",
    ],
)
@pytest.mark.parametrize("engine", ["adbc", "connectorx", "unheard of"])
def test_polars_errors_do_not_show_the_key(address, engine, caplog):
    uri = address.format(SECRET)
    assert SECRET not in shown(lambda: pl.read_database_uri("select 1", uri, engine=engine), caplog)


def test_a_wrong_key_is_not_shown(server, long_lines, caplog):
    uri = server.flight_uri.replace("grpc://", f"pxt://{SECRET}@")
    text = shown(lambda: pl.read_database_uri(QUERY, uri, engine="adbc"), caplog)
    assert "key_invalid" in text
    assert SECRET not in text


def test_what_is_opened_does_not_show_the_key(uri, server):
    with adbc_driver_pxt.dbapi.connect(uri) as connection, connection.cursor() as cursor:
        assert server.key not in f"{connection!r}{connection.adbc_database!r}{connection.adbc_connection!r}{cursor!r}"
