"""Tickets and prepared-statement handles: self-contained and signed.

They survive ClosePreparedStatement, a restart and another replica, and nobody can forge or read on with another's: each names its key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pxt_flight.access.grants import Signer
from pxt_flight.access.principals import Principal
from pxt_flight.engine.scan import Pin, Request
from pxt_flight.errors import error
from pxt_flight.flight.parameters import Row, from_json, to_json

_TICKET, _STATEMENT = "ticket", "statement"


@dataclass(frozen=True)
class Statement:
    """A request and the rows of parameters that it is run with.

    Attributes:
        request: what is planned; its parameters are those of the first row.
        rows: the parameters of each run, in order; None where it is run once, as `request` says.
        partitions: in how many parts it is asked for; None where it does not say.
    """

    request: Request
    rows: tuple[Row, ...] | None = None
    partitions: int | None = None

    def runs(self) -> Iterator[Request]:
        """The requests whose results, one after the other, are the result."""
        if self.rows is None:
            yield self.request
            return
        for row in self.rows:
            yield replace(self.request, parameters=row)


class TicketOffice:
    """Writes and reads the grants of the data plane.

    Args:
        signer: the store's signer.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def ticket(self, principal: Principal, request: Request, pins: Sequence[Pin], rows: tuple[Row, ...] | None = None) -> bytes:
        """A ticket to read a request as of versions of its tables, and of no other tables of those names."""
        return self._signer.sign(_TICKET, _claims(principal, request, rows) | {"v": [list(pin) for pin in pins]})

    def statement(self, principal: Principal, request: Request, rows: tuple[Row, ...] | None = None) -> bytes:
        """A handle of a prepared statement, with what has been bound to it."""
        return self._signer.sign(_STATEMENT, _claims(principal, request, rows))

    def read_ticket(self, principal: Principal, ticket: bytes) -> tuple[Statement, tuple[Pin, ...]]:
        """The statement of a ticket, and what it reads.

        Raises:
            StaleTicketError: it is forged, expired, of another key, or of a release whose tickets were others.
        """
        claims = self._signer.verify(_TICKET, ticket)
        if any(len(pin) != len(Pin._fields) for pin in claims["v"]):
            raise error("ticket_stale", "The ticket was made by another release of the server.", hint="Run the query again.")
        return _statement(principal, claims), tuple(Pin(*pin) for pin in claims["v"])

    def read_statement(self, principal: Principal, handle: bytes) -> Statement:
        """The statement of a handle; raises like `read_ticket`."""
        return _statement(principal, self._signer.verify(_STATEMENT, handle))

    def renewed(self, principal: Principal, ticket: bytes) -> bytes:
        """The same ticket with a full lifetime; raises like `read_ticket`."""
        claims = self._signer.verify(_TICKET, ticket)
        _statement(principal, claims)
        return self._signer.sign(_TICKET, claims)


def is_ticket(data: bytes) -> bool:
    """Whether bytes claim to be a ticket of ours; `read_ticket` tells whether they are."""
    return data.startswith(_TICKET.encode() + b".")


def _claims(principal: Principal, request: Request, rows: tuple[Row, ...] | None) -> dict[str, Any]:
    claims: dict[str, Any] = {"k": principal.key_id, "q": request.sql, "p": to_json(request.parameters), "m": request.media}
    claims |= {"d": request.directory} if request.directory else {}
    claims |= {"i": list(request.row_ids)} if request.row_ids else {}
    claims |= {"x": True} if request.include_deleted else {}
    return claims | ({} if rows is None else {"r": [to_json(row) for row in rows]})


def _statement(principal: Principal, claims: dict[str, Any]) -> Statement:
    if claims["k"] != principal.key_id:
        raise error("ticket_invalid", "The ticket was made for another key.", hint="Run the query again.")
    row_ids = tuple(claims["i"]) if "i" in claims else None
    request = Request(claims["q"], from_json(claims["p"]), claims["m"], claims.get("d", ""), row_ids, claims.get("x", False))
    return Statement(request, tuple(map(from_json, claims["r"])) if "r" in claims else None)
