"""The same rows three times: in Pixeltable behind the real server, in plain tables of Postgres, and in DuckDB."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as flightsql
import psycopg
import pyarrow as pa
import pytest
from corpus_rows import COLUMNS, KINDS, arrow_tables, tables
from psycopg.types.string import TextLoader

from pxt_flight.registration import Server


@pytest.fixture(scope="session")
def corpus(pxt: Any) -> dict[str, list[dict[str, Any]]]:
    """The tables, made in Pixeltable; only read from."""
    rows = tables()
    for name, columns in COLUMNS.items():
        schema = {
            column: getattr(pxt, kind.rstrip("?")) | None if kind.endswith("?") else getattr(pxt, kind) for column, kind in columns.items()
        }
        pxt.create_table(name, schema).insert(rows[name])
    return rows


@pytest.fixture(scope="session")
def raw(pxt: Any) -> Iterator[psycopg.Connection[Any]]:
    """A session of the same Postgres with the same rows in temporary tables: it runs statements as they are written."""
    from pxt_flight.engine.seam.store import libpq_uri

    with psycopg.connect(libpq_uri(), autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET timezone = 'UTC'")
        for kind in ("json", "jsonb"):  # compared as text, as it goes over the wire
            connection.adapters.register_loader(kind, TextLoader)
        for name, rows in tables().items():
            columns = COLUMNS[name]
            definitions = ", ".join(f'"{column}" {KINDS[kind.rstrip("?")][0]}' for column, kind in columns.items())
            connection.execute(f"CREATE TEMPORARY TABLE {name} ({definitions})")
            marks = ", ".join(f"${i + 1}" for i in range(len(columns)))
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", [[_as_sql(value) for value in row.values()] for row in rows])
            connection.execute(f"ANALYZE {name}")
        connection.execute("SET search_path = pg_temp")
        yield connection


def _as_sql(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


@pytest.fixture(scope="session")
def duck() -> Iterator[Any]:
    """DuckDB with the same Arrow data."""
    import duckdb  # where it is used only: it reports leaks of its own when the process ends

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in arrow_tables().items():
            connection.register(f"arrow_{name}", table)
            uuids = ", ".join(f"{column}::uuid AS {column}" for column, kind in COLUMNS[name].items() if kind.startswith("UUID"))
            replaced = f"* REPLACE ({uuids})" if uuids else "*"
            connection.execute(f"CREATE TABLE {name} AS SELECT {replaced} FROM arrow_{name}")
        yield connection


@pytest.fixture(scope="session")
def wire(server: Server) -> Iterator[flightsql.Connection]:
    """An ADBC connection to the server, with nothing set but the key."""
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def ask(engine: Any, corpus: Any) -> Callable[..., pa.Table]:
    """Run a statement in the engine, in Postgres: a fall-back to Pixeltable's own query API fails."""
    from pxt_flight.engine.scan import Request

    def ask(sql: str, parameters: tuple[Any, ...] = ()) -> pa.Table:
        stream = engine.stream(Request(sql, parameters))
        try:
            assert stream.tier == "copy"
            return pa.Table.from_batches(list(stream.batches), stream.schema)
        finally:
            stream.close()

    return ask
