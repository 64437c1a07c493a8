"""Our errors as Flight's, and the one wrapper around every handler: no traceback and no path ever leaves the server.

pyarrow sends the whole traceback, with file paths, for any exception that is not a `FlightError`; so nothing else is let through. It has
no Flight error for NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT, RESOURCE_EXHAUSTED or ABORTED (Arrow's own statuses for some of them carry
no `extra_info`), so those go as UNKNOWN with our code in front of the message. The full error travels as JSON in `extra_info`, which our
own client reads.
"""

import functools
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow.flight as fl

from pxt_flight import errors
from pxt_flight.errors import PxtFlightError
from pxt_flight.trace import describe

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger(__name__)

# By `ErrorCode.grpc_status`.
_FLIGHT_ERRORS: dict[str, type[fl.FlightError]] = {
    "UNAUTHENTICATED": fl.FlightUnauthenticatedError,
    "PERMISSION_DENIED": fl.FlightUnauthorizedError,
    "UNAVAILABLE": fl.FlightUnavailableError,
    "DEADLINE_EXCEEDED": fl.FlightTimedOutError,
    "INTERNAL": fl.FlightInternalError,
    "UNKNOWN": fl.FlightServerError,
}


def flight_error(fault: BaseException) -> fl.FlightError:
    """The Flight error that a client is sent; anything unforeseen is logged under an id, and only the id is sent."""
    if isinstance(fault, fl.FlightError):
        return fault
    if not isinstance(fault, PxtFlightError) or isinstance(fault, errors.ServerError):
        request_id = uuid.uuid4().hex[:12]
        log.error("request %s failed: %s", request_id, describe(fault))
        fault = errors.error(
            "INTERNAL_ERROR", "The server could not answer.", hint=f"Its log says why, under {request_id}.", request_id=request_id
        )
    # `cancelled` too goes as UNKNOWN: at gRPC's CANCELLED pyarrow's readers believe in a Ctrl-C, and raise KeyboardInterrupt.
    return _FLIGHT_ERRORS[fault.grpc_status](str(fault), extra_info=fault.to_json())


def guarded(handler: F) -> F:
    """Wrap a handler of the server: whatever it raises becomes a `flight_error`."""

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as fault:  # noqa: BLE001  # the border: everything is translated, the unforeseen is logged
            raise flight_error(fault) from None

    return wrapper  # type: ignore[return-value]  # the same signature


class UntracedError(Exception):
    """An error that pyarrow sends without its traceback, because that cannot be formatted.

    Where formatting fails, Arrow sends the message and the name of the class alone (`PythonErrorDetail::ToString`).
    """

    @property
    def __cause__(self) -> None:  # type: ignore[override]  # read by `traceback`
        raise AttributeError


def untraced(handler: F) -> F:
    """Like `guarded`, for GetSchema: the one callback in which pyarrow catches no `FlightError`, and sends its traceback instead."""

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except Exception as fault:  # noqa: BLE001
            raise UntracedError(str(flight_error(fault))) from None

    return wrapper  # type: ignore[return-value]


def guarded_stream(items: Iterator[Any]) -> Iterator[Any]:
    """Like `guarded`, for the items that a handler yields after it returned."""
    try:
        yield from items
    except Exception as fault:  # noqa: BLE001
        raise flight_error(fault) from None
