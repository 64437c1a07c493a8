"""A request -> a statement for Postgres in which each table is Pixeltable's own planned scan.

    WITH "pxt$0" AS NOT MATERIALIZED (<the scan that Pixeltable plans, with its columns under their names>)
    SELECT CAST(c0 AS BIGINT), ... FROM (<the user's statement, written anew from its tree>) AS r(c0, ...)

Postgres pushes predicates down through such a WITH and uses the indexes of the store. Only what the tree says is sent, never the user's
text; the outer SELECT is there only where a column must be cast to what goes over the wire.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine import dialect, grammar, literals, media
from pxt_flight.engine.bindings import Bound, Held, Known, assembled, hold
from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.kept import Kept
from pxt_flight.engine.numerics import numeric_types
from pxt_flight.engine.outputs import OutputType, output_type, postgres_type
from pxt_flight.engine.passing import Passed, pass_on
from pxt_flight.engine.runs import secret_of
from pxt_flight.engine.scan import Pin
from pxt_flight.engine.seam.columns import RUN, SIGNED_BY, CellSource
from pxt_flight.engine.seam.plan import Relation, Wanted
from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.soft_delete import SHOWN_BY
from pxt_flight.engine.sources import (
    Source,
    TableInfo,
    relation_name,
    split_hidden,
    table_info,
)
from pxt_flight.engine.sql import Statement, positions
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import MEDIA_TYPES, ColumnType, MediaColumn, arrow_field
from pxt_flight.errors import PxtFlightError, error

_TABLES_KNOWN = 128  # sets of tables
_UNNAMED = re.compile(r"unnamed<oid:(?P<oid>\d+)>")


class Describer(Protocol):
    """Who plans statements in Postgres without running them."""

    def describe(self, statement: str) -> pa.Schema:
        """The columns of a statement; Postgres' types are in the metadata of the fields."""


