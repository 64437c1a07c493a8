"""Pixeltable's Postgres: where it is, and what of Pixeltable's own metadata tells whether a plan still holds."""

import sqlalchemy as sql
from pixeltable.env import Env
from pixeltable.utils.http import fetch_url

__all__ = ["DIRECTORIES", "FINGERPRINT", "MOMENTS", "fetch_url", "libpq_uri"]

# Every change of a table or directory (a write, a new column, a rename, a drop) writes its row anew, which gives it another xmin.
FINGERPRINT = """
SELECT id::text, xmin::text FROM tables WHERE id = ANY({ids}) UNION ALL SELECT id::text, xmin::text FROM dirs WHERE id = ANY({ids})
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


def libpq_uri() -> str:
    """The connection URI of Pixeltable's Postgres, as libpq takes it. It may hold a password: never log it.

    Raises:
        ValueError: the store is not Postgres.
    """
    url = sql.make_url(Env.get().db_url)
    if url.get_backend_name() != "postgresql":
        raise ValueError("not a Postgres store")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
