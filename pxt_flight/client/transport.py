"""One Flight connection with its key."""

import datetime as dt
import decimal
import json
import threading
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.client.background import in_background
from pxt_flight.client.deprecations import Deprecations
from pxt_flight.client.faults import translated
from pxt_flight.client.push import Push
from pxt_flight.errors import error

# Seconds that a server has for its first answer: a port on which something else listens may never answer.
FIRST_ANSWER_TIMEOUT = 30.0


class Transport:
    """A connection to a server; connecting itself sends nothing.

    Args:
        uri: `grpc://host:port` or `grpc+tls://host:port`.
        key: the key of the caller.
    """

    def __init__(self, uri: str, key: str) -> None:
        self.uri = uri
        self._connected = False
        self._deprecations = Deprecations()
        with translated(uri, connected=False):
            self._client = fl.connect(uri, middleware=[self._deprecations])
        self._closing = threading.Lock()
        self._closed = False
        self._headers = [(b"authorization", f"Bearer {key}".encode())]
        self._options = fl.FlightCallOptions(headers=self._headers)

    def call(self, action: str, **arguments: Any) -> Any:
        """Run an operation of the registry as a Flight action, JSON in and out."""
        options = self._options if self._connected else fl.FlightCallOptions(timeout=FIRST_ANSWER_TIMEOUT, headers=self._headers)
        body = json.dumps(arguments, default=_plain).encode()
        with translated(self.uri, connected=self._connected):
            results = in_background(lambda: list(self._client.do_action(fl.Action(action, body), options)), discard=list.clear)
        self._connected = True
        self._deprecations.warn()
        return json.loads(results[0].body.to_pybytes())

    def read(self, command: dict[str, Any]) -> fl.FlightStreamReader:
        """The rows that the body of `query` asks for. The schema has arrived when this returns."""
        body = json.dumps(command, default=_plain).encode()
        with translated(self.uri, connected=self._connected):
            reader = in_background(lambda: self._client.do_get(fl.Ticket(body), self._options), discard=fl.FlightStreamReader.cancel)
        self._deprecations.warn()
        return reader

    def push(self, command: dict[str, Any], schema: pa.Schema) -> Push:
        """Begin to send rows to an operation: `{"table.insert": {"table_path": "films"}}`."""
        descriptor = fl.FlightDescriptor.for_command(json.dumps(command, default=_plain).encode())
        return Push(lambda: self._put(descriptor, schema), schema, self.uri)

    def warn(self) -> None:
        """Warn of what the server said is deprecated; `call` and `read` do by themselves, a push is not over when `push` returns."""
        self._deprecations.warn()

    def close(self) -> None:
        """Close the connection."""
        with self._closing:
            self._closed = True
            self._client.close()

    def _put(self, descriptor: fl.FlightDescriptor, schema: pa.Schema) -> Any:
        # A push begins in a thread of its own; pyarrow crashes where it asks a client that was closed meanwhile (26.0.1).
        with self._closing:
            if self._closed:
                raise error("connect_failed", "The connection was closed.", hint="Connect again.")
            return self._client.do_put(descriptor, schema, self._options)


def _plain(value: Any) -> Any:
    """A parameter that JSON has no type for: as text it takes the type of the column beside it."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if hasattr(value, "tolist"):  # of numpy
        return value.tolist()
    raise TypeError(f"a parameter of type {type(value).__name__} cannot be sent")
