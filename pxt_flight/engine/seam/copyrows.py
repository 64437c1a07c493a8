"""Rows that Pixeltable has computed, written by COPY instead of by INSERT: the same values, at half the price."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sql
from pixeltable.runtime import get_runtime
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

# A type of the store -> its name in Postgres, and the exact types of Python that COPY may be given for it. Of anything else (numpy's
# numbers, vectors, the like) SQLAlchemy knows what Postgres shall make, and COPY would not.
_TYPES: dict[type, tuple[str, frozenset[type]]] = {
    sql.BigInteger: ("int8", frozenset({int})),
    sql.Float: ("float8", frozenset({float})),
    sql.Boolean: ("bool", frozenset({bool})),
    sql.String: ("text", frozenset({str})),
    sql.TIMESTAMP: ("timestamptz", frozenset({datetime})),
    sql.Date: ("date", frozenset({date})),
    sql.UUID: ("uuid", frozenset({UUID})),
    sql.LargeBinary: ("bytea", frozenset({bytes})),
    JSONB: ("jsonb", frozenset({dict, list, str, int, float, bool})),
}
_NULL = type(sql.null())


@contextmanager
def copying(store: str, names: Sequence[str]) -> Iterator[psycopg.Copy]:
    """A COPY in binary form into columns of a table of the store, in the transaction of this thread.

    Raises:
        sqlalchemy.exc.DBAPIError: as of a statement of Pixeltable's own, which tells by it whether to try again.
    """
    columns = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, names))
    statement = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(psycopg.sql.Identifier(store), columns)
    try:
        with get_runtime().conn.connection.driver_connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except psycopg.Error as fault:
        raise sql.exc.DBAPIError.instance("COPY", None, fault, psycopg.Error) from fault


def copied(store: Any) -> Callable[..., None]:
    """What may stand in the place of a store table's `sql_insert`."""
    sql_insert = store.sql_insert

    def write(table: Any, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        types = _types(table.c, names, rows)
        if types is None:
            sql_insert(table, list(names), list(rows))
        else:
            _copy(table.name, names, types, rows)

    return write


def _types(columns: Mapping[str, Any], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str] | None:
    """The types of Postgres of the columns; None where a value is not known to be one of its column's."""
    found = []
    for i, name in enumerate(names):
        known = _TYPES.get(type(columns[name].type))
        # None is JSON's null to SQLAlchemy, where it is for jsonb, and NULL to COPY.
        nulls = {_NULL} if known is not None and known[0] == "jsonb" else {_NULL, NoneType}
        if known is None or not {type(row[i]) for row in rows} - nulls <= known[1]:
            return None
        found.append(known[0])
    return found


def _copy(store: str, names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    is_json = [name == "jsonb" for name in types]
    with copying(store, names) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row([_value(value, json) for value, json in zip(row, is_json, strict=True)])


def _value(value: Any, is_json: bool) -> Any:
    if value is None or type(value) is _NULL:
        return None
    return Jsonb(value) if is_json else value
