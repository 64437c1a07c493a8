"""Rows that clients put: DoPut by the path of a table, by the JSON of an operation that takes rows, or by Flight SQL's bulk ingest.

The command is `{"table.insert": {"table_path": "films"}}`: the name of the action and its arguments. With `"ends": true` beside it the
last message is an empty batch with the metadata `end`, for a client that was killed looks like one that ended. The answer is metadata:
JSON `{"progress": [rows, all]}` at most twice a second where the command says `"progress": true`; the rows that were left out as the bytes
of an Arrow stream, in pieces, each behind the five bytes `ARROW`; and last `{"written": {...}}`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.engine.sql import CATALOG
from pxt_flight.engine.written import OnProgress, Written
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.flight import messages
from pxt_flight.flight.messages import TableExistsOption, TableNotExistOption
from pxt_flight.flight.notices import announce
from pxt_flight.flight.progress import told
from pxt_flight.operations.call import Call
from pxt_flight.operations.dispatch import admit, invoke
from pxt_flight.operations.writes import Rows, create_table, insert
from pxt_flight.public_api import Operation, find_operation, operations

_END = b"end"
_PIECE = b"ARROW"
_PIECE_SIZE = 1 << 20


@dataclass(frozen=True)
class _Command:
    """What a DoPut asks for beside its rows.

    Attributes:
        operation: that takes the rows.
        named: its arguments.
        ends: whether the client says by a last message that it has ended.
        progress: whether it wants to be told how far the write is.
    """

    operation: Operation
    named: dict[str, Any]
    ends: bool = False
    progress: bool = False


def put_rows(
    call: Call,
    context: fl.ServerCallContext,
    descriptor: fl.FlightDescriptor,
    reader: fl.MetadataRecordBatchReader,
    writer: fl.FlightMetadataWriter,
) -> None:
    """Answer DoPut of rows.

    Raises:
        PxtFlightError: nothing was written.
    """
    command = _command(descriptor)
    announce(context, command.operation)
    schema = schema_of(reader)
    if schema is None:
        raise error("upload_incomplete", "No schema came.", hint="Send an empty batch where there are no rows. Nothing was written.")

    def put(on_progress: OnProgress | None) -> Any:
        rows = rows_of(context, reader, schema, ends=command.ends, on_progress=on_progress)
        return invoke(command.operation, call, command.named, rows=rows)

    answer = told(writer, put) if command.progress else put(None)
    written, rejected = answer if isinstance(answer, tuple) else (answer, None)
    for piece in () if rejected is None else _pieces(rejected):
        writer.write(pa.py_buffer(_PIECE + piece))
    writer.write(pa.py_buffer(json.dumps({"written": written.to_json()}).encode()))


def ingest(
    call: Call,
    context: fl.ServerCallContext,
    message: messages.CommandStatementIngest,
    directory: str,
    reader: fl.MetadataRecordBatchReader,
) -> Written:
    """Answer Flight SQL's bulk ingest.

    Args:
        call: who asks.
        context: gRPC's.
        message: what is asked.
        directory: that of the session, where the message names no schema.
        reader: the rows.

    Raises:
        PxtFlightError: nothing was written.
    """
    run, operation = _ingestion(message)
    path = "/".join(part for part in (directory if message.schema is None else message.schema, message.table) if part)
    schema = schema_of(reader)
    if schema is None:
        raise error("upload_incomplete", "No schema came.", hint="Send an empty batch where there are no rows. Nothing was written.")
    announce(context, operation)
    admit(operation, call)
    written, _ = run(call, rows_of(context, reader, schema), path)
    return written


def schema_of(reader: fl.MetadataRecordBatchReader) -> pa.Schema | None:
    """The columns of what a client puts; None where it sent none."""
    try:
        return reader.schema
    except (pa.ArrowException, OSError):  # "Client never sent a data message", or "Stream finished before first message sent"
        return None


def rows_of(
    context: fl.ServerCallContext,
    reader: fl.MetadataRecordBatchReader,
    schema: pa.Schema,
    *,
    ends: bool = False,
    on_progress: OnProgress | None = None,
) -> Rows:
    """The rows that a client puts.

    Args:
        context: gRPC's.
        reader: of the stream.
        schema: its columns.
        ends: whether the last message must say that it is the last.
        on_progress: told how many are written.
    """
    seen: list[bytes] = []
    return Rows(
        schema, _batches(context, reader, seen), lambda: not context.is_cancelled() and (not ends or seen[-1:] == [_END]), on_progress
    )


def _command(descriptor: fl.FlightDescriptor) -> _Command:
    by_name = {operation.action: operation for operation in operations() if operation.takes_rows}
    if descriptor.path:
        return _Command(find_operation("Table.insert"), {"table_path": "/".join(part.decode(errors="replace") for part in descriptor.path)})
    try:
        body = json.loads(descriptor.command or b"")
    except (ValueError, RecursionError):
        body = None
    named = {name: value for name, value in body.items() if name in by_name} if isinstance(body, dict) else {}
    if len(named) != 1:
        raise error("INVALID_ARGUMENT", "The command names no operation that takes rows.", hint=f"One of {', '.join(by_name)}.")
    ((name, value),) = named.items()
    flags = {flag: said for flag, said in body.items() if flag != name}
    if not flags.keys() <= {"ends", "progress"} or not all(isinstance(said, bool) for said in flags.values()):
        raise error("INVALID_ARGUMENT", "Beside the operation stand `ends` and `progress`, true or false, and nothing else.")
    return _Command(by_name[name], by_name[name].read(json.dumps(value).encode()), **flags)


def _ingestion(message: messages.CommandStatementIngest) -> tuple[Callable[[Call, Rows, str], tuple[Written, pa.Table | None]], Operation]:
    """What a bulk ingest does with its rows, and the operation that this is."""
    for is_asked, what in (
        (message.temporary, "A temporary table"),
        (message.transaction_id, "A transaction"),
        (message.options, f"The option {next(iter(message.options), '')[:40]}"),
        (message.catalog not in (None, "", CATALOG), f"The catalog {(message.catalog or '')[:40]}"),
    ):
        if is_asked:
            raise error("UNSUPPORTED_OPERATION", f"{what} is not served.", hint="Nothing was written.")
    options = message.table_definition_options or messages.TableDefinitionOptions()
    creation = find_operation("create_table")
    match options.if_not_exist, options.if_exists:
        case TableNotExistOption.FAIL, TableExistsOption.APPEND:
            return insert, find_operation("Table.insert")
        case TableNotExistOption.FAIL, TableExistsOption.REPLACE:
            return _replace, creation
        case TableNotExistOption.CREATE, TableExistsOption.FAIL:
            return lambda call, rows, path: create_table(call, rows, path, if_exists="error"), creation
        case TableNotExistOption.CREATE, TableExistsOption.APPEND:
            return lambda call, rows, path: create_table(call, rows, path, if_exists="append"), creation
        case TableNotExistOption.CREATE, TableExistsOption.REPLACE:
            return lambda call, rows, path: create_table(call, rows, path, if_exists="replace"), creation
    raise error("INVALID_ARGUMENT", "The ingest does not say what to do with a table that exists, or that does not.")


def _replace(call: Call, rows: Rows, path: str) -> tuple[Written, pa.Table | None]:
    call.require("create_table", path)
    call.writer.target(path)  # there is one
    return create_table(call, rows, path, if_exists="replace")


def _batches(context: fl.ServerCallContext, reader: fl.MetadataRecordBatchReader, seen: list[bytes]) -> Iterator[pa.RecordBatch]:
    try:
        for chunk in reader:
            seen[:] = [chunk.app_metadata.to_pybytes()] if chunk.app_metadata is not None else []
            if chunk.data is not None:
                yield chunk.data
    except PxtFlightError:
        raise
    except (pa.ArrowException, fl.FlightError, OSError):
        if context.is_cancelled():
            raise error("upload_incomplete", "The rows ended in the middle.", hint="Nothing was written; send them again.") from None
        raise error("INVALID_ARGUMENT", "The rows are not a stream of Arrow record batches.", hint="Nothing was written.") from None


def _pieces(table: pa.Table) -> Iterator[bytes]:
    """The bytes of a table's Arrow stream, in pieces that any client takes as a message."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    data = memoryview(sink.getvalue())
    for start in range(0, len(data), _PIECE_SIZE):
        yield bytes(data[start : start + _PIECE_SIZE])
