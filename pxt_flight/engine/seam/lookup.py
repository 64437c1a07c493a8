"""How one media cell is found by the column that a grant names."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sql
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam import batches
from pxt_flight.engine.seam.columns import row_id_columns
from pxt_flight.engine.seam.deletion import deleted_row, living
from pxt_flight.engine.seam.plan import column_number, rendered, scanned
from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.types import MEDIA_TYPES, MediaColumn, parse_type


@dataclass(frozen=True)
class Lookup:
    """How a cell is found.

    Attributes:
        kind: its Pixeltable type, `Image`.
        path: of its table.
        table: Pixeltable's handle of it, as of the version of the grant.
        name: of the column.
        statement: the stored path of a cell; its parameters are `$1` ..., the numbers of the row id, then the version of the row. None of
            a column that is computed while it is read.
        width: how many numbers the row id has.
        is_of_base: whether another table than the one that was asked for stores the column.
        living: the condition, of Pixeltable's, on rows that are not deleted softly; None where none are, or they are meant, too.
        deleted: finds the row by `$1`, the first number of the row id, where it is deleted softly by now; None likewise.
    """

    kind: str
    path: str
    table: Any
    name: str
    statement: str | None = None
    width: int = 0
    is_of_base: bool = False
    living: Any = None
    deleted: str | None = None


def compile_lookup(column: MediaColumn, *, include_deleted: bool = False) -> Lookup | None:
    """Plan the look-up of a media column's cells. Needs a transaction (`plan.in_transaction`).

    Args:
        column: as a grant names it; its table is read as of the grant's version, so what a view leaves out is not found.
        include_deleted: whether cells of rows that are deleted softly are found.

    Returns:
        None where there is no such table, version or media column.
    """
    catalog = get_runtime().catalog
    table, live = (catalog.get_table_by_id(UUID(column.table_id), version) for version in (column.version, None))
    if table is None or live is None:
        return None
    name = next((name for name in table.columns() if column_number(table, name) == column.column_id), None)
    kind = None if name is None else parse_type(str(table[name].col.col_type)).name
    if name is None or kind not in MEDIA_TYPES:
        return None
    path = str(live._path()).strip("/").replace(".", "/")
    rows, deleted = (None, None) if include_deleted else (living(table), deleted_row(live))
    try:
        statement, stored, _ = scanned(table, {name: batches.unvalidated(table[name])}, rows)
        row_id = row_id_columns(stored[name])
    except NotSqlError:
        return Lookup(kind, path, table, name, living=rows, deleted=deleted)
    keys = [stored[name].table.c[key] for key in (*row_id, "v_min")]
    found = [key == sql.literal_column(f"${i}", sql.BigInteger) for i, key in enumerate(keys, 1)]
    text = rendered(statement.with_only_columns(stored[name]).where(*found).limit(1))
    is_of_base = not stored[name].table.name.endswith(column.table_id)
    return Lookup(kind, path, table, name, text, len(row_id), is_of_base, deleted=deleted)


def compute(lookup: Lookup, row_id: tuple[int, ...], version: int) -> Any:
    """A cell that is computed while it is read: see `batches.cell_value`."""
    return batches.cell_value(lookup.table, lookup.name, row_id, version, lookup.living)
