"""Random conditions, each as our SQL and as Pixeltable's expression of the same meaning."""

import datetime as dt
import operator
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

COMPARISONS = {"=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
KINDS = {"i": "Int", "k": "Int", "f": "Float", "s": "String", "r": "String", "b": "Bool", "t": "Timestamp", "d": "Date", "u": "UUID"}
_ALPHABET = "%_\\'\"$:?abzé🙂 1\n"
_EPOCH = dt.datetime(2024, 2, 29, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Predicate:
    """A condition; `build` makes Pixeltable's of a table."""

    sql: str
    build: Callable[[Any], Any]


def literal(value: Any) -> str:
    """A value as SQL writes it."""
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def random_rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows of few distinct values, so that conditions hold for some, and with a fifth of NULLs."""
    chance = random.Random(seed)
    makers: dict[str, Callable[[], Any]] = {
        "Int": lambda: chance.choice([chance.randint(-4, 4), 2**62, -(2**63), 2**63 - 1]),
        "Float": lambda: chance.choice([chance.randint(-8, 8) / 4, 0.1, -0.0, 1e308, 1e-308, float("nan"), float("inf"), float("-inf")]),
        "String": lambda: "".join(chance.choices(_ALPHABET, k=chance.randint(0, 3))),
        "Bool": lambda: chance.random() < 0.5,
        "Timestamp": lambda: _EPOCH + dt.timedelta(hours=chance.randint(-4, 4), microseconds=chance.randint(0, 1)),
        "Date": lambda: _EPOCH.date() + dt.timedelta(days=chance.randint(-4, 4)),
        "UUID": lambda: uuid.UUID(int=chance.randint(0, 3)),
    }
    return [{"id": i} | {name: None if chance.random() < 0.2 else makers[kind]() for name, kind in KINDS.items()} for i in range(count)]


def conditions(rows: list[dict[str, Any]]) -> st.SearchStrategy[Predicate]:
    """Conditions over the columns of the rows, up to three levels of AND, OR and NOT."""
    leaves = st.one_of(st.sampled_from(list(KINDS)).flatmap(lambda name: _leaf(name, _values(rows, name))), _between_columns(), _like())
    return st.recursive(leaves, _combined, max_leaves=6)


def _values(rows: list[dict[str, Any]], name: str) -> st.SearchStrategy[Any]:
    # Infinity and NaN have no literal in SQL.
    found = [row[name] for row in rows if row[name] is not None and row[name] - row[name] == 0] if KINDS[name] == "Float" else None
    return st.sampled_from(found or [row[name] for row in rows if row[name] is not None])


def _leaf(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Predicate]:
    comparison = st.tuples(st.sampled_from(list(COMPARISONS)), values, st.booleans()).map(lambda drawn: _comparison(name, *drawn))
    null = st.booleans().map(lambda negated: _is_null(name, negated=negated))
    membership = st.tuples(st.lists(values, min_size=1, max_size=4), st.booleans()).map(lambda drawn: _in(name, *drawn))
    between = st.tuples(values, values, st.booleans()).map(lambda drawn: _between(name, *drawn))
    return st.one_of(comparison, null, membership, between)


def _comparison(name: str, sign: str, value: Any, constant_first: bool) -> Predicate:
    compare = COMPARISONS[sign]
    if constant_first:
        return Predicate(f"{literal(value)} {sign} {name}", lambda t: compare(value, t[name]))
    return Predicate(f"{name} {sign} {literal(value)}", lambda t: compare(t[name], value))


def _is_null(name: str, *, negated: bool) -> Predicate:
    if negated:
        return Predicate(f"{name} is not null", lambda t: t[name] != None)
    return Predicate(f"{name} is null", lambda t: t[name] == None)


def _in(name: str, values: list[Any], negated: bool) -> Predicate:
    listed = ", ".join(map(literal, values))
    if negated:
        return Predicate(f"{name} not in ({listed})", lambda t: ~t[name].isin(values))
    return Predicate(f"{name} in ({listed})", lambda t: t[name].isin(values))


def _between(name: str, low: Any, high: Any, negated: bool) -> Predicate:
    text = f"{literal(low)} and {literal(high)}"
    if negated:
        return Predicate(f"{name} not between {text}", lambda t: ~((t[name] >= low) & (t[name] <= high)))
    return Predicate(f"{name} between {text}", lambda t: (t[name] >= low) & (t[name] <= high))


def _between_columns() -> st.SearchStrategy[Predicate]:
    pairs = [("i", "k"), ("s", "r"), ("f", "i"), ("k", "f")]

    def make(pair: tuple[str, str], sign: str) -> Predicate:
        left, right = pair
        return Predicate(f"{left} {sign} {right}", lambda t: COMPARISONS[sign](t[left], t[right]))

    return st.builds(make, st.sampled_from(pairs), st.sampled_from(list(COMPARISONS)))


def _like() -> st.SearchStrategy[Predicate]:
    forms = {"{}%": "startswith", "%{}": "endswith", "%{}%": "contains"}

    def make(name: str, core: str, form: str, negated: bool) -> Predicate:
        text, method = literal(form.format(core)), forms[form]
        if negated:
            return Predicate(f"{name} not like {text}", lambda t: ~getattr(t[name], method)(core))
        return Predicate(f"{name} like {text}", lambda t: getattr(t[name], method)(core))

    core = st.text("'\"$:?abzé🙂 1\n", min_size=1, max_size=2)
    return st.builds(make, st.sampled_from(["s", "r"]), core, st.sampled_from(list(forms)), st.booleans())


def _combined(children: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    def joined(left: Predicate, right: Predicate, is_or: bool) -> Predicate:
        if is_or:
            return Predicate(f"({left.sql} or {right.sql})", lambda t: left.build(t) | right.build(t))
        return Predicate(f"({left.sql} and {right.sql})", lambda t: left.build(t) & right.build(t))

    return st.one_of(
        st.builds(joined, children, children, st.booleans()),
        children.map(lambda inner: Predicate(f"not ({inner.sql})", lambda t: ~inner.build(t))),
    )
