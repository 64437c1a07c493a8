"""Rows that change or go, inside of a write's transaction (`writes.in_write`): staged beside the table, found in it, and then Pixeltable's
own update or delete of just these.

Of an update that computes nothing, how rows are copied is ours, and no more: Pixeltable gives the new version, lets views follow, and keeps
the books.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.catalog.update_status import RowCountStats, UpdateStatus
from pixeltable.exprs import ColumnRef
from pixeltable.index.btree import BtreeIndex
from pixeltable.metadata.schema import Table as StoredTable
from pixeltable.plan import Planner
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam.copyrows import copying
from pxt_flight.engine.seam.rows import instead
from pxt_flight.engine.seam.writes import execute

_SENT = "pg_temp.pxt_flight_sent"
_CHANGES = "pg_temp.pxt_flight_changes"
# Written out: the partial index of a primary key is used only where its predicate stands in the statement.
_LIVE = f"s.v_max = {StoredTable.MAX_VERSION}"
_PREFIX = BtreeIndex.MAX_STRING_LEN


def stage(columns: Mapping[str, str], pieces: Iterable[bytes | memoryview]) -> None:
    """Put rows into a temporary table that goes with the transaction.

    Args:
        columns: their names, and Postgres' types of them.
        pieces: the rows in COPY's binary format: the place of each from 0, a zero, and the columns.
    """
    listed = ", ".join(f"c{i} {kind}" for i, kind in enumerate(columns.values()))
    execute(f"CREATE TEMPORARY TABLE {_bare(_SENT)} (place bigint, zero bigint, {listed}) ON COMMIT DROP")
    with copying(_bare(_SENT), ["place", "zero", *(f"c{i}" for i in range(len(columns)))]) as copy:
        for piece in pieces:
            copy.write(piece)
    execute(f"ANALYZE {_SENT}")


def repeated(columns: Mapping[str, str], keys: Collection[str]) -> int:
    """How many staged rows name what another one names, too."""
    named = ", ".join(_places(columns)[name] for name in keys)
    return int(execute(f"SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT {named} FROM {_SENT} c) d) FROM {_SENT}")[0][0])  # noqa: S608  # names of the store


def find(table: pxt.Table, columns: Mapping[str, str], keys: Collection[str], deletion: str | None = None) -> int:
    """Find the live rows that staged rows name.

    Args:
        table: where to look.
        columns: as they were staged.
        keys: those of the columns that name rows: `_rowid`, or the primary key.
        deletion: the column that must be NULL, which says when a row was deleted softly; None where all rows count.

    Returns:
        How many were found.
    """
    tv, places = table._tbl_version.get(), _places(columns)
    same = [_LIVE] if tv.is_data_versioned else []
    same += [] if deletion is None else [f"s.{tv.cols_by_name[deletion].store_name()} IS NULL"]
    for name in keys:
        column = tv.cols_by_name.get(name)
        stored = "s.rowid" if column is None else f"s.{column.store_name()}"
        same.append(f"{stored} = {places[name]}")
        if column is not None and column.col_type.is_string_type():  # as the index of the primary key has it
            same.append(f"left({stored}, {_PREFIX}) = left({places[name]}, {_PREFIX})")
    execute(
        f"CREATE TEMPORARY TABLE {_bare(_CHANGES)} ON COMMIT DROP AS "  # noqa: S608  # names of the store
        f"SELECT s.rowid, c.* FROM {_SENT} c JOIN {tv.store_tbl._storage_name()} s ON {' AND '.join(same)}"
    )
    execute(f"ANALYZE {_CHANGES}")
    return int(execute(f"SELECT count(*) FROM {_CHANGES}")[0][0])  # noqa: S608  # names of the store


def found() -> dict[int, Any]:
    """The places of the rows that were found, with their row ids."""
    return dict(map(tuple, execute(f"SELECT place, rowid FROM {_CHANGES}")))  # noqa: S608  # names of the store


def unfound() -> list[int]:
    """The places, from 0 in the order in which they were staged, of the rows that name none of the table."""
    statement = f"SELECT place FROM {_SENT} c WHERE NOT EXISTS (SELECT FROM {_CHANGES} d WHERE d.place = c.place) ORDER BY place"  # noqa: S608  # names of the store
    return [place for (place,) in execute(statement)]


class _Found:
    """A condition as Pixeltable's updates and deletes ask for it: the rows that were found."""

    def __init__(self, table: pxt.Table) -> None:
        self._rowid = table._tbl_version.get().store_tbl.sa_tbl.c.rowid

    def sql_expr(self, _cache: Any) -> Any:
        schema, name = _CHANGES.split(".")
        return self._rowid.in_(sql.select(sql.table(name, sql.column("rowid"), schema=schema).c.rowid))


def delete(table: pxt.Table) -> UpdateStatus:
    """Delete the rows that were found; no version is made where there are none."""
    return table._tbl_version.get().propagate_delete(_Found(table), base_versions=[], timestamp=time.time())


