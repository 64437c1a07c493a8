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
from pixeltable.exec.globals import INLINED_OBJECT_MD_KEY
from pixeltable.exprs import ColumnRef
from pixeltable.runtime import get_runtime, reset_runtime
from sqlalchemy.dialects.postgresql.base import PGDialect

from pxt_flight.engine.seam.deletion import living
from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.seam.store import DIRECTORIES, FINGERPRINT, MOMENTS
from pxt_flight.engine.types import ColumnType, MediaColumn, blob_name, parse_type

T = TypeVar("T")
Property = Literal["value", "errortype", "errormsg", "embedding", "rowid", "first_rowid", "version"]
# Table (its id as 36 characters), version, and when that version was made.
Moment = tuple[str, int, str]
OBJECT_KEY: str = INLINED_OBJECT_MD_KEY
"""The key under which Pixeltable notes where an object inside of Json is."""

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
# Likewise, in the place of a text that signs what stands for an object inside of Json.
SIGNED_BY = "pxt$secret"
# The types of embeddings -> what gives their bytes (pgvector 0.8).
_VECTORS = {"VECTOR": "vector_send", "HALFVEC": "halfvec_send"}
_NAME_BYTES = 63  # of an identifier of Postgres
IDS = "CAST(:ids AS uuid[])"
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


class OutdatedError(Exception):
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
            typed = _row_version(row_id)
        elif not want.column:
            typed = _row_id(row_id[:1] if want.property == "first_rowid" else row_id)
        elif want.property == "embedding":
            kind = parse_type(str(expressions[want.name].col_type))
            blobs.add(blob_name(kind))
            typed = _embedding(stored[want.name], blob_name(kind))
        elif want.property != "value":
            typed = _error_property(stored[want.column], want.property)
        elif kinds[want.column].is_blob:
            source = _cell_source(want.column, kinds[want.column].name, stored[want.column])
            blobs.add(blob_name(kinds[want.column]))
            typed = _blob(stored[want.column], source, sources.setdefault(source, len(sources)), blob_name(kinds[want.column]))
        elif kinds[want.column].is_media:
            source = _cell_source(want.column, kinds[want.column].name, stored[want.column])
            media[source] = media_column(table, want.column)
            typed = _cell(stored[want.column], source, sources.setdefault(source, len(sources)))
            numbers += _numbers(stored[want.column], source, sources[source])
        elif kinds[want.column].name == "Json":
            source = _cell_source(want.column, "Json", stored[want.column])
            typed = _json(stored[want.column], source, sources.setdefault(source, len(sources)))
        else:
            typed = _scalar(want.column, kinds[want.column].name, stored[want.column])
        selected.append(typed.label(want.name))
    # Pixeltable names its FROM itself, with joins for a view: keeping what the columns imply beside that makes it ambiguous.
    final = statement.with_only_columns(*(selected or [sql.literal_column("1").label("?")]))
    names = {(column.table.name, column.name): name for name, column in stored.items()}
    passing = rendered(statement.with_only_columns(*selected, *numbers)) if numbers else ""
    return Relation(rendered(final), _reads(final), names, media, frozenset(blobs), passing)


def number_names(source: int, width: int) -> list[str]:
    """The names of the columns that hold a media cell's row id, of so many numbers, and version."""
    return [*(f"pxt${source}${i}" for i in range(width)), f"pxt${source}$version"]


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
    return min(kinds, key=lambda name: kinds[name].name not in _SCALARS)


def _scalar(name: str, kind: str, column: Any) -> Any:
    """The SQL column cast to what its Pixeltable type promises."""
    if kind not in _SCALARS:
        raise NotSqlError(f"column {name} is of type {kind}")
    return sql.cast(column, _SCALARS[kind])


