"""A parsed SELECT over one table -> a Pixeltable query, for what only Pixeltable itself can compute.

Only what the tree says is rebuilt, with Pixeltable's own query API. Each clause and node is on an allow-list, smaller than that of
statements for Postgres: what Pixeltable would answer otherwise than Postgres is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pixeltable as pxt
from sqlglot import exp

from pxt_flight.engine import functions
from pxt_flight.engine.constants import Constant
from pxt_flight.engine.expressions import COMPARABLE, ExpressionBuilder, kind_of, refuse
from pxt_flight.engine.grammar import position
from pxt_flight.engine.sql import Statement, alias_of, positions
from pxt_flight.engine.types import ColumnType, parse_type
from pxt_flight.errors import PxtFlightError, error

MAX_ITEMS = 1600  # of a select list, as Postgres has columns; 5 s of planning
MAX_KEYS = 64  # of ORDER BY or GROUP BY: Pixeltable's time grows with their square, 3,000 keys took two minutes
_CLAUSES = {"expressions", "from_", "where", "group", "order", "limit", "offset", "distinct"}
_AGGREGATES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max)


@dataclass(frozen=True)
class MediaOf:
    """How a tier reads the media columns of a table.

    Attributes:
        shown: from the expression of a media value to the one that is selected.
        has_computed: whether it can read pictures that have no file.
        is_sql: whether Postgres knows a column that is not stored.
    """

    shown: Callable[[Any], Any]
    has_computed: bool
    is_sql: Callable[[Any], bool]


@dataclass(frozen=True)
class Output:
    """One column of the result.

    Attributes:
        name: in the result.
        type: its Pixeltable type.
        nullable: whether it may hold NULL.
        expression: what Pixeltable computes.
        column: the name of the table's column that it is; None where it is made of columns.
    """

    name: str
    type: ColumnType
    nullable: bool
    expression: Any
    column: str | None


@dataclass(frozen=True)
class Selection:
    """A statement bound to its table.

    Attributes:
        query: its columns are named `c0`, `c1`, ...; media are what `shown` made of them.
        outputs: the columns of the result.
        needs_index: whether it reads an embedding index, which only a live table has.
    """

    query: pxt.Query
    outputs: tuple[Output, ...]
    needs_index: bool


def select(
    statement: Statement,
    table: pxt.Table,
    columns: Mapping[str, Any],
    parameters: Sequence[Any],
    *,
    media: MediaOf,
    living: Any | None = None,
) -> Selection:
    """Bind a parsed statement to its table.

    Args:
        statement: what `parse` made.
        table: its only table.
        columns: its columns as `get_metadata()` describes them.
        parameters: values for `$1`, `$2`, ...
        media: how its media columns are read.
        living: the condition, of Pixeltable's, on all rows of the table that are read; None for none.

    Raises:
        PxtFlightError: unknown column, types that do not fit, SQL that is not served; each with its position.
    """
    with positions(statement.text):
        return _Selector(statement, table, columns, parameters, media, living).select()


class _Selector:
    def __init__(
        self,
        statement: Statement,
        table: pxt.Table,
        columns: Mapping[str, Any],
        parameters: Sequence[Any],
        media: MediaOf,
        living: Any | None,
    ) -> None:
        self._media = media
        self._living = living
        self._tree, node = _simple(statement.tree)
        self._table = table
        self._columns = {name: table[name] for name in columns}
        self._computed = {name for name, column in columns.items() if column["is_computed"]}
        self._unstored = {name for name, column in columns.items() if not column["is_stored"] and not media.is_sql(table[name])}
        self._validated = {name for name, column in columns.items() if column["media_validation"] == "on_read"}
        self._computed_on_read: list[Any] = []
        path = statement.tables[0].split(":")[0]
        names = {node.alias} if node.alias else {alias_of(node), path.replace("/", ".")}
        self._builder = ExpressionBuilder(self._columns, frozenset(names), parameters)
        self._parameters = parameters

    def select(self) -> Selection:
        if isinstance(distinct := self._tree.args.get("distinct"), exp.Distinct) and distinct.args.get("on"):
            raise refuse(distinct, "DISTINCT ON")
        items = list(self._items())
        self._check_names(items)
        group_by = [self._grouping(node, items) for node in self._nodes("group")]
        self._check_grouping(items, group_by)
        order_by = [self._ordering(node, items) for node in self._nodes("order")]
        where = self._where()
        limit, offset = self._row_count("limit"), self._row_count("offset")
        if len(self._builder.used_parameters) < len(self._parameters):
            raise error("INVALID_ARGUMENT", "More values came with the statement than it has parameters.")

        if isinstance(where, Constant):
            query = self._table.select() if self._living is None else self._table.where(self._living)
            limit = limit if where.value else 0
        else:
            query = self._table.where(where if self._living is None else where & self._living)
        if group_by:
            query = query.group_by(*group_by)
        for expression, ascending in order_by:
            query = query.order_by(expression, asc=ascending)
        if limit is not None or offset is not None:
            query = query.limit(2**63 - 1 if limit is None else limit, offset=offset)
        return Selection(
            query=self._selected(query, [self._shown(expression) for _, expression in items]),
            outputs=tuple(self._output(name, expression) for name, expression in items),
            needs_index=functions.needs_index(self._tree),
        )

    def _shown(self, expression: Any) -> Any:
        return self._media.shown(expression) if parse_type(str(expression.col_type)).is_media else expression

    def _where(self) -> Any:
        found = self._tree.args.get("where")
        if found is None:
            return Constant(True)
        if self._reads_unstored(found):
            raise _refuse_unstored(found, "A condition on")
        return self._builder.predicate(found.this)

    def _selected(self, query: pxt.Query, expressions: list[Any]) -> pxt.Query:
        # Names of our own: a user's alias may be any text, a name of Pixeltable's may not.
        selected = query.select(**{f"c{i}": expression for i, expression in enumerate(expressions)})
        return selected.distinct() if self._tree.args.get("distinct") else selected

    def _items(self) -> Iterator[tuple[str, Any]]:
        for node in self._tree.expressions:
            inner = node.unalias()
            if node.is_star and not isinstance(inner, exp.AggFunc):
                if isinstance(inner, exp.Star) and any(inner.args.values()):
                    raise refuse(node, "* with anything after it")
                yield from self._columns.items()
                continue
            operand = self._builder.build(inner)
            if isinstance(operand, Constant):
                raise refuse(node, "A constant in the select list")
            if self._reads_unstored(inner):
                if inner.find(exp.Predicate, exp.Connector, exp.Not):
                    raise _refuse_unstored(node, "A condition on")
                self._computed_on_read.append(operand)
            yield node.alias or _default_name(inner), operand

    def _reads_unstored(self, node: exp.Expr) -> bool:
        is_unstored = any(column.name.lower() in self._unstored for column in node.find_all(exp.Column))
        return is_unstored or functions.in_python(node)

    def _check_names(self, items: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in items]
        for name, expression in items:
            is_computed = any(expression is item for item in self._computed_on_read) or self._column_of(expression) in self._unstored
            if is_computed and not self._media.has_computed and parse_type(str(expression.col_type)).is_media:
                # It has no file whose path could be read: it would arrive as NULL.
                raise error(
                    "type_unsupported",
                    f"Column {name} is media that Pixeltable computes while it is read, which is not served.",
                    hint="Store the column, or name the others.",
                    where={"column": name},
                )
            if names.count(name) > 1:
                raise error("INVALID_ARGUMENT", f"Two columns of the result are named {name}.", hint="Name one with AS.")

    def _nodes(self, clause: str) -> list[exp.Expr]:
        found = self._tree.args.get(clause)
        if found is None:
            return []
        if any(value for key, value in found.args.items() if key != "expressions"):
            raise refuse(found, f"{clause.upper()} BY with anything but expressions")
        return list(found.expressions)

    def _grouping(self, node: exp.Expr, items: list[tuple[str, Any]]) -> Any:
        # Here a column of the table goes before an item of that name, unlike in ORDER BY (Postgres, SELECT, GROUP BY clause).
        is_column = isinstance(node, exp.Column) and node.name.lower() in self._columns
        expression = self._builder.build(node) if is_column else self._by_position_or_name(node, items)
        if functions.in_python(node) or any(expression is item for item in self._computed_on_read):
            raise _refuse_unstored(node, "A group by")
        if kind_of(expression) not in COMPARABLE:
            raise error("TYPE_MISMATCH", f"{kind_of(expression)} values cannot be grouped.", where=position(node))
        return expression

    def _ordering(self, node: exp.Expr, items: list[tuple[str, Any]]) -> tuple[Any, bool]:
        descending = bool(node.args.get("desc"))
        # sqlglot sets nulls_first for Postgres' default too: nulls last ascending, first descending.
        others = [part for part, value in node.args.items() if value and part not in ("this", "desc", "nulls_first")]
        nulls_first = bool(node.args.get("nulls_first"))
        if others:
            raise refuse(node, "ORDER BY in this form")
        selected = [found for item in self._tree.expressions for found in item.find_all(*_AGGREGATES)]
        if any(found not in selected for found in node.find_all(*_AGGREGATES)):
            raise refuse(node, "An order by an aggregate that is not selected")  # Pixeltable's statement for it names no table
        expression = self._by_position_or_name(node.this, items)
        if functions.is_similarity(expression):
            # Pixeltable sorts by the distance: what has no embedding comes last, and L2 is never sorted the other way.
            if not descending:
                raise refuse(node, "An order by similarity but from the most similar on (DESC)")
        elif nulls_first is not descending:
            raise refuse(node, "NULLS FIRST or LAST other than Postgres' default")
        if self._reads_unstored(node) or any(expression is item for item in self._computed_on_read):
            raise _refuse_unstored(node, "An order by")
        if kind_of(expression) not in COMPARABLE:
            raise error("TYPE_MISMATCH", f"{kind_of(expression)} values have no order.", where=position(node))
        return expression, not descending

    def _by_position_or_name(self, node: exp.Expr, items: list[tuple[str, Any]]) -> Any:
        """An item of the select list by its number or name, else any expression (Postgres' rule for ORDER BY)."""
        if isinstance(node, exp.Literal) and not node.is_string:
            number = int(node.this) if node.this.isdecimal() and len(node.this) < 6 else 0
            if not 1 <= number <= len(items):
                raise error("INVALID_ARGUMENT", f"The select list has no column {node.this}.", where=position(node))
            return items[number - 1][1]
        if isinstance(node, exp.Column) and len(node.parts) == 1:
            named = dict(items)
            if node.name in named or node.name.lower() in named:
                return named.get(node.name, named.get(node.name.lower()))
        operand = self._builder.build(node)
        if isinstance(operand, Constant):
            raise refuse(node, "A constant in this place")
        return operand

    def _check_grouping(self, items: list[tuple[str, Any]], group_by: list[Any]) -> None:
        """In an aggregation every other item must be one of the groups: Postgres' rule, said before anything is planned."""
        aggregated = [bool(node.find(*_AGGREGATES)) for node in self._tree.expressions]
        if not group_by and not any(aggregated):
            return
        if self._tree.args.get("distinct"):
            raise refuse(self._tree, "DISTINCT with an aggregation")
        groups = {str(expression) for expression in group_by}
        for node, (name, expression), is_aggregate in zip(self._tree.expressions, items, aggregated, strict=False):
            if not is_aggregate and (node.is_star or str(expression) not in groups):
                raise error(
                    "INVALID_EXPRESSION",
                    f"Column {name} must be in GROUP BY or in an aggregate.",
                    where={"column": name} | position(node),
                )
        for key in self._nodes("order"):
            for column in key.find_all(exp.Column):
                is_known = column.name.lower() in dict(items) or str(self._builder.build(column)) in groups
                if not is_known and not column.find_ancestor(*_AGGREGATES):
                    raise error("INVALID_EXPRESSION", "A sort key must be in GROUP BY or in an aggregate.", where=position(column))

    def _row_count(self, clause: str) -> int | None:
        found = self._tree.args.get(clause)
        if found is None:
            return None
        if not isinstance(found, exp.Limit | exp.Offset) or found.expressions or found.args.get("limit_options"):
            raise refuse(found, f"{clause.upper()} in this form")
        value = self._builder.constant(found.expression)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise error("INVALID_ARGUMENT", f"{clause.upper()} takes a whole number from 0.", where=position(found))
        return value

    def _output(self, name: str, expression: Any) -> Output:
        declared = parse_type(str(expression.col_type))
        # A computed cell whose function failed is NULL, whatever its type says; so may an aggregate of no rows be.
        column = self._column_of(expression)
        is_plain = column is not None and column not in self._computed
        # So is a cell whose validation on read fails.
        nullable = declared.nullable or column in self._validated or not is_plain
        return Output(name, declared, nullable, expression, column)

    def _column_of(self, expression: Any) -> str | None:
        return next((name for name, column in self._columns.items() if expression is column), None)


def _simple(tree: exp.Query) -> tuple[exp.Select, exp.Table]:
    """The statement as a SELECT over one table."""
    if not isinstance(tree, exp.Select):
        raise refuse(tree, type(tree).__name__.upper())
    for clause in tree.args.keys() - _CLAUSES:
        if tree.args[clause]:
            raise refuse(tree, f"The clause {clause.strip('_').upper()}")
    if len(tree.expressions) > MAX_ITEMS:
        raise error("sql_unsupported", f"The select list has more than {MAX_ITEMS} items.")
    for clause in ("order", "group"):
        if (found := tree.args.get(clause)) and len(found.expressions) > MAX_KEYS:
            raise error("sql_unsupported", f"{clause.upper()} BY has more than {MAX_KEYS} keys.")
    table = tree.args["from_"].this
    alias = table.args.get("alias")
    if not isinstance(table, exp.Table) or (alias is not None and alias.columns):
        raise refuse(table, "A source that is not a plain table")
    return tree, table


def _refuse_unstored(node: exp.Expr, what: str) -> PxtFlightError:
    """Pixeltable evaluates such a column in Python: NULL compares as None does there, and ORDER BY is silently passed over."""
    return error(
        "sql_unsupported",
        f"{what} an unstored computed column, or what a function of Pixeltable makes, is not served.",
        hint="Store it in a computed column, or filter and sort what you read.",
        where=position(node),
    )


def _default_name(node: exp.Expr) -> str:
    """Postgres' name for an item without one."""
    if isinstance(node, exp.Column):
        return str(node.name.lower())
    if isinstance(node, exp.Anonymous):
        return str(node.name.lower())
    return str(node.sql_name().lower()) if isinstance(node, exp.AggFunc) else "?column?"
