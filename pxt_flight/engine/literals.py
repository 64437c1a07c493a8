"""Values of parameters -> typed literals of the tree. They are never bound by ADBC: that leaves COPY, and stops streaming."""

import datetime as dt
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlglot import exp

from pxt_flight.engine.constants import text
from pxt_flight.engine.grammar import position
from pxt_flight.errors import error


def bind_parameters(tree: exp.Expr, values: Sequence[Any]) -> None:
    """Put literals in place of `$1`, `$2`, ... of a tree, which is changed.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, too few or too many values, or one that no literal holds.
    """
    used = set()
    for node in list(tree.find_all(exp.Parameter)):
        index = int(node.name) if node.name.isdecimal() and len(node.name) < 6 else 0
        if not 1 <= index <= len(values):
            raise error(
                "INVALID_ARGUMENT",
                f"The statement has parameter ${node.name}, but {len(values)} values came with it.",
                hint='Pass them in order: db.sql("... where score > $1", [8]).',
                where=position(node),
            )
        used.add(index)
        node.replace(literal(values[index - 1], position(node)))
    if len(used) < len(values):
        raise error("INVALID_ARGUMENT", "More values came with the statement than it has parameters.")


def kind_of(value: Any) -> str:
    """What of a value a plan depends on: the type that its literal has in Postgres."""
    if isinstance(value, bool) or not isinstance(value, int):
        return type(value).__name__
    return "int4" if -(2**31) < value < 2**31 else "int8" if -(2**63) < value < 2**63 else "numeric"


def literal(value: Any, where: dict[str, Any] | None = None) -> exp.Expr:
    """The literal of a value, as Postgres reads it: a whole number and a text take the type of what stands beside them.

    Args:
        value: None, bool, int, float, str, bytes, date, datetime (without a zone it is UTC), time, UUID or Decimal.
        where: its place, for the error.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, there is no literal of it.
    """
    if value is None:
        return exp.Null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        number = exp.Literal.number(abs(value))
        return exp.Paren(this=exp.Neg(this=number)) if value < 0 else number
    if isinstance(value, str):
        return exp.Literal.string(text(value, where or {}))
    for kind, (sql_type, written) in _WRITTEN.items():
        if isinstance(value, kind):
            try:
                said = written(value)
            except OverflowError:  # a time of the year 1 that is of the year 0 at UTC
                raise error("INVALID_ARGUMENT", "A time is out of range.", where=where) from None
            return exp.Cast(this=exp.Literal.string(said), to=exp.DataType(this=sql_type))
    raise error("INVALID_ARGUMENT", f"A parameter of type {type(value).__name__} is not served.", where=where)


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), "NaN")


def _timestamp(value: dt.datetime) -> str:
    return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()


# In this order: a datetime is a date, too.
_WRITTEN: dict[type[Any], tuple[exp.DType, Any]] = {
    float: (exp.DType.DOUBLE, _float),
    dt.datetime: (exp.DType.TIMESTAMPTZ, _timestamp),
    dt.date: (exp.DType.DATE, dt.date.isoformat),
    dt.time: (exp.DType.TIME, dt.time.isoformat),
    uuid.UUID: (exp.DType.UUID, str),
    Decimal: (exp.DType.DECIMAL, str),
    bytes: (exp.DType.VARBINARY, lambda value: f"\\x{value.hex()}"),
}
