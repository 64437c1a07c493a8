"""A query of one table, made of names, a condition, an order and aggregates -> a SELECT, and the SELECT of what comes after a row of it.

The next page is not an offset, which would be read again from the first row on, but what stands behind the last row in the order (keyset
pagination): in `ORDER BY a, b DESC, _rowid` after (1, 2, 7) comes

    a > 1 OR a IS NULL  OR  a = 1 AND b < 2  OR  a = 1 AND b = 2 AND _rowid > 7

with Postgres' places of NULL: after all values, or before them where it is DESC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from sqlglot import exp

from pxt_flight.engine import dialect, sql
from pxt_flight.engine.operands import Operand, call, double, parse_operand
from pxt_flight.engine.scan import Request
from pxt_flight.errors import PxtFlightError, error

IMAGE_ATTRIBUTES = frozenset({"width", "height", "mode"})
KEY = "cursor$"
"""How the names of the columns begin that hold, beside those that are asked for, the values of the order."""
_AGGREGATES: dict[str, type[exp.AggFunc]] = {"count": exp.Count, "sum": exp.Sum, "avg": exp.Avg, "min": exp.Min, "max": exp.Max}
_CALL = re.compile(rf"({'|'.join(_AGGREGATES)})\s*\((.+)\)", re.IGNORECASE)
_ORDER = re.compile(r"(?P<minus>-?)(?P<name>[^-\s].*?)(?:\s+(?P<direction>asc|desc))?", re.IGNORECASE)
_CLOCKS = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.Localtime, exp.Localtimestamp)
_VOLATILE = frozenset({"now", "random", "age", "current_timestamp", "current_time", "localtimestamp", "localtime"})
_MAX_KEYS = 32  # of an order: the condition of the next page grows with their square


@dataclass(frozen=True)
class TableQuery:
    """A query of one table.

    Attributes:
        path: of the table; with `:version` where it is read as of one.
        select: columns, values inside of Json (`meta.lab`), and of images `image.width`, `height` and `mode`; none for all columns.
        where: a condition in SQL.
        parameters: the values of its placeholders `$1`, `$2`, ...
        order_by: sort keys, `-score` or `score desc`: of `select`'s kind, or aggregates.
        aggregate: `count(*)`, `sum(score)`, `avg`, `min`, `max`.
        group_by: what rows are gathered by.
        media, include_deleted: as of `Request`.
    """

    path: str
    select: tuple[str, ...] = ()
    where: str | None = None
    parameters: tuple[Any, ...] = ()
    order_by: tuple[str, ...] = ()
    aggregate: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    media: str = "url"
    include_deleted: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it has the same rows whenever it is asked of the same versions of its tables: no clock and no dice are in it."""
        if self.where is None:
            return True
        nodes = list(sql.expression(self.where, "where").walk())
        return not any(isinstance(node, _CLOCKS) or (isinstance(node, exp.Anonymous) and node.name.lower() in _VOLATILE) for node in nodes)

    @property
    def is_grouped(self) -> bool:
        """Whether its rows are groups of those of the table."""
        return bool(self.aggregate or self.group_by)

    @property
    def has_one_row(self) -> bool:
        """Whether it aggregates all rows to one."""
        return bool(self.aggregate) and not self.group_by


@dataclass(frozen=True)
class _Key:
    """A sort key; one of a row's name is never NULL."""

    value: exp.Expr
    descending: bool = False
    may_be_null: bool = True


