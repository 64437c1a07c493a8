"""Tables in which rows may be deleted softly. Each runs on a thread that may write, by `Writer.define`."""

from typing import Any

import pixeltable as pxt

from pxt_flight.engine.catalog import current, get_table
from pxt_flight.engine.soft_delete import COLUMN, MARK, deletion_columns
from pxt_flight.errors import error


def enable(path: str) -> bool:
    """Let rows of a table be deleted softly.

    Args:
        path: of the table.

    Returns:
        Whether anything was changed: False where they may already.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
        ConflictError: `INVALID_STATE`, the table has a column of that name which means something else.
    """
    columns = _columns(path)
    if deletion_columns(columns):
        return False
    if COLUMN in columns:
        raise error(
            "INVALID_STATE",
            f"{path} has a column {COLUMN} of its own.",
            hint="Rename it: it is not touched, and hides nothing.",
            where={"table": path, "column": COLUMN},
        )
    get_table(path).add_columns({COLUMN: {"type": pxt.Timestamp | None, "custom_metadata": dict(MARK)}})
    return True


def disable(path: str) -> bool:
    """Let no more rows of a table be deleted softly, unless some are.

    Args:
        path: of the table.

    Returns:
        Whether it is so now: False where rows are deleted softly, which would be shown again.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, other columns are computed from the column.
    """
    deletion = sorted(deletion_columns(_columns(path)))
    table = get_table(path)
    for name in deletion:
        if _has_values(table, name):
            return False
        table.drop_column(name)
    return True


def _columns(path: str) -> dict[str, Any]:
    described: dict[str, Any] = current(path, lambda table: table.get_metadata()["columns"])
    return described


def _has_values(table: Any, column: str) -> bool:
    found = table.where(table[column] != None).select(table[column]).limit(1).collect()  # noqa: E711  # Pixeltable's IS NOT NULL
    return len(found) > 0