def update_to(table: pxt.Table, values: Mapping[str, Any]) -> UpdateStatus:
    """Set columns of all rows that were found to one value each, by Pixeltable's own plan. The table must keep versions."""
    tv = table._tbl_version.get()
    spec = tv._validate_update_spec(dict(values), allow_pk=False, allow_exprs=False, allow_media=True)
    plan = _plan(table, spec)
    return _propagated(tv, plan, list(spec))


@dataclass(frozen=True)
class BulkUpdate:
    """An update that copies rows and computes nothing but what B-tree indices hold.

    Attributes:
        plan: Pixeltable's, of which no row is ever asked.
        copied: columns of the store -> the expression of what an old row `o`, staged values `c` and parameters give.
    """

    plan: Any
    copied: Mapping[str, str]


def plan_bulk(table: pxt.Table, values: Mapping[str, str]) -> BulkUpdate | None:
    """The bulk update of some columns; None where Pixeltable computes anything from them, or is asked for what is not known here.

    Args:
        table: which keeps versions.
        values: the columns, and the expression of the new value of each.
    """
    tv = table._tbl_version.get()
    new = {tv.cols_by_name[name]: value for name, value in values.items()}
    plan = _plan(table, {column: ColumnRef(column.column_version_md()) for column in new})
    indices = {info.val_col: info for info in tv.idxs.values() if info.val_col is not None}
    copied = {}
    for column, slot in plan.root.row_builder.table_columns.items():
        value = _value(column, slot, new, indices)
        if value is None:
            return None
        copied[column.store_name()] = value
        if column.stores_cellmd:
            copied[column.cellmd_store_name()] = f"o.{column.cellmd_store_name()}" if slot is None else "NULL"
    return BulkUpdate(plan, copied)


def _value(column: Any, slot: int | None, new: Mapping[Any, str], indices: Mapping[Any, Any]) -> str | None:
    """What a column of the store gets in the new row; None where that is for Pixeltable to say."""
    if slot is None:
        return f"o.{column.store_name()}"
    if column in new:
        return new[column]
    info = indices.get(column)
    if info is None:
        return None
    if info.col not in new:  # soft-deleted rows keep it there
        return f"o.{info.undo_col.store_name()}"
    if type(info.idx) is not BtreeIndex:
        return None
    return f"left({new[info.col]}, {_PREFIX})" if info.col.col_type.is_string_type() else new[info.col]


def update_bulk(table: pxt.Table, bulk: BulkUpdate, parameters: Mapping[str, Any]) -> UpdateStatus:
    """Run a bulk update of the rows that were found."""
    tv = table._tbl_version.get()

    def copy_rows(*_: Any, **__: Any) -> tuple[set[int], RowCountStats, None]:
        name, version = tv.store_tbl._storage_name(), tv.version
        statement = (
            f"INSERT INTO {name} (rowid, v_min, {', '.join(bulk.copied)}) SELECT o.rowid, {version}, {', '.join(bulk.copied.values())} "  # noqa: S608  # names of the store
            f"FROM {name} o JOIN {_CHANGES} c ON o.rowid = c.rowid WHERE o.v_max = {version}"
        )
        try:
            copied = get_runtime().conn.execute(sql.text(statement), dict(parameters)).rowcount
        except sql.exc.OperationalError as fault:
            tv.store_tbl._raise_if_index_row_too_large(fault)
            raise
        return set(), RowCountStats(ins_rows=copied), None

    with instead(tv.store_tbl, "insert_rows", copy_rows):
        return _propagated(tv, bulk.plan, list(bulk.plan.updated_cols))


def _plan(table: pxt.Table, targets: Mapping[Any, Any]) -> Any:
    """Pixeltable's plan that updates the rows that were found; of a condition it asks for no more than its SQL."""
    path = table._tbl_version.get().path
    return Planner.create_update_plan(path, targets, recompute_targets=[], where=_Found(table), cascade=True, return_rows=False)


def _propagated(tv: Any, plan: Any, columns: list[Any]) -> UpdateStatus:
    timestamp = time.time()
    tv.bump_version(timestamp, bump_schema_version=False)
    return tv._propagate_update_plan(plan, columns, timestamp, cascade=True)


def value_of(columns: Mapping[str, str], name: str) -> str:
    """The expression of a staged value for `plan_bulk`."""
    return _places(columns)[name]


def _places(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: f"c.c{i}" for i, name in enumerate(columns)}


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def revert(table: pxt.Table) -> None:
    """Take back the last version, with what it did to views.

    `Table.revert` (0.7.21) cannot do so twice in one transaction, and takes the last version of every view back, also of one that the
    table's last version left as it was, whose rows then belong to older ones of the table.
    """
    tv = table._tbl_version.get()
    with ExitStack() as stack:
        for view in _views(tv):
            if view.created_at != tv.created_at:  # what is made together bears the same time
                stack.enter_context(instead(view, "_revert", partial(_revert_views, view)))
        tv.revert()
    table._tbl_version_path.clear_cached_md()


def _views(tv: Any) -> Iterator[Any]:
    for handle in tv.mutable_views:
        yield handle.get()
        yield from _views(handle.get())


def _revert_views(tv: Any) -> None:
    for handle in tv.mutable_views:
        handle.get()._revert()
