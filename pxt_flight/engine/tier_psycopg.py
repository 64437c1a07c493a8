"""The tier `psycopg`: a planned statement row by row, with the rights of Pixeltable's own login, which is no superuser.

For a Postgres on which no restricted role can be made. Each statement runs in a read-only transaction; what keeps it from more than that
is the allow-list of `grammar` alone, so a superuser's login never comes here.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
import pyarrow as pa

from pxt_flight.engine.blobs import is_blob
from pxt_flight.engine.cells import MediaCells
from pxt_flight.engine.documents import Converter, stored_values
from pxt_flight.engine.passing import gathered
from pxt_flight.engine.planner import SqlPlan
from pxt_flight.engine.runs import new_run
from pxt_flight.engine.scan import OnOpen, Stream, Tier, UrlOf, finished
from pxt_flight.engine.store import Connection, Store
from pxt_flight.errors import error

_ROWS = 2048  # of a batch
_PATIENCE = 30.0  # seconds to wait for one of the streams
_STREAMS = 12  # at once: each holds a connection of the store's, and may need another to look up media cells


class OwnLogin:
    """Pixeltable's login as what reads.

    Args:
        store: its connections.
        timeout: seconds that a statement may take.
    """

    tier: Tier = "psycopg"

    def __init__(self, store: Store, *, timeout: float) -> None:
        self._store = store
        self._timeout = int(timeout * 1000)
        self._streams = threading.BoundedSemaphore(_STREAMS)

    def describe(self, statement: str) -> pa.Schema:
        """See `adbc.ConnectionPool.describe`: Postgres' types are in the metadata of the fields."""
        with self._store.connection() as connection:
            prepared = connection.pgconn.prepare(b"", statement.encode())
            if prepared.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(prepared)
            columns = connection.pgconn.describe_prepared(b"")
            kinds = [columns.ftype(i) for i in range(columns.nfields)]
            names = dict(connection.execute("SELECT oid::bigint, typname FROM pg_type WHERE oid = ANY(%s)", [kinds]).fetchall())
            fields = []
            for i, kind in enumerate(kinds):
                metadata = {"POSTGRESQL:type": names[kind], "POSTGRESQL:typmod": str(columns.fmod(i))}
                fields.append(pa.field((columns.fname(i) or b"?column?").decode(), pa.null(), metadata=metadata))
            return pa.schema(fields)

    def explain(self, statement: str) -> list[str]:
        """See `adbc.ConnectionPool.explain`."""
        with self._store.connection() as connection:
            self._begin(connection)
            return [row[0] for row in connection.execute(f"EXPLAIN {statement}".encode()).fetchall()]

    def open(
        self, plan: SqlPlan, parameters: Sequence[Any], on_open: OnOpen | None = None, url_of: UrlOf | None = None, *, is_pinned: bool
    ) -> Stream | None:
        """See `tier_copy.open_copy`."""
        run = new_run()
        statement = plan.statement(parameters, run)
        if not self._streams.acquire(timeout=_PATIENCE):
            raise error("unavailable", "The server is busy.", hint="Try again.")
        with ExitStack() as stack:
            stack.callback(self._streams.release)
            connection = stack.enter_context(self._store.connection())
            self._begin(connection)
            if not plan.held.is_true(*self._store.seen_by(connection), is_pinned=is_pinned):
                return None
            cursor = stack.enter_context(connection.cursor(name="pxt_flight"))
            if on_open is not None:
                on_open(connection.cancel_safe)
            cursor.execute(statement.encode())
            kept = stack.pop_all()
        stored = stored_values(plan.schema, plan.sources, run, self._store)
        cells = MediaCells(plan.sources, plan.media_columns, run, plan.mode, self._store, url_of)
        batches = _batches(plan, cursor, kept, stored, cells)
        return Stream(plan.schema, batches, "psycopg", connection.cancel_safe, kept.close)

    def close(self) -> None:
        """Nothing is kept: the connections are the store's."""

    def _begin(self, connection: Connection) -> None:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SET LOCAL TIME ZONE 'UTC'")
        connection.execute(f"SET LOCAL statement_timeout = {self._timeout}".encode())


def _batches(
    plan: SqlPlan, cursor: Any, kept: ExitStack, converters: Sequence[Converter | None], cells: MediaCells
) -> Iterator[pa.RecordBatch]:
    types = [_wire_type(field) for field in plan.schema]
    for passed in plan.passed:
        types[passed.place] = pa.int64()
        types += [pa.int64()] * len(passed.rest)
    with kept:
        while rows := cursor.fetchmany(_ROWS):
            arrays = [_array(list(column), kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
            found = gathered(arrays, plan.passed)
            columns = [column if convert is None else convert(column) for column, convert in zip(found, converters, strict=True)]
            yield from finished(plan.schema, columns, len(rows), plan.mode, cells)


def _wire_type(field: pa.Field) -> pa.DataType:
    """As what a column comes from Postgres."""
    return pa.binary() if is_blob(field) or b"pxt:media" in (field.metadata or {}) else field.type


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.UuidType):
        values = [None if value is None else value.bytes for value in values]
    elif pa.types.is_duration(kind):  # microseconds already
        return pa.array(values, pa.int64()).cast(kind)
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, OverflowError):
        raise error("INVALID_ARGUMENT", "A value of the query is out of range.") from None
