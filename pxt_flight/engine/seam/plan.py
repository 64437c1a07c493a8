"""A Pixeltable query -> the SQL statement Pixeltable plans for it, with one typed column per selected expression.

Accepted by allow-list only: exact node classes, exact types. Anything else answers None, and the caller reads through `cursor()`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.catalog import retry_loop
from pixeltable.exec import CachePrefetchNode, CellReconstructionNode, SqlAggregationNode, SqlScanNode
from pixeltable.exprs import ColumnPropertyRef, ColumnRef
from pixeltable.runtime import get_runtime
from sqlalchemy.dialects.postgresql.base import PGDialect

from pxt_flight.engine.types import MEDIA_TYPES, parse_type

T = TypeVar("T")

# Not `postgresql.dialect()`: that is psycopg2's, which doubles every % of a literal (rows are lost silently).
_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types

# What each Pixeltable type is cast to, so that the wire has the declared type: sum(int) is numeric in Postgres, length() an int4.
_SCALARS: dict[str, Any] = {
    "Int": sql.BigInteger,
    "Float": sql.Double,
    "Bool": sql.Boolean,
    "String": sql.Text,
    "Timestamp": sql.TIMESTAMP(timezone=True),
    "Date": sql.Date,
    "UUID": sql.Uuid,
}
# Cells that may refer to files: a media cell is its URL, a Json cell jsonb's own text.
_OUTSIDE = MEDIA_TYPES | {"Json"}
# Python wrappers around a scan that only decode cells; we decode them ourselves, or `undecodable` sends the query to cursor().
_DECODERS = (CellReconstructionNode, CachePrefetchNode)
# Exact classes, for a subclass may do more. (Joins and samples are SQL too; no query of ours makes them.)
_SQL_NODES = (SqlScanNode, SqlAggregationNode)


@dataclass(frozen=True)
class SqlPlan:
    """Pixeltable's statement for a query.

    `statement` yields the selected expressions in order and typed, and after them one Bool column for each position in `flagged`: true
    where the Json cell at that position holds objects that are not JSON, else NULL. `undecodable` (where there is one) yields a row if
    some cell that the query may touch is stored in a form that only Pixeltable can decode.
    """

    statement: str
    flagged: tuple[int, ...]
    undecodable: str | None


def in_transaction(work: Callable[[], T]) -> T:
    """Run work that only looks at tables inside of one read transaction (REPEATABLE READ) of Pixeltable, on this thread.

    It is run again where the transaction met a conflict; Pixeltable's own functions read several tables this way.
    """
    result: T = retry_loop(for_write=False)(work)()
    return result


@contextmanager
def transaction(query: pxt.Query) -> Iterator[None]:
    """Hold Pixeltable's read transaction (REPEATABLE READ) for the tables of a query, on this thread."""
    catalog = get_runtime().catalog
    with catalog.begin_xact(for_write=False, read_tvps=query._from_clause.tvps, read_tbl_ids=query.referenced_tbl_ids()):
        yield


def versions(query: pxt.Query) -> dict[str, int]:
    """The version of each table that the query reads, by table id. Needs `transaction`."""
    return {table_id.hex: version for table_id, version in query._from_clause_tbl_versions().items()}


def compile_query(query: pxt.Query) -> SqlPlan | None:
    """Plan a query with Pixeltable's planner, or answer None where the plan is not known to be pure SQL. Needs `transaction`."""
    plan = query._create_query_plan()
    node = plan.exec_root
    while type(node) in _DECODERS:
        node = node.input
    if type(node) not in _SQL_NODES or node.input is not None:
        return None
    statement = node._create_stmt()
    # A parameter without a value (a template's, an unseeded sample's) cannot be rendered as a literal.
    if any(value is None for value in statement.compile(dialect=_DIALECT).params.values()):
        return None

    columns = list(statement.selected_columns)
    position = {expression.id: i for i, expression in enumerate(node.sql_select_list_exprs)}
    selected: list[Any] = []
    flags: dict[int, Any] = {}
    doubts: list[Any] = []
    for i, expression in enumerate(plan.select_list_exprs):
        if expression.id not in position:
            return None
        column = columns[position[expression.id]]
        typed = _typed(expression, column, is_scan=type(node) is SqlScanNode)
        if typed is None:
            return None
        selected.append(typed.label(f"c{i}"))
        if _kind(expression) in MEDIA_TYPES:
            # Remote objects are fetched by Pixeltable's file cache.
            doubts.append(sql.not_(column.startswith("file://", autoescape=True)))
        if _kind(expression) == "Json":
            metadata = node.cellmd_item_idxs.get(ColumnPropertyRef(expression, ColumnPropertyRef.Property.CELLMD))
            if metadata is None:
                return None
            flags[i] = _holds_objects(columns[metadata]).label(f"f{i}")
    selected += flags.values()
    # Pixeltable names its FROM itself, with joins for a view: keeping what the columns imply beside that makes it ambiguous.
    return SqlPlan(_render(statement.with_only_columns(*selected)), tuple(flags), _any_row(statement, doubts))


def export_snapshot() -> str:
    """Name the snapshot of this thread's transaction, for other connections to join. Needs `transaction`."""
    name = get_runtime().conn.execute(sql.text("SELECT pg_export_snapshot()")).scalar_one()
    return str(name)


def _typed(expression: Any, column: Any, *, is_scan: bool) -> Any | None:
    """The SQL column cast to what its Pixeltable type promises, or None where no rule is known to be right."""
    kind = _kind(expression)
    if kind in _SCALARS:
        return sql.cast(column, _SCALARS[kind])
    # A cell with parts outside of the database is only known where it stands in its own column.
    if kind in _OUTSIDE and is_scan and type(expression) is ColumnRef:
        return sql.cast(column, sql.Text)
    return None


def _holds_objects(metadata: Any) -> Any:
    """Images, arrays and bytes inside of JSON live in chunk files, the JSON holds only their place; true for such a cell, else NULL."""
    return sql.case((metadata.op("->")("file_urls").is_not(None), sql.true()))


def _any_row(statement: Any, doubts: list[Any]) -> str | None:
    if not doubts:
        return None
    everything = statement.order_by(None).limit(None).offset(None)
    return _render(everything.with_only_columns(sql.literal(1)).where(sql.or_(*doubts)).limit(1))


def _render(statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def _kind(expression: Any) -> str:
    return parse_type(str(expression.col_type)).name
