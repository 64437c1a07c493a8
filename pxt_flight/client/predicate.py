"""A polars predicate -> a SQL condition, where both are known to mean the same; whatever is not known stays with polars.

The predicate is read from the JSON of `Expr.meta.serialize`, which polars does not promise to keep: a shape that is not known is not
pushed. Three-valued logic is the same on both sides (`&`, `|`, `~` are Kleene's), and so are NaN (the greatest, equal to itself) and -0.0.
Not pushed, because the two differ or may:

- an order of texts: polars compares bytes, Postgres by the collation of its database;
- `is_in` with a null in the list: without a match polars answers null or false by version, SQL NULL;
- IS NULL of Json and media, whose NULL in SQL is not the null on the wire (Json's own null, a file that is gone);
- anything between two types, where either side would convert.
"""

import datetime as dt
import io
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from pxt_flight.client.table import quoted

# Parameters of one IN: a longer list costs more on its way than the rows that it spares.
MAX_LIST = 256
_INT64 = range(-(2**63), 2**63)
_COMPARISONS = {"Eq": "=", "NotEq": "<>", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
_LOGIC = {"And": "AND", "LogicalAnd": "AND", "Or": "OR", "LogicalOr": "OR"}
_BOUNDS = {"Both": (">=", "<="), "Left": (">=", "<"), "Right": (">", "<="), "None": (">", "<")}
# Pixeltable's types, by `pxt:type`; those in the first set have the same order on both sides.
_ORDERED = frozenset({"Int", "Float", "Timestamp", "Date"})
_KNOWN = _ORDERED | {"String", "Bool"}


@dataclass(frozen=True)
class Condition:
    """A SQL condition, and the values of its placeholders `$1`, `$2`, ...; empty where nothing can be pushed.

    Attributes:
        sql: the condition, without WHERE.
        parameters: the values.
        whole: whether it is all of the predicate.
    """

    sql: str = ""
    parameters: tuple[Any, ...] = ()
    whole: bool = False


class _UnknownError(Exception):
    """A part that is not in the allow-list."""


@dataclass(frozen=True)
class _Value:
    """A literal as JSON sends it, with the Pixeltable type whose columns it may stand beside."""

    value: Any
    kind: str


def pushable(predicate: pl.Expr, schema: pa.Schema) -> Condition:
    """The part of a predicate that the server may apply: every row that the predicate keeps fulfils it.

    Args:
        predicate: a Boolean polars expression over columns of the table.
        schema: the table's, with Pixeltable's types in the metadata `pxt:type`.
    """
    translation = _Translation(schema)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # polars says of some expressions that their form is not stable
            tree = json.loads(predicate.meta.serialize(format="json"))
        parts = _conjuncts(tree)
    except (pl.exceptions.PolarsError, ValueError, RecursionError):  # an expression with a Python function in it has no JSON
        return Condition()
    pushed = [sql for part in parts if (sql := translation.attempt(part)) is not None]
    return Condition(" AND ".join(pushed), tuple(translation.parameters), len(pushed) == len(parts))


def _conjuncts(tree: Any) -> list[Any]:
    """The sides of an AND at the top, each of which may be pushed alone."""
    match tree:
        case {"BinaryExpr": {"op": "And" | "LogicalAnd", "left": left, "right": right}}:
            return _conjuncts(left) + _conjuncts(right)
    return [tree]


class _Translation:
    """One condition in the making: its parameters are numbered as they are met."""

    def __init__(self, schema: pa.Schema) -> None:
        self.parameters: list[Any] = []
        self._kinds = {field.name: (field.metadata or {}).get(b"pxt:type", b"").decode() for field in schema}

    def attempt(self, tree: Any) -> str | None:
        """The condition of a tree; None, and no parameter added, where a part of it is not known."""
        before = len(self.parameters)
        try:
            return self._predicate(tree)
        except (_UnknownError, RecursionError):
            del self.parameters[before:]
            return None

    def _predicate(self, tree: Any) -> str:
        match tree:
            case {"BinaryExpr": {"op": op, "left": left, "right": right}} if op in _LOGIC:
                return f"({self._predicate(left)} {_LOGIC[op]} {self._predicate(right)})"
            case {"BinaryExpr": {"op": op, "left": left, "right": right}} if op in _COMPARISONS:
                return self._comparison(_COMPARISONS[op], left, right)
            case {"Function": {"input": inputs, "function": {"Boolean": function}}}:
                return self._function(function, inputs)
            case {"Column": str(name)} if self._kinds.get(name) == "Bool":
                return quoted(name)
        raise _UnknownError

    def _function(self, function: Any, inputs: list[Any]) -> str:
        match function, inputs:
            case "Not", [operand]:
                return f"(NOT {self._predicate(operand)})"
            case "IsNull", [operand]:
                return f"({self._column(operand)[0]} IS NULL)"
            case "IsNotNull", [operand]:
                return f"({self._column(operand)[0]} IS NOT NULL)"
            case {"IsIn": {"nulls_equal": False}}, [operand, items]:
                column, kind = self._column(operand)
                return f"({column} IN ({', '.join(self._parameter(item, kind) for item in _items(items))}))"
            case {"IsBetween": {"closed": str(closed)}}, [operand, low, high] if closed in _BOUNDS:
                above, below = _BOUNDS[closed]
                return f"({self._comparison(above, operand, low)} AND {self._comparison(below, operand, high)})"
        raise _UnknownError

    def _comparison(self, operator: str, left: Any, right: Any) -> str:
        sides = [_literal(side) for side in (left, right)]
        columns = [self._column(side) for side, value in zip((left, right), sides, strict=True) if value is None]
        kinds = {kind for _, kind in columns}
        if len(kinds) != 1 or (operator not in ("=", "<>") and not kinds <= _ORDERED):
            raise _UnknownError
        kind = kinds.pop()
        named = iter(columns)
        return f"({f' {operator} '.join(next(named)[0] if value is None else self._parameter(value, kind) for value in sides)})"

    def _column(self, tree: Any) -> tuple[str, str]:
        match tree:
            case {"Column": str(name)} if self._kinds.get(name) in _KNOWN:
                return quoted(name), self._kinds[name]
        raise _UnknownError

    def _parameter(self, literal: _Value, kind: str) -> str:
        if literal.kind != kind:
            raise _UnknownError
        self.parameters.append(literal.value)
        return f"${len(self.parameters)}"


def _literal(tree: Any) -> _Value | None:
    """The value of a literal; None where the tree is none."""
    match tree:
        case {"Literal": {"Scalar": {**scalar}}} | {"Literal": {"Dyn": {**scalar}}} if len(scalar) == 1:
            ((name, value),) = scalar.items()
            if name in _SCALARS:
                return _SCALARS[name](value)
            raise _UnknownError
        case {"Literal": _}:
            raise _UnknownError
    return None


def _items(tree: Any) -> list[_Value]:
    """The values of the list of an `is_in`, which polars serialises as an Arrow IPC stream."""
    match tree:
        case {"Literal": {"Scalar": {"List": list(content)}}} | {"Literal": {"Series": list(content)}}:
            try:
                column = pl.read_ipc_stream(io.BytesIO(bytes(content))).to_series()
            except (pl.exceptions.PolarsError, ValueError, TypeError):
                raise _UnknownError from None
            reading = _LIST_TYPES.get(column.dtype)
            if reading is None or not 0 < len(column) <= MAX_LIST:
                raise _UnknownError
            return [reading(value) for value in column.to_list()]
    raise _UnknownError


def _whole(value: Any) -> _Value:
    if type(value) is not int or value not in _INT64:
        raise _UnknownError
    return _Value(value, "Int")


def _float(value: Any) -> _Value:
    # NaN and the infinities have no JSON.
    if type(value) is not float or not math.isfinite(value):
        raise _UnknownError
    return _Value(value, "Float")


def _text(value: Any) -> _Value:
    if type(value) is not str or "\0" in value:  # which Postgres cannot hold
        raise _UnknownError
    return _Value(value, "String")


def _boolean(value: Any) -> _Value:
    if type(value) is not bool:
        raise _UnknownError
    return _Value(value, "Bool")


def _date(value: Any) -> _Value:
    """Days since 1970."""
    try:
        return _Value((dt.date(1970, 1, 1) + dt.timedelta(days=value)).isoformat(), "Date")
    except (OverflowError, TypeError):
        raise _UnknownError from None


def _timestamp(value: Any) -> _Value:
    """Microseconds since 1970 in UTC; another unit or zone is not that of the column."""
    match value:
        case [int(count), "Microseconds", "UTC" | {"inner": "UTC"}]:
            try:
                return _Value((dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=count)).isoformat(), "Timestamp")
            except OverflowError:
                raise _UnknownError from None
    raise _UnknownError


def _as_it_is(kind: str, expected: type[dt.date]) -> Callable[[Any], _Value]:
    def read(value: Any) -> _Value:
        if type(value) is not expected:  # a null among them
            raise _UnknownError
        return _Value(value.isoformat(), kind)

    return read


_WHOLE = ("Int", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
# Not Float32: its digits in JSON are those of another double.
_SCALARS: dict[str, Callable[[Any], _Value]] = {
    **dict.fromkeys(_WHOLE, _whole),
    "Float": _float,
    "Float64": _float,
    "String": _text,
    "StringOwned": _text,
    "Boolean": _boolean,
    "Date": _date,
    "Datetime": _timestamp,
}
_LIST_TYPES: dict[Any, Callable[[Any], _Value]] = {
    pl.Int64: _whole,
    pl.Float64: _float,
    pl.String: _text,
    pl.Boolean: _boolean,
    pl.Date: _as_it_is("Date", dt.date),
    pl.Datetime("us", "UTC"): _as_it_is("Timestamp", dt.datetime),
}
