"""The actions of Flight and Flight SQL. Requests and results of Flight SQL travel inside of an Any, those of Flight bare."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.access.grants import TICKET_LIFETIME
from pxt_flight.errors import error
from pxt_flight.flight import messages, sessions
from pxt_flight.flight.commands import unpacked
from pxt_flight.flight.metadata import Metadata
from pxt_flight.flight.protobuf import bytes_field
from pxt_flight.flight.sessions import SessionOffice
from pxt_flight.flight.statements import Caller, Statements
from pxt_flight.flight.streams import RunningStreams
from pxt_flight.flight.tickets import TicketOffice

SetCookie = Callable[[str], None]
_TRANSACTIONS = ("BeginTransaction", "EndTransaction", "BeginSavepoint", "EndSavepoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapped:
    """`CancelFlightInfoRequest` and `RenewFlightEndpointRequest`, whose one message pyarrow reads."""

    message: bytes = bytes_field(1)


class Actions:
    """Answers the actions that are no operation of the registry.

    Args:
        statements: prepares statements.
        metadata: names the directories of a session.
        office: renews tickets.
        streams: what runs, and can be cancelled.
        cookies: reads and writes sessions.
    """

    def __init__(
        self, *, statements: Statements, metadata: Metadata, office: TicketOffice, streams: RunningStreams, cookies: SessionOffice
    ) -> None:
        self._statements = statements
        self._metadata = metadata
        self._office = office
        self._streams = streams
        self._cookies = cookies
        self._handlers: dict[str, tuple[str, Callable[[Caller, bytes, str | None, SetCookie], Iterable[bytes]]]] = {
            "CreatePreparedStatement": ("Prepare a statement.", self._prepare),
            "ClosePreparedStatement": ("Forget a prepared statement.", self._close_statement),
            "CancelFlightInfo": ("Cancel the query of a FlightInfo.", self._cancel_flight_info),
            "CancelQuery": ("Cancel the query of a FlightInfo, in the older form of Flight SQL.", self._cancel_query),
            "RenewFlightEndpoint": ("Extend the lifetime of a ticket.", self._renew),
            "SetSessionOptions": ("Set the options catalog and schema of this session.", self._set_options),
            "GetSessionOptions": ("List the options of this session.", self._get_options),
            "CloseSession": ("End this session.", self._close_session),
        }

    @property
    def types(self) -> list[fl.ActionType]:
        """What `list_actions` answers."""
        return [fl.ActionType(name, description) for name, (description, _) in self._handlers.items()]

    def run(self, name: str, caller: Caller, body: bytes, cookie: str | None, set_cookie: SetCookie) -> Iterable[bytes]:
        """Run an action.

        Args:
            name: of the action.
            caller: who asks.
            body: the request.
            cookie: of the session, as it was sent.
            set_cookie: adds a header `set-cookie` to the answer.

        Raises:
            InvalidRequestError: `UNSUPPORTED_OPERATION`, there is no such action.
        """
        if name in _TRANSACTIONS:
            raise error("UNSUPPORTED_OPERATION", "Transactions are not served.", hint="Each statement is one, by itself: use autocommit.")
        if name not in self._handlers:
            raise error("UNSUPPORTED_OPERATION", f"There is no action {name[:80]}.", hint="list_actions names those that there are.")
        return self._handlers[name][1](caller, body, cookie, set_cookie)

    def _prepare(self, caller: Caller, body: bytes, _cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        return [self._statements.prepare(caller, body)]

    def _close_statement(self, _caller: Caller, _body: bytes, _cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        return []

    def _cancel_flight_info(self, caller: Caller, body: bytes, _cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        status = self._cancelled(caller, _decoded(_Wrapped, body).message)
        return [messages.encode(messages.CancelFlightInfoResult(status=status))]

    def _cancel_query(self, caller: Caller, body: bytes, _cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        message = unpacked(body)
        if not isinstance(message, messages.ActionCancelQueryRequest):
            raise error("INVALID_ARGUMENT", "The body is not an ActionCancelQueryRequest.")
        return [messages.pack_any(messages.ActionCancelQueryResult(result=self._cancelled(caller, message.info)))]

    def _cancelled(self, caller: Caller, info: bytes) -> messages.CancelStatus:
        endpoints = _deserialized(fl.FlightInfo, info).endpoints
        return self._streams.cancel(caller.principal.key_id, {endpoint.ticket.ticket for endpoint in endpoints})

    def _renew(self, caller: Caller, body: bytes, _cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        endpoint = _deserialized(fl.FlightEndpoint, _decoded(_Wrapped, body).message)
        return [endpoint_of(self._office.renewed(caller.principal, endpoint.ticket.ticket)).serialize()]

    def _set_options(self, caller: Caller, body: bytes, cookie: str | None, set_cookie: SetCookie) -> Iterable[bytes]:
        request = _decoded(messages.SetSessionOptionsRequest, body)
        if cookie is None:
            raise error(
                "UNSUPPORTED_OPERATION",
                "Session options travel in a cookie, and this client sends none back.",
                hint="Connect with the ADBC option adbc.flight.sql.rpc.with_cookie_middleware=true, or name tables with their directory.",
            )
        session = self._cookies.read(caller.principal, cookie)
        changed, errors = sessions.changed(session, request.session_options, self._metadata.directories(caller.call))
        set_cookie(self._cookies.cookie(caller.principal, changed))
        return [messages.encode(messages.SetSessionOptionsResult(errors=errors))]

    def _get_options(self, caller: Caller, _body: bytes, cookie: str | None, _set_cookie: SetCookie) -> Iterable[bytes]:
        return [messages.encode(sessions.described(self._cookies.read(caller.principal, cookie)))]

    def _close_session(self, _caller: Caller, _body: bytes, cookie: str | None, set_cookie: SetCookie) -> Iterable[bytes]:
        if cookie is not None:
            set_cookie(sessions.ENDED)
        return [messages.encode(messages.CloseSessionResult(status=messages.CloseSessionStatus.CLOSED))]


def endpoint_of(ticket: bytes) -> fl.FlightEndpoint:
    """The endpoint of a fresh ticket. No location: the client reads on the connection it has, which is right behind proxies and tunnels."""
    return fl.FlightEndpoint(ticket, [], pa.scalar(datetime.now(UTC) + timedelta(seconds=TICKET_LIFETIME), pa.timestamp("ns", "UTC")))


def _decoded(kind: type[Any], body: bytes) -> Any:
    try:
        return messages.decode(kind, body)
    except ValueError:
        raise error("INVALID_ARGUMENT", f"The body is not a {kind.__name__.strip('_')} message.") from None


def _deserialized(kind: Any, data: bytes) -> Any:
    try:
        return kind.deserialize(data)
    except (pa.ArrowException, OSError):
        raise error("INVALID_ARGUMENT", f"The body holds no {kind.__name__}.") from None