def request(
    query: TableQuery,
    *,
    row_names: Sequence[str] = (),
    after: Sequence[Any] | None = None,
    limit: int | None = None,
    offset: int = 0,
    with_keys: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Request:
    """The request of a query, or of a page of it.

    Args:
        query: the query.
        row_names: the columns that name a row: its order ends with them, so that it is one.
        after: only what comes after a row, by the values of its sort keys.
        limit: at most so many rows; default all.
        offset: without the first so many.
        with_keys: with the values of the sort keys as further columns, `cursor$0`, `cursor$1`, ...
        kinds: Pixeltable's types of the columns, by which `image.width` is known; it is Json otherwise.

    Raises:
        InvalidRequestError: a part is at fault.
    """
    keys = _keys(query, row_names)
    items = _items(query, kinds or {})
    items += [exp.alias_(key.value.copy(), f"{KEY}{i}", quoted=True) for i, key in enumerate(keys)] if with_keys else []
    tree = _filtered(query, items)
    values: list[Any] = []
    if after is not None:
        condition = exp.Paren(this=_after(keys, after, len(query.parameters), values))
        if query.is_grouped:
            tree.set("having", exp.Having(this=condition))
        else:
            tree.where(condition, copy=False)
    if query.group_by:
        tree.set("group", exp.Group(expressions=[_operand(name, "group_by").value for name in query.group_by]))
    if keys:
        # Postgres' own places of NULL, said as sqlglot leaves them out.
        ordered = [exp.Ordered(this=key.value.copy(), desc=key.descending, nulls_first=key.descending) for key in keys]
        tree.set("order", exp.Order(expressions=ordered))
    # Values, so that all pages share one plan.
    if limit is not None:
        tree.set("limit", exp.Limit(expression=_bound(limit, len(query.parameters), values)))
    if offset:
        tree.set("offset", exp.Offset(expression=_bound(offset, len(query.parameters), values)))
    text = dialect.generate(tree)
    return Request(text, (*query.parameters, *values), query.media, include_deleted=query.include_deleted)


def count_request(query: TableQuery) -> Request:
    """The request of how many rows a query has."""
    one: list[exp.Expr] = [exp.alias_(exp.Count(this=exp.Star()), "n", quoted=True)]
    if not query.is_grouped:
        tree = _filtered(query, one)
    else:
        groups = _filtered(query, _items(query, {}))
        if query.group_by:
            groups.set("group", exp.Group(expressions=[_operand(name, "group_by").value for name in query.group_by]))
        tree = exp.Select(expressions=one)
        tree.set("from_", exp.From(this=exp.Subquery(this=groups, alias=exp.TableAlias(this=exp.to_identifier("grouped", quoted=True)))))
    return Request(dialect.generate(tree), query.parameters, include_deleted=query.include_deleted)


def _filtered(query: TableQuery, items: Sequence[exp.Expr]) -> exp.Select:
    tree = exp.Select(expressions=list(items))
    tree.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(query.path, quoted=True))))
    if query.where is not None:
        condition = sql.expression(query.where, "where")
        # Those of our own come after them: one that is missing would be taken for the first of these.
        if missing := next((found for found in condition.find_all(exp.Parameter) if int(found.this.this) > len(query.parameters)), None):
            raise _refused(
                "parameters", f"The condition has ${missing.this.this}, and {len(query.parameters)} values came.", "parameters: [8]"
            )
        tree.set("where", exp.Where(this=exp.Paren(this=condition)))
    return tree


def _items(query: TableQuery, kinds: Mapping[str, str]) -> list[exp.Expr]:
    if not query.is_grouped:
        return [_selected(name, kinds) for name in query.select] or [exp.Star()]
    if query.select:
        raise _refused("select", "Groups have no other columns.", "Name what is wanted in group_by and aggregate.")
    groups = [_named(name, _operand(name, "group_by")) for name in query.group_by]
    return [*groups, *(exp.alias_(_aggregate(name, "aggregate"), name, quoted=True) for name in query.aggregate)]


def _selected(name: str, kinds: Mapping[str, str]) -> exp.Expr:
    if name == "*":
        return exp.Star()
    operand = _operand(name, "select")
    if kinds.get(operand.column) != "Image":
        return _named(name, operand)
    if not operand.path:
        return operand.value
    if len(operand.path) > 1 or operand.path[0] not in IMAGE_ATTRIBUTES:
        raise _refused("select", f"An image has no {operand.path[0]}.", f"It has {', '.join(sorted(IMAGE_ATTRIBUTES))}.")
    return exp.alias_(call(operand.path[0], Operand(operand.column).value), name, quoted=True)


def _named(name: str, operand: Operand) -> exp.Expr:
    """What is asked for, under the name by which it is."""
    return exp.alias_(operand.value, name, quoted=True) if operand.path else operand.value


