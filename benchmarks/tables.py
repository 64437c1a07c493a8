"""What is read: tables of the same rows, inserted through Pixeltable where they are few, made by Postgres itself where they are many."""

from typing import Any

import pixeltable as pxt
import psycopg.conninfo
from pixeltable import functions
from psycopg import sql

from benchmarks.dataset import COLUMNS, row

_CHECKED_ROWS = 1000
# The rows of `dataset.row`, made by Postgres. 2^63 - 1 is how Pixeltable marks a row that no later version has replaced.
_FILL = sql.SQL("""
    INSERT INTO {table} (rowid, v_min, v_max, col_0, col_1, col_2, col_3, col_4)
    SELECT i, 0, 9223372036854775807, i,
           'name-' || i % 977 || '-' || CASE WHEN i % 3 = 0 THEN 'y' ELSE 'x' END,
           (i * 37 % 1000) / 10.0::double precision,
           TIMESTAMPTZ '2024-01-01 00:00:00+00' + i * INTERVAL '1 second',
           jsonb_build_object('k', i % 10, 'tags', (ARRAY['[]', '["a"]', '["a", "b"]'])[i % 3 + 1]::jsonb, 'lab', 'l' || i % 5)
    FROM generate_series(0, {last}::bigint) AS i
""")


def named(rows: int) -> str:
    """The name of the table of so many rows."""
    return f"bench_{rows}"


def query(table: Any) -> Any:
    """Pixeltable's own query for all columns."""
    return table.select(*(table[name] for name in COLUMNS))


def create(name: str) -> Any:
    """An empty table of the benchmarks' schema."""
    schema = {"id": pxt.Int, "name": pxt.String, "score": pxt.Float, "ts": pxt.Timestamp, "meta": pxt.Json}
    return pxt.create_table(name, schema, primary_key="id")


def insert(name: str, rows: int) -> Any:
    """A table that Pixeltable itself filled."""
    table = create(name)
    table.insert([row(i) for i in range(rows)])
    return table


def fill(name: str, rows: int, store_uri: str, *, database: str | None = None) -> Any:
    """A table that is filled behind Pixeltable's back, ten times as fast, and then checked through Pixeltable.

    Args:
        name: of the table.
        rows: how many.
        store_uri: libpq's URI of Pixeltable's Postgres.
        database: the one in which the table is stored; default the URI's.

    Raises:
        RuntimeError: Pixeltable does not see the rows that it should.
    """
    table = create(name)
    stored = sql.Identifier(f"tbl_{table.get_metadata()['id'].hex}")
    with psycopg.connect(psycopg.conninfo.make_conninfo(store_uri, dbname=database), autocommit=True) as connection:
        connection.execute(_FILL.format(table=stored, last=sql.Literal(rows - 1)))
        connection.execute(sql.SQL("ANALYZE {}").format(stored))
    _check(table, rows)
    return table


def _check(table: Any, rows: int) -> None:
    total = next(iter(table.select(n=functions.count(table.id), ids=functions.sum(table.id)).collect()))
    if (total["n"], total["ids"]) != (rows, rows * (rows - 1) // 2):
        raise RuntimeError(f"{rows} rows were filled, Pixeltable sees {total}")
    first = table.where(table.id < _CHECKED_ROWS).order_by(table.id).collect()
    if [dict(found) for found in first] != [row(i) for i in range(min(rows, _CHECKED_ROWS))]:
        raise RuntimeError("the filled rows are not those that Pixeltable would have stored")
