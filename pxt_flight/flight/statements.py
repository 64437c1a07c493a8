"""From what a descriptor, a ticket or a body says to a statement of the engine, and prepared statements."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from pxt_flight.access.principals import Principal
from pxt_flight.engine.catalog import Catalog
from pxt_flight.engine.scan import Request, Scan
from pxt_flight.errors import error
from pxt_flight.flight import messages
from pxt_flight.flight.commands import path_request, plain_request, unpacked
from pxt_flight.flight.parameters import bound_rows
from pxt_flight.flight.tickets import Statement, TicketOffice
from pxt_flight.operations import queries
from pxt_flight.operations.call import Call

_POSTGRES = Dialect.get_or_raise("postgres")
_PLANS_KEPT = 64


@dataclass(frozen=True)
class Caller:
    """Who calls, by the headers of one RPC.

    Attributes:
        call: for the operations.
        media: the media mode that the headers ask for.
        directory: where the session looks names up.
    """

    call: Call
    media: str | None
    directory: str

    @property
    def principal(self) -> Principal:
        """Who it is."""
        return self.call.principal


class Statements:
    """Reads, prepares and plans statements.

    Args:
        office: signs handles.
        catalog: tells whether the store has changed since a statement was planned.
    """

    def __init__(self, office: TicketOffice, catalog: Catalog) -> None:
        self._office = office
        self._catalog = catalog
        self._planned: OrderedDict[tuple[object, ...], tuple[object, Scan]] = OrderedDict()
        self._lock = threading.Lock()

    def asked(self, caller: Caller, descriptor: fl.FlightDescriptor, message: Any) -> Statement:
        """The statement that a descriptor asks for.

        Args:
            caller: who asks.
            descriptor: a path, or a command.
            message: the Flight SQL message that the command holds, if it does.

        Raises:
            PxtFlightError: it asks for none.
        """
        if descriptor.path:
            return Statement(path_request(descriptor.path, caller.media))  # a path is whole: the session's directory has no part in it
        if message is None:
            return self.written(caller, descriptor.command)
        if isinstance(message, messages.CommandStatementQuery):
            return self.written(caller, message.query.encode())
        if isinstance(message, messages.CommandPreparedStatementQuery):
            return self._office.read_statement(caller.principal, message.prepared_statement_handle)
        raise unsupported(message)

    def written(self, caller: Caller, command: bytes) -> Statement:
        """The statement of SQL text, or of the JSON body of `query`."""
        return Statement(replace(plain_request(command, caller.media), directory=caller.directory))

    def plan(self, caller: Caller, request: Request) -> Scan:
        """Plan a request, or find it planned: a client prepares a statement and asks for its FlightInfo a moment later.

        A plan holds as long as no transaction has ended in the store; permission is asked for each time.
        """
        queries.check_query(caller.call, request)
        moment = self._catalog.moment()  # before it is planned
        key = (request, repr(request.parameters))  # 1, 1.0 and True are equal to Python, and of another type each
        with self._lock:
            found = self._planned.get(key)
        if found is not None and found[0] == moment:
            return found[1]
        planned = queries.plan_query(caller.call, request)
        with self._lock:
            self._planned[key] = (moment, planned)
            self._planned.move_to_end(key)
            while len(self._planned) > _PLANS_KEPT:
                self._planned.popitem(last=False)
        return planned

    def prepare(self, caller: Caller, body: bytes) -> bytes:
        """Answer CreatePreparedStatement. A statement without placeholders is planned at once, so that its errors come early."""
        message = unpacked(body)
        if not isinstance(message, messages.ActionCreatePreparedStatementRequest):
            raise error("INVALID_ARGUMENT", "The body is not an ActionCreatePreparedStatementRequest.")
        request = self.written(caller, message.query.encode()).request
        count = placeholders(request.sql)
        if count:
            queries.check_query(caller.call, request)
        result = messages.ActionCreatePreparedStatementResult(
            prepared_statement_handle=self._office.statement(caller.principal, request),
            dataset_schema=b"" if count else _serialized(self.plan(caller, request).schema),
            # Their types are not known before they are bound: ADBC's word for that is null.
            parameter_schema=_serialized(pa.schema([(f"${i}", pa.null()) for i in range(1, count + 1)])) if count else b"",
        )
        return messages.pack_any(result)

    def bind(self, caller: Caller, handle: bytes, reader: fl.MetadataRecordBatchReader) -> bytes:
        """Answer DoPut of a prepared query: a new handle, which holds the values, for the server keeps no state."""
        prepared = self._office.read_statement(caller.principal, handle)
        rows, first = bound_rows(reader)
        request = replace(prepared.request, parameters=first)
        return self._office.statement(caller.principal, request, None if len(rows) == 1 else rows)


def placeholders(sql: str) -> int:
    """How many parameters a statement takes: the number of its `?`, or the highest `$n`; 0 for a text that is not SQL."""
    try:
        tokens = _POSTGRES.tokenize(sql)
    except (SqlglotError, RecursionError):
        return 0
    numbers = [after.text for token, after in pairwise(tokens) if token.token_type is TokenType.PARAMETER]
    highest = max((int(number) for number in numbers if number.isdecimal() and len(number) < 6), default=0)
    return max(highest, sum(token.token_type is TokenType.PLACEHOLDER for token in tokens))


def unsupported(message: Any) -> Exception:
    """The error of a command that is known, and not served."""
    return error("UNSUPPORTED_OPERATION", f"{type(message).__name__} is not served.")


def _serialized(schema: pa.Schema) -> bytes:
    return bytes(schema.serialize().to_pybytes())
