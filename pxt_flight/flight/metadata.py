"""Catalogs, schemas, tables and keys: the metadata of Flight SQL.

One catalog; a schema is a directory, `a/b`, the root the empty text. Result schemas and orders are those of `FlightSql.proto`, which the
ADBC driver compares field by field. Each answer is one batch: the driver reads only the first.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pxt_flight.engine.catalog import Catalog, TableDescription
from pxt_flight.engine.kept import Kept
from pxt_flight.engine.scan import Request
from pxt_flight.engine.sql import CATALOG
from pxt_flight.engine.types import arrow_field, parse_type
from pxt_flight.errors import InvalidRequestError, NotFoundError
from pxt_flight.flight import messages
from pxt_flight.flight.commands import scan_of
from pxt_flight.flight.sqlinfo import SQL_INFO_SCHEMA, sql_info
from pxt_flight.flight.sqltypes import MEDIA, SQL_TYPES, TYPE_INFO_SCHEMA, type_info
from pxt_flight.operations.call import Call
from pxt_flight.operations.tables import describe_tables

_MEDIA_OF_ANY_KIND = "bytes"
_SCHEMAS_KEPT = 4096


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in fields])


_CATALOGS = _schema(("catalog_name", pa.utf8(), False))
_DB_SCHEMAS = _schema(("catalog_name", pa.utf8(), True), ("db_schema_name", pa.utf8(), False))
_TABLE_TYPES = _schema(("table_type", pa.utf8(), False))
_TABLES = _schema(
    ("catalog_name", pa.utf8(), True),
    ("db_schema_name", pa.utf8(), True),
    ("table_name", pa.utf8(), False),
    ("table_type", pa.utf8(), False),
)
_TABLES_WITH_SCHEMA = _TABLES.append(pa.field("table_schema", pa.binary(), nullable=False))
_PRIMARY_KEYS = _schema(
    ("catalog_name", pa.utf8(), True),
    ("db_schema_name", pa.utf8(), True),
    ("table_name", pa.utf8(), False),
    ("column_name", pa.utf8(), False),
    ("key_name", pa.utf8(), True),
    ("key_sequence", pa.int32(), False),
)
_FOREIGN_KEYS = _schema(
    ("pk_catalog_name", pa.utf8(), True),
    ("pk_db_schema_name", pa.utf8(), True),
    ("pk_table_name", pa.utf8(), False),
    ("pk_column_name", pa.utf8(), False),
    ("fk_catalog_name", pa.utf8(), True),
    ("fk_db_schema_name", pa.utf8(), True),
    ("fk_table_name", pa.utf8(), False),
    ("fk_column_name", pa.utf8(), False),
    ("key_sequence", pa.int32(), False),
    ("fk_key_name", pa.utf8(), True),
    ("pk_key_name", pa.utf8(), True),
    ("update_rule", pa.uint8(), False),
    ("delete_rule", pa.uint8(), False),
)


@dataclass(frozen=True)
class Answer:
    """What a metadata command answers: its schema at once, its one batch when it is fetched."""

    schema: pa.Schema
    read: Callable[[], pa.RecordBatch]


class Metadata:
    """Answers the metadata commands of Flight SQL.

    Args:
        catalog: describes the tables.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._schemas = Kept[tuple[str, object, str], tuple[pa.Schema | None]](_SCHEMAS_KEPT)

    def answer(self, call: Call, message: Any, media: str) -> Answer | None:
        """What a command asks for, None where it asks for no metadata.

        Args:
            call: who asks.
            message: the command.
            media: the media mode of the caller, which decides on the schemas of tables.
        """
        match message:
            case messages.CommandGetSqlInfo():
                return Answer(SQL_INFO_SCHEMA, lambda: sql_info(message.info))
            case messages.CommandGetXdbcTypeInfo():
                return Answer(TYPE_INFO_SCHEMA, lambda: type_info(message.data_type))
            case messages.CommandGetCatalogs():
                return _rows(_CATALOGS, lambda: [{"catalog_name": CATALOG}])
            case messages.CommandGetTableTypes():
                return _rows(_TABLE_TYPES, lambda: [{"table_type": kind} for kind in ("SNAPSHOT", "TABLE", "VIEW")])
            case messages.CommandGetDbSchemas():
                return _rows(_DB_SCHEMAS, lambda: self._db_schemas(call, message))
            case messages.CommandGetTables():
                schema = _TABLES_WITH_SCHEMA if message.include_schema else _TABLES
                return _rows(schema, lambda: self._tables(call, message, media))
            case messages.CommandGetPrimaryKeys():
                return _rows(_PRIMARY_KEYS, lambda: self._primary_keys(call, message))
            case messages.CommandGetExportedKeys() | messages.CommandGetImportedKeys() | messages.CommandGetCrossReference():
                return _rows(_FOREIGN_KEYS, list)  # Pixeltable has none
        return None

    def flights(self, call: Call, pattern: str) -> list[tuple[TableDescription, pa.Schema]]:
        """The tables that can be read whole, by path, and what they then answer.

        Args:
            call: who asks.
            pattern: a pattern of LIKE that paths must match; empty for all.
        """
        matches = like(pattern or None)
        found = [table for table in describe_tables(call, self._catalog).tables if matches(table.path)]
        schemas = [(table, self._planned(call, table, _MEDIA_OF_ANY_KIND)) for table in found]
        return [(table, schema) for table, schema in schemas if schema is not None]

    def directories(self, call: Call) -> tuple[str, ...]:
        """The paths of the directories that a caller may see; the root is empty."""
        return describe_tables(call, self._catalog).directories

    def _db_schemas(self, call: Call, message: messages.CommandGetDbSchemas) -> list[dict[str, Any]]:
        matches = like(message.db_schema_filter_pattern)
        found = self.directories(call) if _is_ours(message.catalog) else ()
        return [{"catalog_name": CATALOG, "db_schema_name": path} for path in found if matches(path)]

    def _tables(self, call: Call, message: messages.CommandGetTables, media: str) -> list[dict[str, Any]]:
        in_schema, named = like(message.db_schema_filter_pattern), like(message.table_name_filter_pattern)
        found = [
            table
            for table in self._named(call, message.catalog)
            if in_schema(table.directory) and named(table.name) and (not message.table_types or table.kind.upper() in message.table_types)
        ]
        return [
            _place(table)
            | {"table_type": table.kind.upper()}
            | ({"table_schema": self._described(call, table, media).serialize().to_pybytes()} if message.include_schema else {})
            for table in found
        ]

    def _primary_keys(self, call: Call, message: messages.CommandGetPrimaryKeys) -> list[dict[str, Any]]:
        name, directory = message.table.lower(), message.db_schema
        found = [
            table
            for table in self._named(call, message.catalog)
            if table.name == name and (directory is None or table.directory == directory.lower())
        ]
        return [
            _place(table) | {"column_name": column, "key_sequence": number}
            for table in found
            for number, column in enumerate(table.primary_key, 1)
        ]

    def _named(self, call: Call, catalog: str | None) -> list[TableDescription]:
        """The tables of a catalog in the order of schema and name."""
        found = describe_tables(call, self._catalog).tables if _is_ours(catalog) else ()
        return sorted(found, key=lambda table: (table.directory, table.name))

    def _described(self, call: Call, table: TableDescription, media: str) -> pa.Schema:
        """The schema that `select *` answers; where there is none, that of the columns which can be read one by one."""
        served = tuple(name for name, declared in table.columns if _is_served(name, declared))
        columns = () if len(served) == len(table.columns) else served
        schema = None
        if served:
            schema = self._planned(call, table, media, columns) or self._planned(call, table, _MEDIA_OF_ANY_KIND, columns)
        return pa.schema([_annotated(field, table) for field in schema or []])

    def _planned(self, call: Call, table: TableDescription, media: str, columns: tuple[str, ...] = ()) -> pa.Schema | None:
        """The schema of a scan, kept as long as the table's own is the same; None where it cannot be read."""
        key = (table.path, (table.stamp, columns), media)
        kept = self._schemas.get(key)
        if kept is None:
            request = Request(scan_of(table.path, columns), media=media)
            try:
                kept = (call.engine.plan(request).schema,)
            except (InvalidRequestError, NotFoundError):  # a type that is not served, or dropped meanwhile
                kept = (None,)
            self._schemas.put(key, kept)
        return kept[0]


