"""Conditions as arguments: in SQL, or as a filter in JSON; one grammar for every wire and client."""

from typing import Annotated, Any

from pydantic import Field
from pydantic_core import from_json

from pxt_flight.engine import filters
from pxt_flight.errors import error
from pxt_flight.public_api import InQuery

Where = Annotated[
    str | dict[str, Any],
    Field(
        description="A condition in SQL, or a filter in JSON: an object of columns, each with a value or with operators "
        "(eq ne lt le gt ge in not_in between like ilike contains starts_with ends_with is_null), and of `and`, `or` and `not`. "
        "A text that begins with `{` is such an object.",
        examples=["score > 8", {"score": {"gt": 8}, "name": "Brazil"}],
    ),
    InQuery(str),
]


def condition(where: Where | None) -> str | None:
    """The condition in SQL; None where there is none.

    Raises:
        InvalidRequestError: `INVALID_EXPRESSION`, a filter is at fault.
    """
    if isinstance(where, str) and where.lstrip().startswith("{"):
        try:
            where = from_json(where)
        except ValueError:
            raise error("INVALID_EXPRESSION", "The filter is not valid JSON.", where={"argument": "where"}) from None
    if isinstance(where, dict):
        return filters.predicate(where) if where else None
    return where