def _keys(query: TableQuery, row_names: Sequence[str]) -> list[_Key]:
    keys, names = [], set()
    if len(query.order_by) > _MAX_KEYS:
        raise _refused("order_by", f"There are more than {_MAX_KEYS} sort keys.", "The first ones decide.")
    for text in query.order_by:
        found = _ORDER.fullmatch(text)
        if found is None or (found["minus"] and found["direction"]):
            raise _refused("order_by", "A sort key is a column, with - before it where it descends.", "-score, id")
        names.add(found["name"].lower())
        descending = bool(found["minus"]) or (found["direction"] or "").lower() == "desc"
        keys.append(_Key(_sorted_by(found["name"], query), descending))
    if query.has_one_row:
        return keys
    last = query.group_by if query.is_grouped else row_names
    ends = [_Key(_operand(name, "group_by").value, may_be_null=query.is_grouped) for name in last if name.lower() not in names]
    return keys + ends


def _sorted_by(name: str, query: TableQuery) -> exp.Expr:
    if not _CALL.fullmatch(name):
        return _operand(name, "order_by").value
    if not query.is_grouped:
        raise _refused("order_by", "Rows have no aggregates to be sorted by.", "Name them in aggregate.")
    found = _aggregate(name, "order_by")
    # Of whole numbers it is a numeric, of which an answer has the digits of a double.
    return double(found) if isinstance(found, exp.Avg) else found


def _aggregate(text: str, argument: str) -> exp.AggFunc:
    found = _CALL.fullmatch(text)
    if found is None:
        raise _refused(argument, f"{text} is no aggregate.", f"count(*), and {', '.join(_AGGREGATES)} of a column.")
    name, what = found[1].lower(), found[2].strip()
    if what == "*":
        if name != "count":
            raise _refused(argument, f"{name} is of a column.", "count(*)")
        return exp.Count(this=exp.Star())
    operand = _operand(what, argument)
    return _AGGREGATES[name](this=operand.value if name == "count" else operand.number)


def _after(keys: Sequence[_Key], values: Sequence[Any], taken: int, bound: list[Any]) -> exp.Expr:
    """The condition of what comes after a row; its values are added to `bound`, and numbered after those that are `taken`."""
    places = [exp.Null() if value is None else _bound(value, taken, bound) for value in values]
    alternatives: list[exp.Expr] = []
    for i, key in enumerate(keys):
        beyond = _beyond(key, places[i])
        if beyond is not None:
            same = [_same(earlier.value, place) for earlier, place in zip(keys[:i], places, strict=False)]
            alternatives.append(reduce(lambda left, right: exp.And(this=left, expression=right), [*same, exp.Paren(this=beyond)]))
    if not alternatives:
        return exp.false()
    return reduce(lambda left, right: exp.Or(this=left, expression=right), alternatives)


def _bound(value: Any, taken: int, bound: list[Any]) -> exp.Parameter:
    """The placeholder of a value, which is added to `bound`: those are numbered after the `taken` ones of the query."""
    bound.append(value)
    return exp.Parameter(this=exp.Literal.number(taken + len(bound)))


def _beyond(key: _Key, place: exp.Expr) -> exp.Expr | None:
    """What comes after a value in the order of one key; None where nothing does."""
    if isinstance(place, exp.Null):
        return exp.Not(this=_is_null(key.value)) if key.descending else None
    further = (exp.LT if key.descending else exp.GT)(this=key.value.copy(), expression=place.copy())
    if key.descending or not key.may_be_null:
        return further
    return exp.Or(this=further, expression=_is_null(key.value))


def _same(value: exp.Expr, place: exp.Expr) -> exp.Expr:
    return _is_null(value) if isinstance(place, exp.Null) else exp.EQ(this=value.copy(), expression=place.copy())


def _is_null(value: exp.Expr) -> exp.Expr:
    return exp.Is(this=value.copy(), expression=exp.Null())


def _operand(name: str, argument: str) -> Operand:
    try:
        return parse_operand(name)
    except ValueError:
        raise _refused(argument, f"{argument} names columns, and paths in those of Json.", 'score, meta.lab, meta."a.b"') from None


def _refused(argument: str, message: str, hint: str) -> PxtFlightError:
    return error("INVALID_ARGUMENT", message, hint=hint, where={"argument": argument})