def _json(column: Any, source: CellSource, number: int) -> Any:
    """Json, with a reference to the cell in the name of each image, array or bytes inside of it."""
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError(f"Json column {source.name} has no metadata")
    row_id = (column.table.c[name] for name in source.row_id)
    place = sql.func.concat_ws(" ", sql.literal_column(str(number)), column.table.c.v_min, *row_id)
    named = sql.func.pxt_flight.objects(column, OBJECT_KEY, SIGNED_BY, place)
    return sql.case((metadata.op("->")("file_urls").is_not(None), named), else_=column)


def _error_property(column: Any, which: str) -> Any:
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError("a column has no errors")
    text = metadata.op("->>")(which)
    return sql.func.regexp_replace(text, _FOLDERS, "", "g") if which == "errormsg" else text


def _row_id(columns: Sequence[Any]) -> Any:
    """The row id: the integer, or the numbers from the base to the component with dots between them."""
    return columns[0].expression if len(columns) == 1 else sql.func.concat_ws(".", *columns)


def _row_version(columns: Sequence[Any]) -> Any:
    """The version of the table in which the row was written."""
    stored = columns[0].table.c
    if "v_min" not in stored:
        raise NotSqlError("the table is not versioned")
    return stored.v_min


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


def _cell_source(name: str, kind: str, column: Any) -> CellSource:
    return CellSource(kind, name, column.table.name, column.name, row_id_columns(column))


def row_id_columns(column: Any) -> tuple[str, ...]:
    """The names of the row id's columns where a column is stored."""
    if "v_min" not in column.table.c:
        raise NotSqlError("the table is not versioned")
    return tuple(name for name in column.table.c.keys() if name == "rowid" or name.startswith("pos_"))  # noqa: SIM118


def _cell(column: Any, source: CellSource, number: int) -> Any:
    """An opaque reference in place of the stored path: source, number of the run and row id, version."""
    cell = sql.func.row(sql.literal_column(str(number)), _reference(column, source), column.table.c.v_min)
    return sql.case((column.is_not(None), cell.op("::")(sql.literal_column("pxt_flight.cell"))))


def _numbers(column: Any, source: CellSource, number: int) -> list[Any]:
    keys = [column.table.c[name] for name in (*source.row_id, "v_min")]
    labels = number_names(number, len(source.row_id))
    return [sql.case((column.is_not(None), key)).label(label) for key, label in zip(keys, labels, strict=True)]


def _blob(column: Any, source: CellSource, number: int, name: str) -> Any:
    """An array or bytes: as they are where they are in the row, and a reference beside them."""
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None or len(name) > _NAME_BYTES:
        raise NotSqlError(f"column {source.name} is stored in a way that is not known")
    blob = sql.func.row(sql.literal_column(str(number)), _reference(column, source), column.table.c.v_min, column, sql.null())
    is_there = sql.or_(column.is_not(None), metadata.op("->")("file_urls").is_not(None))
    return sql.case((is_there, blob.op("::")(sql.literal_column(f'pxt_flight."{name}"'))))


def _embedding(column: Any, name: str) -> Any:
    """The value of an embedding index, always in the row, as pgvector sends it: `blobs` reads that beside `.npy`."""
    send = _VECTORS.get(type(column.type).__name__)
    if send is None:
        raise NotSqlError("an embedding is stored in a way that is not known")
    vector = sql.func.row(sql.literal_column("0"), sql.null(), sql.null(), getattr(sql.func, send)(column), sql.null())
    return sql.case((column.is_not(None), vector.op("::")(sql.literal_column(f'pxt_flight."{name}"'))))


def _reference(column: Any, source: CellSource) -> Any:
    numbers = [sql.literal_column(RUN), *(column.table.c[name] for name in source.row_id)]
    return sql.cast(sql.dialects.postgresql.array(numbers), sql.ARRAY(sql.BigInteger))


def _reads(statement: Any) -> frozenset[tuple[str, str]]:
    found = (part for part in sql.sql.visitors.iterate(statement) if isinstance(part, sql.Column) and isinstance(part.table, sql.Table))
    return frozenset((column.table.name, column.name) for column in found)


def rendered(statement: Any) -> str:
    """The SQL of a statement, with its values as literals."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
