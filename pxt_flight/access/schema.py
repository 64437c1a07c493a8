"""Our tables in Pixeltable's own Postgres, in a schema of their own: one backup, and replicas share them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pxt_flight.errors import error

# Any constant of ours: two servers that start at once take turns.
_LOCK = 0x7078_7466_6C74

_DDL = """
CREATE SCHEMA IF NOT EXISTS pxt_flight;
REVOKE ALL ON SCHEMA pxt_flight FROM PUBLIC;
CREATE TABLE IF NOT EXISTS pxt_flight.secrets (
    name text PRIMARY KEY,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS pxt_flight.keys (
    id uuid PRIMARY KEY,
    key_hash bytea UNIQUE NOT NULL,
    name text NOT NULL,
    permissions text[] NOT NULL,
    tables text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
-- A row for each write through us, in the write's own transaction; `result` says what it did.
CREATE TABLE IF NOT EXISTS pxt_flight.writes (
    id uuid PRIMARY KEY,
    table_id uuid,
    table_path text NOT NULL,
    version bigint,
    kind text NOT NULL,
    key_id text NOT NULL,
    idempotency_key text,
    digest bytea NOT NULL,
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (key_id, idempotency_key)
);
CREATE INDEX IF NOT EXISTS writes_of_tables ON pxt_flight.writes (table_id, created_at);
DO $$ BEGIN
    CREATE TYPE pxt_flight.cell AS (source integer, row_id bigint[], v_min bigint);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
-- Json in which objects (images, arrays, bytes) stand: each is named by its cell, in a key that none but this function can make.
CREATE OR REPLACE FUNCTION pxt_flight.objects(cell jsonb, marker text, secret text, place text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(cell::text, '"' || marker || '":', '"pxt$object ' || place || ' '
        || left(encode(sha256(convert_to(secret || ' ' || place, 'UTF8')), 'hex'), 32) || '":')::jsonb
$$;
REVOKE ALL ON FUNCTION pxt_flight.objects(jsonb, text, text, text) FROM PUBLIC;
"""


@contextmanager
def open_schema(uri: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """A transaction in which our tables exist, and no other server changes them.

    Args:
        uri: libpq's connection URI of Pixeltable's Postgres.

    Raises:
        ConnectError: `home_unusable`, where the schema cannot be made (a managed Postgres without CREATE).
    """
    try:
        with psycopg.connect(uri) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            connection.execute(_DDL)
            yield connection
    except psycopg.Error:
        # Its text may quote the URI.
        raise error(
            "home_unusable",
            "The schema pxt_flight cannot be made in Pixeltable's Postgres.",
            hint="The database user needs CREATE on the database, once.",
        ) from None
