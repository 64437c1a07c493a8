"""Each type in each client, over the wire: what `collect()` gives, of the promised type, or the reason that the table names."""

import json
import urllib.request
from urllib.parse import quote

import adbc_driver_flightsql.dbapi as flightsql
import duckdb
import pandas as pd
import polars as pl
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import DatabaseOptions
from plain_values import is_null, same
from type_table import ARROW_CLIENTS, CLIENTS, ROWS, TIMESTAMP


class Clients:
    """Each client as a method that answers the type of a row's column and its values."""

    def __init__(self, db, server):
        self._db, self._server = db, server

    def pull(self, client, row):
        """Read a row of the table by a client's name."""
        return getattr(self, "_" + "".join(letter if letter.isalnum() else "_" for letter in client))(row)

    def _to_arrow(self, row):
        return _of_arrow(self._result(row).to_arrow())

    def _to_polars(self, row):
        return _of_polars(self._result(row).to_polars())

    def _to_pandas(self, row, **options):
        frame = self._result(row).to_pandas(**options)
        return str(frame.dtypes.iloc[1]), frame.iloc[:, 1].tolist()

    def exact_in_pandas(self, row):
        """As pandas holds Arrow's own types."""
        return self._to_pandas(row, types_mapper=pd.ArrowDtype)[1]

    def _DuckDB(self, row):  # noqa: N802  # its name
        with duckdb.connect() as local:
            relation = local.from_arrow(self._result(row).to_reader())
            kind = str(relation.types[1])
            if row.kind is TIMESTAMP:  # fetchall() of it needs pytz
                return kind, relation.to_arrow_table().column(1).to_pylist()
            return kind, [value for _, value in relation.fetchall()]

    def _pyarrow_flight(self, row):
        options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {self._server.key}".encode())])
        with fl.connect(self._server.flight_uri) as client:
            command = json.dumps({"sql": row.sql, "media": row.media}).encode()
            return _of_arrow(client.do_get(fl.Ticket(command), options).read_all())

    def _ADBC(self, row):  # noqa: N802  # its name
        with self._adbc(row) as connection, connection.cursor() as cursor:
            return _of_arrow(cursor.execute(row.sql).fetch_arrow_table())

    def _fetchall(self, row):
        with self._adbc(row) as connection, connection.cursor() as cursor:
            values = [value for _, value in cursor.execute(row.sql).fetchall()]
        (kind,) = {type(value).__name__ for value in values if value is not None}
        return kind, values

    def _read_database(self, row):
        with self._adbc(row) as connection:
            return _of_polars(pl.read_database(row.sql, connection))

    def _pxt___(self, row):
        uri = self._server.flight_uri.replace("grpc://", f"pxt://{quote(self._server.key, safe='')}@")
        return _of_polars(pl.read_database_uri(row.sql, uri, engine="adbc"))

    def _result(self, row):
        return self._db.sql(row.sql, media=row.media)

    def _adbc(self, row):
        options = {
            DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {self._server.key}",
            f"{DatabaseOptions.RPC_CALL_HEADER_PREFIX.value}x-pxt-media": row.media,
        }
        return flightsql.connect(self._server.flight_uri, db_kwargs=options, autocommit=True)


def _of_arrow(table):
    return str(table.schema.field(1).type), table.column(1).to_pylist()


def _of_polars(frame):
    return str(frame.dtypes[1]), frame.to_series(1).to_list()


def promised(row, client):
    """The type's name in a client."""
    kind = row.kind
    if client in ARROW_CLIENTS:
        return kind.arrow
    return {"fetchall": kind.rows, "to_pandas": kind.pandas, "DuckDB": kind.duckdb}.get(client, kind.polars)


def fetched(url):
    """What a link leads to."""
    with urllib.request.urlopen(url) as answer:
        return answer.read()


@pytest.fixture
def clients(db, server):
    return Clients(db, server)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_type_in_a_client(tables, collected, clients, row, client):
    kind, found = clients.pull(client, row)
    if client in row.reasons:  # a client that cannot say what media it wants
        assert kind == "String"
        assert all(value is None or value.startswith("http://") for value in found)
        return
    assert kind == promised(row, client)
    wanted = collected(row)
    if client == "to_pandas" and row.kind.lossy_in_pandas and any(not is_null(v) and abs(v) > 2**53 for v in wanted):
        assert found[0] != wanted[0]
        found = clients.exact_in_pandas(row)
    for value, expected in zip(found, wanted, strict=True):
        same(row.form, fetched(value) if row.form == "url" and not is_null(value) else value, expected)
