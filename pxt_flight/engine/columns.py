"""Changes of the columns of a table or view. Each runs on a thread that may write, by `Writer.define`."""

from typing import Literal

import pixeltable as pxt

from pxt_flight.engine import catalog
from pxt_flight.engine.schemas import Columns, read_type
from pxt_flight.engine.seam.store import check_column_name
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.errors import error

IfColumnExists = Literal["error", "ignore", "replace"]


def add(path: str, columns: Columns, *, if_exists: IfColumnExists) -> bool:
    """Add columns; the rows that are there have NULL in them.

    Args:
        path: of the table or view.
        columns: the new ones.
        if_exists: what to do with those of whose name there is one: `replace` drops that, in a version of its own.

    Returns:
        Whether there are new ones.

    Raises:
        ConflictError: `COLUMN_ALREADY_EXISTS`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, the table has rows, and a column takes no NULL, or cannot be replaced.
    """
    table = _table(path)
    there = set(table.columns()) & columns.specs.keys()
    if there and if_exists == "error":
        name = min(there)
        raise error("COLUMN_ALREADY_EXISTS", f"There is a column {name} already.", where={"table": path, "column": name})
    new = {name: spec for name, spec in columns.specs.items() if if_exists == "replace" or name not in there}
    if not new:
        return False
    for name in there & new.keys():
        _check_free(table, path, name)
    # Before anything is dropped: Pixeltable finds it out only afterwards.
    full = next((column.name for column in columns.columns if column.name in new and not column.kind.nullable), None)
    if full is not None and table.count():
        raise error(
            "UNSUPPORTED_OPERATION",
            f"{path} has rows, which would have NULL in the column {full}, and it takes none.",
            hint="Declare it `... | None`.",
            where={"table": path, "column": full},
        )
    table.add_columns(new, if_exists="replace" if if_exists == "replace" else "error")
    return True


def drop(path: str, name: str) -> None:
    """Drop a column.

    Args:
        path: of the table or view.
        name: of the column.

    Raises:
        NotFoundError: `COLUMN_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, others depend on it, or it is of the primary key.
    """
    table = _table(path)
    _check_there(table, path, name)
    _check_free(table, path, name)
    table.drop_column(name)


def rename(path: str, name: str, new_name: str) -> bool:
    """Give a column another name.

    Args:
        path: of the table or view.
        name: of the column.
        new_name: that it shall have.

    Returns:
        Whether it had another.

    Raises:
        NotFoundError: `COLUMN_NOT_FOUND`.
        ConflictError: `COLUMN_ALREADY_EXISTS`.
        InvalidRequestError: `INVALID_COLUMN_NAME`.
    """
    check_column_name(new_name)
    table = _table(path)
    _check_there(table, path, name)
    if name == new_name:
        return False
    if new_name in table.columns():
        raise error("COLUMN_ALREADY_EXISTS", f"There is a column {new_name} already.", where={"table": path, "column": new_name})
    table.rename_column(name, new_name)
    return True


def alter(path: str, name: str, declaration: str) -> bool:
    """Give a column another type: the same one, with NULL.

    Args:
        path: of the table or view.
        name: of the column.
        declaration: the new type.

    Returns:
        Whether it had another.

    Raises:
        NotFoundError: `COLUMN_NOT_FOUND`.
        InvalidRequestError: `INVALID_TYPE`, or `UNSUPPORTED_OPERATION`.
    """
    _, kind = read_type(declaration, name)
    table = _table(path)
    _check_there(table, path, name)
    before = table.get_metadata()["columns"][name]["type_"]
    table.alter_column(name, type_=kind)
    return bool(catalog.get_table(path).get_metadata()["columns"][name]["type_"] != before)


def _table(path: str) -> pxt.Table:
    return catalog.current(path, lambda table: table)


def _check_there(table: pxt.Table, path: str, name: str) -> None:
    if name not in table.columns():
        raise error("COLUMN_NOT_FOUND", f"There is no column {name}.", where={"table": path, "column": name})


def _check_free(table: pxt.Table, path: str, name: str) -> None:
    """Refuse to drop a column that says what a row is."""
    metadata = table.get_metadata()
    if name in (metadata["primary_key"] or ()):
        raise error("UNSUPPORTED_OPERATION", f"Column {name} is of the primary key.", where={"table": path, "column": name})
    if name in deletion_columns(metadata["columns"]):
        raise error(
            "UNSUPPORTED_OPERATION",
            f"Column {name} tells which rows are deleted softly.",
            hint="Disable soft deletion instead.",
            where={"table": path, "column": name},
        )
