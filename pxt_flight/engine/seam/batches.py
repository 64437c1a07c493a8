"""A Pixeltable query, run by Pixeltable's own executor batch by batch: columns straight from the slots of its rows.

`Query.cursor()` makes the whole result before its first row, because the planner asks for one batch. Where every node of a plan is known
to be right with more, rows come as they are computed here, and few of them are in memory at a time.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any, NamedTuple, TypeVar

import pixeltable as pxt
import sqlalchemy as sql
from PIL import Image
from pixeltable.exceptions import Error, ExprEvalError, raise_from_expr_eval_err
from pixeltable.exec import (
    AggregationNode,
    CachePrefetchNode,
    CellReconstructionNode,
    ExecNode,
    ExecPlan,
    ExprEvalNode,
    FilterNode,
    SqlAggregationNode,
    SqlScanNode,
)
from pixeltable.exprs import ColumnRef, DataRow, RowidRef
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam.connection import streamed

ROWS = 2048  # of a batch, at most: what the executor keeps in flight anyway
_FIRST_ROWS = 64
_IMAGE_ROWS = 8  # decoded pictures: 50 million pixels take 150 MB
_SECONDS = 0.1  # a batch is handed out after that
# Each reads its input batch by batch, keeps no more than it says, and gives the same rows in the same order whatever the batches are.
_KNOWN = frozenset({SqlScanNode, SqlAggregationNode, CellReconstructionNode, CachePrefetchNode, ExprEvalNode, FilterNode, AggregationNode})
_validators = ThreadPoolExecutor(max_workers=4, thread_name_prefix="validation")

T = TypeVar("T")
Values = list[list[Any]]
"""Some rows: the values of each column. A media value is a `MediaCell`."""


class MediaCell(NamedTuple):
    """A media value.

    Attributes:
        file: the stored reference, or the path of what was computed; None where there is an image instead.
        image: a picture that was computed and has no file.
        row_id: of its row.
        v_min: the version that wrote the row; None in a table without versions.
    """

    file: str | None
    image: Image.Image | None
    row_id: tuple[Any, ...]
    v_min: int | None


class Moved(Exception):  # noqa: N818  # no fault: a write came between
    """The plan is not right in the transaction in which it should run."""


def unvalidated(expression: Any) -> Any:
    """A media column of a table that validates on read, as it is stored; `batches` then validates the files, and decodes none."""
    return expression.components[0] if _validates(expression) else expression


def is_position(expression: Any) -> bool:
    """Whether a column that is not stored is the number of a component, which Postgres knows: it is part of the row id."""
    return type(expression) is ColumnRef and expression.col_md.is_iterator_col and not expression.needs_iterator_evaluation


def batches(
    query: pxt.Query,
    *,
    is_true: Callable[[], bool] = lambda: True,
    validated: Sequence[Any] = (),
    in_store: bool = False,
) -> Generator[Values, None, None]:
    """The rows of a query. Iterate and close it on one thread, which holds the transaction and runs no event loop.

    Args:
        query: its media columns arrive as `MediaCell`.
        is_true: asked in the transaction, before anything is read: whether the query is right there.
        validated: for each column, the expression whose validation on read is to be done here; None or nothing for none.
        in_store: whether cells of columns that are merely stored have the row id and version of the table that stores them: for a view
            that is a table below it.

    Raises:
        Moved: it is not.
        pixeltable.exceptions.Error: a function of the query failed.
    """
    clause = query._from_clause
    with get_runtime().catalog.begin_xact(for_write=False, read_tvps=clause.tvps, read_tbl_ids=query.referenced_tbl_ids()):
        if not is_true():
            raise Moved
        plan = query._create_query_plan()
        with streamed(get_runtime().conn, rows=ROWS), closing(_rows(plan)) as rows:
            slots = [_slot(plan, i, validated) for i in range(len(plan.select_list_exprs))]
            below = _stored_below(plan, slots, clause.tvps[0].tbl_version.id) if in_store else {}
            for values in _gathered(plan, rows, slots):
                yield [_placed(column, below[i]) if i in below else column for i, column in enumerate(values)]


def cell_value(table: pxt.Table, column: str, row_id: Sequence[int], v_min: int, condition: Any | None = None) -> Image.Image | str | None:
    """Compute or look up one media cell.

    Args:
        table: at the version that is to be read.
        column: its name.
        row_id: the numbers of the row id.
        v_min: the version that wrote the row.
        condition: which rows there are; None for all.

    Returns:
        A picture that has no file, the stored reference or path of a file, or None: no such row, or the cell is NULL.

    Raises:
        pixeltable.exceptions.Error: its function failed.
    """
    version = table.select()._from_clause.tvps[0].tbl_version
    conditions = [RowidRef(version, i) == number for i, number in enumerate(row_id)]
    predicate = reduce(and_, conditions if condition is None else [*conditions, condition])
    with closing(batches(table.where(predicate).select(c0=table[column]))) as found:
        for (values,) in found:
            for cell in values:
                if cell is not None and cell.v_min == v_min and len(cell.row_id) == len(row_id):
                    value: Image.Image | str = cell.image if cell.file is None else cell.file
                    return value
    return None


def _rows(plan: ExecPlan) -> Generator[list[DataRow], None, None]:
    """The batches of a plan as `ExecPlan.exec` runs it, and its generators closed however it ends."""
    _pace(plan)
    plan._acquire()
    plan._bind_params({})
    with plan, _translated():
        loop = get_runtime().event_loop
        generator = plan.exec_root.__aiter__()
        try:
            while (batch := loop.run_until_complete(_next(generator))) is not None:
                yield batch.rows
        finally:
            loop.run_until_complete(_close(generator, plan))


async def _next(generator: Any) -> Any:
    return await anext(generator, None)


async def _close(generator: Any, plan: ExecPlan) -> None:
    """Close the generators of all nodes: a loop that is not running closes none by itself, and each may hold a cursor."""
    await generator.aclose()
    for node in _nodes(plan):
        if type(node) is ExprEvalNode:
            await node.input_iter.aclose()
    # Those that a closed one has let go of are closed by tasks of the loop, one after the other.
    for _ in range(64):
        await asyncio.sleep(0)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ExprEvalError as fault:
        raise_from_expr_eval_err(fault)


def _gathered(plan: ExecPlan, rows: Iterator[list[DataRow]], slots: Sequence[Callable[[DataRow], Any]]) -> Generator[Values, None, None]:
    """Rows by column, in batches that grow with the speed at which they come."""
    gathered: list[DataRow] = []
    begun = time.monotonic()
    limit = _IMAGE_ROWS if _shows_images(plan) else ROWS
    for some in rows:
        gathered += some
        elapsed = time.monotonic() - begun
        if len(gathered) >= limit or elapsed >= _SECONDS:
            # As many as come in the time of a batch: a slow function is stopped between two, not after thousands.
            if _FIRST_ROWS <= plan.ctx.batch_size < ROWS:
                plan.ctx.batch_size = max(plan.ctx.batch_size, min(ROWS, int(len(gathered) * _SECONDS / max(elapsed, 1e-3))))
            yield _columns(gathered, slots)
            gathered, begun = [], time.monotonic()
    if gathered:
        yield _columns(gathered, slots)


def _columns(rows: list[DataRow], slots: Sequence[Callable[[DataRow], Any]]) -> Values:
    columns = []
    for slot in slots:
        is_slow = isinstance(slot, _Validated)
        columns.append(list(_validators.map(slot, rows)) if is_slow else [slot(row) for row in rows])
    return columns


def _slot(plan: ExecPlan, number: int, validated: Sequence[Any]) -> Callable[[DataRow], Any]:
    """What takes a column's value out of a row."""
    expression = plan.select_list_exprs[number]
    index = expression.slot_idx
    if not expression.col_type.is_media_type():
        return lambda row: row[index]
    original = validated[number] if number < len(validated) else None
    return _Validated(index, expression) if _validates(original) else _Media(index)


