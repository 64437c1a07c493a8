"""Constants of a statement, and the types they take beside a column, as Postgres reads an untyped literal.

Each function takes the place for its error, `where`, from whoever knows the statement.
"""

import datetime as dt
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pxt_flight.errors import error

INT64 = range(-(2**63), 2**63)
Where = dict[str, Any]


@dataclass(frozen=True)
class Constant:
    """A value of the statement or of its parameters; it has no type until it stands beside a column."""

    value: Any


def number_literal(digits: str, where: Where) -> Constant:
    """The constant of a number as it is written.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it is none of 64 bits.
    """
    try:
        value = int(digits) if digits.isdecimal() else float(digits)
    except ValueError:  # `1e`, or more digits than Python converts
        value = None
    # 2**63 is the one number beyond int64 that may yet become one, by its minus.
    if value is None or (isinstance(value, int) and value > INT64.stop):
        raise error("INVALID_ARGUMENT", f"{digits!r:.40} is not a number of 64 bits.", where=where)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 and Decimal(digits) != value:  # 1.99999999999999999999
        raise error("INVALID_ARGUMENT", "The number has more digits than a double keeps.", where=where)
    return Constant(value)


def text(value: str, where: Where) -> str:
    """A text that Postgres can hold: it has no NUL, and a lone surrogate has no UTF-8.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise error("INVALID_ARGUMENT", "A text holds a character that cannot be stored (NUL or half of a pair).", where=where)
    return value


def as_type(value: Any, kind: str, where: Where) -> Any:
    """A constant as the type of the column beside it.

    Args:
        value: the constant's value.
        kind: the name of the column's Pixeltable type.
        where: its place.

    Raises:
        InvalidRequestError: `TYPE_MISMATCH`, or `INVALID_ARGUMENT` for a whole number beyond 64 bits.
    """
    if value is None:
        raise error("TYPE_MISMATCH", "Nothing equals NULL.", hint="Use IS NULL or IS NOT NULL.", where=where)
    try:
        converted = _CONVERSIONS[kind](value)
    except (ValueError, OverflowError):
        converted = None
    if converted is None:
        raise error("TYPE_MISMATCH", f"{value!r:.40} does not compare with a column of type {kind}.", where=where)
    if type(converted) is int and converted not in INT64:
        raise error("INVALID_ARGUMENT", "A whole number does not fit into 64 bits.", where=where)
    return converted


def is_number(value: Any) -> bool:
    """Whether a value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    return value if is_number(value) and (isinstance(value, int) or math.isfinite(value)) else None


def _whole(value: Any) -> Any:
    number = _number(value)
    # Beside an integer Postgres compares all the digits as written, of which a double of this size has lost some.
    return None if isinstance(number, float) and 2**53 <= abs(number) <= 2**63 else number


def _timestamp(value: Any) -> dt.datetime | None:
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value.strip())
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        return None
    # Without a zone it is UTC: on the wire every timestamp is, whatever the server's own zone.
    return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _date(value: Any) -> dt.date | None:
    return dt.date.fromisoformat(value.strip()) if isinstance(value, str) else value if type(value) is dt.date else None


_BOOLEANS = {"t": True, "true": True, "f": False, "false": False}
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Int": _whole,
    "Float": _number,
    "String": lambda value: value if isinstance(value, str) else None,
    "Bool": lambda value: value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower()),
    "Timestamp": _timestamp,
    "Date": _date,
    "UUID": lambda value: value if isinstance(value, uuid.UUID) else uuid.UUID(value) if isinstance(value, str) else None,
}
