"""`connect` and what it answers."""

import datetime as dt
import decimal
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql import dbapi as flightsql

from pxt_flight.client.result import Result
from pxt_flight.client.table import Table
from pxt_flight.client.transport import Transport
from pxt_flight.errors import error

# Of one message. The server slices at 2 MiB; a single larger value (a photograph as bytes) is one message all the same.
MAX_MESSAGE_BYTES = 1 << 30


class Database:
    """A connection to a pxt-flight server; made by `connect`, usable as a context manager.

    Attributes:
        uri: `grpc://host:port` of the server.
    """

    def __init__(self, uri: str, key: str) -> None:
        self.uri = uri
        self._key = key
        self._transport = Transport(uri, key)

    def sql(self, query: str, parameters: Sequence[Any] = (), *, media: str | None = None) -> Result:
        """Run one SELECT.

        Args:
            query: PostgreSQL's SELECT over one table; placeholders are `$1` or `?`.
            parameters: the values of the placeholders, in order.
            media: how images are sent: `thumbnail:N` (default, N = 256 pixels) or `bytes`.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        body = {"sql": query, "parameters": list(parameters)} | ({} if media is None else {"media": media})
        command = json.dumps(body, default=_plain).encode()
        return Result(self._transport.read(command), self.uri)

    def table(self, name: str) -> Table:
        """A table by its name: `films`, `dir.films` or `dir/films`. Whether it exists is asked when it is read."""
        return Table(name.replace(".", "/"), self.sql)

    def __getitem__(self, name: str) -> Table:
        return self.table(name)

    def tables(self, directory: str = "/") -> list[str]:
        """The paths of the tables in a directory and below it."""
        found: list[str] = self._transport.call("pixeltable.list_tables", dir_path=directory)
        return found

    def adbc(self) -> flightsql.Connection:
        """An ADBC connection (DB-API) to the same server with the same key: for `pl.read_database`, DuckDB, dbt and the like."""
        options = {
            DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {self._key}",
            DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(MAX_MESSAGE_BYTES),
        }
        return flightsql.connect(self.uri, db_kwargs=options, autocommit=True)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.uri!r})"  # never the key: notebooks are saved


def connect(uri: str | None = None, *, key: str | None = None, home: str | Path | None = None) -> Database:
    """Connect to a pxt-flight server.

    Args:
        uri: `grpc://host:port`; then `key`, or PXT_FLIGHT_KEY, is needed too.
        key: the key to come in with.
        home: the Pixeltable home of a server that runs on this machine; its address and key are found there.

    Without arguments PXT_FLIGHT_URI and PXT_FLIGHT_KEY are used.

    Raises:
        ConnectError: no server was found, or none answers; the hint says what to do.
        UnauthenticatedError: the server does not know the key.
    """
    if home is not None:
        uri, key = _server_in(Path(home).expanduser())
    uri = uri or os.environ.get("PXT_FLIGHT_URI")
    key = key or os.environ.get("PXT_FLIGHT_KEY")
    if uri is None:
        raise error("connect_failed", "No server was named.", hint="connect(home=...), connect(uri, key=...), or set PXT_FLIGHT_URI.")
    if key is None:
        raise error("key_missing", "No key was given.", hint="Pass key=, or set PXT_FLIGHT_KEY.")
    database = Database(uri, key)
    try:
        database.tables()  # a wrong address or key is told here, not at the first query
    except BaseException:
        database.close()
        raise
    return database


def _server_in(home: Path) -> tuple[str, str]:
    try:
        server = json.loads((home / "pxt_flight" / "server.json").read_bytes())
        return server["flight_uri"], server["key"]
    except (OSError, ValueError, KeyError, TypeError):
        raise error(
            "connect_failed",
            "No server runs in that home, or it belongs to another user.",
            hint="Start one: pxt-flight serve --home DIR.",
        ) from None


def _plain(value: Any) -> Any:
    """A parameter that JSON has no type for: as text it takes the type of the column beside it."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise TypeError(f"a parameter of type {type(value).__name__} cannot be sent")
