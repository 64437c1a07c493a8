"""The messages of Flight SQL, and those of Flight that carry sessions and cancellation.

Names, numbers and types are those of Arrow's `FlightSql.proto` and `Flight.proto`; a test compares every one with the official descriptor.
Commands, tickets, action requests and action results of Flight SQL travel inside a `google.protobuf.Any` (`pack_any`, `unpack_any`);
results of DoPut and the messages of Flight itself travel bare (`encode`, `decode`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar, dataclass_transform

from pxt_flight.flight.protobuf import (
    bool_field,
    bytes_field,
    double_field,
    enum_field,
    int32_field,
    int64_field,
    map_field,
    message_field,
    sfixed64_field,
    string_field,
    uint32_field,
)
from pxt_flight.flight.protobuf import decode as decode
from pxt_flight.flight.protobuf import encode as encode

M = TypeVar("M")

MESSAGES: dict[type[Any], str] = {}
"""Each message below and its full protobuf name."""

_FLIGHT = "arrow.flight.protocol"
_SQL = "arrow.flight.protocol.sql"
_BY_TYPE_URL: dict[str, type[Any]] = {}


def pack_any(message: Any) -> bytes:
    """Wrap a Flight SQL message in a `google.protobuf.Any`, with its type URL."""
    return encode(_Any(type_url=_type_url(type(message)), value=encode(message)))


def unpack_any(data: bytes) -> Any | None:
    """Read a Flight SQL message out of a `google.protobuf.Any`.

    Returns:
        The message; None when `data` is anything else, for example SQL text or JSON, which arrive on the same wire.

    Raises:
        ValueError: the type is known, but its body is not such a message.
    """
    try:
        wrapped = decode(_Any, data)
    except ValueError:
        return None
    kind = _BY_TYPE_URL.get(wrapped.type_url)
    return None if kind is None else decode(kind, wrapped.value)


def _type_url(kind: type[Any]) -> str:
    return f"type.googleapis.com/{MESSAGES[kind]}"


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _message(scope: str, name: str | None = None) -> Callable[[type[M]], type[M]]:
    """Make a class a message; `name` where the official one, `scope.name`, would say too little in Python."""

    def make(kind: type[M]) -> type[M]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(kind)
        MESSAGES[made] = f"{scope}.{name or kind.__name__}"
        return made

    return make


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _sql_message(kind: type[M]) -> type[M]:
    """Make a class a top-level message of Flight SQL, known to `unpack_any`."""
    made = _message(_SQL)(kind)
    _BY_TYPE_URL[_type_url(made)] = made
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Any:
    type_url: str = string_field(1)
    value: bytes = bytes_field(2)


# The values of enum fields, from 0. A field itself holds any `int`: enums are open in proto3.
TableNotExistOption = IntEnum("TableNotExistOption", "UNSPECIFIED CREATE FAIL", start=0)
TableExistsOption = IntEnum("TableExistsOption", "UNSPECIFIED FAIL APPEND REPLACE", start=0)
EndTransaction = IntEnum("EndTransaction", "UNSPECIFIED COMMIT ROLLBACK", start=0)
CancelStatus = IntEnum("CancelStatus", "UNSPECIFIED CANCELLED CANCELLING NOT_CANCELLABLE", start=0)
SessionOptionErrorValue = IntEnum("SessionOptionErrorValue", "UNSPECIFIED INVALID_NAME INVALID_VALUE ERROR", start=0)
CloseSessionStatus = IntEnum("CloseSessionStatus", "UNSPECIFIED CLOSED CLOSING NOT_CLOSEABLE", start=0)


# Statements


@_sql_message
class CommandStatementQuery:
    """Run a query: GetFlightInfo, GetSchema."""

    query: str = string_field(1)
    transaction_id: bytes | None = bytes_field(2, label="optional")


@_sql_message
class TicketStatementQuery:
    """The ticket that fetches the result of a query: DoGet."""

    statement_handle: bytes = bytes_field(1)


@_sql_message
class CommandStatementUpdate:
    """Run a statement that changes data: DoPut."""

    query: str = string_field(1)
    transaction_id: bytes | None = bytes_field(2, label="optional")


@_sql_message
class DoPutUpdateResult:
    """How many rows a DoPut changed, -1 when unknown; sent bare."""

    record_count: int = int64_field(1)


# Prepared statements


@_sql_message
class ActionCreatePreparedStatementRequest:
    """Prepare a statement."""

    query: str = string_field(1)
    transaction_id: bytes | None = bytes_field(2, label="optional")


@_sql_message
class ActionCreatePreparedStatementResult:
    """A prepared statement; the schemas are Arrow IPC messages, empty when there is nothing to describe."""

    prepared_statement_handle: bytes = bytes_field(1)
    dataset_schema: bytes = bytes_field(2)
    parameter_schema: bytes = bytes_field(3)
    is_update: bool | None = bool_field(4, label="optional")


@_sql_message
class ActionClosePreparedStatementRequest:
    """Forget a prepared statement."""

    prepared_statement_handle: bytes = bytes_field(1)


@_sql_message
class CommandPreparedStatementQuery:
    """Bind parameters (DoPut) or run a prepared query (GetFlightInfo)."""

    prepared_statement_handle: bytes = bytes_field(1)


@_sql_message
class CommandPreparedStatementUpdate:
    """Run a prepared statement that changes data, once per bound row: DoPut."""

    prepared_statement_handle: bytes = bytes_field(1)


@_sql_message
class DoPutPreparedStatementResult:
    """The handle to use from now on, which lets a server keep no state; sent bare."""

    prepared_statement_handle: bytes | None = bytes_field(1, label="optional")


# Bulk ingest


@_message(f"{_SQL}.CommandStatementIngest")
class TableDefinitionOptions:
    """A `TableNotExistOption` and a `TableExistsOption`."""

    if_not_exist: int = enum_field(1)
    if_exists: int = enum_field(2)


@_sql_message
class CommandStatementIngest:
    """Load the stream into a table: DoPut."""

    table_definition_options: TableDefinitionOptions | None = message_field(1, TableDefinitionOptions)
    table: str = string_field(2)
    schema: str | None = string_field(3, label="optional")
    catalog: str | None = string_field(4, label="optional")
    temporary: bool = bool_field(5)
    transaction_id: bytes | None = bytes_field(6, label="optional")
    options: dict[str, str] = map_field(1000, str)


# Metadata; filter patterns are those of LIKE, and None does not filter


@_sql_message
class CommandGetCatalogs:
    """List catalogs."""


@_sql_message
class CommandGetDbSchemas:
    """List schemas."""

    catalog: str | None = string_field(1, label="optional")
    db_schema_filter_pattern: str | None = string_field(2, label="optional")


@_sql_message
class CommandGetTables:
    """List tables."""

    catalog: str | None = string_field(1, label="optional")
    db_schema_filter_pattern: str | None = string_field(2, label="optional")
    table_name_filter_pattern: str | None = string_field(3, label="optional")
    table_types: tuple[str, ...] = string_field(4, label="repeated")
    include_schema: bool = bool_field(5)


@_sql_message
class CommandGetTableTypes:
    """List the types that a table may have."""


@_sql_message
class CommandGetPrimaryKeys:
    """List the columns of a table's primary key."""

    catalog: str | None = string_field(1, label="optional")
    db_schema: str | None = string_field(2, label="optional")
    table: str = string_field(3)


