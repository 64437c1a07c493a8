"""What Postgres calls numeric because it may be large, as the type that its users mean.

In Postgres sum(bigint), avg(bigint) and extract(year) are all numeric. By rule a sum of whole numbers and what is added to it is int64, an
average float64; any other numeric is a decimal. Only the output is cast: inside of a statement every value stays Postgres' own, so that
`sum(a) / 2` divides as it does there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine.dialect import Plus
from pxt_flight.engine.outputs import DECIMAL, FLOAT, WHOLE, OutputType, decimal_type, is_whole

_WHOLE_FIELDS = frozenset("century day decade dow doy hour isodow isoyear millennium minute month quarter week year".split())
_AVERAGES = frozenset("stddev stddev_pop stddev_samp variance var_pop var_samp".split())
_FIRST = frozenset("abs sign lag lead first_value last_value nth_value".split())  # they answer their first argument, or close to it
_EACH = frozenset("coalesce greatest least nullif".split())
_INTEGERS = frozenset({exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT})
_MAX_DEPTH = 32


@dataclass(frozen=True)
class _Value:
    """An expression, and the query in whose FROM its columns are."""

    node: exp.Expr
    query: exp.Select


def numeric_types(tree: exp.Query, places: Sequence[int], describe: Callable[[exp.Query], pa.Schema]) -> dict[int, OutputType]:
    """The types of some columns of a statement that Postgres calls numeric without a scale.

    Args:
        tree: the statement.
        places: the numbers of the columns.
        describe: asks Postgres for the columns of a statement.
    """
    outputs = _outputs(tree, 0)
    types = dict.fromkeys(places, decimal_type(DECIMAL.precision, DECIMAL.scale))
    if outputs is None:
        return types
    whole = {place for place in places if all(_may_be_whole(value, 0) for value in outputs[place])}
    if whole:
        described = describe(_without_widening(tree))
        types |= {place: WHOLE for place in whole if is_whole(described.field(place))}
    types |= {place: FLOAT for place in places if any(_is_average(value, 0) for value in outputs[place])}
    return types


def _without_widening(tree: exp.Query) -> exp.Query:
    """The statement with sums that keep the type of what they add, as max does: Postgres then tells whether that is an integer."""
    tree = tree.copy()
    for total in list(tree.find_all(exp.Sum)):
        total.replace(exp.Max(this=total.this))
    for part in list(tree.find_all(exp.Extract)):
        if part.name.lower() in _WHOLE_FIELDS:
            part.replace(exp.Cast(this=part.copy(), to=exp.DataType(this=exp.DType.BIGINT)))
    return tree


def _may_be_whole(value: _Value, depth: int) -> bool:
    """Whether an expression adds, subtracts and multiplies only; Postgres tells the types of what it begins with."""
    if isinstance(value.node, exp.Literal):
        return not value.node.is_string and value.node.this.isdecimal()
    if isinstance(value.node, exp.Sum | exp.Count | exp.Null):
        return True
    if isinstance(value.node, exp.Extract):
        return value.node.name.lower() in _WHOLE_FIELDS
    if isinstance(value.node, exp.Cast):
        return value.node.to.this in _INTEGERS
    parts = _parts(value, depth)
    return parts is not None and all(_may_be_whole(part, depth + 1) for part in parts)


def _is_average(value: _Value, depth: int) -> bool:
    for node in value.node.walk(prune=lambda node: isinstance(node, exp.Query)):
        if isinstance(node, exp.Avg) or (isinstance(node, exp.Anonymous) and node.name.lower() in _AVERAGES):
            return True
        if isinstance(node, exp.Extract) and node.name.lower() not in _WHOLE_FIELDS:
            return True
        if isinstance(node, exp.Column) and depth < _MAX_DEPTH:
            defined = _definition(_Value(node, value.query), depth)
            if defined and any(_is_average(part, depth + 1) for part in defined):
                return True
    return False


def _parts(value: _Value, depth: int) -> list[_Value] | None:
    """The expressions whose values an expression passes on; None where it does more than that."""
    node = value.node
    found: list[exp.Expr] | None = None
    if isinstance(node, exp.Paren | exp.Neg | Plus | exp.Distinct | exp.Window | exp.Filter | exp.Min | exp.Max):
        found = list(node.expressions) if isinstance(node, exp.Distinct) else [node.this]
    elif isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Mod):
        found = [node.this, node.expression]
    elif isinstance(node, exp.Case):
        found = [branch.args["true"] for branch in node.args["ifs"]] + ([node.args["default"]] if node.args.get("default") else [])
    elif isinstance(node, exp.Anonymous) and node.name.lower() in _EACH:
        found = list(node.expressions)
    elif isinstance(node, exp.Anonymous) and node.name.lower() in _FIRST:
        found = node.expressions[:1]
    elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
        outputs = _outputs(node.this, depth + 1)
        return outputs[0] if outputs else None
    elif isinstance(node, exp.Column):
        return _definition(value, depth) or []
    return None if found is None else [_Value(part, value.query) for part in found]


def _definition(value: _Value, depth: int) -> list[_Value] | None:
    """What defines a column of a derived table or of a WITH; None for a column of a stored table, or where it cannot be told."""
    name, qualifier = value.node.name, value.node.args.get("table")
    found = []
    for alias, query in _derived(value.query):
        if qualifier is not None and alias != qualifier.name:
            continue
        outputs = _outputs(query, depth + 1)
        names = query.named_selects if outputs is not None else []
        found += [outputs[i] for i, given in enumerate(names) if given == name and outputs is not None and i < len(outputs)]
    return found[0] if len(found) == 1 else None


def _derived(query: exp.Select) -> Iterator[tuple[str, exp.Query]]:
    clause = query.args.get("from_")
    items = ([clause.this] if clause else []) + [join.this for join in query.args.get("joins") or ()]
    for item in items:
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Query):
            yield item.alias, item.this
        elif isinstance(item, exp.Table) and (named := _visible_ctes(query).get(item.name)) is not None:
            yield item.alias or item.name, named


def _visible_ctes(node: exp.Expr | None) -> Mapping[str, exp.Query]:
    found: dict[str, exp.Query] = {}
    while node is not None:
        clause = node.args.get("with_")
        if clause is not None and not clause.recursive:
            found = {cte.alias: cte.this for cte in clause.expressions if not cte.args["alias"].columns} | found
        node = node.parent
    return found


def _outputs(query: exp.Expr, depth: int) -> list[list[_Value]] | None:
    """The expressions of each column of a query, one for each side of a UNION; None where they cannot be told."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(query, exp.Subquery):
        return _outputs(query.this, depth + 1)
    if isinstance(query, exp.SetOperation):
        left, right = _outputs(query.this, depth + 1), _outputs(query.expression, depth + 1)
        return [a + b for a, b in zip(left, right, strict=False)] if left and right else None
    if not isinstance(query, exp.Select):
        return None
    if any(item.is_star and not isinstance(item.unalias(), exp.Count) for item in query.expressions):
        derived = list(_derived(query))
        only = len(query.expressions) == 1 and len(derived) == 1 and not query.args.get("joins")
        return _outputs(derived[0][1], depth + 1) if only else None
    return [[_Value(item.unalias(), query)] for item in query.expressions]
