"""A Pixeltable table -> the SELECT that Pixeltable plans for a scan of it, with one typed and named column per wanted one.

Accepted by allow-list only: exact node classes, exact types. Anything else answers what stands in the way, and the caller reads through
`cursor()`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.catalog import retry_loop
from pixeltable.exec import CachePrefetchNode, CellReconstructionNode, SqlScanNode
from pixeltable.exprs import ColumnRef
from pixeltable.runtime import get_runtime, reset_runtime
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression

from pxt_flight.engine.seam import columns
from pxt_flight.engine.seam.columns import CellSource
from pxt_flight.engine.seam.deletion import living
from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.seam.store import DIRECTORIES, FINGERPRINT, MOMENTS, STATES
from pxt_flight.engine.types import ColumnType, MediaColumn, blob_name, parse_type

T = TypeVar("T")
Property = Literal["value", "errortype", "errormsg", "embedding", "rowid", "first_rowid", "version"]
# Table (its id as 36 characters), version, and when that version was made.
Moment = tuple[str, int, str]

# Not `postgresql.dialect()`: that is psycopg2's, which doubles every % of a literal (rows are lost silently).
_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types

IDS = "CAST(:ids AS uuid[])"
# Python wrappers around a scan that only decode cells: a media cell stays a reference here, and Json is jsonb's own.
_DECODERS = (CellReconstructionNode, CachePrefetchNode)


class State(NamedTuple):
    """How a table or a directory is stored at some moment.

    Attributes:
        stamp: another after any change.
        version: the live one; None of a directory.
        made: when that version was made; None where there is none.
        shape: another after any change but a write of rows.
    """

    stamp: str
    version: int | None
    made: str | None
    shape: str


class OutdatedError(Exception):
    """What Pixeltable keeps of a table on this thread is of a version that is no more."""


@dataclass(frozen=True)
class Wanted:
    """A column of a relation: `name` as statements say it, and what of the table's `column` it is."""

    name: str
    column: str
    property: Property = "value"


@dataclass(frozen=True)
class Relation:
    """A table as Postgres reads it.

    Attributes:
        statement: a SELECT that yields the wanted columns under their names, with `version_of` each live table in it.
        reads: (table, column) of the store that it touches, all that a role must be granted for it.
        stored_columns: (table, column) of the store and the name of the column of the table that it holds.
        blobs: the types of Postgres for its arrays and bytes.
        passing: the statement with the numbers of each media column beside (`number_names`).
        media: how grants name its media columns: by the table itself, for a view may leave out rows of the one that stores them.
    """

    statement: str
    reads: frozenset[tuple[str, str]]
    stored_columns: Mapping[tuple[str, str], str]
    media: Mapping[CellSource, MediaColumn]
    blobs: frozenset[str]
    passing: str


def in_transaction(work: Callable[[], T]) -> T:
    """Run work that only looks at tables inside of one read transaction (REPEATABLE READ) of Pixeltable, on this thread.

    It is run again where the transaction met a conflict, and where `moments` found what Pixeltable keeps of this thread to be outdated;
    Pixeltable's own functions read several tables this way.
    """
    attempt = retry_loop(for_write=False)(work)
    try:
        result: T = attempt()
    except OutdatedError:
        if get_runtime().in_xact:  # the transaction of who called
            raise
        reset_runtime()
        result = attempt()
    return result


