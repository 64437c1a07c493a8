"""A scalar SQL expression -> a Pixeltable expression, node by node from an allow-list; nothing is ever evaluated as code.

Pixeltable compares what SQL refuses (`id = 'x'` is silently false, `isin` drops what does not fit), so both sides are held against each
other here first, and a constant takes the type of the column beside it, as in Postgres.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import pixeltable.functions as pxtf
from sqlglot import exp

from pxt_flight.engine import functions, grammar
from pxt_flight.engine.constants import INT64, Constant, as_type, is_number, number_literal, text
from pxt_flight.engine.dialect import Plus
from pxt_flight.engine.grammar import position
from pxt_flight.engine.sources import split_hidden
from pxt_flight.engine.types import parse_type
from pxt_flight.errors import PxtFlightError, error

NUMERIC = frozenset({"Int", "Float"})
COMPARABLE = NUMERIC | {"String", "Bool", "Timestamp", "Date", "UUID"}
AGGREGATES: dict[type[exp.Expr], tuple[Any, frozenset[str]]] = {
    exp.Sum: (pxtf.sum, NUMERIC),
    exp.Avg: (pxtf.mean, NUMERIC),
    exp.Min: (pxtf.min, NUMERIC | {"String", "Timestamp"}),
    exp.Max: (pxtf.max, NUMERIC | {"String", "Timestamp"}),
}


Operand = Any  # a Pixeltable expression, or a Constant


def kind_of(operand: Operand) -> str:
    """The name of the Pixeltable type of an expression."""
    return parse_type(str(operand.col_type)).name


def refuse(node: exp.Expr, what: str | None = None) -> PxtFlightError:
    """The error for SQL that Pixeltable itself has no equal of."""
    return grammar.refuse(node, what, hint=_HINT)


_HINT = (
    "Pixeltable itself must answer this statement; there are columns, comparisons, AND OR NOT, IN, BETWEEN, IS NULL, LIKE with % at the "
    "ends, + - *, count sum avg min max, similarity resize rotate crop convert width height mode."
)


class ExpressionBuilder:
    """Builds Pixeltable expressions over the columns of one table.

    Args:
        columns: lower-case name -> column reference.
        table_names: the names that may stand before a column (the table's, or its alias).
        parameters: values for `$1`, `$2`, ...
    """

    def __init__(self, columns: Mapping[str, Any], table_names: frozenset[str], parameters: Sequence[Any]) -> None:
        self._columns = columns
        self._table_names = table_names
        self._parameters = parameters
        self.used_parameters: set[int] = set()

    def build(self, node: exp.Expr) -> Operand:
        """The expression of a node, or a `Constant`.

        Raises:
            PxtFlightError: the node is not served, names an unknown column, or compares what cannot be compared.
        """
        rule = _RULES.get(type(node))
        # What the parser says beside the parts we know (a `negate`, an `escape`) must never be lost.
        if rule is None or any(value for part, value in node.args.items() if part not in _PARTS.get(type(node), _OPERANDS)):
            raise refuse(node)
        operand = rule(self, node)
        return ~operand if node.args.get("negate") else operand

    def predicate(self, node: exp.Expr) -> Operand:
        """Like `build`, for a condition: a Bool expression or a constant True or False."""
        operand = self.build(node)
        value = operand.value if isinstance(operand, Constant) else None
        if isinstance(operand, Constant) and not isinstance(value, bool):
            raise error("TYPE_MISMATCH", "A condition must be true or false.", where=position(node))
        if not isinstance(operand, Constant) and kind_of(operand) != "Bool":
            raise error("TYPE_MISMATCH", f"A condition must be of type Bool, not {kind_of(operand)}.", where=position(node))
        return operand

    def constant(self, node: exp.Expr) -> Any:
        """The value of a node that must be a constant."""
        operand = self.build(node)
        if not isinstance(operand, Constant):
            raise refuse(node, "A column in this place")
        return operand.value

    def _column(self, node: exp.Column) -> Operand:
        qualifier = ".".join(part.name.lower() for part in node.parts[:-1])
        if qualifier and qualifier not in self._table_names:
            raise error("TABLE_NOT_FOUND", f"The statement names no table {qualifier}.", where=position(node))
        name = node.name.lower()
        if name not in self._columns and split_hidden(name) is not None:
            raise refuse(node, f"The column {name} beside what Pixeltable computes")
        if name not in self._columns:
            close = get_close_matches(name, self._columns, n=1)
            raise error(
                "COLUMN_NOT_FOUND",
                f"There is no column {name}.",
                hint=f"Did you mean {close[0]}?" if close else "list the columns with: select * from the table limit 0",
                where={"column": name} | position(node),
            )
        return self._columns[name]

    def _literal(self, node: exp.Literal) -> Constant:
        if node.is_string:
            return Constant(text(node.this, position(node)))
        return number_literal(node.this, position(node))

    def _parameter(self, node: exp.Parameter) -> Constant:
        index = int(node.name) if node.name.isdecimal() and len(node.name) < 6 else 0
        if not 1 <= index <= len(self._parameters):
            raise error(
                "INVALID_ARGUMENT",
                f"The statement has parameter ${node.name}, but {len(self._parameters)} values came with it.",
                hint='Pass them in order: db.sql("... where score > $1", [8]).',
                where=position(node),
            )
        self.used_parameters.add(index)
        value = self._parameters[index - 1]
        return Constant(text(value, position(node)) if isinstance(value, str) else value)

    def _negative(self, node: exp.Neg) -> Operand:
        operand = self.build(node.this)
        if isinstance(operand, Constant) and is_number(operand.value):
            return Constant(-operand.value)
        if isinstance(operand, Constant) or kind_of(operand) not in NUMERIC:
            raise error("TYPE_MISMATCH", "Only a number can be negative.", where=position(node))
        return operand * -1

    def _positive(self, node: Plus) -> Operand:
        operand = self.build(node.this)
        is_numeric = is_number(operand.value) if isinstance(operand, Constant) else kind_of(operand) in NUMERIC
        if not is_numeric:
            raise error("TYPE_MISMATCH", "Only a number takes a plus.", where=position(node))
        return operand

    def _typed_constant(self, node: exp.Cast) -> Constant:
        """`date '2024-01-01'` and `'2024-01-01'::timestamptz`; a cast of a column is not served."""
        kind = _CAST_TYPES.get(node.to.this)
        value = self.constant(node.this)
        if kind is None or node.to.expressions:
            raise refuse(node, f"A cast to {node.to.sql('postgres')}")
        return Constant(as_type(value, kind, position(node)))

    def _logic(self, node: exp.And | exp.Or) -> Operand:
        left, right = self.predicate(node.this), self.predicate(node.expression)
        absorbing = isinstance(node, exp.Or)
        for side, other in ((left, right), (right, left)):
            if isinstance(side, Constant):
                return side if side.value is absorbing else other
        return left | right if absorbing else left & right

    def _not(self, node: exp.Not) -> Operand:
        operand = self.predicate(node.this)
        return Constant(not operand.value) if isinstance(operand, Constant) else ~operand

    def _comparison(self, node: Any) -> Operand:
        return self._compare(_COMPARISONS[type(node)], self.build(node.this), self.build(node.expression), node)

    def _between(self, node: exp.Between) -> Operand:
        operand = self.build(node.this)
        low = self._compare(operator.ge, operand, self.build(node.args["low"]), node)
        high = self._compare(operator.le, operand, self.build(node.args["high"]), node)
        if isinstance(low, Constant) or isinstance(high, Constant):
            raise refuse(node, "BETWEEN over constants only")
        return low & high

    def _compare(self, compare: Callable[[Any, Any], Any], left: Operand, right: Operand, node: exp.Expr) -> Operand:
        if isinstance(left, Constant) and isinstance(right, Constant):
            # WHERE 1 = 0 is how tools ask for the columns of a statement.
            if not (is_number(left.value) and is_number(right.value)):
                raise refuse(node, "A comparison of constants other than numbers")
            return Constant(compare(left.value, right.value))
        if isinstance(left, Constant):
            return compare(as_type(left.value, _comparable(right, node), position(node)), right)
        if isinstance(right, Constant):
            return compare(left, as_type(right.value, _comparable(left, node), position(node)))
        kinds = {_comparable(left, node), _comparable(right, node)}
        if kinds == {"Date", "Timestamp"}:  # Pixeltable takes the date's midnight in the server's zone
            raise refuse(node, "A comparison of a date with a timestamp")
        if len(kinds) > 1 and not kinds <= NUMERIC:
            raise error("TYPE_MISMATCH", f"{' and '.join(sorted(kinds))} cannot be compared.", where=position(node))
        return compare(left, right)

    def _in(self, node: exp.In) -> Operand:
        operand = self.build(node.this)
        if isinstance(operand, Constant):
            raise refuse(node, "IN with a constant on its left")
        kind = _comparable(operand, node)
        values = [as_type(self.constant(item), kind, position(item)) for item in node.expressions]
        if kind == "Int" and not all(isinstance(value, int) for value in values):
            raise error("TYPE_MISMATCH", "IN over an Int column takes whole numbers.", where=position(node))
        return operand.isin([float(value) for value in values] if kind == "Float" else values)

    def _is(self, node: exp.Is) -> Operand:
        operand = self.build(node.this)
        if not isinstance(node.expression, exp.Null) or isinstance(operand, Constant):
            raise refuse(node, "IS with anything but NULL, after anything but a column,")
        return operand == None  # noqa: E711  # Pixeltable's own way to say IS NULL

    def _like(self, node: exp.Like) -> Operand:
        operand, pattern = self.build(node.this), self.constant(node.expression)
        if isinstance(operand, Constant) or kind_of(operand) != "String" or not isinstance(pattern, str):
            raise error("TYPE_MISMATCH", "LIKE compares a String column with a pattern.", where=position(node))
        core = pattern[pattern.startswith("%") : len(pattern) - (pattern.endswith("%") and len(pattern) > 1)]
        if set(core) & set("%_\\"):
            raise refuse(node, "LIKE with a wildcard that is not % at an end")
        if pattern in ("%", "%%"):
            return operand == operand  # true for all but NULL, as LIKE '%' is
        if pattern.startswith("%"):
            return pxtf.string.contains(operand, core) if pattern.endswith("%") else pxtf.string.endswith(operand, core)
        return pxtf.string.startswith(operand, core) if pattern.endswith("%") else operand == core

    def _arithmetic(self, node: Any) -> Operand:
        left, right = self.build(node.this), self.build(node.expression)
        for side in (left, right):
            if not (is_number(side.value) if isinstance(side, Constant) else kind_of(side) in NUMERIC):
                raise error("TYPE_MISMATCH", "Arithmetic takes numbers.", where=position(node))
        for side, other, part in ((left, right, node.this), (right, left, node.expression)):
            if isinstance(side, Constant) and isinstance(side.value, float) and kind_of(other) == "Int" and not part.find(exp.Parameter):
                raise refuse(node, "Arithmetic of whole numbers with a decimal")  # exact in Postgres, a float in Pixeltable
        compute = _ARITHMETIC[type(node)]
        if isinstance(left, Constant) and isinstance(right, Constant):
            if float in (type(left.value), type(right.value)):  # in Postgres 0.1 + 0.2 = 0.3
                raise refuse(node, "Arithmetic of constants with a fraction")
            value = compute(left.value, right.value)
            if value not in INT64:
                raise error("INVALID_ARGUMENT", "A value of the query is out of range.", where=position(node))
            return Constant(value)
        return compute(*(as_type(side.value, "Float", position(node)) if isinstance(side, Constant) else side for side in (left, right)))

    def _function(self, node: exp.Anonymous) -> Operand:
        if node.name.lower() not in functions.FUNCTIONS:
            raise refuse(node)
        return functions.call(node, [self.build(argument) for argument in node.expressions])

    def _count(self, node: exp.Count) -> Operand:
        if isinstance(node.this, exp.Star):
            return pxtf.count(1)
        operand = self._aggregated(node)
        return pxtf.count(1 if isinstance(operand, Constant) else operand)

    def _aggregate(self, node: Any) -> Operand:
        function, kinds = AGGREGATES[type(node)]
        operand = self._aggregated(node)
        if isinstance(operand, Constant) or kind_of(operand) not in kinds:
            kind = "a constant" if isinstance(operand, Constant) else f"type {kind_of(operand)}"
            raise error("TYPE_MISMATCH", f"{node.sql_name().lower()} cannot be taken of {kind}.", where=position(node))
        return function(operand)

    def _aggregated(self, node: Any) -> Operand:
        if node.this.find(exp.AggFunc):
            raise refuse(node, "An aggregate of an aggregate")
        if isinstance(node.this, exp.Distinct):
            raise refuse(node, f"{node.sql_name().lower()}(DISTINCT ...)")
        operand = self.build(node.this)
        if isinstance(operand, Constant) and operand.value is None:
            raise refuse(node, f"{node.sql_name().lower()} of NULL")
        return operand


_COMPARISONS: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
# Not / and %: Postgres divides integers to integers, Pixeltable to floats.
_ARITHMETIC: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {exp.Add: operator.add, exp.Sub: operator.sub, exp.Mul: operator.mul}
_CAST_TYPES = {
    exp.DataType.Type.DATE: "Date",
    exp.DataType.Type.TIMESTAMP: "Timestamp",
    exp.DataType.Type.TIMESTAMPTZ: "Timestamp",
    exp.DataType.Type.UUID: "UUID",
}
_RULES: dict[type[exp.Expr], Callable[[ExpressionBuilder, Any], Operand]] = {
    exp.Column: ExpressionBuilder._column,
    exp.Literal: ExpressionBuilder._literal,
    exp.RawString: lambda _, node: Constant(text(node.this, position(node))),
    exp.Boolean: lambda _, node: Constant(bool(node.this)),
    exp.Null: lambda _, __: Constant(None),
    exp.Parameter: ExpressionBuilder._parameter,
    exp.Paren: lambda builder, node: builder.build(node.this),
    exp.Neg: ExpressionBuilder._negative,
    Plus: ExpressionBuilder._positive,
    exp.Cast: ExpressionBuilder._typed_constant,
    exp.And: ExpressionBuilder._logic,
    exp.Or: ExpressionBuilder._logic,
    exp.Not: ExpressionBuilder._not,
    exp.Between: ExpressionBuilder._between,
    exp.In: ExpressionBuilder._in,
    exp.Is: ExpressionBuilder._is,
    exp.Like: ExpressionBuilder._like,
    exp.Count: ExpressionBuilder._count,
    exp.Anonymous: ExpressionBuilder._function,
    **dict.fromkeys(_COMPARISONS, ExpressionBuilder._comparison),
    **dict.fromkeys(_ARITHMETIC, ExpressionBuilder._arithmetic),
    **dict.fromkeys(AGGREGATES, ExpressionBuilder._aggregate),
}

_OPERANDS = frozenset({"this", "expression"})
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Between: frozenset({"this", "low", "high", "negate"}),
    exp.In: frozenset({"this", "expressions", "negate"}),
    exp.Is: _OPERANDS | {"negate"},
    exp.Like: _OPERANDS | {"negate"},
    exp.Count: frozenset({"this", "big_int"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
}


def _comparable(operand: Operand, node: exp.Expr) -> str:
    kind = kind_of(operand)
    if kind not in COMPARABLE:
        raise error(
            "TYPE_MISMATCH", f"A value of type {kind} cannot be compared.", hint="IS NULL can be asked of it.", where=position(node)
        )
    return kind
