"""A Pixeltable table -> the SELECT that Pixeltable plans for a scan of it, with one typed and named column per wanted one.

Accepted by allow-list only: exact node classes, exact types. Anything else answers what stands in the way, and the caller reads through
`cursor()`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.catalog import retry_loop
from pixeltable.exec import CachePrefetchNode, CellReconstructionNode, SqlScanNode
from pixeltable.exprs import ColumnRef
from pixeltable.runtime import get_runtime, reset_runtime
from sqlalchemy.dialects.postgresql.base import PGDialect

from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.seam.store import DIRECTORIES, FINGERPRINT, MOMENTS
from pxt_flight.engine.types import MEDIA_TYPES

T = TypeVar("T")
Property = Literal["value", "errortype", "errormsg", "rowid", "first_rowid"]
# Table (its id as 36 characters), version, and when that version was made.
Moment = tuple[str, int, str]

# Not `postgresql.dialect()`: that is psycopg2's, which doubles every % of a literal (rows are lost silently).
_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types

# What each Pixeltable type is cast to, so that a statement finds the declared type whatever Pixeltable's planner makes of it.
_SCALARS: dict[str, Any] = {
    "Int": sql.BigInteger,
    "Float": sql.Double,
    "Bool": sql.Boolean,
    "String": sql.Text,
    "Timestamp": sql.TIMESTAMP(timezone=True),
    "Date": sql.Date,
    "UUID": sql.Uuid,
}
_IDS = "CAST(:ids AS uuid[])"
# Stands in a relation where each run puts a number that nobody can know before: Postgres would take a user's text such as '(0,{7},1)' for
# a reference to any row, also one that a view leaves out.
RUN = '"pxt$run"'
# Python wrappers around a scan that only decode cells: a media cell stays a reference here, and Json is jsonb's own.
_DECODERS = (CellReconstructionNode, CachePrefetchNode)
# All but the file's name of a path, with or without a scheme, on any system, and the query of a URL: error texts quote what they failed on.
# Of a URL the user and the host with its port go, too.
# A folder's name may have spaces, so a text between two paths may be cut too: rather that than half a path.
_FOLDERS = (
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/\\'\"<>]*@)?(?:[^\s/\\'\"<>]*[/\\]+)?|[A-Za-z]:\\|~?[/\\])(?:[^/\\'\"<>|:*?\n]+[/\\]+)*(?=[^\s/\\'\"<>|:*?])"
    r"|[?][A-Za-z0-9_%.+-]+=[^\s'\"<>]*"
)


class _OutdatedError(Exception):
    """What Pixeltable keeps of a table on this thread is of a version that is no more."""


@dataclass(frozen=True)
class Wanted:
    """A column of a relation: `name` as statements say it, and what of the table's `column` it is."""

    name: str
    column: str
    property: Property = "value"


@dataclass(frozen=True)
class CellSource:
    """Where the cells of a media column are stored: what a cell reference's first number stands for.

    Attributes:
        kind: its Pixeltable type, `Image`.
        name: its name in the table.
        table: that of the store.
        column: that of the store.
        row_id: the columns of the row id there.
    """

    kind: str
    name: str
    table: str
    column: str
    row_id: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A table as Postgres reads it.

    Attributes:
        statement: a SELECT that yields the wanted columns under their names.
        reads: (table, column) of the store that it touches, all that a role must be granted for it.
        stored_columns: (table, column) of the store and the name of the column of the table that it holds.
    """

    statement: str
    reads: frozenset[tuple[str, str]]
    stored_columns: Mapping[tuple[str, str], str]


def in_transaction(work: Callable[[], T]) -> T:
    """Run work that only looks at tables inside of one read transaction (REPEATABLE READ) of Pixeltable, on this thread.

    It is run again where the transaction met a conflict, and where `moments` found what Pixeltable keeps of this thread to be outdated;
    Pixeltable's own functions read several tables this way.
    """
    attempt = retry_loop(for_write=False)(work)
    try:
        result: T = attempt()
    except _OutdatedError:
        if get_runtime().in_xact:  # the transaction of who called
            raise
        reset_runtime()
        result = attempt()
    return result


def compile_relation(
    table: pxt.Table, wanted: Sequence[Wanted], kinds: Mapping[str, str], sources: MutableMapping[CellSource, int]
) -> Relation:
    """Plan a scan of a table with Pixeltable's planner. Needs `in_transaction`.

    Args:
        table: at the version that is to be read.
        wanted: the columns.
        kinds: the names of the table's Pixeltable types, by column.
        sources: the numbers that stand for media columns in cell references, to which those of this table are added.

    Raises:
        NotSqlError: the plan is not known to be pure SQL.
    """
    # Something must be selected for a plan to exist; what nobody wants is left out of the statement again below.
    named = {want.column for want in wanted if want.column} or {_plainest(kinds)}
    expressions = {name: table[name] for name in sorted(named)}
    query = table.select(**{f"c{i}": expression for i, expression in enumerate(expressions.values())})
    plan = query._create_query_plan()
    node = plan.exec_root
    while type(node) in _DECODERS:
        node = node.input
    # The exact class, for a subclass may do more.
    if type(node) is not SqlScanNode or node.input is not None:
        raise NotSqlError("a column is computed while it is read")
    statement = node._create_stmt()
    columns = list(statement.selected_columns)
    position = {expression.id: i for i, expression in enumerate(node.sql_select_list_exprs)}
    stored = {}
    for name, expression in zip(expressions, plan.select_list_exprs, strict=True):
        if type(expression) is not ColumnRef or expression.id not in position:
            raise NotSqlError(f"column {name} is computed while it is read")
        stored[name] = columns[position[expression.id]]
    row_id = node.tbl.tbl_version.get().store_tbl.rowid_columns()
    selected = []
    for want in wanted:
        if not want.column:
            typed = _row_id(row_id[:1] if want.property == "first_rowid" else row_id)
        elif want.property != "value":
            typed = _error_property(stored[want.column], want.property)
        elif kinds[want.column] in MEDIA_TYPES:
            source = _cell_source(want.column, kinds[want.column], stored[want.column])
            typed = _cell(stored[want.column], source, sources.setdefault(source, len(sources)))
        else:
            typed = _typed(want.column, kinds[want.column], stored[want.column])
        selected.append(typed.label(want.name))
    # Pixeltable names its FROM itself, with joins for a view: keeping what the columns imply beside that makes it ambiguous.
    final = statement.with_only_columns(*(selected or [sql.literal_column("1").label("?")]))
    names = {(column.table.name, column.name): name for name, column in stored.items()}
    return Relation(_render(final), _reads(final), names)


def moments(tables: Iterable[pxt.Table]) -> list[frozenset[Moment]]:
    """For each table the versions that a scan of it reads together: its own, and of those below it. Needs `in_transaction`.

    What Pixeltable keeps of a table on this thread is taken for current by its version's number alone (0.7.21, `_get_tbl_version`): after a
    revert and another change in another thread or process, a live table of that number has the columns of the reverted one.
    """
    found = [{(str(table_id), int(tv.version)): float(tv.created_at) for table_id, tv in _versions(table).items()} for table in tables]
    known = {version: made for path in found for version, made in path.items()}
    stored = {(table_id, version): made for table_id, version, made in stored_moments(known)}
    if any(version not in stored or float(stored[version]) != made for version, made in known.items()):
        raise _OutdatedError
    return [frozenset((*version, stored[version]) for version in path) for path in found]


def stored_moments(versions: Collection[tuple[Any, ...]]) -> frozenset[Moment]:
    """Which versions of these tables and numbers there are, as `run_sql` sees them."""
    ids, numbers = [version[0] for version in versions], [version[1] for version in versions]
    statement = MOMENTS.format(ids=_IDS, versions="CAST(:versions AS bigint[])")
    return frozenset((row[0], row[1], row[2]) for row in run_sql(statement, ids=ids, versions=numbers))


def fingerprint(ids: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What changes with any change of some tables and directories, as `run_sql` sees them."""
    return frozenset((row[0], row[1]) for row in run_sql(FINGERPRINT.format(ids=_IDS), ids=list(ids)))