def _validates(expression: Any) -> bool:
    return type(expression) is ColumnRef and expression.perform_validation


@dataclass(frozen=True)
class _Media:
    """Takes a media value out of a row without opening its file."""

    index: int

    def __call__(self, row: DataRow) -> MediaCell | None:
        file = row.file_urls[self.index]
        value = None if file is not None else row[self.index]
        if file is None and value is None:
            return None
        row_id, v_min = _place(row)
        return MediaCell(file, value, row_id, v_min)


@dataclass(frozen=True)
class _Validated(_Media):
    """The same, NULL where Pixeltable's validation on read fails, as in `collect()`."""

    expression: Any

    def __call__(self, row: DataRow) -> MediaCell | None:
        cell = super().__call__(row)
        path = row.file_paths[self.index]
        if cell is not None and path is not None:
            try:
                self.expression.col_type.validate_media(path)
            except Error:
                return None
            except Exception:  # noqa: BLE001  # a file that is gone, say: whoever reads it is told
                return cell
        return cell


def _stored_below(plan: ExecPlan, slots: Sequence[Any], table_id: Any) -> dict[int, Any]:
    """The versions of the tables that store media columns of a view, by the numbers of these columns."""
    found = {}
    for i, (expression, slot) in enumerate(zip(plan.select_list_exprs, slots, strict=True)):
        if type(slot) is _Media and type(expression) is ColumnRef and expression.col_md.is_stored:
            version = expression.col.get_tbl()
            if version.id != table_id and version.is_data_versioned:
                found[i] = version
    return found


