"""From what a descriptor, a ticket or a body says to a statement of the engine, and prepared statements."""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.access.principals import Principal
from pxt_flight.engine import sql
from pxt_flight.engine.dml import Dml, parse_dml
from pxt_flight.engine.plans import Plan
from pxt_flight.engine.scan import Request
from pxt_flight.errors import error
from pxt_flight.flight import messages
from pxt_flight.flight.commands import partition_count, path_request, plain_statement, refuse_transaction, table_arguments, unpacked
from pxt_flight.flight.parameters import bound_rows
from pxt_flight.flight.tickets import Statement, TicketOffice
from pxt_flight.operations import queries
from pxt_flight.operations.call import Call
from pxt_flight.operations.rows import rows_request
from pxt_flight.operations.statements import check_statement


@dataclass(frozen=True)
class Caller:
    """Who calls, by the headers of one RPC.

    Attributes:
        call: for the operations.
        media: the media mode that the headers ask for.
        directory: where the session looks names up.
        partitions: in how many parts results are asked for, as it was sent.
        json: as what type Json is sent, as it was sent.
        include_deleted: whether rows that are deleted softly are read, too.
    """

    call: Call
    media: str | None
    directory: str
    partitions: str | None = None
    json: str | None = None
    include_deleted: bool = False

    def presented(self, schema: pa.Schema) -> pa.Schema:
        """A schema of the engine as this caller wants it: Json as utf8, which every client reads, or as arrow.json.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, it asks for another type.
        """
        if self.json not in (None, "utf8", "arrow"):
            raise error("INVALID_ARGUMENT", f"Json is not sent as {self.json[:40]!r}.", hint="x-pxt-json is utf8 or arrow.")
        if self.json != "arrow":
            return schema
        is_json = [(field.metadata or {}).get(b"pxt:type") == b"Json" for field in schema]
        return pa.schema([field.with_type(pa.json_()) if found else field for field, found in zip(schema, is_json, strict=True)])

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return self.call.principal


class Statements:
    """Reads, prepares and plans statements.

    Args:
        office: signs handles.
    """

    def __init__(self, office: TicketOffice) -> None:
        self._office = office

    def asked(self, caller: Caller, descriptor: fl.FlightDescriptor, message: Any) -> Statement:
        """The statement that a descriptor asks for.

        Args:
            caller: who asks.
            descriptor: a path, or a command.
            message: the Flight SQL message that the command holds, if it does.

        Raises:
            PxtFlightError: it asks for none.
        """
        if descriptor.path:  # is whole: the session's directory has no part in it
            return Statement(path_request(descriptor.path, caller.media, include_deleted=caller.include_deleted))
        if message is None:
            return self.written(caller, descriptor.command)
        if isinstance(message, messages.CommandStatementQuery):
            refuse_transaction(message.transaction_id)
            return self.written(caller, message.query.encode())
        if isinstance(message, messages.CommandPreparedStatementQuery):
            return self._office.read_statement(caller.principal, message.prepared_statement_handle)
        raise unsupported(message)

    def written(self, caller: Caller, command: bytes) -> Statement:
        """The statement of SQL text, or of the JSON body of `query` or `Table.query`."""
        arguments = table_arguments(command, caller.media, include_deleted=caller.include_deleted)
        if arguments is not None:
            return Statement(rows_request(caller.call, **arguments))  # a path is whole, as in `asked`
        statement = plain_statement(command, caller.media, include_deleted=caller.include_deleted)
        return replace(statement, request=replace(statement.request, directory=caller.directory))

    def plan(self, caller: Caller, request: Request) -> Plan:
        """Plan a request. The engine keeps plans: a client prepares a statement and asks for its FlightInfo a moment later."""
        return queries.plan_query(caller.call, request)

    def tickets(self, caller: Caller, statement: Statement, plan: Plan) -> list[bytes]:
        """The tickets that together read a statement, which all name the same versions.

        Args:
            caller: who asks.
            statement: what is asked; in parts if it, or else the caller, says so.
            plan: that of it.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, for a number of parts that is not served.
        """
        asked = caller.partitions if statement.partitions is None else statement.partitions
        count = 1 if asked is None else partition_count(asked)
        requests = (
            [statement.request] if statement.rows is not None else queries.partition_query(caller.call, statement.request, plan, count)
        )
        return [self._office.ticket(caller.principal, request, plan.pins, statement.rows) for request in requests]

    def prepare(self, caller: Caller, body: bytes) -> bytes:
        """Answer CreatePreparedStatement. A statement without placeholders is planned at once, so that its errors come early."""
        message = unpacked(body)
        if not isinstance(message, messages.ActionCreatePreparedStatementRequest):
            raise error("INVALID_ARGUMENT", "The body is not an ActionCreatePreparedStatementRequest.")
        refuse_transaction(message.transaction_id)
        request = self.written(caller, message.query.encode()).request
        if dml := parse_dml(request.sql):
            return self._prepared_update(caller, request, dml)
        count = sql.parse(request.sql).parameters
        if count:
            queries.check_query(caller.call, request)
        result = messages.ActionCreatePreparedStatementResult(
            prepared_statement_handle=self._office.statement(caller.principal, request),
            dataset_schema=b"" if count else _serialized(caller.presented(self.plan(caller, request).schema)),
            parameter_schema=_parameter_schema(count),
        )
        return messages.pack_any(result)

    def _prepared_update(self, caller: Caller, request: Request, dml: Dml) -> bytes:
        check_statement(caller.call, dml, request.directory)
        result = messages.ActionCreatePreparedStatementResult(
            prepared_statement_handle=self._office.statement(caller.principal, request),
            parameter_schema=_parameter_schema(dml.parameters),
            is_update=True,
        )
        return messages.pack_any(result)

    def bind(self, caller: Caller, handle: bytes, reader: fl.MetadataRecordBatchReader) -> bytes:
        """Answer DoPut of a prepared query: a new handle, which holds the values, for the server keeps no state."""
        prepared = self._office.read_statement(caller.principal, handle)
        rows, first = bound_rows(reader)
        request = replace(prepared.request, parameters=first)
        return self._office.statement(caller.principal, request, None if len(rows) == 1 else rows)


def unsupported(message: Any) -> Exception:
    """The error of a command that is known, and not served."""
    return error("UNSUPPORTED_OPERATION", f"{type(message).__name__} is not served.")


def _parameter_schema(count: int) -> bytes:
    # Their types are not known before they are bound: ADBC's word for that is null.
    return _serialized(pa.schema([(f"${i}", pa.null()) for i in range(1, count + 1)])) if count else b""


def _serialized(schema: pa.Schema) -> bytes:
    return bytes(schema.serialize().to_pybytes())
