"""The Flight server: each RPC is decoded, its caller named, an operation run, and the answer encoded."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.access.keys import KeyRing
from pxt_flight.engine.engine import Engine
from pxt_flight.engine.scan import Request, Stream
from pxt_flight.errors import InvalidRequestError, NotFoundError, error
from pxt_flight.flight import messages, metadata
from pxt_flight.flight.auth import MIDDLEWARE, AuthMiddlewareFactory, CallerMiddleware
from pxt_flight.flight.commands import arguments, bound_parameters, path_request, plain_request, unpacked
from pxt_flight.flight.status import guarded, guarded_stream, untraced
from pxt_flight.flight.tickets import TicketOffice, is_ticket
from pxt_flight.operations import queries, tables
from pxt_flight.operations.call import Call
from pxt_flight.public_api import Operation, operations

_READ_ONLY = "This server reads; writing is not served yet."
_BODIES_OF_BYTES = frozenset({"query"})


class FlightServer(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Serves one engine over Arrow Flight; it listens from its construction.

    Args:
        location: `grpc://host:port`, port 0 for a free one.
        engine: the store.
        keys: who may come in.
        office: the tickets.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, location: str, *, engine: Engine, keys: KeyRing, office: TicketOffice) -> None:
        super().__init__(location, middleware={MIDDLEWARE: AuthMiddlewareFactory(keys)})
        self._engine = engine
        self._office = office
        self._actions = {operation.action: operation for operation in operations() if operation.name not in _BODIES_OF_BYTES}
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self._draining = False

    @guarded
    def get_flight_info(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        caller = self._caller(context)
        message = None if descriptor.path else unpacked(descriptor.command)
        if isinstance(message, messages.CommandGetSqlInfo):
            return _info(metadata.SQL_INFO_SCHEMA, descriptor, descriptor.command)
        request = self._request(caller, descriptor, message)
        planned = queries.plan_query(self._call(caller), request)
        return _info(planned.schema, descriptor, self._office.ticket(caller.principal, request, planned.pins))

    @untraced
    def get_schema(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.SchemaResult:
        caller = self._caller(context)
        message = None if descriptor.path else unpacked(descriptor.command)
        request = self._request(caller, descriptor, message)
        return fl.SchemaResult(queries.plan_query(self._call(caller), request).schema)

    @guarded
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        caller = self._caller(context)
        call = self._call(caller)
        if is_ticket(ticket.ticket):
            return self._sent(queries.read_query(call, *self._office.read_ticket(caller.principal, ticket.ticket)))
        message = unpacked(ticket.ticket)
        if isinstance(message, messages.CommandGetSqlInfo):
            return fl.RecordBatchStream(pa.Table.from_batches([metadata.sql_info(message.info)]))
        if message is not None:
            raise _unsupported(message)
        # SQL or JSON in place of a ticket: one round trip, and one plan, for whoever needs no FlightInfo.
        request = plain_request(ticket.ticket, caller.media)
        return self._sent(queries.query(call, request.sql, list(request.parameters), request.media))

    @guarded
    def do_put(
        self,
        context: fl.ServerCallContext,
        descriptor: fl.FlightDescriptor,
        reader: fl.MetadataRecordBatchReader,
        writer: fl.FlightMetadataWriter,
    ) -> None:
        caller = self._caller(context)
        message = None if descriptor.path else unpacked(descriptor.command)
        if not isinstance(message, messages.CommandPreparedStatementQuery):
            raise error("sql_not_allowed", _READ_ONLY, hint="Write with Pixeltable itself.")
        prepared = self._office.read_statement(caller.principal, message.prepared_statement_handle)
        bound = Request(prepared.sql, bound_parameters(reader), prepared.media)
        # A new handle holds the values: the server keeps no state (Flight SQL, DoPutPreparedStatementResult).
        handle = self._office.statement(caller.principal, bound)
        writer.write(pa.py_buffer(messages.encode(messages.DoPutPreparedStatementResult(prepared_statement_handle=handle))))

    @guarded
    def do_exchange(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor, reader: Any, writer: Any) -> None:  # noqa: ARG002
        self._caller(context)
        raise error("UNSUPPORTED_OPERATION", "DoExchange is not served.")

    @guarded
    def list_flights(self, context: fl.ServerCallContext, criteria: bytes) -> Iterator[fl.FlightInfo]:  # noqa: ARG002
        caller = self._caller(context)
        found = tables.list_tables(self._call(caller))
        return guarded_stream(self._flights(caller, found))

    @guarded
    def list_actions(self, context: fl.ServerCallContext) -> list[fl.ActionType]:
        self._caller(context)
        return [fl.ActionType(name, operation.summary) for name, operation in self._actions.items()]

    @guarded
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[bytes]:
        caller = self._caller(context)
        body = action.body.to_pybytes()
        if operation := self._actions.get(action.type):
            return iter([_run(operation, self._call(caller), body)])
        if action.type == "CreatePreparedStatement":
            return iter([self._prepare(caller, body)])
        if action.type == "ClosePreparedStatement":
            return iter([])
        if action.type == "CloseSession":
            return iter([messages.encode(messages.CloseSessionResult(status=messages.CloseSessionStatus.CLOSED))])
        raise error("UNSUPPORTED_OPERATION", f"There is no action {action.type[:80]}.", hint="list_actions names those that there are.")

    def drain(self, deadline: float) -> None:
        """Refuse new calls, let running streams end, cut them off after `deadline` seconds. Blocks; call it from a thread of its own."""
        self._draining = True
        stopping = threading.Thread(target=self.shutdown, daemon=True)
        stopping.start()
        stopping.join(deadline)
        with self._lock:
            late = list(self._streams)
        for stream in late:
            stream.cancel()
        stopping.join()

    def _caller(self, context: fl.ServerCallContext) -> CallerMiddleware:
        if self._draining:
            raise error("unavailable", "The server is stopping.", hint="Try again.")
        caller = context.get_middleware(MIDDLEWARE)
        assert isinstance(caller, CallerMiddleware)
        return caller

    def _call(self, caller: CallerMiddleware) -> Call:
        return Call(caller.principal, self._engine)

    def _request(self, caller: CallerMiddleware, descriptor: fl.FlightDescriptor, message: Any) -> Request:
        if descriptor.path:
            return path_request(descriptor.path, caller.media)
        if message is None:
            return plain_request(descriptor.command, caller.media)
        if isinstance(message, messages.CommandStatementQuery):
            return plain_request(message.query.encode(), caller.media)
        if isinstance(message, messages.CommandPreparedStatementQuery):
            return self._office.read_statement(caller.principal, message.prepared_statement_handle)
        raise _unsupported(message)

    def _prepare(self, caller: CallerMiddleware, body: bytes) -> bytes:
        message = unpacked(body)
        if not isinstance(message, messages.ActionCreatePreparedStatementRequest):
            raise error("INVALID_ARGUMENT", "The body is not an ActionCreatePreparedStatementRequest.")
        request = plain_request(message.query.encode(), caller.media)
        queries.check_query(self._call(caller), request)
        handle = self._office.statement(caller.principal, request)
        return messages.pack_any(messages.ActionCreatePreparedStatementResult(prepared_statement_handle=handle))

    def _flights(self, caller: CallerMiddleware, found: list[str]) -> Iterator[fl.FlightInfo]:
        for table in found:
            request = path_request([table.encode()], "bytes")
            try:
                planned = queries.plan_query(self._call(caller), request)
            except (InvalidRequestError, NotFoundError):
                continue  # a column that is not served, or dropped meanwhile: a flight is a stream that can be read
            descriptor = fl.FlightDescriptor.for_path(*table.split("/"))
            yield _info(planned.schema, descriptor, self._office.ticket(caller.principal, request, planned.pins))

    def _sent(self, stream: Stream) -> fl.FlightDataStream:
        running = guarded_stream(self._watched(stream))
        # The first batch now: errors of Postgres answer the call itself, and a generator that has begun is sure to clean up, even
        # if the client leaves before it takes anything.
        first = next(running, None)
        return fl.GeneratorStream(stream.schema, chain([] if first is None else [first], running))

    def _watched(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        with self._lock:
            self._streams.add(stream)
        try:
            yield from stream.batches
        finally:  # also where the client left: pyarrow closes the generator within a second
            stream.close()
            with self._lock:
                self._streams.discard(stream)


def _run(operation: Operation, call: Call, body: bytes) -> bytes:
    function: Callable[..., Any] = operation.function
    return json.dumps(function(call, **arguments(operation, body))).encode()


def _info(schema: pa.Schema, descriptor: fl.FlightDescriptor, ticket: bytes) -> fl.FlightInfo:
    # No location: the client reads on the connection it has, which is right behind proxies and tunnels.
    return fl.FlightInfo(schema, descriptor, [fl.FlightEndpoint(ticket, [])], -1, -1)


def _unsupported(message: Any) -> Exception:
    return error("UNSUPPORTED_OPERATION", f"{type(message).__name__} is not served.")
