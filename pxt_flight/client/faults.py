"""Flight's errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.errors import PxtFlightError, error, from_json

_LOST = "The connection to the server was lost."
_ENDED = "The server ended the call."


@contextmanager
def translated(uri: str, *, connected: bool) -> Iterator[None]:
    """Raise the server's own error in place of Flight's.

    Args:
        uri: the server's address, for the error that none answers there.
        connected: whether it has answered before, so that silence means a lost connection.
    """
    try:
        yield
    except (fl.FlightError, pa.ArrowException, OSError) as fault:
        raise _ours(fault, uri, connected=connected) from None


def is_lost(fault: PxtFlightError) -> bool:
    """Whether the connection was lost, so that nobody said what became of the call."""
    return fault.code == "unavailable" and fault.message in (_LOST, _ENDED)


def _ours(fault: Exception, uri: str, *, connected: bool) -> PxtFlightError:
    with suppress(ValueError):
        return from_json(getattr(fault, "extra_info", b"") or b"")
    if not connected:
        # Whatever comes back first without our JSON (or an address that cannot be read): no server of ours says it.
        return error("connect_failed", f"No server answers at {uri}.", hint="Start one: pxt-flight serve --home DIR.")
    if isinstance(fault, fl.FlightUnavailableError):
        return error("unavailable", _LOST, hint="Run the query again.")
    if isinstance(fault, fl.FlightCancelledError):  # gRPC's own word while a server shuts down; who cancels here has left
        return error("unavailable", _ENDED, hint="Try again.")
    if isinstance(fault, fl.FlightTimedOutError):
        return error("timeout", "The server took too long.", hint="Ask for fewer rows.")
    return error("INTERNAL_ERROR", str(fault).split(". Detail:")[0])
