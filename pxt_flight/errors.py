"""One family of errors: the same code, message, hint and place on Flight, HTTP and in Python.

    PxtFlightError
    ├── InvalidRequestError      the request is at fault and changes nothing
    ├── NotFoundError            a table or column that does not exist, or may not be seen
    ├── UnauthenticatedError     no key, a wrong key
    ├── PermissionDeniedError    the key may not do this
    ├── StaleTicketError         a ticket that cannot be read any more; ask for a new one
    ├── ConflictError            what the tables hold now stands against it
    ├── UnavailableError         try again later
    ├── ConnectError             no server answered, or none could be started
    └── ServerError              a fault of ours, logged under its request id

A code is a promise: it is never renamed. Names that Pixeltable already gives (`COLUMN_NOT_FOUND`) are kept as they are, ours are in
lower case. `CODES` is the one table from a code to its class; the class holds the HTTP status (RFC 9457) and whether a retry may help.
"""

import json
from typing import Any, ClassVar

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

    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

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


class PermissionDeniedError(PxtFlightError):
    """The key is good, but may not do this."""

    http_status = 403


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
    retryable = True


class ConnectError(PxtFlightError):
    """No server answered, or none could be started; never sent over a wire."""

    http_status = 503


class ServerError(PxtFlightError):
    """A fault of the server, logged there under `request_id`."""


CODES: dict[str, type[PxtFlightError]] = {
    "sql_syntax": InvalidRequestError,
    "sql_not_allowed": InvalidRequestError,
    "sql_unsupported": InvalidRequestError,
    "type_unsupported": InvalidRequestError,
    "TYPE_MISMATCH": InvalidRequestError,
    "INVALID_EXPRESSION": InvalidRequestError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "method_not_allowed": InvalidRequestError,
    "INVALID_CONFIGURATION": InvalidRequestError,
    "UNSUPPORTED_OPERATION": InvalidRequestError,
    "media_unreadable": InvalidRequestError,
    "result_too_large": InvalidRequestError,
    "MISSING_REQUIRED": InvalidRequestError,
    "predicate_required": InvalidRequestError,
    "upload_incomplete": InvalidRequestError,
    "upload_too_large": InvalidRequestError,
    "route_not_found": NotFoundError,
    "TABLE_NOT_FOUND": NotFoundError,
    "COLUMN_NOT_FOUND": NotFoundError,
    "DIRECTORY_NOT_FOUND": NotFoundError,
    "FUNCTION_NOT_FOUND": NotFoundError,
    "media_not_found": NotFoundError,
    "ROW_NOT_FOUND": NotFoundError,
    "key_missing": UnauthenticatedError,
    "key_invalid": UnauthenticatedError,
    "permission_denied": PermissionDeniedError,
    "ticket_expired": StaleTicketError,
    "ticket_invalid": StaleTicketError,
    "ticket_stale": StaleTicketError,
    "CONSTRAINT_VIOLATION": ConflictError,
    "PATH_ALREADY_EXISTS": ConflictError,
    "idempotency_key_reused": ConflictError,
    "too_many_affected": ConflictError,
    "row_id_unsupported": ConflictError,
    "unavailable": UnavailableError,
    "table_busy": UnavailableError,
    "disk_full": UnavailableError,
    "client_too_slow": UnavailableError,
    "timeout": UnavailableError,
    "cancelled": InvalidRequestError,
    "connect_failed": ConnectError,
    "home_unusable": ConnectError,
    "home_in_use": ConnectError,
    "port_in_use": ConnectError,
    "address_unusable": ConnectError,
    "start_failed": ConnectError,
    "pixeltable_unsupported": ConnectError,
    "INTERNAL_ERROR": ServerError,
}


def error(
    code: str, message: str, *, hint: str | None = None, where: dict[str, Any] | None = None, request_id: str | None = None
) -> PxtFlightError:
    """Make the error of `code`, of the class that `CODES` gives it."""
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
