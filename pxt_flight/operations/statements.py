"""Statements of SQL that write: INSERT, UPDATE, DELETE and DROP TABLE, each as the operation that does the same."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pxt_flight.engine.dml import Change, Delete, Dml, Drop, Insert, Update, check_count, parse_dml
from pxt_flight.engine.scan import Request, Stream
from pxt_flight.engine.target import Target
from pxt_flight.engine.types import ColumnType
from pxt_flight.engine.valueslist import plain_columns, read_text, values_query
from pxt_flight.engine.written import Written
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.operations import changes, queries
from pxt_flight.operations.call import Call
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.tables import drop_table
from pxt_flight.operations.writes import ROW_ERRORS, Rows, insert
from pxt_flight.public_api import public_api

_SQL_ERRORS = ("sql_syntax", "sql_not_allowed", "sql_unsupported", "predicate_required", "INVALID_EXPRESSION")


@public_api(category="queries", path="/api/v1/execute", permission="write", raises=(*_SQL_ERRORS, *ROW_ERRORS))
def execute(call: Call, sql: str, parameters: list[Parameter] | None = None, idempotency_key: str | None = None) -> Written:
    """Run one INSERT, UPDATE or DELETE, as one version of its table, or one DROP TABLE.

    Args:
        call: who asks.
        sql: `INSERT INTO t (...) VALUES ...` or `SELECT ...`, `UPDATE t SET ... WHERE ...` or `DELETE FROM t WHERE ...`; placeholders `$1`
            or `?`. A DELETE needs the permission for that, `DROP TABLE [IF EXISTS] t [CASCADE]` that to change schemas.
        parameters: the values of the placeholders, in order.
        idempotency_key: a name of the client's for this write: asked again under it, it is not done again; not for a DROP.

    Returns:
        What was done: `inserted`, `updated`, `deleted`, `version` and more.
    """
    return run_statement(call, parsed(sql), [tuple(parameters or ())], idempotency_key=idempotency_key)


def parsed(sql: str) -> Dml:
    """The INSERT, UPDATE, DELETE or DROP TABLE of a text.

    Raises:
        InvalidRequestError: it is another statement, or at fault.
    """
    statement = parse_dml(sql)
    if statement is None:
        raise error(
            "sql_not_allowed", "This is no INSERT, UPDATE, DELETE or DROP TABLE.", hint="Send a SELECT as a query. Nothing was changed."
        )
    return statement


def check_statement(call: Call, statement: Dml, directory: str = "") -> None:
    """Refuse a statement on a table that this key may not write, or that does not exist, before its parameters come."""
    path = _placed(call, statement, directory)
    if not isinstance(statement, Drop):
        call.writer.target(path)


def run_statement(
    call: Call, statement: Dml, bindings: Sequence[Sequence[Any]], *, directory: str = "", idempotency_key: str | None = None
) -> Written:
    """Run a statement, as one version.

    Args:
        call: who asks.
        statement: what to do.
        bindings: rows of parameters; an UPDATE or DELETE takes one.
        directory: where a table's name of one part is looked up first.
        idempotency_key: as of `execute`.

    Raises:
        PxtFlightError: nothing was written.
    """
    path = _placed(call, statement, directory)
    for binding in bindings:
        check_count(statement.parameters, binding)
    if isinstance(statement, Drop):
        return _dropped(call, statement, path, idempotency_key)
    if isinstance(statement, Insert):
        with _inserted(call, statement, bindings, call.writer.target(path), directory) as rows:
            written, _ = insert(call, rows, path, idempotency_key=idempotency_key)
        return written
    (binding,) = bindings
    if directory and any("/" not in read for read in statement.reads):
        raise error(
            "sql_unsupported", "The tables of a subquery need their directory here.", hint='WHERE id IN (SELECT id FROM "a/b".films).'
        )
    change = _read_texts(statement.bound(binding), call.writer.target(path))
    asked: dict[str, Any] = {"where": change.where, "parameters": list(change.parameters), "idempotency_key": idempotency_key}
    asked["all_rows"] = change.where is None
    if isinstance(statement, Delete):
        return changes.delete(call, path, **asked)
    return changes.update(call, path, change.values, expressions=change.expressions, **asked)


def _dropped(call: Call, statement: Drop, path: str, idempotency_key: str | None) -> Written:
    if idempotency_key is not None:
        hint = "Say IF EXISTS, to ask again."
        raise error("INVALID_ARGUMENT", "A DROP takes no idempotency key.", hint=hint, where={"argument": "idempotency_key"})
    drop_table(call, path, force=statement.cascade, if_missing="ignore" if statement.if_exists else "error")
    return Written("drop", path, 0)


def _read_texts(change: Change, table: Target) -> Change:
    """A change in which texts, and times without a zone, are what they are in an INSERT: what Postgres reads in them, and UTC."""
    values, expressions = dict(change.values), dict(change.expressions)
    for name, value in change.values.items():
        column = table.column(name)
        text = read_text(value, column.kind) if isinstance(value, str) and column is not None else None
        if text is not None:
            expressions[name] = text
            del values[name]
        elif isinstance(value, dt.datetime) and value.tzinfo is None:
            values[name] = value.replace(tzinfo=dt.UTC)
    return replace(change, values=values, expressions=expressions)


def run_rows(call: Call, statement: Dml, rows: Rows, *, directory: str = "") -> Written:
    """Run a statement for rows of parameters that are its rows: `VALUES (?, ?)`, or `SET a = ? WHERE key = ?`. As one version.

    Args:
        call: who asks.
        statement: what to do.
        rows: of parameters.
        directory: where a table's name of one part is looked up first.

    Raises:
        InvalidRequestError: `sql_unsupported`, it is an UPDATE or DELETE of another form.
    """
    path = _placed(call, statement, directory)
    check_count(statement.parameters, rows.schema)
    if isinstance(statement, Drop):
        return _dropped(call, statement, path, None)
    target = call.writer.target(path)
    if isinstance(statement, Insert):
        numbers = statement.bound_columns()
        assert numbers is not None
        placed = dict(zip(_columns(statement, target, len(numbers)), numbers, strict=True))
        written, _ = insert(call, _picked(rows, placed, target), path)
        return written
    keyed = statement.keyed(target.primary_key)
    if keyed is None:
        raise error(
            "sql_unsupported",
            "Many rows of parameters are served for conditions on the primary key or on _rowid alone.",
            hint="UPDATE t SET a = ? WHERE key = ?, or one statement for each row.",
        )
    operation = changes.update_rows if isinstance(statement, Update) else changes.delete_rows
    written, _ = operation(call, _picked(rows, keyed, target), path, if_missing="ignore")
    return written


def _placed(call: Call, statement: Dml, directory: str) -> str:
    """The path of the statement's table, which the caller may write."""
    path = statement.table
    if directory and "/" not in path:
        with suppress(PxtFlightError):  # a directory that is gone holds nothing
            inside = f"{directory}/{path}"
            path = inside if inside in call.engine.list_tables(directory, recursive=False) else path
    names = {Insert: "Table.insert", Update: "Table.update", Delete: "Table.delete", Drop: "drop_table"}
    call.require(names[type(statement)], path)
    return path


