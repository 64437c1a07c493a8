"""Tickets and prepared-statement handles: self-contained and signed.

They survive ClosePreparedStatement, a restart and another replica, and nobody can forge or read on with another's: each names its key.
"""

from collections.abc import Sequence
from typing import Any

from pxt_flight.access.grants import Signer
from pxt_flight.access.principals import Principal
from pxt_flight.engine.scan import Pin, Request
from pxt_flight.errors import error

_TICKET, _STATEMENT = "ticket", "statement"


class TicketOffice:
    """Writes and reads the grants of the data plane.

    Args:
        signer: the store's signer.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def ticket(self, principal: Principal, request: Request, pins: Sequence[Pin]) -> bytes:
        """A ticket to read a request as of versions of its tables, and of no other tables of those names."""
        return self._signer.sign(_TICKET, _claims(principal, request) | {"v": [list(pin) for pin in pins]})

    def statement(self, principal: Principal, request: Request) -> bytes:
        """A handle of a prepared statement, with what has been bound to it."""
        return self._signer.sign(_STATEMENT, _claims(principal, request))

    def read_ticket(self, principal: Principal, ticket: bytes) -> tuple[Request, tuple[Pin, ...]]:
        """The request of a ticket, and what it reads.

        Raises:
            StaleTicketError: it is forged, expired, or of another key.
        """
        claims = self._signer.verify(_TICKET, ticket)
        return _request(principal, claims), tuple(Pin(*pin) for pin in claims["v"])

    def read_statement(self, principal: Principal, handle: bytes) -> Request:
        """The request of a handle; raises like `read_ticket`."""
        return _request(principal, self._signer.verify(_STATEMENT, handle))


def is_ticket(data: bytes) -> bool:
    """Whether bytes claim to be a ticket of ours; `read_ticket` tells whether they are."""
    return data.startswith(_TICKET.encode() + b".")


def _claims(principal: Principal, request: Request) -> dict[str, Any]:
    return {"k": principal.key_id, "q": request.sql, "p": list(request.parameters), "m": request.media}


def _request(principal: Principal, claims: dict[str, Any]) -> Request:
    if claims["k"] != principal.key_id:
        raise error("ticket_invalid", "The ticket was made for another key.", hint="Run the query again.")
    return Request(claims["q"], tuple(claims["p"]), claims["m"])
