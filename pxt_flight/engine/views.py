"""Views and snapshots of one table. Each is made on a thread that may write, by `Writer.define`."""

from collections.abc import Sequence
from typing import Any, Literal

import pixeltable as pxt
from pixeltable.exceptions import Error, ErrorCode
from sqlglot import exp

from pxt_flight.engine import catalog, functions, sql
from pxt_flight.engine.constants import Constant
from pxt_flight.engine.expressions import ExpressionBuilder
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.errors import PxtFlightError, error

IfViewExists = Literal["error", "ignore", "replace"]
Kind = Literal["view", "snapshot"]


def create(
    kind: Kind,
    path: str,
    base: str,
    *,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    if_exists: IfViewExists = "error",
    comment: str = "",
) -> bool:
    """Make a view, or a snapshot, which stays as it is.

    Args:
        kind: which of them.
        path: where it shall be.
        base: the path of what it is of; with a version where that is an earlier one.
        where: the condition of its rows in SQL; None for all.
        columns: the names of its columns; None for all.
        if_exists: what to do where there is one: `replace` drops it, unless others stand on it.
        comment: what it is for.

    Returns:
        Whether it was made.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`, `COLUMN_NOT_FOUND` or `DIRECTORY_NOT_FOUND`.
        ConflictError: `PATH_ALREADY_EXISTS`, or `CONSTRAINT_VIOLATION`.
        InvalidRequestError: the condition is at fault.
    """
    table = catalog.current(base, lambda found: found)
    if not table.get_metadata()["is_data_versioned"]:
        raise error("UNSUPPORTED_OPERATION", f"{base} keeps no versions: no {kind} can be made of it.", where={"table": base})
    query = _query(table, base, where, columns)
    before = _there(kind, path)
    if before is not None and if_exists == "error":
        raise error("PATH_ALREADY_EXISTS", f"{path} exists already.", where={"table": path})
    directory = path.rpartition("/")[0]
    if directory and directory not in pxt.list_dirs():
        raise error("DIRECTORY_NOT_FOUND", f"There is no directory {directory}.", where={"directory": directory})
    make = pxt.create_view if kind == "view" else pxt.create_snapshot
    try:
        made = make(path, query, if_exists=if_exists, comment=comment)
    except Error as fault:
        if fault.error_code is ErrorCode.CONSTRAINT_VIOLATION:  # Pixeltable names what stands on it to whomever
            raise error("CONSTRAINT_VIOLATION", f"Others stand on {path}: it cannot be replaced.", where={"table": path}) from None
        raise
    return bool(made.get_metadata()["id"] != before)


def _there(kind: Kind, path: str) -> Any:
    """The id of the view of a path, None where there is nothing.

    Raises:
        ConflictError: `PATH_ALREADY_EXISTS`, there is something else, which no view may replace.
    """
    if not catalog.exists(path):
        return None
    try:
        metadata = catalog.get_table(path).get_metadata()
    except PxtFlightError:
        metadata = {"kind": "directory"}
    if metadata["kind"] != kind:
        raise error("PATH_ALREADY_EXISTS", f"{path} is a {metadata['kind']}.", where={"table": path})
    return metadata["id"]


def _query(table: pxt.Table, path: str, where: str | None, columns: Sequence[str] | None) -> Any:
    metadata = table.get_metadata()
    query: Any = table if where is None else _filtered(table, path, where, metadata["columns"])
    if columns is None:
        return query
    names = [name.lower() for name in columns]
    # In the view the column that hides rows would be one like any other, for Pixeltable keeps no mark of it; they are hidden without it.
    hidden = deletion_columns(metadata["columns"])
    for number, name in enumerate(names):
        if name not in metadata["columns"] or name in hidden:
            raise error("COLUMN_NOT_FOUND", f"There is no column {name}.", where={"table": path, "column": name})
        if name in names[:number]:
            raise error("INVALID_ARGUMENT", f"Column {name} is named twice.", where={"argument": "columns", "column": name})
    if not names:
        raise error("INVALID_ARGUMENT", "A view has one column at least.", where={"argument": "columns"})
    return query.select(*(table[name] for name in names))


def _filtered(table: pxt.Table, path: str, where: str, columns: Any) -> Any:
    tree = sql.expression(where, "where")
    # A column of a view that some were selected for is computed, by the name of another: Postgres knows that one.
    unstored = {name for name, column in columns.items() if not column["is_stored"] and not column["computed_with"].isidentifier()}
    is_stored = not any(column.name.lower() in unstored for column in tree.find_all(exp.Column))
    if not is_stored or functions.in_python(tree) or functions.needs_index(tree) or tree.find(exp.AggFunc):
        raise error(
            "sql_unsupported",
            "The condition of a view compares stored columns and constants.",
            hint="Neither functions of Pixeltable nor aggregates.",
            where={"argument": "where"},
        )
    bare = path.partition(":")[0]
    builder = ExpressionBuilder({name: table[name] for name in columns}, frozenset({bare.replace("/", "."), bare.rpartition("/")[2]}), ())
    try:
        with sql.positions(f"SELECT\n{where}\n"):
            condition = builder.predicate(tree)
    except PxtFlightError as fault:
        if "line" in fault.where:
            fault.where["line"] -= 1
        fault.where["argument"] = "where"
        raise
    if not isinstance(condition, Constant):
        return table.where(condition)
    if condition.value:
        return table
    raise error("INVALID_EXPRESSION", "The condition is never true.", where={"argument": "where"})
