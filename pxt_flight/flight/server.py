"""The Flight server: each RPC is decoded, its caller named, an operation run, and the answer encoded."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.engine.catalog import Catalog
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream, Tier
from pxt_flight.engine.written import Written
from pxt_flight.errors import error
from pxt_flight.flight import messages, updates
from pxt_flight.flight.actions import Actions, endpoint_of
from pxt_flight.flight.auth import MIDDLEWARE, AuthMiddlewareFactory, CallerMiddleware, HandshakeHandler
from pxt_flight.flight.commands import DEFAULT_MEDIA, flag, scan_of, unpacked
from pxt_flight.flight.metadata import Metadata
from pxt_flight.flight.notices import announce
from pxt_flight.flight.puts import ingest, put_rows
from pxt_flight.flight.sessions import SessionOffice
from pxt_flight.flight.statements import Caller, Statements, unsupported
from pxt_flight.flight.status import guarded, untraced
from pxt_flight.flight.streams import RunningStreams, how_read
from pxt_flight.flight.tickets import Statement, TicketOffice, is_ticket
from pxt_flight.operations import queries
from pxt_flight.operations.call import Call
from pxt_flight.operations.dispatch import admit, import_operations, invoke
from pxt_flight.operations.json_source import read_rows, sent_rows
from pxt_flight.operations.links import MediaLinks
from pxt_flight.operations.receipt import receipt
from pxt_flight.operations.startup import OpenStore
from pxt_flight.public_api import Operation, find_operation, operations


class FlightServer(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Serves one engine over Arrow Flight; it listens from its construction.

    Args:
        location: `grpc://host:port`, port 0 for a free one.
        store: the store.
        catalog: describes the store's tables; closed with the server.
        links: makes the URLs of media.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, location: str, *, store: OpenStore, catalog: Catalog, links: MediaLinks) -> None:
        # Before it listens: a call may come at once.
        self._store = store
        self._catalog = catalog
        self._links = links
        self._office = TicketOffice(store.signer)
        self._cookies = SessionOffice(store.signer)
        self._metadata = Metadata(catalog)
        self._statements = Statements(self._office)
        self._streams = RunningStreams()
        import_operations()
        self._operations = {operation.action: operation for operation in operations() if operation.endpoint and not operation.answers_rows}
        self._actions = Actions(
            statements=self._statements, metadata=self._metadata, office=self._office, streams=self._streams, cookies=self._cookies
        )
        self._draining = False
        super().__init__(location, auth_handler=HandshakeHandler(), middleware={MIDDLEWARE: AuthMiddlewareFactory(store.keys)})

    @guarded
    def get_flight_info(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        caller = self._caller(context)
        message = None if descriptor.path else unpacked(descriptor.command)
        if answer := self._metadata.answer(caller.call, message, caller.media or DEFAULT_MEDIA):
            return _info(answer.schema, descriptor, fl.FlightEndpoint(descriptor.command, []))
        statement = self._statements.asked(caller, descriptor, message)
        if isinstance(message, messages.CommandPreparedStatementQuery) and updates.is_update(statement.request.sql):
            # A client that knew `is_update` would have sent it by DoPut (Flight SQL before Arrow 17).
            with self._writing(context, caller) as call:
                updates.update_bound(call, statement)
            return _info(pa.schema([]), descriptor)
        planned = self._statements.plan(caller, statement.request)
        tickets = self._statements.tickets(caller, statement, planned)
        return _info(caller.presented(planned.schema), descriptor, *map(endpoint_of, tickets), tier=self._store.engine.tier_of(planned))

    @untraced
    def get_schema(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor) -> fl.SchemaResult:
        caller = self._caller(context)
        message = None if descriptor.path else unpacked(descriptor.command)
        if answer := self._metadata.answer(caller.call, message, caller.media or DEFAULT_MEDIA):
            return fl.SchemaResult(answer.schema)
        statement = self._statements.asked(caller, descriptor, message)
        return fl.SchemaResult(caller.presented(self._statements.plan(caller, statement.request).schema))

    @guarded
    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        caller = self._caller(context)
        if is_ticket(ticket.ticket):
            statement, pins = self._office.read_ticket(caller.principal, ticket.ticket)
            return self._sent(context, caller, ticket.ticket, statement, pins)
        message = unpacked(ticket.ticket)
        if answer := self._metadata.answer(caller.call, message, caller.media or DEFAULT_MEDIA):
            # Not from a table, which leaves an empty batch out.
            return fl.RecordBatchStream(pa.RecordBatchReader.from_batches(answer.schema, [answer.read()]))
        if isinstance(message, messages.TicketStatementQuery):
            statement = self._office.read_statement(caller.principal, message.statement_handle)
            return self._sent(context, caller, ticket.ticket, statement, None)
        if message is not None:
            raise unsupported(message)
        # SQL or JSON in place of a ticket: one round trip, and one plan, for whoever needs no FlightInfo.
        return self._sent(context, caller, ticket.ticket, self._statements.written(caller, ticket.ticket), None)

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
        if isinstance(message, messages.CommandPreparedStatementQuery):
            handle = self._statements.bind(caller, message.prepared_statement_handle, reader)
            # Flight SQL, DoPutPreparedStatementResult: the client goes on with the new handle.
            writer.write(pa.py_buffer(messages.encode(messages.DoPutPreparedStatementResult(prepared_statement_handle=handle))))
            return
        with self._writing(context, caller) as call:
            if message is None:
                put_rows(call, context, descriptor, reader, writer)
            else:
                writer.write(pa.py_buffer(updates.changed_rows(self._write(call, context, caller, message, reader))))

    @guarded
    def do_exchange(self, context: fl.ServerCallContext, descriptor: fl.FlightDescriptor, reader: Any, writer: Any) -> None:  # noqa: ARG002
        self._caller(context)
        raise error("UNSUPPORTED_OPERATION", "DoExchange is not served.")

    @guarded
    def list_flights(self, context: fl.ServerCallContext, criteria: bytes) -> Iterator[fl.FlightInfo]:
        """The tables that can be read whole; `criteria` is a LIKE pattern of their paths."""
        caller = self._caller(context)
        found = self._metadata.flights(caller.call, criteria.decode(errors="replace"))
        return iter([self._flight(caller, table.path, schema) for table, schema in found])

    @guarded
    def list_actions(self, context: fl.ServerCallContext) -> list[fl.ActionType]:
        self._caller(context)
        own = [fl.ActionType(name, operation.summary) for name, operation in self._operations.items()]
        return own + self._actions.types

    @guarded
    def do_action(self, context: fl.ServerCallContext, action: fl.Action) -> Iterator[bytes]:
        caller = self._caller(context)
        body = action.body.to_pybytes()
        if operation := self._operations.get(action.type):
            announce(context, operation)
            with self._writing(context, caller) as call:
                return iter([operation.response.dump_json(_done(operation, call, body))])
        cookie = context.get_middleware(MIDDLEWARE).session
        return iter(self._actions.run(action.type, caller, body, cookie, lambda value: context.add_header("set-cookie", value)))

    def _write(
        self, call: Call, context: fl.ServerCallContext, caller: Caller, message: Any, reader: fl.MetadataRecordBatchReader
    ) -> Written:
        match message:
            case messages.CommandStatementUpdate():
                return updates.update(call, message, caller.directory)
            case messages.CommandPreparedStatementUpdate():
                prepared = self._office.read_statement(caller.principal, message.prepared_statement_handle)
                return updates.update_prepared(call, context, prepared, reader)
            case messages.CommandStatementIngest():
                return ingest(call, context, message, caller.directory, reader)
        raise unsupported(message)

    @contextmanager
    def _writing(self, context: fl.ServerCallContext, caller: Caller) -> Iterator[Call]:
        """A call that may wait, and does not where its client leaves."""
        with self._streams.waited_for(context, caller.principal.key_id) as on_wait:
            yield replace(caller.call, on_wait=on_wait)

    def drain(self, deadline: float) -> None:
        """Refuse new calls, let running streams end, cut them off after `deadline` seconds. Blocks; call it from a thread of its own."""
        self._draining = True
        stopping = threading.Thread(target=self.shutdown, daemon=True)
        stopping.start()
        stopping.join(deadline)
        self._streams.stop()
        stopping.join()
        self._catalog.close()

    def _caller(self, context: fl.ServerCallContext) -> Caller:
        if self._draining:
            raise error("unavailable", "The server is stopping.", hint="Try again.")
        said = context.get_middleware(MIDDLEWARE)
        assert isinstance(said, CallerMiddleware)
        session = self._cookies.read(said.principal, said.session)
        return Caller(
            self._store.call(said.principal, self._links),
            said.media,
            session.directory,
            said.partitions,
            said.json,
            flag(said.include_deleted, "x-pxt-include-deleted"),
        )

    def _sent(
        self, context: fl.ServerCallContext, caller: Caller, ticket: bytes, statement: Statement, pins: Sequence[Pin] | None
    ) -> fl.FlightDataStream:
        if statement.rows == ():
            schema = caller.presented(self._statements.plan(caller, statement.request).schema)
            return fl.RecordBatchStream(pa.Table.from_batches([], schema))
        operation = find_operation("query")
        announce(context, operation)
        admit(operation, caller.call)

        def run(on_open: OnOpen) -> Iterator[Stream]:
            return (queries.read_query(caller.call, request, pins, on_open) for request in statement.runs())

        return self._streams.serve(context, caller.principal.key_id, ticket, run, caller.presented)

    def _flight(self, caller: Caller, path: str, schema: pa.Schema) -> fl.FlightInfo:
        # A ticket that is not pinned: nothing is planned to list a table, and what is read later is as new as it can be.
        handle = self._office.statement(caller.principal, Request(scan_of(path), media="bytes"))
        ticket = messages.pack_any(messages.TicketStatementQuery(statement_handle=handle))
        return _info(schema, fl.FlightDescriptor.for_path(*path.split("/")), endpoint_of(ticket))


def _done(operation: Operation, call: Call, body: bytes) -> Any:
    """The answer of an operation whose arguments, and rows, are JSON."""
    if not operation.takes_rows:
        return invoke(operation, call, operation.read(body))
    arguments, rows = read_rows(operation, body)
    return receipt(*invoke(operation, call, arguments, rows=sent_rows(rows)))


def _info(schema: pa.Schema, descriptor: fl.FlightDescriptor, *endpoints: fl.FlightEndpoint, tier: Tier | None = None) -> fl.FlightInfo:
    # Not `ordered`: several are parts in no order, and one keeps its own anyway.
    return fl.FlightInfo(schema, descriptor, list(endpoints), -1, -1, app_metadata=b"" if tier is None else how_read(tier))
