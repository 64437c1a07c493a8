"""What Pixeltable's own tables say of all tables at once: their paths, and a stamp of each that changes when its schema does."""

from typing import Any

import psycopg

Stamp = tuple[str, ...]

# Roots have no parent; that of the user's own tables has no name and no user.
_FOLDERS = """
WITH RECURSIVE folders (id, path) AS (
    SELECT id, '' FROM dirs WHERE parent_id IS NULL AND md->>'name' = '' AND md->>'user' IS NULL
    UNION ALL
    SELECT d.id, CASE f.path WHEN '' THEN '' ELSE f.path || '/' END || (d.md->>'name') FROM dirs d JOIN folders f ON d.parent_id = f.id
)
"""
_TABLES = (
    _FOLDERS
    + """
SELECT CASE f.path WHEN '' THEN '' ELSE f.path || '/' END || (t.md->>'name'), t.id, v.version || ' ' || (v.md->>'created_at'),
    jsonb_path_query_array(t.md, '$.view_md.base_versions[*][0]')
FROM tables t JOIN folders f ON t.dir_id = f.id
LEFT JOIN tableversions v ON v.tbl_id = t.id AND v.version = (t.md->>'current_schema_version')::bigint
"""
)


def visible_transactions(connection: "psycopg.Connection[Any]") -> str:
    """Which transactions a statement sees now: while the answer stays the same, nothing of the store has changed (0.2 ms)."""
    row = connection.execute("SELECT pg_current_snapshot()::text", prepare=True).fetchone()
    assert row is not None
    return str(row[0])


def stamps(connection: "psycopg.Connection[Any]") -> dict[str, Stamp]:
    """The stamp of each table by its path: its id, its schema version and when that was made, and those of the tables that it is a view of.

    A database whose tables are laid out in another way fails here with an error of Postgres or Python, whatever it is.
    """
    rows = connection.execute(_TABLES).fetchall()
    schemas = {table_id.hex: str(schema_version) for _, table_id, schema_version, _ in rows}
    return {
        path: (table_id.hex, schemas[table_id.hex], *(f"{base}:{schemas.get(base)}" for base in bases)) for path, table_id, _, bases in rows
    }