def like(pattern: str | None) -> Callable[[str], bool]:
    """Whether a name matches a pattern of LIKE: `%` any text, `_` any character, a backslash before what means itself. None matches all."""
    if pattern is None:
        return lambda _: True
    tokens = re.findall(r"\\.|.", pattern.lower(), re.DOTALL)
    return lambda name: _matches(tokens, name)


def _matches(tokens: list[str], name: str) -> bool:
    """Not by a regular expression: its time would grow with the length of the name to the power of the number of `%`."""
    at, place = 0, 0
    retry: tuple[int, int] | None = None  # where to go on when the last `%` must take one character more
    while place < len(name):
        if at < len(tokens) and tokens[at] == "%":
            retry = (at, place)
            at += 1
        elif at < len(tokens) and (tokens[at] == "_" or tokens[at][-1] == name[place]):
            at, place = at + 1, place + 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            at, place = retry[0] + 1, retry[1]
        else:
            return False
    return set(tokens[at:]) <= {"%"}


def _rows(schema: pa.Schema, rows: Callable[[], list[dict[str, Any]]]) -> Answer:
    return Answer(schema, lambda: pa.RecordBatch.from_pylist(rows(), schema=schema))


def _is_ours(catalog: str | None) -> bool:
    return catalog in (None, CATALOG)


def _place(table: TableDescription) -> dict[str, Any]:
    return {"catalog_name": CATALOG, "db_schema_name": table.directory, "table_name": table.name}


def _is_served(name: str, declared: str) -> bool:
    try:
        arrow_field(name, parse_type(declared), media=_MEDIA_OF_ANY_KIND, nullable=True)
    except (InvalidRequestError, ValueError):
        return False
    return True


def _annotated(field: pa.Field, table: TableDescription) -> pa.Field:
    """A field with the metadata that BI tools read, beside our own."""
    sql_type = SQL_TYPES.get((field.metadata or {}).get(b"pxt:type", b"").decode(), MEDIA)
    said = {
        "CATALOG_NAME": CATALOG,
        "DB_SCHEMA_NAME": table.directory,
        "TABLE_NAME": table.name,
        "TYPE_NAME": sql_type.name,
        "IS_AUTO_INCREMENT": "0",
        "IS_SEARCHABLE": str(int(sql_type.searchable > 0)),
        "IS_READ_ONLY": str(int(table.kind != "table" or b"pxt:computed" in (field.metadata or {}))),
    }
    return field.with_metadata({**(field.metadata or {}), **{f"ARROW:FLIGHT:SQL:{name}": value for name, value in said.items()}})
