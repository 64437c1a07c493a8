"""INSERT, UPDATE, DELETE and DROP TABLE as text -> what they ask for. The text is never run: what is made of it comes out of its tree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp

from pxt_flight.engine import dialect, grammar, sql
from pxt_flight.engine.grammar import position, refuse
from pxt_flight.engine.target import ROW_ID
from pxt_flight.engine.valueslist import NOT_PLAIN, parameter_number, plain_value
from pxt_flight.errors import error

_KEPT_LENGTH = 1 << 14  # the tree of a longer text takes megabytes
_HINT = "Served are INSERT INTO t (...) VALUES or SELECT, UPDATE t SET ... WHERE, DELETE FROM t WHERE, DROP TABLE [IF EXISTS] t."
_CLAUSES = {
    "with_": "WITH before a write",
    "conflict": "ON CONFLICT",
    "from_": "FROM in an UPDATE",
    "default": "DEFAULT VALUES",
    "alternative": "OR in an INSERT",
    "joins": "More than one table to write",
    "alias": "An alias of the table to write",
    "tables": "DELETE without FROM",
}


@dataclass(frozen=True)
class Insert:
    """Rows that shall come.

    Attributes:
        table: the path of the table, with slashes.
        columns: those that are named; none for all of the table, in order.
        rows: the expressions of VALUES.
        query: the SELECT instead of them, made from its tree.
        parameters: how many values the statement takes.
    """

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[exp.Expr, ...], ...]
    query: str | None
    parameters: int

    def bound_columns(self) -> tuple[int, ...] | None:
        """For one row of nothing but parameters, each once: which of them stands in each place, from 0."""
        if len(self.rows) != 1:
            return None
        numbers = tuple(parameter_number(value) - 1 for value in self.rows[0])
        return numbers if sorted(numbers) == list(range(len(numbers))) else None


@dataclass(frozen=True)
class Change:
    """What an UPDATE or DELETE asks for, with its parameters in their places.

    Attributes:
        values: of the columns that are set to a constant.
        expressions: SQL of the columns that are set to something else.
        where: SQL of the condition; None for all rows.
        parameters: values of `$1`, `$2`, ... in `expressions` and `where`.
    """

    values: dict[str, Any]
    expressions: dict[str, str]
    where: str | None
    parameters: tuple[Any, ...]


@dataclass(frozen=True)
class Update:
    """Rows that shall change.

    Attributes:
        table: the path of the table, with slashes.
        assignments: the columns, and what they are set to.
        where: the condition; None for all rows.
        parameters: how many values the statement takes.
        reads: the paths of the tables of its subqueries.
    """

    table: str
    assignments: dict[str, exp.Expr]
    where: exp.Expr | None
    parameters: int
    reads: tuple[str, ...]

    def bound(self, parameters: Sequence[Any]) -> Change:
        """The change with values for its parameters.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, there are too few or too many.
        """
        check_count(self.parameters, parameters)
        values = {column: plain_value(value, parameters) for column, value in self.assignments.items()}
        rest = {column: value for column, value in self.assignments.items() if values[column] is NOT_PLAIN}
        used: list[int] = []
        *texts, where = _renumbered([*rest.values(), self.where], used)
        constants = {column: value for column, value in values.items() if value is not NOT_PLAIN}
        return Change(constants, dict(zip(rest, map(str, texts), strict=True)), where, tuple(parameters[number - 1] for number in used))

    def keyed(self, primary_key: Sequence[str]) -> dict[str, int] | None:
        """For nothing but `SET column = $n ... WHERE key = $m`: which parameter, from 0, each column and each column of the key is.

        Args:
            primary_key: of the table; the row id serves as well.
        """
        keys = _keys(self.where, primary_key)
        if keys is None or keys.keys() & self.assignments.keys():
            return None
        return _each_once(keys | {column: parameter_number(value) for column, value in self.assignments.items()})


@dataclass(frozen=True)
class Delete:
    """Rows that shall go; attributes as of `Update`."""

    table: str
    where: exp.Expr | None
    parameters: int
    reads: tuple[str, ...]

    def bound(self, parameters: Sequence[Any]) -> Change:
        """See `Update.bound`."""
        check_count(self.parameters, parameters)
        used: list[int] = []
        (where,) = _renumbered([self.where], used)
        return Change({}, {}, where, tuple(parameters[number - 1] for number in used))

    def keyed(self, primary_key: Sequence[str]) -> dict[str, int] | None:
        """See `Update.keyed`."""
        keys = _keys(self.where, primary_key)
        return None if keys is None else _each_once(keys)


@dataclass(frozen=True)
class Drop:
    """A table that shall go.

    Attributes:
        table: its path, with slashes.
        if_exists: whether it is no error that there is none.
        cascade: whether what stands on it goes with it.
        parameters: how many values the statement takes.
    """

    table: str
    if_exists: bool
    cascade: bool
    parameters: int = 0


Dml = Insert | Update | Delete | Drop


def parse_dml(text: str) -> Dml | None:
    """Read an INSERT, UPDATE, DELETE or DROP TABLE.

    Args:
        text: the SQL; placeholders are `$1` or `?`.

    Returns:
        What it asks for; None where it is another statement, such as a SELECT.

    Raises:
        InvalidRequestError: `sql_syntax`, `sql_unsupported` or `sql_not_allowed` with the position, or `predicate_required`.
    """
    return _kept(text) if len(text) <= _KEPT_LENGTH else _parse(text)


def check_count(count: int, parameters: Sequence[Any]) -> None:
    """Refuse another number of values than a statement takes.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`.
    """
    if count != len(parameters):
        raise error("INVALID_ARGUMENT", f"The statement takes {count} parameters, and {len(parameters)} values came with it.")


def _parse(text: str) -> Dml | None:
    with sql.positions(text):
        tree = sql.one_tree(text)
        if isinstance(tree, exp.Drop):  # which pandas' to_sql sends to replace a table
            return _dropped(tree)
        if not isinstance(tree, exp.Insert | exp.Update | exp.Delete):
            return None
        table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        _allow(tree, ("this", "expression", "expressions", "where"))
        if not isinstance(table, exp.Table):
            raise refuse(tree, "A write to anything but a table", hint=_HINT)
        sql.join_long_names(tree)
        _allow(table, ("this", "db", "catalog"))
        path, count = sql.stored_path(table), sql.parameter_count(tree)
        sql.fold_names(tree)
        if isinstance(tree, exp.Insert):
            columns = _inserted_columns(tree)
            rows, query = _source(tree.expression, len(columns))
            return Insert(path, columns, rows, query, count)
        name = path.rsplit("/", 1)[-1]
        where = _condition(tree)
        assignments = {} if isinstance(tree, exp.Delete) else _assignments(tree, name)
        reads = {path for part in (where, *assignments.values()) if part is not None for path in sql.stored_tables(part, frozenset())}
        named = tuple(sorted(reads))
        return Delete(path, where, count, named) if isinstance(tree, exp.Delete) else Update(path, assignments, where, count, named)


def _dropped(tree: exp.Drop) -> Drop:
    kind, tables = tree.args.get("kind"), tree.args.get("tables") or []
    if kind != "TABLE" or len(tables) != 1:
        raise error("sql_not_allowed", "Of DROP, one TABLE is served, and nothing else.", hint=_HINT)
    _allow(tree, ("exists", "kind", "tables", "cascade", "restrict"))
    sql.join_long_names(tree)
    _allow(tables[0], ("this", "db", "catalog"))
    return Drop(sql.stored_path(tables[0]), bool(tree.args.get("exists")), bool(tree.args.get("cascade")))


_kept = lru_cache(maxsize=256)(_parse)


def _allow(node: exp.Expr, parts: tuple[str, ...]) -> None:
    for part, value in node.args.items():
        if value and part not in parts:
            raise refuse(node, _CLAUSES.get(part, f"{part.strip('_').upper()} in a write"), hint=_HINT)


def _inserted_columns(tree: exp.Insert) -> tuple[str, ...]:
    names = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    if not all(isinstance(name, exp.Identifier) for name in names):
        raise error("sql_syntax", "Between the parentheses after the table stand names of columns.", where=position(tree))
    columns = tuple(name.name.lower() for name in names)
    _refuse_twice(columns, tree)
    return columns


def _source(source: Any, width: int) -> tuple[tuple[tuple[exp.Expr, ...], ...], str | None]:
    """The rows of VALUES, or else the text of the query."""
    if isinstance(source, exp.Values):
        _allow(source, ("expressions",))
        rows = tuple(tuple(row.expressions) if isinstance(row, exp.Tuple) else (row,) for row in source.expressions)
        if len({len(row) for row in rows}) != 1 or not rows[0] or (width and len(rows[0]) != width):
            raise error("sql_syntax", "Each row of VALUES needs one value for each column.", where=position(source))
        for row in rows:
            for value in row:
                _check_value(value)
        return rows, None
    if not isinstance(source, exp.Query):
        raise error("sql_syntax", "After INSERT INTO comes VALUES or SELECT.")
    grammar.check(source)
    return (), dialect.generate(source)


def _check_value(value: exp.Expr) -> None:
    is_default = isinstance(value, exp.Var) or (isinstance(value, exp.Column) and value.name == "default" and not value.this.quoted)
    if is_default:
        raise refuse(value, "DEFAULT", hint="Leave the column out: it is NULL then.")
    grammar.check(value)


def _assignments(tree: exp.Update, table: str) -> dict[str, exp.Expr]:
    for assignment in tree.expressions:
        column = assignment.this if isinstance(assignment, exp.EQ) else None
        if not isinstance(column, exp.Column) or (column.table and column.table != table):
            raise refuse(assignment, "SET of anything but `column = expression`", hint=_HINT)
        _check_value(assignment.expression)
    columns = [assignment.this.name.lower() for assignment in tree.expressions]
    _refuse_twice(columns, tree)
    return {column: assignment.expression for column, assignment in zip(columns, tree.expressions, strict=True)}


def _condition(tree: exp.Update | exp.Delete) -> exp.Expr | None:
    clause = tree.args.get("where")
    if clause is None:
        hint = "Say WHERE true where all rows are meant. Nothing was changed."
        raise error("predicate_required", f"{tree.key.upper()} without WHERE would change every row.", hint=hint)
    where = clause.this
    grammar.check(where)
    return None if isinstance(where, exp.Boolean) and where.this else where


def _refuse_twice(columns: Sequence[str], tree: exp.Expr) -> None:
    twice = next((column for number, column in enumerate(columns) if column in columns[:number]), None)
    if twice is not None:
        raise error("INVALID_ARGUMENT", f"The column {twice} is named twice.", where=position(tree) | {"column": twice})


def _renumbered(trees: Iterable[exp.Expr | None], used: list[int]) -> list[str | None]:
    """The SQL of trees whose parameters are numbered anew; `used` becomes the old numbers in their order."""
    texts: list[str | None] = []
    for tree in trees:
        copy = None if tree is None else tree.copy()
        for node in [] if copy is None else list(copy.find_all(exp.Parameter)):
            number = parameter_number(node)
            if number not in used:
                used.append(number)
            node.set("this", exp.Literal.number(used.index(number) + 1))
        texts.append(None if copy is None else dialect.generate(copy))
    return texts


def _keys(where: exp.Expr | None, primary_key: Sequence[str]) -> dict[str, int] | None:
    """Which parameter each column of a key equals, where a condition says that and nothing else."""
    if where is None:
        return None
    found: dict[str, int] = {}
    for part in where.flatten() if isinstance(where, exp.And) else [where]:
        condition = part.unnest() if isinstance(part, exp.Paren) else part
        if not isinstance(condition, exp.EQ) or not isinstance(condition.this, exp.Column):
            return None
        found[condition.this.name.lower()] = parameter_number(condition.expression)
    return found if found.keys() in ({ROW_ID}, set(primary_key)) else None


def _each_once(numbers: dict[str, int]) -> dict[str, int] | None:
    """The same from 0, where they are parameters of which each stands once."""
    if sorted(numbers.values()) != list(range(1, len(numbers) + 1)):
        return None
    return {column: number - 1 for column, number in numbers.items()}
