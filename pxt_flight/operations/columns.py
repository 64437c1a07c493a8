"""Columns of a table: what there is, added, dropped, renamed, and given another type."""

from pxt_flight.engine import columns as engine_columns
from pxt_flight.engine.columns import IfColumnExists
from pxt_flight.engine.ddl import IfMissing
from pxt_flight.engine.definition import ColumnInfo
from pxt_flight.engine.schemas import read_columns
from pxt_flight.errors import NotFoundError
from pxt_flight.operations.call import Call
from pxt_flight.operations.declarations import Schema
from pxt_flight.operations.references import OfTable, path_of
from pxt_flight.operations.tables import SchemaChange, changed, get_table
from pxt_flight.public_api import public_api

_PATH = "/api/v1/tables/{table_path}/columns"
_OF_COLUMN = _PATH + "/{column}"
_ERRORS = ("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "INVALID_ARGUMENT", "table_busy")


@public_api(category="columns", http_method="GET", path=_PATH, permission="read", raises=("TABLE_NOT_FOUND",))
def columns(call: Call, table_path: OfTable) -> list[ColumnInfo]:
    """List the columns of a table, in order.

    Args:
        call: who asks.
        table_path: its path; `films:3` is an earlier version of it.

    Returns:
        Of each what `get_table` tells of it.
    """
    call.require("Table.columns", path_of(table_path).partition(":")[0])
    return get_table(call, table_path).columns


@public_api(
    category="columns",
    path=_PATH,
    permission="schema",
    raises=(*_ERRORS, "COLUMN_ALREADY_EXISTS", "INVALID_SCHEMA", "INVALID_COLUMN_NAME", "INVALID_TYPE"),
    status=201,
)
def add_column(call: Call, table_path: OfTable, schema: Schema, if_exists: IfColumnExists = "error") -> SchemaChange:
    """Add columns to a table or view, as one version; the rows that are there have NULL in them.

    Args:
        call: who asks.
        table_path: its path.
        schema: the new columns by name, as of `create_table`; where there are rows, `Int | None` rather than `Int`.
        if_exists: what to do with those of whose name there is one: `error`; `ignore`; or `replace`, which drops that, with its values,
            in a version of its own.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.add_column", path)
    read = read_columns(schema)
    return changed(call, path, lambda: engine_columns.add(path, read, if_exists=if_exists))


@public_api(category="columns", http_method="DELETE", path=_OF_COLUMN, permission="schema", raises=(*_ERRORS, "COLUMN_NOT_FOUND"))
def drop_column(call: Call, table_path: OfTable, column: str, if_missing: IfMissing = "error") -> SchemaChange:
    """Drop a column of a table or view; earlier versions still have it, and `revert` brings it back.

    Args:
        call: who asks.
        table_path: its path.
        column: its name.
        if_missing: `error`, or `ignore` where there is none.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.drop_column", path)

    def drop() -> bool:
        try:
            engine_columns.drop(path, column.lower())
        except NotFoundError as fault:
            if fault.code == "COLUMN_NOT_FOUND" and if_missing == "ignore":
                return False
            raise
        return True

    return changed(call, path, drop)


@public_api(
    category="columns",
    http_method="PATCH",
    path=_OF_COLUMN,
    permission="schema",
    raises=(*_ERRORS, "COLUMN_NOT_FOUND", "COLUMN_ALREADY_EXISTS", "INVALID_COLUMN_NAME"),
)
def rename_column(call: Call, table_path: OfTable, column: str, new_name: str) -> SchemaChange:
    """Give a column of a table or view another name.

    Args:
        call: who asks.
        table_path: its path.
        column: its name.
        new_name: that it shall have.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.rename_column", path)
    return changed(call, path, lambda: engine_columns.rename(path, column.lower(), new_name.lower()))


@public_api(
    category="columns", http_method="PUT", path=_OF_COLUMN, permission="schema", raises=(*_ERRORS, "COLUMN_NOT_FOUND", "INVALID_TYPE")
)
def alter_column(
    call: Call,
    table_path: OfTable,
    column: str,
    type: str,  # noqa: A002  # as a declared column has it
) -> SchemaChange:
    """Let a column of a table hold NULL: Pixeltable gives it no other type than its own with `| None`.

    Args:
        call: who asks.
        table_path: its path.
        column: its name.
        type: the new type: `Int | None`.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.alter_column", path)
    return changed(call, path, lambda: engine_columns.alter(path, column.lower(), type))
