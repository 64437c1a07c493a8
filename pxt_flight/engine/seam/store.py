"""Pixeltable's Postgres: where it is, and what of Pixeltable's own metadata tells whether a plan still holds."""

from datetime import UTC, tzinfo

import sqlalchemy as sql
from pixeltable.catalog.column import Column
from pixeltable.env import Env
from pixeltable.exceptions import RequestError
from pixeltable.utils.http import fetch_url

from pxt_flight.errors import error

__all__ = [
    "DIRECTORIES",
    "FINGERPRINT",
    "MOMENTS",
    "NAMES",
    "ROW_LOCK",
    "STATES",
    "check_column_name",
    "fetch_url",
    "libpq_uri",
    "time_zone",
]

# Every change of a table or directory (a write, a new column, a rename, a drop) writes its row anew, which gives it another xmin.
FINGERPRINT = """
SELECT id::text, xmin::text FROM tables WHERE id = ANY({ids}) UNION ALL SELECT id::text, xmin::text FROM dirs WHERE id = ANY({ids})
"""
# The same, the live version, when it was made, and a hash that a write of rows leaves as it is: of all that describes a table (directory,
# columns, indexes, views, comments, and when its columns came to be, for a reverted column may come again under its number) or a directory.
# A write of rows changes the numbers of the version and of the next row only (0.7.21).
STATES = """
SELECT t.id::text, t.xmin::text, (t.md->>'current_version')::bigint, live.md->>'created_at',
    md5(concat_ws(' ', t.dir_id, t.md - '{{current_version,next_row_id}}'::text[], t.additional_md, s.md, made.md->>'created_at'))
FROM tables t
LEFT JOIN tableversions live ON live.tbl_id = t.id AND live.version = (t.md->>'current_version')::bigint
LEFT JOIN tableversions made ON made.tbl_id = t.id AND made.version = (t.md->>'current_schema_version')::bigint
LEFT JOIN tableschemaversions s ON s.tbl_id = t.id AND s.schema_version = (t.md->>'current_schema_version')::bigint
WHERE t.id = ANY({ids})
UNION ALL SELECT id::text, xmin::text, NULL, NULL, md5(concat_ws(' ', parent_id, md)) FROM dirs WHERE id = ANY({ids})
"""
DIRECTORIES = """
WITH RECURSIVE above(id) AS (
    SELECT dir_id FROM tables WHERE id = ANY({ids}) UNION SELECT dirs.parent_id FROM dirs JOIN above ON dirs.id = above.id
)
SELECT id::text FROM above WHERE id IS NOT NULL
"""
# A version's number may come again: revert() deletes the last one, and the next write takes its number. When it was made does not.
MOMENTS = """
SELECT tbl_id::text, version, md->>'created_at' FROM tableversions
WHERE (tbl_id, version) IN (SELECT * FROM unnest({ids}, {versions}))
"""
NAMES = "SELECT id::text, md->>'name' FROM tables WHERE id = ANY({ids})"
# What a write holds from its begin to its end (`Catalog._acquire_write_lock`). Alone it is a transaction, so it lets go again at once.
ROW_LOCK = "SELECT 1 FROM tables WHERE id = {id} FOR UPDATE"


def libpq_uri() -> str:
    """The connection URI of Pixeltable's Postgres, as libpq takes it. It may hold a password: never log it.

    Raises:
        ValueError: the store is not Postgres.
    """
    url = sql.make_url(Env.get().db_url)
    if url.get_backend_name() != "postgresql":
        raise ValueError("not a Postgres store")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def time_zone() -> tzinfo:
    """The time zone that Pixeltable gives to times without one: that of its process, or what its configuration says."""
    return Env.get().default_time_zone or UTC


def check_column_name(name: str) -> None:
    """Whether Pixeltable lets a column be called so.

    Raises:
        InvalidRequestError: `INVALID_COLUMN_NAME`.
    """
    try:
        Column.validate_name(name)
    except RequestError:
        raise error(
            "INVALID_COLUMN_NAME",
            f"No column may be called {name!r}.",
            hint="A name has ASCII letters, digits and _, begins with a letter, and is no word of Python or of Pixeltable's tables.",
            where={"column": name},
        ) from None
