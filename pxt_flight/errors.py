"""One family of errors: the same code, message, hint and place on Flight, HTTP and in Python.

    PxtFlightError
    ├── InvalidRequestError      the request is at fault and changes nothing
    ├── NotFoundError            a table or column that does not exist, or may not be seen
    ├── UnauthenticatedError     no key, a wrong key
    ├── PermissionDeniedError    the key may not do this
    ├── StaleTicketError         a ticket that cannot be read any more; ask for a new one
    ├── ConflictError            what the tables hold now stands against it
    ├── UnavailableError         try again later
    ├── RateLimitedError         this key asks too often; try again later
    ├── ProviderError            a service that the server asked did not answer
    ├── ConnectError             no server answered, or none could be started
    └── ServerError              a fault of ours, logged under its request id

A code is a promise: it is never renamed. Names that Pixeltable already gives (`COLUMN_NOT_FOUND`) are kept as they are, ours are in
lower case. One table says of each code its class, its status on HTTP and on Flight, whether a retry may help, what it means and what to do:
`REFERENCE`, from which come the errors themselves, RFC 9457's `type` and the error reference. `CODES` is its part from a code to its class.
"""

import json
from dataclasses import dataclass
from typing import Any

# Bytes of UTF-8. All of an error travels in gRPC's trailers, three times over, and a client drops those above 8 KiB: a text that quotes a
# name of the request must not grow with it.
_MAX_TEXT = 400
_MAX_PLACE = 200


class PxtFlightError(Exception):
    """The base of every error that this package raises on purpose.

    Args:
        code: stable name of what went wrong, one of `CODES`.
        message: one sentence, without paths, SQL of ours or keys.
        hint: what to do about it.
        where: the place, for example `{"table": "films", "column": "scor"}` or `{"line": 1, "character": 8}`.
        request_id: the id under which the server logged the case.
    """

    http_status: int = 500
    grpc_status: str = "UNKNOWN"
    retryable: bool = False

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        where: dict[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        message = _bounded(message, _MAX_TEXT)
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint and _bounded(hint, _MAX_TEXT)
        self.where: dict[str, Any] = {
            name: _bounded(value, _MAX_PLACE) if isinstance(value, str) else value for name, value in (where or {}).items()
        }
        self.request_id = request_id
        if entry := REFERENCE.get(code):
            self.http_status, self.grpc_status, self.retryable = entry.http_status, entry.grpc_status, entry.retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" Hint: {self.hint}" if self.hint else "")

    def to_json(self) -> bytes:
        """The error as a JSON object in UTF-8: what travels in Flight's `extra_info` and in an HTTP problem."""
        fields = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "where": self.where,
            "retryable": self.retryable,
            "request_id": self.request_id,
        }
        return json.dumps(fields, ensure_ascii=False).encode()


class InvalidRequestError(PxtFlightError):
    """The request itself is at fault; nothing was changed."""

    http_status = 422


class NotFoundError(PxtFlightError):
    """A table or column that does not exist, or that this key may not see."""

    http_status = 404


class UnauthenticatedError(PxtFlightError):
    """No key was sent, or one that is not known."""

    http_status = 401
    grpc_status = "UNAUTHENTICATED"


class PermissionDeniedError(PxtFlightError):
    """The key is good, but may not do this."""

    http_status = 403
    grpc_status = "PERMISSION_DENIED"


class StaleTicketError(PxtFlightError):
    """The ticket is expired, forged, or its table has changed too much to be read again."""

    http_status = 409
    retryable = True


class ConflictError(PxtFlightError):
    """The request is sound, and what the tables hold now stands against it."""

    http_status = 409


