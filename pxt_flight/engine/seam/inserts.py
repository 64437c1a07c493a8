"""Rows into a table by other ways than Pixeltable's own: only how they are written is replaced, inside of its own insert.

Locks, the new version, the views below, what the history says of it: all of that stays Pixeltable's.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import pixeltable as pxt
from pixeltable.catalog import InsertableTable
from pixeltable.catalog.update_status import RowCountStats
from pixeltable.exec import CachePrefetchNode, ObjectStoreSaveNode
from pixeltable.index.btree import BtreeIndex
from pixeltable.io.data_sources import SqlDataSource
from pixeltable.plan import Planner
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam.batches import Batchwise, bound_images
from pxt_flight.engine.seam.copyrows import copied, copying
from pxt_flight.engine.seam.rows import Inserted, in_order, inserted, instead, nodes_of

# What one batch of rows may hold of the values that were sent, and what Postgres gets of them at once.
_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 1024  # as SqlDataNode has it
_WRITTEN_ROWS = 10_000  # as StoreBase has it
_WRITTEN_BYTES = 32 << 20


class StoreColumn(NamedTuple):
    """A column of the store that gets values as they are sent.

    Attributes:
        name: in the store.
        column: of the table, whose values it gets.
        characters: how many of a text it keeps; None for all.
    """

    name: str
    column: str
    characters: int | None


class Structure(NamedTuple):
    """What kind of table it is to somebody who writes rows.

    Attributes:
        is_plain: whether its rows in the store are what is sent, and no more.
        is_streamable: whether Pixeltable's own plan may take them batch by batch.
        columns: of the store, in order.
    """

    is_plain: bool
    is_streamable: bool
    columns: tuple[StoreColumn, ...]


def structure(table: pxt.Table) -> Structure:
    """What kind of table it is. Needs `in_write`."""
    version = table._tbl_version.get() if type(table) is InsertableTable else None
    if version is None or not version.is_data_versioned:
        return Structure(is_plain=False, is_streamable=False, columns=())
    is_plain = is_streamable = all(type(index.idx) is BtreeIndex for index in version.idxs.values())
    indexed = {index.val_col.id: index for index in version.idxs.values() if index.val_col is not None}
    undone = {index.undo_col.id for index in version.idxs.values() if index.undo_col is not None}
    columns = []
    for column in Planner.create_insert_plan(version, [], ignore_errors=False).row_builder.table_columns:
        if column.id in undone:
            continue
        index = indexed.get(column.id)
        if index is not None:
            is_plain &= index.col.name is not None and not index.col.is_computed
            cut = BtreeIndex.MAX_STRING_LEN if index.col.col_type.is_string_type() else None
            columns.append(StoreColumn(column.store_name(), index.col.name, cut))
        else:
            is_plain &= column.name is not None and not column.is_computed
            columns.append(StoreColumn(column.store_name(), column.name, None))
    return Structure(is_plain, is_streamable, tuple(columns))


def bulk(table: pxt.Table, columns: Sequence[StoreColumn], rows: int, encode: Callable[[int, int], Iterable[Any]]) -> Inserted:
    """Insert rows by COPY. Needs `in_write`, and a table whose structure is plain.

    Args:
        table: where to.
        columns: of the store that get values; all others are NULL.
        rows: how many there are.
        encode: given the first row id and the version, the bytes of COPY's binary format: row id, version, and the columns.
    """
    version = table._tbl_version.get()
    first = version.next_row_id

    def insert_rows(_plan: Any, **_: Any) -> tuple[set[int], RowCountStats, None]:
        version.next_row_id += rows
        names = ["rowid", "v_min", *(column.name for column in columns)]
        with copying(version.store_tbl._storage_name(), names) as copy:
            for piece in encode(first, version.version):
                copy.write(piece)
        return set(), RowCountStats(ins_rows=rows, num_excs=0, computed_values=0), None

    plan = Planner.create_insert_plan(version, [], ignore_errors=False)  # never opened: it names the table
    with instead(version.store_tbl, "insert_rows", insert_rows), get_runtime().report_progress():
        status = version._insert(plan, time.time(), abort_on_exc=True)
    return inserted(table, status, first)


def stream(
    table: pxt.Table, names: Sequence[str], rows: Iterable[Sequence[Any]], *, width: int, ignore_errors: bool, by_copy: bool
) -> Inserted:
    """Insert rows by Pixeltable's own plan, batch by batch. Needs `in_write`, and a table whose structure is streamable.

    Args:
        table: where to.
        names: of the columns that are sent.
        rows: their values, as Pixeltable takes them.
        width: bytes of a row, about; at least 1.
        ignore_errors: whether a cell that cannot be computed is NULL, with its error beside it.
        by_copy: whether rows are written by COPY, those of the views below included.
    """
    version = table._tbl_version.get()
    first = version.next_row_id
    source = SqlDataSource(None, list(names), _Source(rows))
    with ExitStack() as stack:
        stack.enter_context(_paced(version.store_tbl, width))
        stack.enter_context(in_order(version.store_tbl))
        for store in _stores(version) if by_copy else ():
            stack.enter_context(instead(store, "sql_insert", copied(store)))
        status = version.insert(source=source, query=None, fail_on_exception=not ignore_errors)
    return inserted(table, status, first)


class _Source:
    """Rows as the connection and as the result that SqlDataNode asks for."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows = rows

    def execute(self, *_: Any, **__: Any) -> "_Source":
        return self

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return iter(self._rows)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _paced(store: Any, width: int) -> Iterator[None]:
    """Let the plan of an insert have few rows in memory at a time."""
    insert_rows = store.insert_rows

    def paced(plan: Any, **options: Any) -> Any:
        return insert_rows(_bounded(plan, width), **options)

    rows = max(1, min(_WRITTEN_ROWS, _WRITTEN_BYTES // width))
    with instead(store, "insert_rows", paced), instead(store, "_StoreBase__INSERT_BATCH_SIZE", rows):
        yield


def _bounded(plan: Any, width: int) -> Any:
    """The plan, with what keeps few rows of it in memory; answers its topmost node."""
    plan.ctx.batch_size = max(1, min(_BATCH_ROWS, _BATCH_BYTES // width))
    nodes = list(nodes_of(plan))
    if any(expression.col_type.is_image_type() for expression in plan.row_builder.unique_exprs):
        plan.ctx.batch_size = bound_images(nodes)
    for above, node in pairwise([None, *nodes]):
        if type(node) is CachePrefetchNode and above is not None:  # all files are here
            above.input = node.input
        elif type(node) is ObjectStoreSaveNode:
            bounded = Batchwise(node)
            if above is None:
                plan = bounded
            else:
                above.input = bounded
    return plan


def _stores(version: Any) -> Iterator[Any]:
    """The store tables of a table and of the views that it loads."""
    yield version.store_tbl
    for view in version.mutable_views:
        yield from _stores(view.get())