@contextmanager
def _inserted(call: Call, statement: Insert, bindings: Sequence[Sequence[Any]], table: Target, directory: str) -> Iterator[Rows]:
    """The rows that an INSERT stands for."""
    width = len(statement.rows[0]) if statement.rows else 0
    columns = _columns(statement, table, width) if width else ()
    kinds = [_kind(table, column) for column in columns]
    arrays = plain_columns(statement.rows, bindings, kinds) if width else None
    if arrays is not None:
        batch = pa.RecordBatch.from_arrays(arrays, list(columns))
        yield Rows(batch.schema, [batch], lambda: True)
        return
    if width:
        requests = [values_query(statement.rows, bindings, kinds, directory)]
    else:
        requests = [Request(statement.query or "", tuple(binding), "bytes", directory) for binding in bindings]
    with closing(_read(call, requests[0])) as first:
        names = _columns(statement, table, len(first.schema))
        schema = pa.schema([field.with_name(name) for field, name in zip(first.schema, names, strict=True)])
        yield Rows(schema, _batches(call, first, requests[1:], schema), lambda: True)


def _read(call: Call, request: Request) -> Stream:
    try:
        if call.engine.tables_of(request):
            return queries.read_query(call, request, on_open=call.on_wait)
        return call.engine.stream(request, on_open=call.on_wait)  # constants: nothing that a permission to read is for
    except PxtFlightError as fault:
        # The place is one in a text of ours.
        fault.where = {name: value for name, value in fault.where.items() if name not in ("line", "character")}
        raise


def _batches(call: Call, first: Stream, rest: Sequence[Request], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for number in range(len(rest) + 1):
        with closing(first if number == 0 else _read(call, rest[number - 1])) as stream:
            for batch in stream.batches:
                renamed = batch.rename_columns(schema.names)
                yield renamed if renamed.schema == schema else renamed.cast(schema)
        if call.on_wait is not None:
            call.on_wait(None)  # what it cancelled is over


def _columns(statement: Insert, table: Target, width: int) -> tuple[str, ...]:
    """The columns that values go to: those that are named, else the first of the table, as in Postgres."""
    columns = statement.columns or tuple(column.name for column in table.columns if not column.is_computed)[:width]
    if len(columns) != width:
        raise error("INVALID_ARGUMENT", f"{width} values do not fit into {len(columns)} columns.", where={"table": table.path})
    return columns


def _kind(table: Target, name: str) -> ColumnType:
    column = table.column(name)
    if column is None:
        raise error("COLUMN_NOT_FOUND", f"There is no column {name}.", where={"table": table.path, "column": name})
    return column.kind


def _picked(rows: Rows, numbers: dict[str, int], table: Target) -> Rows:
    """Rows of parameters as rows of a table: columns by other names and in another order, each by its number.

    A time without a zone is UTC, as in every parameter; rows that are inserted as such would take it for one of the server's zone.
    """
    fields = []
    for name, number in numbers.items():
        field, column = rows.schema.field(number).with_name(name), table.column(name)
        if pa.types.is_timestamp(field.type) and field.type.tz is None and column is not None and column.kind.name == "Timestamp":
            field = field.with_type(pa.timestamp(field.type.unit, "UTC"))
        fields.append(field)
    schema = pa.schema(fields)

    def made(batch: pa.RecordBatch) -> pa.RecordBatch:
        # Views, which touch no value: what the client sent is not checked yet.
        columns = [batch.column(number) for number in numbers.values()]
        viewed = [column if column.type == kind else column.view(kind) for column, kind in zip(columns, schema.types, strict=True)]
        return pa.RecordBatch.from_arrays(viewed, schema=schema)

    return Rows(schema, map(made, rows.batches), rows.is_whole, rows.on_progress)