class UnavailableError(PxtFlightError):
    """The server is starting, draining or full; the same request may succeed later."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
    retryable = True


class RateLimitedError(PxtFlightError):
    """The key calls an operation more often than its limit allows; `where["retry_after"]` says for how many seconds."""

    http_status = 429
    grpc_status = "UNAVAILABLE"  # which clients try again; RESOURCE_EXHAUSTED has no Flight error
    retryable = True


class ProviderError(PxtFlightError):
    """A service that the server asked for an answer, such as a provider of models, gave none.

    Never a 401: whoever calls us would believe that their own key is at fault.
    """

    http_status = 502
    grpc_status = "UNAVAILABLE"


class ConnectError(PxtFlightError):
    """No server answered, or none could be started; never sent over a wire."""

    http_status = 503


class ServerError(PxtFlightError):
    """A fault of the server, logged there under `request_id`."""

    grpc_status = "INTERNAL"


@dataclass(frozen=True)
class ErrorCode:
    """What a code promises, on every wire; a row of the error reference.

    Attributes:
        code: its name, which never changes.
        kind: the class of its errors.
        meaning: what happened, in one sentence.
        remedy: what to do about it, in one sentence.
        http_status: on HTTP (RFC 9110).
        grpc_status: on Flight, as far as pyarrow can send it (`flight/status.py`).
        retryable: whether the same request may succeed later.
    """

    code: str
    kind: type[PxtFlightError]
    meaning: str
    remedy: str
    http_status: int
    grpc_status: str
    retryable: bool


_Row = tuple[str, str] | tuple[str, str, dict[str, Any]]
# What a code means, what to do about it, and where it is not as the others of its class. Sorted as the reference shows them.
_TABLE: dict[type[PxtFlightError], dict[str, _Row]] = {
    InvalidRequestError: {
        "sql_syntax": ("The statement is not valid SQL.", "Correct it at the line and character that `where` names."),
        "sql_not_allowed": (
            "The statement does what this server runs for nobody.",
            "Ask for the rows with SELECT, or use the operation for it.",
        ),
        "sql_unsupported": ("The statement is SQL that this server does not run.", "Say it another way; the guide to SQL lists what runs."),
        "type_unsupported": ("A type has no counterpart among Pixeltable's or Arrow's.", "Cast the column to one that has."),
        "TYPE_MISMATCH": ("A value or an operand is of another type than is needed.", "Send, or cast it to, the type that is named."),
        "INVALID_ARGUMENT": ("An argument is missing, unknown, or out of its bounds.", "Correct the one that `where` names."),
        "INVALID_EXPRESSION": ("An expression cannot be computed on these tables.", "Correct the expression."),
        "INVALID_COLUMN_NAME": ("A column cannot have this name.", "Use letters, digits and underscores, and begin with a letter."),
        "INVALID_PATH": (
            "A table or directory cannot have this name.",
            "Use letters, digits and underscores, with slashes between the parts.",
        ),
        "INVALID_TYPE": ("No type has this name, or it cannot be used here.", "Use one of the guide to types."),
        "INVALID_SCHEMA": ("A table cannot have these columns.", "Correct the column that the message names."),
        "INVALID_DATA_FORMAT": (
            "Data is not in the format that it was said to be in.",
            "Send it in that format, or name the one that it is in.",
        ),
        "INVALID_CONFIGURATION": ("A setting is missing or wrong.", "Correct the setting that is named."),
        "MISSING_REQUIRED": ("A value that may not be missing is.", "Send it, also as something else than null."),
        "SCHEMA_MISMATCH": ("The columns are others than those of the table.", "Send the columns that the table has."),
        "DESTRUCTIVE_SCHEMA_CHANGE": ("The change would lose data.", "Change the schema step by step, and drop what may go."),
        "UNSUPPORTED_OPERATION": ("This table, view or column does not take this operation.", "Use it on another, or another operation."),
        "GENERIC_USER_ERROR": ("Pixeltable refuses the request.", "The message says why.", {"http_status": 400}),
        "media_unreadable": ("A media value cannot be read as what it is said to be.", "Send another file, or one of another format."),
        "result_too_large": ("The result has more rows or bytes than the server answers.", "Ask for fewer rows or columns."),
        "predicate_required": ("The write names no rows.", "Say which with a predicate; `true` means all."),
        "upload_incomplete": ("The rows ended in the middle; nothing was written.", "Send them again."),
        "upload_too_large": ("The body is larger than the server takes.", "Send it in parts.", {"http_status": 413}),
        "media_type_unsupported": (
            "The body is of a media type that this path does not take.",
            "Send one that it takes.",
            {"http_status": 415},
        ),
        "range_not_satisfiable": (
            "The part begins after the end of the file.",
            "Ask for a range that begins within it.",
            {"http_status": 416},
        ),
        "method_not_allowed": ("The path does not take this method.", "Use one that the header `Allow` names.", {"http_status": 405}),
        "cancelled": ("The call was cancelled by its client.", "Call again."),
    },
    NotFoundError: {
        "TABLE_NOT_FOUND": ("There is no such table, or this key may not see it.", "Look at the list of tables."),
        "PATH_NOT_FOUND": ("There is nothing at this path, or this key may not see it.", "Look at the list of tables and directories."),
        "DIRECTORY_NOT_FOUND": ("There is no such directory, or this key may not see it.", "Look at the list of directories."),
        "COLUMN_NOT_FOUND": ("The table has no such column.", "Look at the columns of the table."),
        "INDEX_NOT_FOUND": ("The table or column has no such index.", "Look at its indexes, or add one."),
        "FUNCTION_NOT_FOUND": ("There is no such function.", "Look at the list of functions."),
        "ROW_NOT_FOUND": ("The table has no such row.", "It may have been deleted; ask for the rows again."),
        "STORAGE_NOT_FOUND": ("The place where files were to be stored does not exist.", "Name one that the server has."),
        "SERVICE_NOT_FOUND": ("Pixeltable knows no such service.", "Name one that it knows."),
        "DEPLOYMENT_NOT_FOUND": ("Pixeltable knows no such deployment.", "Name one that it knows."),
        "media_not_found": (
            "There is no such media value, or the link to it is no longer good.",
            "Ask for the row again; links last 15 minutes.",
        ),
        "route_not_found": ("There is nothing at this URL.", "Look at /docs."),
    },
    UnauthenticatedError: {
        "key_missing": ("The request has no key.", "Send `Authorization: Bearer KEY`, or `X-API-Key: KEY`."),
        "key_invalid": ("The key is not known.", "Send a key of this server that has not been revoked."),
    },
    PermissionDeniedError: {
        "permission_denied": ("The key may not do this.", "Ask the owner for a key that may."),
        "INSUFFICIENT_PRIVILEGES": ("The server's account at Pixeltable may not do this; your key is good.", "Tell who runs the server."),
        "MISSING_CREDENTIALS": ("The server has no account for a service that it needs; your key is good.", "Tell who runs the server."),
    },
    StaleTicketError: {
        "ticket_expired": ("The ticket is older than its hour.", "Ask for a new one."),
        "ticket_invalid": ("The ticket is not one of this server.", "Ask for a new one."),
        "ticket_stale": ("The table has changed too much for the ticket to be read again.", "Ask for a new one."),
    },
    ConflictError: {
        "CONSTRAINT_VIOLATION": (
            "A primary key is there already, or something depends on what was to go.",
            "The message says what stands against it.",
        ),
        "PATH_ALREADY_EXISTS": ("The path is taken.", "Choose another, or say what to do where it exists."),
        "COLUMN_ALREADY_EXISTS": ("The table has a column of this name.", "Choose another name."),
        "INDEX_ALREADY_EXISTS": ("The table has an index of this name.", "Choose another name."),
        "FUNCTION_ALREADY_EXISTS": ("There is a function of this name.", "Choose another name."),
        "INVALID_STATE": ("The table is not in a state in which this can be done.", "The message says what is in its way."),
        "NOT_BOUND": ("A query has parameters without values.", "Give each a value."),
        "ALREADY_BOUND": ("A query has its values already.", "Use it as it is."),
        "confirmation_required": (
            "The call drops what cannot be had back, and is not confirmed.",
            "Call again within 5 minutes with the `confirm` of `where`.",
        ),
        "idempotency_key_reused": ("The idempotency key was used for another write.", "Use a new key for each write."),
        "too_many_affected": (
            "The write would change more rows than it allows itself; nothing was written.",
            "Narrow it, or raise `max_affected`.",
        ),
        "precondition_failed": (
            "The row is another than the version that `If-Match` names; nothing was written.",
            "Read it again, and decide anew.",
            {"http_status": 412},
        ),
        "row_id_unsupported": ("Rows of this table have no row id.", "Name them by their primary key."),
    },
    UnavailableError: {
        "unavailable": ("The server is starting, stopping or full.", "Try again after the seconds of `Retry-After`."),
        "table_busy": ("The table is being changed by somebody else.", "Try again."),
        "timeout": ("The server took longer than it allows itself.", "Ask for less.", {"grpc_status": "DEADLINE_EXCEEDED"}),
        "client_too_slow": (
            "The client took its rows too slowly, and the space for those that wait is used up.",
            "Read faster, or ask for less.",
        ),
        "disk_full": ("The server has no space left for this.", "Tell who runs the server."),
        "FILE_CACHE_FULL": ("Pixeltable's cache of files has no space left.", "Tell who runs the server.", {"http_status": 507}),
        "DATABASE_UNAVAILABLE": ("The store's database does not answer.", "Try again."),
        "STORE_UNAVAILABLE": ("A store of files does not answer.", "Try again."),
        "SERIALIZATION_FAILURE": ("The write met another one.", "Send it again.", {"http_status": 409}),
        "CONCURRENT_MODIFICATION": ("The table was changed in the meantime.", "Send it again.", {"http_status": 409}),
    },
    RateLimitedError: {
        "rate_limited": ("The key calls this operation too often.", "Try again after the seconds of `Retry-After`."),
    },
    ProviderError: {
        "PROVIDER_ERROR": ("A service that the server asked for an answer failed.", "Try again.", {"retryable": True}),
        "PROVIDER_AUTH_ERROR": ("A service refuses the server's account; your key is good.", "Tell who runs the server."),
        "PROVIDER_BAD_REQUEST": (
            "A service refuses what it was asked to compute.",
            "Look at the values that the column is computed from.",
            {"http_status": 400},
        ),
        "PROVIDER_TIMEOUT": (
            "A service did not answer in time.",
            "Try again.",
            {"http_status": 504, "grpc_status": "DEADLINE_EXCEEDED", "retryable": True},
        ),
        "PROVIDER_OVERLOADED": ("A service has too much to do.", "Try again later.", {"http_status": 503, "retryable": True}),
        "RATE_LIMITED": ("A service is asked too often by this server.", "Try again later.", {"http_status": 429, "retryable": True}),
    },
    ConnectError: {
        "connect_failed": ("No server answers at the address.", "Start one, or correct the address."),
        "home_unusable": ("The Pixeltable home cannot be used.", "Name a folder that the server may write."),
        "home_in_use": ("Another server serves this home.", "Use that one, or stop it."),
        "port_in_use": ("The port is taken by another process.", "Choose another."),
        "address_unusable": ("The server cannot listen on the address.", "Name one of this machine."),
        "start_failed": ("The server ended while it was starting.", "Its log says why."),
        "pixeltable_unsupported": ("The installed Pixeltable is of a release that this server does not know.", "Install one that it does."),
    },
    ServerError: {
        "INTERNAL_ERROR": ("The server made a mistake.", "Tell who runs the server the request id: its log says more under it."),
    },
}


def _entry(code: str, kind: type[PxtFlightError], meaning: str, remedy: str, other: dict[str, Any] | None = None) -> ErrorCode:
    as_class = {name: getattr(kind, name) for name in ("http_status", "grpc_status", "retryable")}
    return ErrorCode(code, kind, meaning, remedy, **as_class | (other or {}))


REFERENCE: dict[str, ErrorCode] = {code: _entry(code, kind, *row) for kind, rows in _TABLE.items() for code, row in rows.items()}
CODES: dict[str, type[PxtFlightError]] = {code: entry.kind for code, entry in REFERENCE.items()}


def error(
    code: str, message: str, *, hint: str | None = None, where: dict[str, Any] | None = None, request_id: str | None = None
) -> PxtFlightError:
    """Make the error of `code`, of the class and with the statuses that the table gives it."""
    return CODES[code](code, message, hint=hint, where=where, request_id=request_id)


def from_json(body: bytes) -> PxtFlightError:
    """Turn what `PxtFlightError.to_json` wrote back into an error.

    A code that this version does not know (a newer server) becomes a plain `PxtFlightError` that keeps it.

    Raises:
        ValueError: `body` is not the JSON of an error.
    """
    fields = json.loads(body)
    if not isinstance(fields, dict) or not {"code", "message"} <= fields.keys():
        raise ValueError("not an error of pxt-flight")
    kind = CODES.get(fields["code"], PxtFlightError)
    kept = {name: fields.get(name) for name in ("hint", "where", "request_id")}
    return kind(fields["code"], fields["message"], **kept)


def _bounded(text: str, size: int) -> str:
    """The text as valid Unicode (half of a surrogate pair, which JSON can name, becomes `?`) of at most so many bytes."""
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= size else encoded[: size - 3].decode(errors="ignore") + "..."