def compile_relation(
    table: pxt.Table,
    wanted: Sequence[Wanted],
    kinds: Mapping[str, ColumnType],
    sources: MutableMapping[CellSource, int],
    *,
    hides: bool = True,
) -> Relation:
    """Plan a scan of a table with Pixeltable's planner. Needs `in_transaction`.

    Args:
        table: at the version that is to be read.
        wanted: the columns.
        kinds: the table's Pixeltable types, by column.
        sources: the numbers that stand for media columns in cell references, to which those of this table are added.
        hides: whether rows that are deleted softly are left out.

    Raises:
        NotSqlError: the plan is not known to be pure SQL.
    """
    # Something must be selected for a plan to exist; what nobody wants is left out of the statement again below.
    named = {want.column for want in wanted if want.column} or {_plainest(kinds)}
    expressions = {name: table[name] for name in sorted(named)}
    expressions |= {want.name: table[want.column].embedding() for want in wanted if want.property == "embedding"}
    statement, stored, row_id = scanned(table, expressions, living(table) if hides else None)
    selected = []
    media: dict[CellSource, MediaColumn] = {}
    blobs: set[str] = set()
    numbers: list[Any] = []
    for want in wanted:
        if want.property == "version":
            typed = columns.row_version(row_id)
        elif not want.column:
            typed = columns.row_id(row_id[:1] if want.property == "first_rowid" else row_id)
        elif want.property == "embedding":
            kind = parse_type(str(expressions[want.name].col_type))
            blobs.add(blob_name(kind))
            typed = columns.embedding(stored[want.name], blob_name(kind))
        elif want.property != "value":
            typed = columns.error_property(stored[want.column], want.property)
        elif kinds[want.column].is_blob:
            source = columns.cell_source(want.column, kinds[want.column].name, stored[want.column])
            blobs.add(blob_name(kinds[want.column]))
            typed = columns.blob(stored[want.column], source, sources.setdefault(source, len(sources)), blob_name(kinds[want.column]))
        elif kinds[want.column].is_media:
            source = columns.cell_source(want.column, kinds[want.column].name, stored[want.column])
            media[source] = media_column(table, want.column)
            typed = columns.cell(stored[want.column], source, sources.setdefault(source, len(sources)))
            numbers += columns.numbers(stored[want.column], source, sources[source])
        elif kinds[want.column].name == "Json":
            source = columns.cell_source(want.column, "Json", stored[want.column])
            typed = columns.json(stored[want.column], source, sources.setdefault(source, len(sources)))
        else:
            typed = columns.scalar(want.column, kinds[want.column].name, stored[want.column])
        selected.append(typed.label(want.name))
    # Pixeltable names its FROM itself, with joins for a view: keeping what the columns imply beside that makes it ambiguous.
    final = statement.with_only_columns(*(selected or [sql.literal_column("1").label("?")]))
    names = {(column.table.name, column.name): name for name, column in stored.items()}
    written = _without_versions if is_live(table) else rendered
    passing = written(statement.with_only_columns(*selected, *numbers)) if numbers else ""
    return Relation(written(final), _reads(final), names, media, frozenset(blobs), passing)


def moments(tables: Iterable[pxt.Table]) -> list[frozenset[Moment]]:
    """For each table the versions that a scan of it reads together: its own, and of those below it. Needs `in_transaction`.

    What Pixeltable keeps of a table on this thread is taken for current by its version's number alone (0.7.21, `_get_tbl_version`): after a
    revert and another change in another thread or process, a live table of that number has the columns of the reverted one.
    """
    found = [{(str(table_id), int(tv.version)): float(tv.created_at) for table_id, tv in _versions(table).items()} for table in tables]
    known = {version: made for path in found for version, made in path.items()}
    stored = {(table_id, version): made for table_id, version, made in stored_moments(known)}
    if any(version not in stored or float(stored[version]) != made for version, made in known.items()):
        raise OutdatedError
    return [frozenset((*version, stored[version]) for version in path) for path in found]


def stored_moments(versions: Collection[tuple[Any, ...]]) -> frozenset[Moment]:
    """Which versions of these tables and numbers there are, as `run_sql` sees them."""
    ids, numbers = [version[0] for version in versions], [version[1] for version in versions]
    statement = MOMENTS.format(ids=IDS, versions="CAST(:versions AS bigint[])")
    return frozenset((row[0], row[1], row[2]) for row in run_sql(statement, ids=ids, versions=numbers))