@dataclass(frozen=True)
class ScanNote:
    """What a plan reads of one table, for explanations."""

    path: str
    columns: tuple[str, ...]
    stored: frozenset[str]
    stored_columns: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class SqlPlan:
    """A request as Postgres runs it, for any values of its parameters that have the same types."""

    tree: exp.Query
    relations: str
    wrapping: tuple[str, str]
    schema: pa.Schema
    held: Held
    sources: tuple[CellSource, ...]
    media_columns: tuple[MediaColumn | None, ...]
    passed: tuple[Passed, ...]
    mode: media.MediaMode
    scans: tuple[ScanNote, ...] = field(repr=False)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What a ticket of it reads."""
        return self.held.pins

    def statement(self, parameters: Sequence[Any], run: int) -> str:
        """The SQL for some values of the parameters.

        Args:
            parameters: the values.
            run: a random number (`cells.new_run`) that all cell references of this run carry.
        """
        tree = self.tree
        if parameters:
            tree = tree.copy()
            literals.bind_parameters(tree, parameters)
        before, after = self.wrapping
        relations = self.held.versioned(self.relations).replace(RUN, str(run)).replace(SIGNED_BY, secret_of(run))
        return f"{relations}{before}{dialect.generate(tree)}{after}"


class Planner:
    """Plans requests.

    Args:
        seam: `seam.plan`.
        store: Pixeltable's own login, for the grants.
        reader: describes statements: the connections of the restricted role.
    """

    def __init__(self, seam: ModuleType, store: Store, reader: Describer) -> None:
        self._seam = seam
        self._store = store
        self._reader = reader
        self._known = Kept[tuple[bool, tuple[str, ...]], Known](_TABLES_KNOWN)

    def plan(
        self,
        statement: Statement,
        parameters: Sequence[Any],
        mode: media.MediaMode,
        versions: Mapping[str, int],
        *,
        include_deleted: bool = False,
    ) -> SqlPlan:
        """Plan a statement; runs on an engine thread.

        Args:
            statement: what `sql.parse` made.
            parameters: values, of which the plan keeps the types only.
            mode: how media values are sent.
            versions: read these tables as of a version, by path; default the live ones.
            include_deleted: whether rows that are deleted softly are read, too.

        Raises:
            NotSqlError: it takes Pixeltable itself to read a column.
            PxtFlightError: the statement is at fault; nothing was read.
        """
        if (function := grammar.pixeltable_function(statement.tree)) is not None:
            raise NotSqlError(f"{function}() is computed by Pixeltable")
        with positions(statement.text):
            bound = self._recalled(statement, include_deleted) if not versions else None
            if bound is None:
                bound = self._seam.in_transaction(lambda: self._bind(statement, versions, include_deleted))
                for relation in bound.relations:
                    self._store.make_types(relation.blobs)
                    self._store.grant(relation.reads)
            return self._described(statement, bound, parameters, mode)

    def renewed(self, plan: SqlPlan) -> SqlPlan | None:
        """A plan as it is now, where nothing but rows was written since; None where it must be made anew. Any thread may ask."""
        held = self._held_now(plan.held)
        if held is None:
            return None
        if held is plan.held:
            return plan
        return replace(plan, held=held, media_columns=tuple(column and held.current(column) for column in plan.media_columns))

    def _held_now(self, held: Held) -> Held | None:
        """What a plan holds on to, as it is now; None where more than rows was written."""
        if self._store.fingerprint(held.ids) == held.fingerprint:
            return held
        return held.renewed(self._store.states(held.ids))

    def _recalled(self, statement: Statement, include_deleted: bool) -> Bound | None:
        """Bind a statement to what is known of its tables, without Pixeltable: the text is new, its tables seldom are."""
        key = (include_deleted, statement.tables)
        known = self._known.get(key)
        held = None if known is None else self._held_now(known.held)
        if known is None or held is None:
            return None
        if held is not known.held:
            known = self._known.put(key, known.renewed(held))
        try:
            return assembled(statement, known, known.recall)
        except KeyError:
            return None

    def _bind(self, statement: Statement, versions: Mapping[str, int], include_deleted: bool) -> Bound:
        tables = {path: get_table(f"{path}:{versions[path]}" if path in versions else path) for path in statement.tables}
        described = {path: table.get_metadata() for path, table in tables.items()}
        infos = {path: table_info(path, metadata, include_deleted=include_deleted) for path, metadata in described.items()}
        known = Known(infos, hold(tables, described, versions, self._seam))
        bound = assembled(
            statement,
            known,
            lambda source, cells: known.learn(source, cells, lambda: self._relation(tables[source.info.path], source, cells)),
        )
        if not versions:
            key = (include_deleted, statement.tables)
            earlier = self._known.get(key)
            if earlier is not None and earlier.held == known.held:
                known.relations |= dict(earlier.relations)  # a copy: others learn meanwhile
            self._known.put(key, known)
        return bound

    def _relation(self, table: Any, source: Source, cells: dict[CellSource, int]) -> Relation:
        wanted = [Wanted(name, name) for name in source.visible]
        wanted += [Wanted(name, *split_hidden(name)) for name in source.hidden]  # type: ignore[misc]  # `find_sources` found them by it
        kinds = {name: column for name, column in source.info.columns.items() if name not in source.info.unstored}
        relation: Relation = self._seam.compile_relation(table, wanted, kinds, cells, hides=source.info.hides)
        return relation

    def _described(self, statement: Statement, bound: Bound, parameters: Sequence[Any], mode: media.MediaMode) -> SqlPlan:
        relations = _with(bound.relations)
        described_by = bound.held.versioned(relations)
        literal = bound.tree.copy()
        literals.bind_parameters(literal, parameters)
        try:
            described = self._describe(described_by, literal)
        except PxtFlightError as fault:
            raise _placed(fault, statement, bound) from fault.__cause__
        if not len(described):
            # Its rows would have no cells: Arrow could not even say how many there are.
            raise error("sql_syntax", "The statement selects no columns.", where={"offset": 0})
        types: dict[int, OutputType | None] = {i: output_type(column) for i, column in enumerate(described)}
        unscaled = [place for place, kind in types.items() if kind is None]
        if unscaled:
            types |= numeric_types(literal, unscaled, lambda changed: self._describe(described_by, changed))
        names = _distinct_names(described.names)
        declared = _declared(bound, len(names))
        fields = [
            _marked(_field(names[i], kind, declared[i], bound.cells, mode), declared[i]) for i, kind in types.items() if kind is not None
        ]
        tree, passed = pass_on(bound.tree, [column and column.name for column in declared], _widths(bound))
        casts = [kind.cast if kind is not None else None for kind in types.values()]
        for cells in passed:
            casts[cells.place] = None
            casts += [None] * len(cells.rest)
        return SqlPlan(
            tree=tree,
            relations=_with(bound.relations, is_passing=True) if passed else relations,
            wrapping=_wrapping(bound.tree, casts),
            passed=passed,
            schema=pa.schema(fields),
            held=bound.held,
            sources=bound.cells,
            media_columns=bound.media,
            mode=mode,
            scans=tuple(_note(source, relation) for source, relation in zip(bound.sources, bound.relations, strict=True)),
        )

    def _describe(self, relations: str, tree: exp.Query) -> pa.Schema:
        before, after = _ENCLOSED
        described = self._reader.describe(f"{relations.replace(RUN, '0')}{before}{dialect.generate(tree)}{after}")
        return pa.schema([self._named(column) for column in described])

    def _named(self, column: pa.Field) -> pa.Field:
        """ADBC 1.13 knows the types that there were when its connection was opened."""
        unnamed = _UNNAMED.fullmatch(postgres_type(column))
        if unnamed is None:
            return column
        return column.with_metadata({**column.metadata, b"POSTGRESQL:type": self._store.type_name(int(unnamed["oid"])).encode()})


def _note(source: Source, relation: Relation) -> ScanNote:
    stored = frozenset(table for table, _ in relation.reads)
    return ScanNote(source.info.path, (*source.visible, *source.hidden), stored, relation.stored_columns)


# Postgres takes no second WITH after ours, not even in parentheses.
_ENCLOSED = ("SELECT * FROM (", ") AS r")


def _widths(bound: Bound) -> dict[str, tuple[int, int]]:
    """For each media column of the statement's only table the number of its source, and how many numbers its row id has."""
    sources = bound.relations[0].media if len(bound.relations) == 1 else ()
    return {source.name: (bound.cells.index(source), len(source.row_id)) for source in sources}


