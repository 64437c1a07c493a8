"""The rows of a table that are not deleted softly, as Pixeltable's own condition on a scan."""

from collections.abc import Iterator
from typing import Any

import pixeltable as pxt
from pixeltable.exprs import ColumnRef
from pixeltable.metadata.schema import Table as StoredTable

from pxt_flight.engine.soft_delete import MARK


def living(table: pxt.Table) -> Any | None:
    """The condition that leaves out the rows that are deleted softly, also where a view does not show the column that says so.

    Needs `plan.in_transaction`. Answers None where nothing of the table, or of those below it, is deleted softly.
    """
    condition = None
    for _, column in _marked(table):
        is_living = ColumnRef(table._tbl_path.get_column_md(column.qid)) == None  # noqa: E711  # Pixeltable's IS NULL
        condition = is_living if condition is None else condition & is_living
    return condition


def deleted_row(table: pxt.Table) -> str | None:
    """The statement that finds a live row by the first number of its row id, `$1`, where it is deleted softly. Needs `plan.in_transaction`.

    Answers None where nothing of the table, or of those below it, is deleted softly.
    """
    found = [
        f"SELECT 'deleted' FROM {version.store_tbl._storage_name()} "  # noqa: S608  # names of the store
        f"WHERE rowid = $1 AND v_max = {StoredTable.MAX_VERSION} AND {column.store_name()} IS NOT NULL"
        for version, column in _marked(table)
        if version.is_data_versioned
    ]
    return " UNION ALL ".join(found) or None


def _marked(table: pxt.Table) -> Iterator[tuple[Any, Any]]:
    for version in table._tbl_path.tbl_versions().values():
        yield from ((version, column) for column in version.cols_by_name.values() if column.custom_metadata == MARK)
