"""A plain scan of one table in parts, by ranges of the row id: each row is in exactly one of them."""

from sqlglot import exp

from pxt_flight.engine.grammar import AGGREGATES
from pxt_flight.engine.sources import FIRST_ROW_ID, GENERATED
from pxt_flight.engine.sql import Statement, path_of

MAX_PARTITIONS = 64
# Row ids are bigints from 0 on. Postgres would read -2^63 as a numeric, and use no index.
_LOWEST, _HIGHEST = -(2**63) + 1, 2**63 - 1
_PARTS = frozenset({"expressions", "from_", "where"})
_COMBINING = (exp.Window, exp.Query, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max)


def is_scan(statement: Statement) -> bool:
    """Whether each row of the result comes from one row of a table, and the order is nobody's business."""
    tree = statement.tree
    if not isinstance(tree, exp.Select) or any(value for name, value in tree.args.items() if name not in _PARTS):
        return False
    clause = tree.args.get("from_")
    if clause is None or not isinstance(clause.this, exp.Table) or path_of(clause.this) is None or clause.this.args.get("joins"):
        return False
    inside = [node for node in tree.walk() if node is not tree]
    return not any(isinstance(node, _COMBINING) or (isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES) for node in inside)


def within_rows(statement: Statement) -> Statement:
    """The scan of those rows whose first row id is between its two last parameters, both included."""
    tree = statement.tree.copy()
    low, high = (exp.Parameter(this=exp.Literal.number(statement.parameters + place)) for place in (1, 2))
    tree = tree.where(exp.Between(this=_row_id(), low=low, high=high), copy=False)
    return Statement(statement.text, tree, statement.parameters + 2, statement.tables)


def bounds(statement: Statement) -> Statement:
    """The lowest and the highest first row id of a scan's table; no rows have none."""
    source = statement.tree.args["from_"].copy()
    tree = exp.Select(expressions=[exp.Min(this=_row_id()), exp.Max(this=_row_id())], from_=source)
    return Statement(statement.text, tree, 0, statement.tables)


def ranges(lowest: int, highest: int, count: int) -> list[tuple[int, int]]:
    """At most `count` ranges of row ids, both ends included, that together hold every whole number, whatever rows there are.

    Args:
        lowest: row id that there is.
        highest: row id that there is.
        count: how many ranges; no more than there are row ids.
    """
    span = highest - lowest + 1
    count = min(count, span)
    starts = [lowest + span * part // count for part in range(1, count)]
    return list(zip([_LOWEST, *starts], [*(start - 1 for start in starts), _HIGHEST], strict=True))


def _row_id() -> exp.Column:
    name = exp.to_identifier(FIRST_ROW_ID, quoted=True)
    name.meta[GENERATED] = True
    return exp.Column(this=name)
