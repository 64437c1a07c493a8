"""Cursors: where a page ends, as of which versions of the tables, for one query of one key; signed, so that the server keeps nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from pxt_flight.access.grants import Signer
from pxt_flight.access.principals import Principal
from pxt_flight.engine.scan import Pin
from pxt_flight.errors import error

_PURPOSE = "cursor"
# It stands in a URL, of which servers and proxies take 8 KB: a text of that length as a sort key is nothing to page by.
_LONGEST = 4096


@dataclass(frozen=True)
class Cursor:
    """Where a page ends.

    Attributes:
        row_names: the columns that name a row in the order.
        after: the values of the sort keys of the last row.
        pins: what the pages read.
    """

    row_names: tuple[str, ...]
    after: tuple[Any, ...]
    pins: tuple[Pin, ...]


def written(signer: Signer, principal: Principal, query: str, cursor: Cursor) -> str | None:
    """The cursor as a client gets it, good for an hour; None where it would be longer than a URL may be.

    Args:
        signer: of the store.
        principal: whose cursor it is.
        query: what differs where the query is another.
        cursor: the cursor.
    """
    after = [_plain(value) for value in cursor.after]
    claims = {"k": principal.key_id, "q": query, "n": cursor.row_names, "a": after, "v": [list(pin) for pin in cursor.pins]}
    text = signer.sign(_PURPOSE, claims).decode()
    return text if len(text) <= _LONGEST else None


def read(signer: Signer, principal: Principal, query: str, text: str) -> Cursor:
    """The cursor of a text; arguments as of `written`.

    Raises:
        StaleTicketError: `ticket_invalid`, it is forged, of another key, or of another query; `ticket_expired`.
    """
    claims = signer.verify(_PURPOSE, text.encode(errors="replace"))
    if claims["k"] != principal.key_id:
        raise error("ticket_invalid", "The cursor was made for another key.", hint="Begin with the first page.")
    if claims["q"] != query:
        raise error("ticket_invalid", "The cursor was made for another query.", hint="Send it with the arguments of the first page.")
    return Cursor(tuple(claims["n"]), tuple(claims["a"]), tuple(Pin(*pin) for pin in claims["v"]))


def _plain(value: Any) -> Any:
    """A value as JSON keeps it: a text takes the type of the column beside it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)


def same_rows(pins: Sequence[Pin]) -> bool:
    """Whether pins say all of what is read: a table without versions changes, and they do not."""
    return all(pin.version is not None or ":" in pin.path for pin in pins)
