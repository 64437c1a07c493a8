"""Filters in JSON -> one condition in SQL.

    {"score": {"gt": 8}, "name": "Brazil"}                     "score" > 8 AND "name" = 'Brazil'
    {"or": [{"meta.lab": "l3"}, {"tags": {"is_null": true}}]}  ... OR "tags" IS NULL

A key is `and`, `or` (lists of filters), `not` (a filter), or a column; several are joined by AND. After a dot come keys inside of a Json
column, and numbers of the elements of its lists. A part between double quotes is taken as it is: `"and"` is a column of that name,
`meta."a.b"` one key. A value alone means `eq`.

Values stand in the condition as literals of SQL do: a text takes the type of the column beside it, and what is NULL fulfils no comparison,
`ne` and `not_in` included; the value null asks for just that. Inside of Json a value equals what is of its own kind, an order holds among
values of one kind, and Json's null is NULL.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial, reduce
from typing import Any

from sqlglot import exp

from pxt_flight.engine import dialect
from pxt_flight.engine.constants import is_number
from pxt_flight.engine.constants import text as checked_text
from pxt_flight.engine.literals import literal
from pxt_flight.engine.operands import Operand, json_literal, parse_operand
from pxt_flight.errors import PxtFlightError, error

MAX_DEPTH = 32  # of and, or, not
MAX_TERMS = 1000  # values that are compared
# A chain is as deep a tree as it is long, and what reads the statement goes down by recursion.
_WIDTH = 8
_JSON_KINDS = {str: "string", bool: "boolean", int: "number", float: "number"}


def predicate(filter: Mapping[str, Any]) -> str:  # noqa: A002  # its name
    """The condition of a filter.

    Args:
        filter: with one key at least.

    Returns:
        One expression of SQL, with values as literals.

    Raises:
        InvalidRequestError: `INVALID_EXPRESSION`, with the place as `{"filter": "score.gtt"}`.
    """
    return dialect.generate(_Reader().filter(filter, "", 1))


class _Reader:
    """Reads one filter; counts its terms."""

    _terms = 0

    def filter(self, found: Any, place: str, depth: int) -> exp.Expr:
        if not isinstance(found, Mapping) or not found:
            raise _invalid(place, "A filter is an object with a condition in it.", '{"score": {"gt": 8}}')
        if depth > MAX_DEPTH:
            raise _invalid(place, f"A filter is nested more than {MAX_DEPTH} deep.")
        return _joined(exp.And, [self._condition(key, value, f"{place}{key}", depth) for key, value in found.items()])

    def _condition(self, key: str, value: Any, place: str, depth: int) -> exp.Expr:
        if key in ("and", "or"):
            if not isinstance(value, Sequence) or isinstance(value, str) or not value:
                raise _invalid(place, f"{key} takes a list of filters.", f'{{"{key}": [{{"id": 1}}, {{"id": 2}}]}}')
            parts = [self.filter(part, f"{place}.{i}.", depth + 1) for i, part in enumerate(value)]
            return _joined(exp.And if key == "and" else exp.Or, parts)
        if key == "not":
            return exp.Not(this=self.filter(value, f"{place}.", depth + 1))
        operand = _operand(key, place)
        asked = value if isinstance(value, Mapping) else {"eq": value}
        if not asked:
            raise _invalid(place, "There is no operator.", f"The operators are {', '.join(_OPERATORS)}.")
        return _joined(exp.And, [self._term(operand, name, of, f"{place}.{name}") for name, of in asked.items()])

    def _term(self, operand: Operand, name: str, value: Any, place: str) -> exp.Expr:
        if name not in _OPERATORS:
            close = get_close_matches(name, _OPERATORS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"The operators are {', '.join(_OPERATORS)}."
            raise _invalid(place, f"There is no operator {name}.", hint)
        self._terms += len(value) if isinstance(value, list) else 1
        if self._terms > MAX_TERMS:
            raise _invalid(place, f"A filter compares with more than {MAX_TERMS} values.")
        try:
            return _OPERATORS[name](operand, value)
        except _MisfitError as misfit:
            raise _invalid(place, f"{name} takes {misfit}.") from None


class _MisfitError(Exception):
    """A value that its operator does not take; says what it does."""


def _compared(kind: type[exp.Expr], operand: Operand, value: Any) -> exp.Expr:
    """A comparison with a value that is not null."""
    if not operand.path:
        return kind(this=operand.value, expression=_literal(value))
    compared = kind(this=operand.value, expression=_json(value))
    if kind in (exp.EQ, exp.NEQ):
        return compared
    # jsonb has an order among values of different kinds, which nobody means.
    is_kind = exp.EQ(this=operand.kind, expression=exp.Literal.string(_JSON_KINDS[type(value)]))
    return exp.Case(ifs=[exp.If(this=is_kind, true=compared)])


def _operand(key: str, place: str) -> Operand:
    try:
        return parse_operand(key)
    except ValueError:
        raise _invalid(place, "A key names a column, or a path in one of Json.", 'score, meta.lab, meta."a.b"') from None


def _equal(operand: Operand, value: Any) -> exp.Expr:
    return exp.Is(this=operand.text, expression=exp.Null()) if value is None else _compared(exp.EQ, operand, _scalar(value))


def _unequal(operand: Operand, value: Any) -> exp.Expr:
    return exp.Not(this=_equal(operand, None)) if value is None else _compared(exp.NEQ, operand, _scalar(value))


def _ordered(kind: type[exp.Expr], operand: Operand, value: Any) -> exp.Expr:
    if value is None:
        raise _MisfitError("a value that is not null")
    return _compared(kind, operand, _scalar(value))


def _one_of(operand: Operand, value: Any) -> exp.Expr:
    if not isinstance(value, list):
        raise _MisfitError("a list of values")
    values = [_scalar(item) for item in value if item is not None]
    literal_of = _json if operand.path else _literal
    parts: list[exp.Expr] = [exp.In(this=operand.value, expressions=[literal_of(item) for item in values])] if values else []
    parts += [_equal(operand, None)] if None in value else []
    return _joined(exp.Or, parts) if parts else exp.false()


def _none_of(operand: Operand, value: Any) -> exp.Expr:
    return exp.Not(this=_one_of(operand, value))


def _between(operand: Operand, value: Any) -> exp.Expr:
    if not isinstance(value, list) or len(value) != 2:
        raise _MisfitError("a list of two values, the lowest and the highest")
    return _joined(exp.And, [_ordered(kind, operand, bound) for kind, bound in zip((exp.GTE, exp.LTE), value, strict=True)])


def _like(kind: type[exp.Expr], before: str, after: str, operand: Operand, value: Any) -> exp.Expr:
    if not isinstance(value, str):
        raise _MisfitError("a text")
    return kind(this=operand.text, expression=exp.Literal.string(f"{before}{_text(value)}{after}"))


def _containing(before: str, after: str, operand: Operand, value: Any) -> exp.Expr:
    escaped = re.sub(r"([\\%_])", r"\\\1", value) if isinstance(value, str) else value
    return _like(exp.Like, before, after, operand, escaped)


def _is_null(operand: Operand, value: Any) -> exp.Expr:
    if not isinstance(value, bool):
        raise _MisfitError("true or false")
    return _equal(operand, None) if value else _unequal(operand, None)


_OPERATORS: dict[str, Callable[[Operand, Any], exp.Expr]] = {
    "eq": _equal,
    "ne": _unequal,
    "lt": partial(_ordered, exp.LT),
    "le": partial(_ordered, exp.LTE),
    "gt": partial(_ordered, exp.GT),
    "ge": partial(_ordered, exp.GTE),
    "in": _one_of,
    "not_in": _none_of,
    "between": _between,
    "like": partial(_like, exp.Like, "", ""),
    "ilike": partial(_like, exp.ILike, "", ""),
    "contains": partial(_containing, "%", "%"),
    "starts_with": partial(_containing, "", "%"),
    "ends_with": partial(_containing, "%", ""),
    "is_null": _is_null,
}


def _joined(kind: type[exp.Expr], parts: Sequence[exp.Expr]) -> exp.Expr:
    """Conditions as one that keeps together wherever it stands."""
    if len(parts) > _WIDTH:
        size = -(-len(parts) // _WIDTH)
        parts = [_joined(kind, parts[start : start + size]) for start in range(0, len(parts), size)]
    return parts[0] if len(parts) == 1 else exp.Paren(this=reduce(lambda left, right: kind(this=left, expression=right), parts))


def _scalar(value: Any) -> Any:
    if value is None or type(value) not in _JSON_KINDS:
        raise _MisfitError("texts, numbers, true and false" if isinstance(value, list | Mapping) else "a text, a number, true or false")
    return _text(value) if isinstance(value, str) else value


def _literal(value: Any) -> exp.Expr:
    # As one writes it: a float of Python is a number with a fraction, not a cast to double precision, which Pixeltable's own tier lacks.
    if isinstance(value, float) and is_number(value) and abs(value) < float("inf"):
        number = exp.Literal.number(repr(abs(value)))
        return exp.Paren(this=exp.Neg(this=number)) if value < 0 else number
    return literal(value)


def _json(value: Any) -> exp.Expr:
    written = json.dumps(value, ensure_ascii=False)
    if written in ("NaN", "Infinity", "-Infinity"):
        raise _MisfitError("numbers that JSON has")
    return json_literal(written)


def _text(value: str) -> str:
    return checked_text(value, {})


def _invalid(place: str, message: str, hint: str | None = None) -> PxtFlightError:
    return error("INVALID_EXPRESSION", message, hint=hint, where={"filter": place.rstrip(".")})