def fingerprint(ids: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What changes with any change of some tables and directories, as `run_sql` sees them."""
    return frozenset((row[0], row[1]) for row in run_sql(FINGERPRINT.format(ids=IDS), ids=list(ids)))


def states(ids: Sequence[str]) -> dict[str, State]:
    """How some tables and directories are, by id, as `run_sql` sees them."""
    return {row[0]: State(*row[1:]) for row in run_sql(STATES.format(ids=IDS), ids=list(ids))}


def is_live(table: pxt.Table) -> bool:
    """Whether the table and those below it are read as they are now, whatever their versions are. Needs `in_transaction`."""
    return all(version.effective_version is None for version in _versions(table).values())


def directories(ids: Sequence[str]) -> list[str]:
    """The ids of the directories above some tables, as `run_sql` sees them."""
    return [row[0] for row in run_sql(DIRECTORIES.format(ids=IDS), ids=list(ids))]


def run_sql(statement: str, **parameters: Any) -> list[Any]:
    """The rows of a query in this thread's transaction, else in one of its own."""
    if not get_runtime().in_xact:
        return in_transaction(lambda: run_sql(statement, **parameters))
    return list(get_runtime().conn.execute(sql.text(statement), parameters))


def _versions(table: Any) -> Mapping[Any, Any]:
    """Pixeltable's `TableVersion` of a table and of each below it, by id."""
    versions: Mapping[Any, Any] = table._tbl_path.tbl_versions()
    return versions


def scanned(table: pxt.Table, expressions: Mapping[str, Any], condition: Any | None = None) -> tuple[Any, dict[str, Any], Sequence[Any]]:
    """Pixeltable's scan for some expressions: its statement, their columns in it by name, and those of the table's row id.

    Args:
        table: at the version that is to be read.
        expressions: of Pixeltable's, by name.
        condition: which rows; None for all.

    Raises:
        NotSqlError: the plan is not known to be pure SQL.
    """
    scan = table if condition is None else table.where(condition)
    query = scan.select(**{f"c{i}": expression for i, expression in enumerate(expressions.values())})
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
    return statement, stored, node.tbl.tbl_version.get().store_tbl.rowid_columns()


def _plainest(kinds: Mapping[str, ColumnType]) -> str:
    if not kinds:  # a view that selects some columns: Pixeltable computes each of its own from that of the base
        raise NotSqlError("no column of the table is stored")
    return min(kinds, key=lambda name: kinds[name].name not in columns.SCALARS)


def media_column(table: pxt.Table, name: str) -> MediaColumn:
    """A column as a grant names it. Needs `in_transaction`."""
    # A snapshot without columns of its own is no version of anything: its id alone says which rows it shows.
    own = _versions(table).get(table._id)
    return MediaColumn(table._id.hex, None if own is None else int(own.version), column_number(table, name))


def column_number(table: pxt.Table, name: str) -> int:
    """A number that no other column of the table has: Pixeltable counts anew in each view, so its place in the chain is part of it."""
    column = table[name].col.qid
    chain = list(_versions(table))  # from the view down; the base is 1, however many views come to stand on it
    return int(column.col_id) << 8 | len(chain) - chain.index(column.tbl_id)


def _reads(statement: Any) -> frozenset[tuple[str, str]]:
    found = (part for part in sql.sql.visitors.iterate(statement) if isinstance(part, sql.Column) and isinstance(part.table, sql.Table))
    return frozenset((column.table.name, column.name) for column in found)


def _without_versions(statement: Any) -> str:
    """The SQL of a scan of live tables, with `version_of` where it has their versions: `v_min <= 7`."""

    def place(element: Any, **_: Any) -> Any:
        if not isinstance(element, BinaryExpression) or element.operator is not operators.le or not isinstance(element.left, sql.Column):
            return None
        store = element.left.table
        return element.left <= sql.literal_column(version_of(store.name[-32:])) if element.left is store.c.get("v_min") else None

    return rendered(visitors.replacement_traverse(statement, {}, place))


def version_of(table_id: str) -> str:
    """What stands in a relation for the live version of a table, whose id is given as hex."""
    return f'"pxt$version_{table_id}"'


def rendered(statement: Any) -> str:
    """The SQL of a statement, with its values as literals."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
