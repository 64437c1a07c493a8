"""The restricted role: the only login of Postgres that a statement of a user ever runs as.

It may log in, read what it is granted column by column (`Store.grant`), and use the two things of our schema that plans need: the type of
cell references and the function that names the objects inside of Json. It owns nothing, is member of nothing and sees none of Pixeltable's
metadata. Its session is read-only, and its memory and temporary files are bounded.
"""

import hashlib
import logging
from typing import Any, LiteralString

import psycopg
from psycopg import conninfo, sql

from pxt_flight.access.keys import load_secret

Connection = psycopg.Connection[tuple[Any, ...]]
log = logging.getLogger(__name__)

# Of the session; a superuser alone may set the second, so a managed Postgres goes without it.
_SETTINGS: dict[LiteralString, LiteralString] = {"default_transaction_read_only": "on", "jit": "off", "work_mem": "64MB"}
_TEMPORARY_FILES: LiteralString = "16GB"


def ensure_reader(connection: Connection, uri: str) -> str | None:
    """Make the role of this store, or bring it up to date.

    Args:
        connection: a transaction of Pixeltable's own login in which our schema exists (`open_schema`).
        uri: the URI of that login.

    Returns:
        The URI of the role's login; None where it cannot be made, because the login may not make roles (a managed Postgres).
    """
    name = _role_name(connection)
    secret = load_secret(connection, "reader")
    try:
        with connection.transaction():
            _make(connection, name, secret.hex())
    except psycopg.errors.InsufficientPrivilege:
        log.warning("the store's login may not make roles: queries run with its own rights, slower")
        return None
    return conninfo.make_conninfo(uri, user=name, password=secret.hex())


def check_reader(uri: str) -> bool:
    """Whether the role can log in: the server's rules for hosts may not know it. The role must be committed by now."""
    try:
        with psycopg.connect(uri, connect_timeout=10):
            return True
    except psycopg.Error:
        log.warning("the store's restricted role cannot log in: queries run with the rights of Pixeltable's login, slower")
        return False


def _role_name(connection: Connection) -> str:
    """One per database: roles belong to the whole cluster, on which other stores may be."""
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    return f"pxt_flight_reader_{hashlib.sha256(row[0].encode()).hexdigest()[:10]}"


def _make(connection: Connection, name: str, password: str) -> None:
    role = sql.Identifier(name)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    rights = sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD {}")
    # A login that may make roles, but is no superuser, may not say NOSUPERUSER either.
    plain = sql.SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {}")
    superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)
    connection.execute((rights if superuser else plain).format(role, sql.Literal(password)))
    settings = dict(_SETTINGS) | ({"temp_file_limit": _TEMPORARY_FILES} if superuser else {})
    for setting, value in settings.items():
        connection.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), sql.Literal(value)))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA pxt_flight TO {}").format(role))
    connection.execute(sql.SQL("GRANT USAGE ON TYPE pxt_flight.cell TO {}").format(role))
    connection.execute(sql.SQL("GRANT EXECUTE ON FUNCTION pxt_flight.objects(jsonb, text, text, text) TO {}").format(role))
