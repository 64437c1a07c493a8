"""`aconnect` and what it answers: the client for code that awaits.

It is the same client, run by threads; a stream that is left is cancelled.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import pyarrow as pa

from pxt_flight.client.database import Database, connect
from pxt_flight.client.operations import AsyncDatabaseOperations, AsyncTableOperations
from pxt_flight.client.result import Result
from pxt_flight.client.table import Table
from pxt_flight.client.twins import in_thread, stream_twin, twin
from pxt_flight.client.written import Written

P = ParamSpec("P")
S = TypeVar("S")


class AsyncResult:
    """Rows that a server streams, awaited: `await result.to_polars()`, or `async for batch in result`.

    An awaited read that is cancelled, and a loop that is left, ends the stream, on the server too.

    Attributes:
        schema: the columns, known before any row has come.
    """

    def __init__(self, result: Result) -> None:
        self._sync = result
        self.schema: pa.Schema = result.schema

    to_arrow = stream_twin(Result.to_arrow)
    to_polars = stream_twin(Result.to_polars)
    to_pandas = stream_twin(Result.to_pandas)
    explain = twin(Result.explain)
    close = twin(Result.close)

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        """The record batches of 1-2 MiB, as they come."""
        batches = iter(self._sync)
        finished = False
        try:
            while (batch := await in_thread(partial(next, batches, None))) is not None:
                yield batch
            finished = True
        finally:
            if not finished:  # cancelled, or left: nobody is there to wait for a thread
                self._sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sync.close()

    def __repr__(self) -> str:
        return f"Async{self._sync!r}"


def _result_twin(method: Callable[Concatenate[S, P], Result]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncResult]]:
    """The method as a coroutine that answers an `AsyncResult`; where it is cancelled, the stream is too."""

    @wraps(method)
    async def awaited(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncResult:
        return AsyncResult(await in_thread(partial(method, self._sync, *args, **kwargs), discard=Result.close))

    return awaited


class AsyncTable(AsyncTableOperations):
    """A table of a server, awaited; see `Table`.

    Attributes:
        name: its path.
    """

    def __init__(self, table: Table) -> None:
        self._sync = table
        self.name = table.name

    scan = _result_twin(Table.scan)
    versions = twin(Table.versions)
    update = twin(Table.update)
    update_rows = twin(Table.update_rows)
    upsert = twin(Table.upsert)
    delete = twin(Table.delete)
    delete_rows = twin(Table.delete_rows)
    enable_soft_delete = twin(Table.enable_soft_delete)
    disable_soft_delete = twin(Table.disable_soft_delete)
    restore = twin(Table.restore)
    revert = twin(Table.revert)
    writes = twin(Table.writes)

    async def insert(self, source: Any = None, **options: Any) -> Written:
        """Insert rows; the arguments and errors are those of `Table.insert`."""
        return await in_thread(partial(self._sync.insert, source, **options))

    async def schema(self) -> pa.Schema:
        """Its columns as Arrow fields, with Pixeltable's type in the metadata `pxt:type`."""
        return await in_thread(lambda: self._sync.schema)

    def __repr__(self) -> str:
        return f"Async{self._sync!r}"


class AsyncDatabase(AsyncDatabaseOperations):
    """A connection to a pxt-flight server, awaited; made by `aconnect`, usable as an async context manager.

    Attributes:
        uri: `grpc://host:port` of the server.
    """

    def __init__(self, database: Database) -> None:
        self._sync = database
        self.uri = database.uri

    sql = _result_twin(Database.sql)  # of a SELECT; for what writes there is `execute`
    execute = twin(Database.execute)
    explain = twin(Database.explain)
    tables = twin(Database.tables)
    close = twin(Database.close)

    async def create_table(self, name: str, source: Any, **options: Any) -> AsyncTable:
        """Make a table of rows, or of a schema; the arguments and errors are those of `Database.create_table`."""
        return AsyncTable(await in_thread(partial(self._sync.create_table, name, source, **options)))

    def table(self, name: str) -> AsyncTable:
        """A table by its name: `films`, `dir.films` or `dir/films`. Whether it exists is asked when it is read."""
        return AsyncTable(self._sync.table(name))

    def __getitem__(self, name: str) -> AsyncTable:
        return self.table(name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._sync!r}"


async def aconnect(uri: str | None = None, *, key: str | None = None, home: str | Path | None = None) -> AsyncDatabase:
    """Connect to a pxt-flight server, as `connect` does, for code that awaits.

        async with await pf.aconnect("grpc://host:8815", key="pxt_...") as db:
            films = await (await db.sql("select name from films where score > $1", [8])).to_polars()

    Args:
        uri: as of `connect`, like the rest.
        key: the key to come in with.
        home: the Pixeltable home of a server on this machine.

    Raises:
        PxtFlightError: as `connect` does.
    """
    return AsyncDatabase(await in_thread(partial(connect, uri, key=key, home=home), discard=Database.close))
