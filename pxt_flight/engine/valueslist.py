"""Rows of VALUES -> a record batch where they are constants, else the SELECT that computes them."""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine import dialect
from pxt_flight.engine.scan import Request
from pxt_flight.engine.types import ColumnType

Values = Sequence[Sequence[exp.Expr]]
Bindings = Sequence[Sequence[Any]]
"""Rows of parameters: the statement stands for one row of VALUES after the other, with each of them."""

NOT_PLAIN = object()
"""Of an expression that Postgres must compute."""
_CASTS = {
    "Int": exp.DType.BIGINT,
    "Float": exp.DType.DOUBLE,
    "Bool": exp.DType.BOOLEAN,
    "String": exp.DType.TEXT,
    "Timestamp": exp.DType.TIMESTAMPTZ,
    "Date": exp.DType.DATE,
    "UUID": exp.DType.UUID,
    "Json": exp.DType.JSONB,
    "Binary": exp.DType.VARBINARY,
    "Array": exp.DType.VARBINARY,
}


def parameter_number(node: Any) -> int:
    """The number of a parameter, from 1; 0 for anything else."""
    return int(node.name) if isinstance(node, exp.Parameter) and node.name.isdecimal() and len(node.name) < 6 else 0


def plain_value(node: exp.Expr, parameters: Sequence[Any]) -> Any:
    """The value of a literal or a parameter; else `NOT_PLAIN`.

    Args:
        node: the expression.
        parameters: the values of `$1`, `$2`, ...
    """
    number = parameter_number(node)
    if number:
        return parameters[number - 1] if number <= len(parameters) else NOT_PLAIN
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.RawString) or (isinstance(node, exp.Literal) and node.is_string):
        return str(node.this)
    if isinstance(node, exp.Literal):
        return _number(node.this)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        value = _number(node.this.this)
        return value if value is NOT_PLAIN else -value
    return NOT_PLAIN


def plain_columns(rows: Values, bindings: Bindings, kinds: Sequence[ColumnType]) -> list[pa.Array] | None:
    """The rows as Arrow, without asking Postgres; None where it must be asked.

    Args:
        rows: of VALUES.
        bindings: rows of parameters.
        kinds: the types of the columns that they go to.
    """
    plain = [[plain_value(value, binding) for value in row] for binding in bindings for row in rows]
    if any(value is NOT_PLAIN for row in plain for value in row):
        return None
    columns = [_plain_column([row[place] for row in plain], kind) for place, kind in enumerate(kinds)]
    return None if any(column is None for column in columns) else columns


def read_text(text: str, kind: ColumnType) -> str | None:
    """The SQL of what Postgres reads in a text that a column gets; None where the column takes it as it is."""
    if kind.name in ("String", "Json") or kind.name not in _CASTS:
        return None
    return dialect.generate(exp.Cast(this=exp.Literal.string(text), to=exp.DataType(this=_CASTS[kind.name])))


def values_query(rows: Values, bindings: Bindings, kinds: Sequence[ColumnType], directory: str = "") -> Request:
    """The SELECT that computes the rows; arguments as of `plain_columns`.

    Constants become its parameters, so that statements which differ in them alone share a plan. A text takes the type of its column, as
    in Postgres: where a column holds nothing but texts and NULL, a cast of the first says so, and VALUES gives all one type.
    """
    parameters: list[Any] = []
    made = []
    for binding in bindings:
        for row in rows:
            place = [_placed(value, binding, parameters) for value in row]
            made.append(place)
    plain = [[plain_value(value, binding) for value in row] for binding in bindings for row in rows]
    for column, kind in enumerate(kinds):
        is_untyped = all(row[column] is None or isinstance(row[column], str) for row in plain)
        holds = any(row[column] is not None for row in plain)
        if kind.name in _CASTS and (kind.name == "Float" or (is_untyped and not (kind.name == "Array" and holds))):
            made[0][column] = exp.Cast(this=made[0][column], to=exp.DataType(this=_CASTS[kind.name]))
    source = exp.Values(
        expressions=[exp.Tuple(expressions=row) for row in made],
        alias=exp.TableAlias(this=exp.to_identifier("v"), columns=[exp.to_identifier(f"c{n}") for n in range(len(kinds))]),
    )
    return Request(dialect.generate(exp.select("*").from_(source)), tuple(parameters), "bytes", directory)


def _placed(node: exp.Expr, binding: Sequence[Any], parameters: list[Any]) -> exp.Expr:
    """An expression with its constants as further parameters."""
    value = plain_value(node, binding)
    if value is not NOT_PLAIN:
        return _parameter(value, parameters)
    copy = node.copy()
    for inner in list(copy.find_all(exp.Parameter)):
        inner.replace(_parameter(plain_value(inner, binding), parameters))
    return copy


def _parameter(value: Any, parameters: list[Any]) -> exp.Expr:
    parameters.append(value)
    return exp.Parameter(this=exp.Literal.number(len(parameters)))


def _plain_column(values: Sequence[Any], kind: ColumnType) -> pa.Array | None:
    """Values of a column as Arrow; None where they are not of the column's own type: Postgres must say what they mean."""
    present = [value for value in values if value is not None]
    if not present:
        return pa.nulls(len(values))
    for classes, excluded, make in _MADE.get("media" if kind.is_media else kind.name, ()):
        if all(isinstance(value, classes) and not isinstance(value, excluded) for value in present):
            try:
                return make(values)
            except (pa.ArrowException, OverflowError, UnicodeEncodeError):
                return None
    return None


def _number(digits: str) -> Any:
    if len(digits) > 40:  # Python converts no text of thousands of digits
        return NOT_PLAIN
    try:
        return int(digits) if digits.isdecimal() else float(digits)
    except ValueError:
        return NOT_PLAIN


def _floats(values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _uuids(values: Sequence[Any]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([value and value.bytes for value in values], pa.binary(16)))


def _moments(values: Sequence[Any]) -> pa.Array:
    # Without a zone it is UTC, as everywhere in parameters.
    zoned = [value.replace(tzinfo=dt.UTC) if value is not None and value.tzinfo is None else value for value in values]
    return pa.array(zoned, pa.timestamp("us", "UTC"))


def _of(kind: pa.DataType) -> Callable[[Sequence[Any]], pa.Array]:
    return lambda values: pa.array(values, kind)


_Rule = tuple[Any, Any, Callable[[Sequence[Any]], pa.Array]]
_TEXT: _Rule = (str, (), _of(pa.utf8()))
_BYTES: _Rule = (bytes, (), _of(pa.binary()))
# By the type of a column: which classes, but not which of them, and how. A text in any other column is what Postgres reads in it.
_MADE: dict[str, tuple[_Rule, ...]] = {
    "Int": ((int, bool, _of(pa.int64())),),
    "Float": (((int, float, Decimal), bool, _floats),),
    "Bool": ((bool, (), _of(pa.bool_())),),
    "String": (_TEXT,),
    "Json": (_TEXT,),
    "Timestamp": ((dt.datetime, (), _moments),),
    "Date": ((dt.date, dt.datetime, _of(pa.date32())),),
    "UUID": ((uuid.UUID, (), _uuids),),
    "Binary": (_BYTES,),
    "Array": (_BYTES,),
    "media": (_TEXT, _BYTES),
}
