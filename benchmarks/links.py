"""What a link to an image costs in each row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pixeltable as pxt
import psycopg
from PIL import Image
from psycopg import sql

import pxt_flight as pf
from benchmarks.dataset import COLUMNS

WITHOUT, WITH = "5 columns", "5 columns and a link to an image"
# Rows as those of `tables`, each with the same picture: where it is stored is nothing that a link depends on.
_FILL = sql.SQL("""
    INSERT INTO {table} (rowid, v_min, v_max, col_0, col_1, col_2, col_3, col_4, col_5)
    SELECT rowid, 0, v_max, col_0, col_1, col_2, col_3, col_4, {picture} FROM {other}
""")


def fill(name: str, other: Any, picture: Path, store_uri: str) -> None:
    """Make a table with the rows of another and an image column.

    Args:
        name: of the table.
        other: a table of `tables`.
        picture: where to make the picture.
        store_uri: libpq's URI of Pixeltable's Postgres.
    """
    Image.new("RGB", (64, 48), "teal").save(picture)
    schema = {"id": pxt.Int, "name": pxt.String, "score": pxt.Float, "ts": pxt.Timestamp, "meta": pxt.Json, "image": pxt.Image}
    table = pxt.create_table(name, schema)
    stored, from_ = (sql.Identifier(f"tbl_{found.get_metadata()['id'].hex}") for found in (table, other))
    with psycopg.connect(store_uri, autocommit=True) as connection:
        connection.execute(_FILL.format(table=stored, other=from_, picture=sql.Literal(picture.as_uri())))
        connection.execute(sql.SQL("ANALYZE {}").format(stored))


def ways(db: pf.Database, name: str) -> dict[str, Callable[[], Any]]:
    """The two readings, through our client into Arrow."""
    columns = ", ".join(COLUMNS)
    return {
        WITHOUT: lambda: db.sql(f"select {columns} from {name}", media="url").to_arrow(progress=False),
        WITH: lambda: db.sql(f"select {columns}, image from {name}", media="url").to_arrow(progress=False),
    }
