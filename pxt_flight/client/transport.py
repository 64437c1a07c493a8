"""One Flight connection with its key, and Flight's errors as ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.errors import PxtFlightError, error, from_json


class Transport:
    """A connection to a server; connecting itself sends nothing.

    Args:
        uri: `grpc://host:port` or `grpc+tls://host:port`.
        key: the key of the caller.
    """

    def __init__(self, uri: str, key: str) -> None:
        self.uri = uri
        with translated(uri):
            self._client = fl.connect(uri)
        self._options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {key}".encode())])

    def call(self, action: str, **arguments: Any) -> Any:
        """Run an operation of the registry as a Flight action, JSON in and out."""
        body = json.dumps(arguments).encode()
        with translated(self.uri):
            results = list(self._client.do_action(fl.Action(action, body), self._options))
        return json.loads(results[0].body.to_pybytes())

    def read(self, command: bytes) -> fl.FlightStreamReader:
        """The rows that a command asks for: SQL, or the JSON body of `query`. The schema has arrived when this returns."""
        with translated(self.uri):
            return self._client.do_get(fl.Ticket(command), self._options)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextmanager
def translated(uri: str, *, connected: bool = False) -> Iterator[None]:
    """Raise the server's own error in place of Flight's.

    Args:
        uri: the server's address, for the error that none answers there.
        connected: whether it has answered before, so that silence means a lost connection.
    """
    try:
        yield
    except (fl.FlightError, pa.ArrowException, OSError) as fault:
        if connected and isinstance(fault, fl.FlightUnavailableError) and not fault.extra_info:
            raise error("unavailable", "The connection to the server was lost.", hint="Run the query again.") from None
        raise _ours(fault, uri) from None


def _ours(fault: Exception, uri: str) -> PxtFlightError:
    with suppress(ValueError):
        return from_json(getattr(fault, "extra_info", b"") or b"")
    if isinstance(fault, fl.FlightUnavailableError | pa.ArrowInvalid | pa.ArrowKeyError):
        return error("connect_failed", f"No server answers at {uri}.", hint="Start one: pxt-flight serve --home DIR.")
    if isinstance(fault, fl.FlightCancelledError):  # gRPC's own word while a server shuts down; we cancel nothing ourselves
        return error("unavailable", "The server ended the call.", hint="Try again.")
    if isinstance(fault, fl.FlightTimedOutError):
        return error("timeout", "The server took too long.", hint="Ask for fewer rows.")
    return error("INTERNAL_ERROR", str(fault).split(". Detail:")[0])