def _with(relations: Sequence[Relation], *, is_passing: bool = False) -> str:
    if not relations:
        return ""
    # One scan read at two places is planned twice by Postgres: nothing is materialized, so that predicates and indexes reach it.
    scans = [relation.passing if is_passing else relation.statement for relation in relations]
    return "WITH " + ", ".join(f'"{relation_name(i)}" AS NOT MATERIALIZED ({scan})' for i, scan in enumerate(scans)) + " "


def _wrapping(tree: exp.Query, casts: Sequence[str | None]) -> tuple[str, str]:
    if not any(casts):
        return _ENCLOSED if tree.args.get("with_") else ("", "")
    columns = [f"c{i}" for i in range(len(casts))]
    selected = ", ".join((cast or "{0}").format(column) + f" AS {column}" for cast, column in zip(casts, columns, strict=True))
    # The order of the inner query is kept: Postgres projects it row by row.
    return f"SELECT {selected} FROM (", f") AS r({', '.join(columns)})"  # noqa: S608  # made of our own names


def _field(name: str, kind: OutputType, declared: "_Declared | None", sources: Sequence[CellSource], mode: media.MediaMode) -> pa.Field:
    nullable = declared is None or declared.nullable
    if kind.is_cell:
        # Of which column the cells are is told for each by itself; where the statement has one kind of them only, it is that.
        kinds = {declared.kind} if declared else {source.kind for source in sources if source.kind in MEDIA_TYPES}
        for media_kind in kinds if len(kinds) == 1 else ():
            media.check_served(media_kind, name, mode)
        return arrow_field(name, ColumnType(min(kinds), nullable), media=mode.name, nullable=nullable)
    if kind.blob is not None:
        return arrow_field(name, kind.blob, media="", nullable=nullable)
    metadata = {"pxt:type": kind.pixeltable} if kind.pixeltable else None
    return pa.field(name, kind.arrow, nullable, metadata)


