"""The tier `copy`: a planned statement, streamed by ADBC over COPY in the snapshot in which its plan still holds."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from pxt_flight.engine.adbc import ConnectionPool, SnapshotReader
from pxt_flight.engine.cells import MediaCells
from pxt_flight.engine.documents import Converter, stored_values
from pxt_flight.engine.outputs import converter
from pxt_flight.engine.passing import gathered
from pxt_flight.engine.planner import SqlPlan
from pxt_flight.engine.runs import new_run
from pxt_flight.engine.scan import OnOpen, Stream, Tier, UrlOf, finished
from pxt_flight.engine.store import Store


class CopyReader:
    """The restricted role as what reads.

    Args:
        store: exports snapshots.
        uri: the connection URI of the role.
        timeout: seconds that a statement may take.
    """

    tier: Tier = "copy"

    def __init__(self, store: Store, uri: str, *, timeout: float) -> None:
        self._store = store
        self._pool = ConnectionPool(uri, timeout=timeout)
        self.describe = self._pool.describe
        self.explain = self._pool.explain
        self.close = self._pool.close

    def open(
        self, plan: SqlPlan, parameters: Sequence[Any], on_open: OnOpen | None = None, url_of: UrlOf | None = None, *, is_pinned: bool
    ) -> Stream | None:
        """Start a plan, or answer None where a table has moved on since it was made, or what it reads is no more.

        Args:
            plan: what the planner made.
            parameters: the values.
            on_open: told how to stop the statement before it begins to run.
            is_pinned: whether its tables are read as of a version, which no write changes.

        Raises:
            PxtFlightError: Postgres could not run it.
        """
        run = new_run()
        statement = plan.statement(parameters, run)
        with self._store.snapshot() as (name, connection):
            if not plan.held.is_true(*self._store.seen_by(connection), is_pinned=is_pinned):
                return None
            snapshot = self._pool.join_snapshot(name)
        try:
            reader = snapshot.read(statement, on_open)
        except BaseException:
            snapshot.close(finished=False)
            raise
        stored = stored_values(plan.schema, plan.sources, run, self._store)
        cells = MediaCells(plan.sources, plan.media_columns, run, plan.mode, self._store, url_of)
        batches = _batches(plan, snapshot, reader, stored, cells)
        return Stream(plan.schema, batches, "copy", snapshot.cancel, close=lambda: snapshot.close(finished=False))


def _batches(
    plan: SqlPlan, snapshot: SnapshotReader, reader: pa.RecordBatchReader, stored: Sequence[Converter | None], cells: MediaCells
) -> Iterator[pa.RecordBatch]:
    done = False
    converters = [
        None if b"pxt:media" in (field.metadata or {}) else convert or converter(field)
        for convert, field in zip(stored, plan.schema, strict=True)
    ]
    try:
        for batch in snapshot.batches(reader):
            found = gathered(batch.columns, plan.passed)
            columns = [column if convert is None else convert(column) for convert, column in zip(converters, found, strict=True)]
            yield from finished(plan.schema, columns, batch.num_rows, plan.mode, cells)
        done = True
    finally:
        snapshot.close(finished=done)