@_sql_message
class CommandGetExportedKeys:
    """List the foreign keys that point to a table."""

    catalog: str | None = string_field(1, label="optional")
    db_schema: str | None = string_field(2, label="optional")
    table: str = string_field(3)


@_sql_message
class CommandGetImportedKeys:
    """List the foreign keys of a table."""

    catalog: str | None = string_field(1, label="optional")
    db_schema: str | None = string_field(2, label="optional")
    table: str = string_field(3)


@_sql_message
class CommandGetCrossReference:
    """List the foreign keys from one table to another."""

    pk_catalog: str | None = string_field(1, label="optional")
    pk_db_schema: str | None = string_field(2, label="optional")
    pk_table: str = string_field(3)
    fk_catalog: str | None = string_field(4, label="optional")
    fk_db_schema: str | None = string_field(5, label="optional")
    fk_table: str = string_field(6)


@_sql_message
class CommandGetSqlInfo:
    """Ask what the server can do; no `info` means everything."""

    info: tuple[int, ...] = uint32_field(1, label="repeated")


@_sql_message
class CommandGetXdbcTypeInfo:
    """List the SQL types, or the one whose ODBC/JDBC number is given."""

    data_type: int | None = int32_field(1, label="optional")


# Transactions


@_sql_message
class ActionBeginTransactionRequest:
    """Begin a transaction."""


@_sql_message
class ActionBeginTransactionResult:
    """The transaction that was begun."""

    transaction_id: bytes = bytes_field(1)


@_sql_message
class ActionEndTransactionRequest:
    """End a transaction; `action` is an `EndTransaction`."""

    transaction_id: bytes = bytes_field(1)
    action: int = enum_field(2)


# Cancellation


@_sql_message
class ActionCancelQueryRequest:
    """Cancel the query of a serialized FlightInfo; deprecated in favour of Flight's CancelFlightInfo."""

    info: bytes = bytes_field(1)


@_sql_message
class ActionCancelQueryResult:
    """The answer to `ActionCancelQueryRequest`, a `CancelStatus`."""

    result: int = enum_field(1)


@_message(_FLIGHT)
class CancelFlightInfoResult:
    """The answer to CancelFlightInfo, a `CancelStatus`; sent bare."""

    status: int = enum_field(1)


# Sessions, all sent bare


@_message(f"{_FLIGHT}.SessionOptionValue")
class StringListValue:
    """A list of texts."""

    values: tuple[str, ...] = string_field(1, label="repeated")


@_message(_FLIGHT)
class SessionOptionValue:
    """The value of a session option: one attribute is set; none is set to unset the option."""

    string_value: str | None = string_field(1, label="oneof")
    bool_value: bool | None = bool_field(2, label="oneof")
    int64_value: int | None = sfixed64_field(3, label="oneof")
    double_value: float | None = double_field(4, label="oneof")
    string_list_value: StringListValue | None = message_field(5, StringListValue, label="oneof")


@_message(_FLIGHT)
class SetSessionOptionsRequest:
    """Set or unset options of this session."""

    session_options: dict[str, SessionOptionValue] = map_field(1, SessionOptionValue)


@_message(f"{_FLIGHT}.SetSessionOptionsResult", "Error")
class SessionOptionError:
    """A `SessionOptionErrorValue`."""

    value: int = enum_field(1)


@_message(_FLIGHT)
class SetSessionOptionsResult:
    """The options that could not be set."""

    errors: dict[str, SessionOptionError] = map_field(1, SessionOptionError)


@_message(_FLIGHT)
class GetSessionOptionsResult:
    """The options of this session."""

    session_options: dict[str, SessionOptionValue] = map_field(1, SessionOptionValue)


@_message(_FLIGHT)
class CloseSessionResult:
    """The answer to CloseSession, a `CloseSessionStatus`."""

    status: int = enum_field(1)