def directories(ids: Sequence[str]) -> list[str]:
    """The ids of the directories above some tables, as `run_sql` sees them."""
    return [row[0] for row in run_sql(DIRECTORIES.format(ids=_IDS), ids=list(ids))]


def run_sql(statement: str, **parameters: Any) -> list[Any]:
    """The rows of a query in this thread's transaction, else in one of its own."""
    if not get_runtime().in_xact:
        return in_transaction(lambda: run_sql(statement, **parameters))
    return list(get_runtime().conn.execute(sql.text(statement), parameters))


def _versions(table: Any) -> Mapping[Any, Any]:
    """Pixeltable's `TableVersion` of a table and of each below it, by id."""
    versions: Mapping[Any, Any] = table._tbl_path.tbl_versions()
    return versions


def _plainest(kinds: Mapping[str, str]) -> str:
    return min(kinds, key=lambda name: kinds[name] not in _SCALARS)


def _typed(name: str, kind: str, column: Any) -> Any:
    """The SQL column cast to what its Pixeltable type promises."""
    if kind in _SCALARS:
        return sql.cast(column, _SCALARS[kind])
    if kind != "Json":
        raise NotSqlError(f"column {name} is of type {kind}")
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError(f"Json column {name} has no metadata")
    # Images, arrays and bytes inside of JSON live in chunk files; the JSON holds only their place, which is nobody's to see.
    # The metadata are an argument, for of constants alone Postgres would call it while it plans.
    refused = sql.func.pxt_flight.not_json(sql.cast(sql.literal(name), sql.Text), metadata)
    return sql.case((metadata.op("->")("file_urls").is_not(None), refused), else_=column)


def _error_property(column: Any, which: str) -> Any:
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError("a column has no errors")
    text = metadata.op("->>")(which)
    return sql.func.regexp_replace(text, _FOLDERS, "", "g") if which == "errormsg" else text


def _row_id(columns: Sequence[Any]) -> Any:
    """The row id: the integer, or the numbers from the base to the component with dots between them."""
    return columns[0].expression if len(columns) == 1 else sql.func.concat_ws(".", *columns)


def _cell_source(name: str, kind: str, column: Any) -> CellSource:
    row_id = tuple(name for name in column.table.c.keys() if name == "rowid" or name.startswith("pos_"))  # noqa: SIM118
    if "v_min" not in column.table.c:
        raise NotSqlError("the table is not versioned")
    return CellSource(kind, name, column.table.name, column.name, row_id)


def _cell(column: Any, source: CellSource, number: int) -> Any:
    """An opaque reference in place of the stored path: source, number of the run and row id, version."""
    numbers = [sql.literal_column(RUN), *(column.table.c[name] for name in source.row_id)]
    row_id = sql.cast(sql.dialects.postgresql.array(numbers), sql.ARRAY(sql.BigInteger))
    cell = sql.func.row(sql.literal_column(str(number)), row_id, column.table.c.v_min)
    return sql.case((column.is_not(None), cell.op("::")(sql.literal_column("pxt_flight.cell"))))


def _reads(statement: Any) -> frozenset[tuple[str, str]]:
    found = (part for part in sql.sql.visitors.iterate(statement) if isinstance(part, sql.Column) and isinstance(part.table, sql.Table))
    return frozenset((column.table.name, column.name) for column in found)


def _render(statement: Any) -> str:
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
