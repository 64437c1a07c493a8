"""Statements that write, by Flight SQL: at once, or prepared and bound to rows of parameters."""

import pyarrow.flight as fl

from pxt_flight.engine.dml import Insert, parse_dml
from pxt_flight.engine.written import Written
from pxt_flight.errors import error
from pxt_flight.flight import messages
from pxt_flight.flight.commands import refuse_transaction
from pxt_flight.flight.parameters import received, rows_of
from pxt_flight.flight.puts import rows_of as put_rows_of
from pxt_flight.flight.puts import schema_of
from pxt_flight.flight.tickets import Statement
from pxt_flight.operations import statements
from pxt_flight.operations.call import Call
from pxt_flight.operations.writes import Rows


def is_update(sql: str) -> bool:
    """Whether a text is a statement that writes.

    Raises:
        InvalidRequestError: it is one, and at fault.
    """
    return parse_dml(sql) is not None


def update(call: Call, message: messages.CommandStatementUpdate, directory: str) -> Written:
    """Run a statement without parameters: no Arrow data comes with it.

    Raises:
        PxtFlightError: nothing was written.
    """
    refuse_transaction(message.transaction_id)
    return statements.run_statement(call, statements.parsed(message.query), [()], directory=directory)


def update_prepared(call: Call, context: fl.ServerCallContext, prepared: Statement, reader: fl.MetadataRecordBatchReader) -> Written:
    """Run a prepared statement for each row of parameters that is put, all in one version.

    Args:
        call: who asks.
        context: gRPC's.
        prepared: the statement.
        reader: the rows of parameters; none, or one without columns, where it has no parameters.

    Raises:
        PxtFlightError: nothing was written.
    """
    statement, directory = statements.parsed(prepared.request.sql), prepared.request.directory
    schema = schema_of(reader)
    if schema is None or not schema.names:
        return statements.run_statement(call, statement, [prepared.request.parameters], directory=directory)
    if isinstance(statement, Insert) and statement.bound_columns() is not None:
        return statements.run_rows(call, statement, put_rows_of(context, reader, schema), directory=directory)
    table = received(reader)
    if context.is_cancelled():
        raise error("upload_incomplete", "The parameters ended in the middle.", hint="Nothing was written; send them again.")
    if isinstance(statement, Insert) or table.num_rows == 1:
        return statements.run_statement(call, statement, rows_of(table), directory=directory)
    return statements.run_rows(call, statement, Rows(table.schema, table.to_batches(), lambda: True), directory=directory)


def update_bound(call: Call, prepared: Statement) -> Written:
    """Run a prepared statement with what was bound to it before, for clients that do not know of updates."""
    statement = statements.parsed(prepared.request.sql)
    bindings = [request.parameters for request in prepared.runs()]
    return statements.run_statement(call, statement, bindings, directory=prepared.request.directory)


def changed_rows(written: Written) -> bytes:
    """The answer to an update: how many rows it changed."""
    count = written.inserted + written.updated + written.deleted
    return messages.encode(messages.DoPutUpdateResult(record_count=count))
