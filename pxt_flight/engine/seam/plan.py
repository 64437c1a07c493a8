"""A Pixeltable query -> the SQL statement Pixeltable plans for it, with one typed column per selected expression.

Accepted by allow-list only: exact node classes, exact types. Anything else answers None, and the caller reads through `cursor()`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.exec import CachePrefetchNode, CellReconstructionNode, SqlAggregationNode, SqlScanNode
from pixeltable.exprs import ColumnPropertyRef, ColumnRef
from pixeltable.runtime import get_runtime
from sqlalchemy.dialects.postgresql.base import PGDialect

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
_MEDIA = frozenset({"Image", "Video", "Audio", "Document"})
# Cells that may refer to files: a media cell is its URL, a Json cell jsonb's own text.
_OUTSIDE = _MEDIA | {"Json"}
# Python wrappers around a scan that only decode cells; we decode them ourselves, or `undecodable` sends the query to cursor().
_DECODERS = (CellReconstructionNode, CachePrefetchNode)
# Exact classes, for a subclass may do more. (Joins and samples are SQL too; no query of ours makes them.)
_SQL_NODES = (SqlScanNode, SqlAggregationNode)


@dataclass(frozen=True)
class SqlPlan:
    """Pixeltable's statement for a query.

    `statement` yields the selected expressions in order and typed; `undecodable` (where there is one) yields a row if some cell
    that the query may touch is stored in a form that only Pixeltable can decode.
    """

    statement: str
    undecodable: str | None


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
    doubts: list[Any] = []
    for i, expression in enumerate(plan.select_list_exprs):
        if expression.id not in position:
            return None
        column = columns[position[expression.id]]
        typed = _typed(expression, column, is_scan=type(node) is SqlScanNode)
        if typed is None:
            return None
        selected.append(typed.label(f"c{i}"))
        doubts.extend(_doubts(expression, column, columns, node.cellmd_item_idxs))
    # Pixeltable names its FROM itself, with joins for a view: keeping what the columns imply beside that makes it ambiguous.
    return SqlPlan(_render(statement.with_only_columns(*selected)), _any_row(statement, doubts))


def export_snapshot() -> str:
    """Name the snapshot of this thread's transaction, for other connections to join. Needs `transaction`."""
    name = get_runtime().conn.execute(sql.text("SELECT pg_export_snapshot()")).scalar_one()
    return str(name)


def _typed(expression: Any, column: Any, *, is_scan: bool) -> Any | None:
    """The SQL column cast to what its Pixeltable type promises, or None where no rule is known to be right."""
    kind = type_name(expression.col_type)
    if kind in _SCALARS:
        return sql.cast(column, _SCALARS[kind])
    # A cell with parts outside of the database is only known where it stands in its own column.
    if kind in _OUTSIDE and is_scan and type(expression) is ColumnRef:
        return sql.cast(column, sql.Text)
    return None


def _doubts(expression: Any, column: Any, columns: list[Any], metadata: Any) -> Iterator[Any]:
    """Conditions under which a cell of this column is not what its SQL value says."""
    kind = type_name(expression.col_type)
    if kind in _MEDIA:
        # Remote objects are fetched by Pixeltable's file cache.
        yield sql.not_(column.startswith("file://", autoescape=True))
    if kind == "Json":
        # Images, arrays and bytes inside of JSON live in chunk files, the JSON holds only their place.
        reference = ColumnPropertyRef(expression, ColumnPropertyRef.Property.CELLMD)
        index = metadata.get(reference)
        if index is not None:
            yield columns[index].op("->")("file_urls").is_not(None)


def _any_row(statement: Any, doubts: list[Any]) -> str | None:
    if not doubts:
        return None
    everything = statement.order_by(None).limit(None).offset(None)
    return _render(everything.with_only_columns(sql.literal(1)).where(sql.or_(*doubts)).limit(1))


def _render(statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def type_name(col_type: Any) -> str:
    """The bare name of a Pixeltable type: `Array` of `Array[(3,), float32] | None`."""
    return str(col_type).split("[", 1)[0].split(" |", 1)[0]
