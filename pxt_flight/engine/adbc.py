"""Connections to Pixeltable's Postgres through ADBC, as the restricted role: COPY into Arrow, each query in its own snapshot."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError

from pxt_flight.engine.faults import translated
from pxt_flight.engine.store import LOCK_SECONDS
from pxt_flight.errors import PxtFlightError, error

# About 8 ms of stream each, and a server that holds 7 MB for any number of rows (the default of 16 MiB holds 40).
BATCH_BYTES = 1 << 20


class SnapshotReader:
    """One connection inside of a read-only transaction; returned to its pool by `close`."""

    def __init__(self, pool: "ConnectionPool", connection: Any) -> None:
        self._pool = pool
        self._connection = connection
        self._cursor: Any = None
        self._cancelled = False
        self._lock = threading.Lock()

    def read(self, statement: str, on_open: Callable[[Callable[[], None]], None] | None = None) -> pa.RecordBatchReader:
        """Start a statement; its rows stream in batches of about `BATCH_BYTES`.

        Args:
            statement: a query.
            on_open: given `cancel` before the statement runs: it returns with the first rows, which may take as long as all of them.
        """
        with _clean_errors():
            self._cursor = self._connection.cursor()
            # COPY is ADBC's only way that streams: a statement with parameters of its own would be read whole.
            self._cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
            if on_open is not None:
                on_open(self.cancel)
            self._cursor.execute(statement)
            return self._cursor.fetch_record_batch()

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The batches of `read`, with errors of Postgres made ours."""
        while True:
            try:
                with _clean_errors():
                    batch = reader.read_next_batch()
            except StopIteration:
                return
            except PxtFlightError:
                if self._cancelled:
                    raise error("unavailable", "The server is stopping.", hint="Try again.") from None
                raise
            yield batch

    def cancel(self) -> None:
        """Stop the statement that runs, from any thread; whoever reads is told that the server is stopping."""
        with self._lock:
            # Not one that has ended: its connection may run another's statement by now.
            if self._connection is not None and self._cursor is not None:
                self._cancelled = True
                with suppress(AdbcError, OSError):
                    self._cursor.adbc_cancel()

    def close(self, *, finished: bool = True) -> None:
        """End the transaction, on the thread that reads. `finished=False` (an error, a client that left) stops Postgres first."""
        if not finished:
            self.cancel()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(AdbcError, OSError):
            if self._cursor is not None:
                self._cursor.close()
        self._pool.give_back(connection, reusable=finished)


class ConnectionPool:
    """Idle ADBC connections, each a read-only session with time limits.

    Args:
        uri: libpq's connection URI of the restricted role.
        timeout: seconds a statement may take.
        idle: how many unused connections are kept.
    """

    def __init__(self, uri: str, *, timeout: float, idle: int = 4) -> None:
        self._uri = uri
        self._timeout = timeout
        self._idle_limit = idle
        self._idle: list[Any] = []
        self._closed = False
        self._lock = threading.Lock()

    def describe(self, statement: str) -> pa.Schema:
        """The columns of a statement, without running it; Postgres' types are in the metadata of the fields.

        Raises:
            PxtFlightError: Postgres cannot plan it.
        """
        with _clean_errors():
            connection = self._take()
            try:
                with connection.cursor() as cursor:
                    schema: pa.Schema = cursor.adbc_execute_schema(statement)
            except BaseException:
                self.give_back(connection, reusable=False)
                raise
        self.give_back(connection, reusable=True)
        return schema

    def explain(self, statement: str) -> list[str]:
        """The lines of Postgres' plan of a statement, without running it."""
        with _clean_errors():
            connection = self._take()
            try:
                with connection.cursor() as cursor:
                    # ADBC would wrap it in COPY (...), which takes queries only; one that returns rows can be prepared.
                    cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
                    cursor.execute(f"EXPLAIN (VERBOSE OFF) {statement}")
                    return [row[0] for row in cursor.fetchall()]
            finally:
                self.give_back(connection, reusable=False)

    def join_snapshot(self, snapshot: str) -> SnapshotReader:
        """A connection in a read-only transaction that sees an exported snapshot; its exporter must still be open.

        Raises:
            UnavailableError: Postgres takes no further connection.
        """
        with _clean_errors():
            connection = self._take()
            try:
                _run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                _run(connection, f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            except BaseException:
                self.give_back(connection, reusable=False)
                raise
        return SnapshotReader(self, connection)

    def give_back(self, connection: Any, *, reusable: bool) -> None:
        """Take a connection back; one that is not reusable, or one too many, is closed."""
        with suppress(AdbcError, OSError):
            _run(connection, "COMMIT" if reusable else "ROLLBACK")
            with self._lock:
                if reusable and len(self._idle) < self._idle_limit:
                    self._idle.append(connection)
                    return
        with suppress(AdbcError, OSError):
            connection.close()
        if not reusable:
            # A statement that was cut off may still get its cancellation: not on a connection that serves another by then. Opening one
            # takes 35 ms, which the next query should not wait for.
            threading.Thread(target=self._replace, name="pxt-flight connection", daemon=True).start()

    def close(self) -> None:
        """Close the unused connections."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._closed = True
        for connection in idle:
            with suppress(AdbcError, OSError):
                connection.close()

    def _take(self) -> Any:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            try:
                _run(connection, "SELECT 1")
            except (AdbcError, OSError):  # Postgres was restarted meanwhile
                with suppress(AdbcError, OSError):
                    connection.close()
            else:
                return connection
        return self._connect()

    def _replace(self) -> None:
        with suppress(AdbcError, OSError):
            if self._wants_one():
                connection = self._connect()
                if self._wants_one():
                    self._idle.append(connection)
                else:
                    connection.close()

    def _wants_one(self) -> bool:
        return not self._idle and not self._closed

    def _connect(self) -> Any:
        # autocommit: ADBC's default holds a transaction open between queries, which blocks every schema change of a table read once.
        connection = adbc.connect(self._uri, autocommit=True)
        milliseconds = int(self._timeout * 1000)
        # On the wire every timestamp is UTC, so a date or a text without a zone beside one is, too, whatever the server's own zone.
        _run(connection, "SET TIME ZONE 'UTC'")
        _run(connection, f"SET statement_timeout = {milliseconds}")
        _run(connection, f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
        _run(connection, f"SET idle_in_transaction_session_timeout = {milliseconds}")
        _run(connection, "SET default_transaction_read_only = on")
        return connection


def _run(connection: Any, statement: str) -> None:
    # Not cursor.execute: ADBC wraps that in COPY (...), which takes queries only.
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(statement)
        cursor.adbc_statement.execute_update()


@contextmanager
def _clean_errors() -> Iterator[None]:
    """Postgres' errors quote the statement; say what they mean instead."""
    try:
        yield
    except (AdbcError, pa.ArrowException, OSError) as fault:
        details = dict(getattr(fault, "details", None) or [])
        primary = details.get("PG_DIAG_MESSAGE_PRIMARY") or details.get(b"PG_DIAG_MESSAGE_PRIMARY") or str(fault).encode()
        text = primary.decode(errors="replace") if isinstance(primary, bytes) else primary
        raise translated(getattr(fault, "sqlstate", None) or "", text) from fault
