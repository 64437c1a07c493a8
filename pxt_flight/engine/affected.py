"""The rows that a condition means, and their new values: read through the engine like any query, before anything is locked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine import dialect, sql, validation
from pxt_flight.engine.casting.json_cells import JsonCell
from pxt_flight.engine.engine import Engine
from pxt_flight.engine.scan import Pin, Request
from pxt_flight.engine.target import ROW_ID, Target, TargetColumn, written_by_deletion
from pxt_flight.engine.upload import Reception, Upload
from pxt_flight.errors import error


@dataclass(frozen=True)
class Affected:
    """Rows, and what becomes of them.

    Attributes:
        request: reads what names the rows, and the new values that differ from row to row.
        keys: the columns of it that name rows.
        constants: the new values that are the same for all rows, checked, as one row; None where there are none.
    """

    request: Request
    keys: tuple[str, ...]
    constants: pa.RecordBatch | None = None


def affected(
    table: Target,
    where: str | None,
    *,
    values: Mapping[str, Any] | None = None,
    expressions: Mapping[str, str] | None = None,
    parameters: Sequence[Any] = (),
    include_deleted: bool = False,
) -> Affected:
    """What an update or a delete by a condition means.

    Args:
        table: that changes.
        where: the condition in SQL; None for all rows.
        values: the columns that get one value.
        expressions: the columns that get what an expression in SQL gives.
        parameters: the values of `$1`, `$2`, ... in condition and expressions.
        include_deleted: whether rows that are deleted softly are rows, too.

    Raises:
        InvalidRequestError: a text is not one expression, a value is of the wrong type, or a column is not to be changed.
        NotFoundError: `COLUMN_NOT_FOUND`.
        ConflictError: `row_id_unsupported`, nothing names the table's rows.
    """
    keys = row_names(table)
    check_columns(table, [*(values or {}), *(expressions or {})])
    given = constants(table, values) if values else None
    selected: list[exp.Expr] = [exp.column(exp.to_identifier(key, quoted=True)) for key in keys]
    for name, text in (expressions or {}).items():
        selected.append(exp.alias_(exp.Paren(this=sql.expression(text, name)), name.lower(), quoted=True))
    tree = exp.Select(expressions=selected)
    tree.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(table.path, quoted=True))))
    if where is not None:
        tree.set("where", exp.Where(this=exp.Paren(this=sql.expression(where, "where"))))
    return Affected(Request(dialect.generate(tree), tuple(parameters), include_deleted=include_deleted), keys, given)


def deleted_softly(table: Target, wanted: Affected) -> Affected:
    """Of the rows that a condition means, those that are deleted softly; `wanted` includes these."""
    assert table.deletion is not None
    is_deleted = exp.Not(this=exp.Is(this=exp.column(exp.to_identifier(table.deletion.name, quoted=True)), expression=exp.Null()))
    tree = sql.parse(wanted.request.sql).tree.copy().where(is_deleted)
    return replace(wanted, request=replace(wanted.request, sql=dialect.generate(tree)))


def row_names(table: Target) -> tuple[str, ...]:
    """The columns that name a row of a table.

    Raises:
        ConflictError: `row_id_unsupported`.
    """
    if table.is_versioned:
        return (ROW_ID,)
    if table.primary_key:
        return table.primary_key
    raise error("row_id_unsupported", f"{table.path} has neither row ids nor a primary key.", where={"table": table.path})


def check_columns(table: Target, names: Sequence[str]) -> None:
    """Refuse to change what cannot be changed.

    Raises:
        NotFoundError: `COLUMN_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, a column is computed, or of the primary key; `INVALID_ARGUMENT`, it is named twice.
    """
    for i, name in enumerate(names):
        column, where = table.column(name), {"table": table.path, "column": name}
        if column is None:
            raise error("COLUMN_NOT_FOUND", f"There is no column {name}.", where=where)
        if column.is_deletion:
            raise written_by_deletion(column, table.path)
        if column.is_computed:
            raise error("UNSUPPORTED_OPERATION", f"Column {name} is computed.", hint="Change what it is computed from.", where=where)
        if column.name in table.primary_key:
            raise error(
                "UNSUPPORTED_OPERATION", f"Column {name} is of the primary key.", hint="Delete the row, and insert it anew.", where=where
            )
        if column.name in (other.lower() for other in names[:i]):
            raise error("INVALID_ARGUMENT", f"Column {name} is set twice.", where=where)


def read(engine: Engine, table: Target, wanted: Affected, receive: Callable[[pa.Schema], Reception]) -> tuple[Upload, Pin]:
    """Read the rows as of one version of the table.

    Args:
        engine: that reads.
        table: that changes.
        wanted: what to read.
        receive: begins to take rows of a schema.

    Returns:
        The rows, and what was read of the table. The caller closes them.

    Raises:
        PxtFlightError: the request is at fault, or was overtaken by a write.
    """
    plan = engine.plan(wanted.request)
    reception = receive(plan.schema)
    try:
        stream = engine.stream(wanted.request, plan.pins)
        try:
            for batch in stream.batches:
                reception.add(batch)
        finally:
            stream.close()
        return reception.finish(), next(pin for pin in plan.pins if pin.path == table.path)
    except BaseException:
        reception.abort()
        raise


def constants(table: Target, values: Mapping[str, Any]) -> pa.RecordBatch:
    """Values that are the same for all rows, checked, as one row.

    Args:
        table: whose columns they are for.
        values: in the forms of `casting.json_cells`, or as bytes, times and UUIDs of Python.

    Raises:
        InvalidRequestError: one does not fit.
    """
    arrays = {}
    for name, value in values.items():
        column = table.column(name)
        assert column is not None
        arrays[column.name] = _sent(column, value)
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    checker = validation.InsertChecker(table, batch.schema, partial=True)
    checked = pa.Table.from_batches(checker.check(batch), checker.schema)
    checker.finish()
    return checked.combine_chunks().to_batches()[0]


def _sent(column: TargetColumn, value: Any) -> pa.Array:
    """A value as a client would send it, in one row: texts of times and UUIDs are for the checker to read."""
    try:
        if value is None or isinstance(value, str | int | float | list | dict):
            return pa.ExtensionArray.from_storage(JsonCell(pa.null()), pa.array([json.dumps(value)], pa.utf8()))
        return pa.array([str(value) if isinstance(value, UUID) else value])
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        raise error("TYPE_MISMATCH", f"Column {column.name} takes no such value.", where={"column": column.name}) from None