def _marked(field: pa.Field, declared: "_Declared | None") -> pa.Field:
    """The field of a computed column says so."""
    if declared is None or not declared.is_computed:
        return field
    return field.with_metadata({**(field.metadata or {}), b"pxt:computed": b"true"})


def _distinct_names(names: Sequence[str]) -> list[str]:
    """`id`, `id_1`, ... where SQL names several columns alike: data frames cannot hold two of one name."""
    taken = set(names)
    found: list[str] = []
    for name in names:
        given, number = name, 0
        while given in found or (number and given in taken):
            number += 1
            given = f"{name}_{number}"
        found.append(given)
    return found


class _Declared(NamedTuple):
    """What a table says of a column."""

    name: str
    kind: str
    nullable: bool
    is_computed: bool


def _declared(bound: Bound, width: int) -> list[_Declared | None]:
    """For each output that is a column of the statement's only table: its type there, and whether it may be NULL."""
    tree = bound.tree
    unknown: list[_Declared | None] = [None] * width
    if not isinstance(tree, exp.Select) or len(bound.sources) != 1 or tree.args.get("joins") or tree.args.get("group"):
        return unknown
    source = bound.sources[0]
    clause = tree.args.get("from_")
    if clause is None or clause.this is not source.node or source.node.args["alias"].columns:
        return unknown
    found: list[_Declared | None] = []
    for item in tree.expressions:
        node = item.unalias()
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            found += [_of(source.info, name) for name in source.visible]
        else:
            found.append(_of(source.info, node.name) if isinstance(node, exp.Column) else None)
    return found if len(found) == width else unknown


def _of(info: TableInfo, name: str) -> _Declared | None:
    column = info.columns.get(name)
    # A computed cell whose function failed is NULL, whatever its type says.
    return None if column is None else _Declared(name, column.name, column.nullable or name in info.computed, name in info.computed)


def _placed(fault: PxtFlightError, statement: Statement, bound: Bound) -> Exception:
    """Postgres' error about a name with the place of that name in the user's text, and what may have been meant."""
    name = fault.where.get("column")
    if name is None:
        return _at_literal(fault, statement)
    for source in bound.sources:
        if fault.code == "COLUMN_NOT_FOUND" and name in source.missing:
            return NotSqlError(source.missing[name])
        if fault.code == "COLUMN_NOT_FOUND" and name in source.info.concealed:
            return _shown_by(fault, statement, name)
    return _suggesting(fault, statement, name, [known for source in bound.sources for known in source.info.columns])


def _at_literal(fault: PxtFlightError, statement: Statement) -> PxtFlightError:
    """The error with the place of the text that it quotes: `invalid input syntax for type bigint: "x"`."""
    quoted = re.search(r': "(.*)"\.$', fault.message, re.DOTALL)
    for found in statement.tree.find_all(exp.Literal) if quoted else ():
        if quoted and found.is_string and found.this == quoted[1] and "start" in found.meta:
            fault.where["offset"] = found.meta["start"]
            break
    return fault


def _shown_by(fault: PxtFlightError, statement: Statement, name: str) -> PxtFlightError:
    """The error of the column that says when a row was deleted softly."""
    fault = _suggesting(fault, statement, name, ())
    fault.hint = SHOWN_BY
    return fault


def _suggesting(fault: PxtFlightError, statement: Statement, name: str, known: Sequence[str]) -> PxtFlightError:
    """The error with a place and a suggestion."""
    for column in statement.tree.find_all(exp.Column):
        if column.name == name and "start" in column.this.meta:
            fault.where["offset"] = min(part.meta.get("start", 1 << 30) for part in column.parts)
            break
    if fault.code == "COLUMN_NOT_FOUND":
        close = get_close_matches(name, [other for other in known if other != name], n=1)
        fault.message = f"There is no column {name}."
        fault.hint = f"Did you mean {close[0]}?" if close else "list the columns with: select * from the table limit 0"
    return fault