def _placed(cells: list[Any], version: Any) -> list[Any]:
    """Cells with the row ids and versions of the table that stores them."""
    keys = version.store_tbl.rowid_columns()
    stored = version.store_tbl.sa_tbl.c
    wanted = {cell.row_id[: len(keys)] for cell in cells if cell is not None}
    if not wanted:
        return cells
    select = sql.select(*keys, stored.v_min).where(sql.tuple_(*keys).in_(wanted))
    rows = get_runtime().conn.execute(select.where(stored.v_min <= version.version, stored.v_max > version.version))
    versions = {tuple(row[:-1]): row[-1] for row in rows}
    return [cell and cell._replace(row_id=cell.row_id[: len(keys)], v_min=versions[cell.row_id[: len(keys)]]) for cell in cells]


def _place(row: DataRow) -> tuple[tuple[Any, ...], int | None]:
    """The row id and the version of a row; a table without versions has UUIDs for row ids, and no more."""
    if row.pk is None:
        return (), None
    is_versioned = isinstance(row.pk[0], int)
    return (row.pk[:-1], row.pk[-1]) if is_versioned else (row.pk, None)


def _pace(plan: ExecPlan) -> None:
    """Let a plan run in batches, if all its nodes are known to be right with them."""
    nodes = list(_nodes(plan))
    if plan.ctx.batch_size or not all(type(node) in _KNOWN for node in nodes):
        return
    _bound_prefetching(plan, nodes)
    if not _shows_images(plan):
        plan.ctx.batch_size = _FIRST_ROWS
        return
    plan.ctx.batch_size = bound_images(nodes)


def bound_images(nodes: Sequence[Any]) -> int:
    """Let the nodes of a plan that decodes pictures keep few of them in memory; answers how many rows a batch of it may have."""
    for node in nodes:
        if type(node) is ExprEvalNode:
            # A function that takes its arguments in batches waits until it has one.
            if not any(getattr(evaluator, "batch_size", None) for evaluator in node.eval_ctx.slot_evaluators.values()):
                node.MAX_BUFFERED_ROWS = _IMAGE_ROWS
            node.BATCH_SIZE = _IMAGE_ROWS
    return _IMAGE_ROWS


def _shows_images(plan: ExecPlan) -> bool:
    """Whether pictures are decoded or computed."""
    is_computed = any(type(node) is ExprEvalNode for node in _nodes(plan))
    return is_computed and any(expression.col_type.is_image_type() for expression in plan.exec_root.row_builder.unique_exprs)


def _nodes(plan: ExecPlan) -> Iterator[Any]:
    node = plan.exec_root
    while node is not None:
        yield node
        node = node.input


def _bound_prefetching(plan: ExecPlan, nodes: Sequence[Any]) -> None:
    above = None
    for node in nodes:
        if type(node) is CachePrefetchNode:
            if above is None:
                plan.exec_root = _Prefetch(node)
            else:
                above.input = _Prefetch(node)
        above = node


class Batchwise(ExecNode):  # type: ignore[misc]  # Pixeltable's classes have no types here
    """A node for one batch after the other: by itself it reads all rows that it has nothing to do for before it gives the first."""

    def __init__(self, node: Any) -> None:
        super().__init__(node.row_builder, [], [], node.input)
        self._node = node

    async def __aiter__(self) -> Any:
        async for batch in self.input:
            if not self._concerns(batch):
                yield batch
                continue
            self._node.input = _Once(batch)
            self._node._open()
            async for done in self._node:
                yield done

    def _concerns(self, _batch: Any) -> bool:
        return True


class _Prefetch(Batchwise):
    """CachePrefetchNode in this way."""

    def _concerns(self, batch: Any) -> bool:
        slots = [info.slot_idx for info in self._node.file_col_info]
        return any(row.file_urls[slot] is not None and row.file_paths[slot] is None for row in batch for slot in slots)


@dataclass(frozen=True)
class _Once:
    """One batch as the input of a node."""

    batch: Any

    async def __aiter__(self) -> Any:
        yield self.batch
