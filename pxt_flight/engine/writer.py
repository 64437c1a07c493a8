"""The writes of an engine: each is checked, takes its turn at the table, and is one transaction with its receipt."""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pixeltable as pxt
import pyarrow as pa

from pxt_flight.engine import affected, catalog, creation, inference, ingest, inventory, mutate, target, validation
from pxt_flight.engine.affected import Affected
from pxt_flight.engine.casting.media import Fetch
from pxt_flight.engine.engine import Engine
from pxt_flight.engine.faults import of_pixeltable
from pxt_flight.engine.inventory import Inventory
from pxt_flight.engine.mutate import Changes
from pxt_flight.engine.receipts import Receipt, Receipts, WriteRecord
from pxt_flight.engine.scan import OnOpen, Pin
from pxt_flight.engine.schemas import Columns
from pxt_flight.engine.seam import probe
from pxt_flight.engine.store import Connection
from pxt_flight.engine.target import Target, TargetColumn, Targets
from pxt_flight.engine.turns import Turn, Turns
from pxt_flight.engine.upload import Reception, Upload
from pxt_flight.engine.written import Asked, OnProgress, Written
from pxt_flight.errors import PxtFlightError, StaleTicketError, error
from pxt_flight.metrics import WriteMeter

T = TypeVar("T")
_READINGS = 5  # of rows that shall change, before other writes are told to be too many
NOT_MADE = UUID(int=0)
"""The id of a table that is not there yet."""
_SWEEPING = 5.0  # seconds that a start waits for a table


@dataclass(frozen=True)
class WriteLimits:
    """Of one write.

    Attributes:
        size: bytes that an upload may take on disk.
        spool: the folder for uploads; None for the system's temporary folder.
        patience: seconds that a write may wait for its turn at a table.
        waiting: writes that may wait for a table, and for a thread; one more is told to try again.
    """

    size: int = 16 << 30
    spool: Path | None = None
    patience: float = 30.0
    waiting: int = 64


class Writer:
    """Writes to the tables of an engine.

    Pixeltable's own threads and connections are few (`Engine`), so writes have a few of their own.

    Args:
        engine: reads what writes are made of.
        threads: writes at once, of different tables.
        limits: of each write.

    Attributes:
        tiers: which ways of inserting rows this process may take; `writeproof` says.
    """

    def __init__(self, engine: Engine, *, threads: int = 2, limits: WriteLimits | None = None) -> None:
        self.engine = engine
        self.limits = limits or WriteLimits()
        self.tiers = ingest.WriteTiers()
        self._turns = Turns(self._connect, writing=threads, waiting=self.limits.waiting, patience=self.limits.patience)
        self._receipts = Receipts(self._connect)
        self._targets = Targets(lambda: engine.store, engine.run, lambda: engine.knows_pixeltable)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="writer")

    def target(self, path: str) -> Target:
        """See `target.describe`."""
        return self._targets.of(path)

    def receive(self, table: Target, schema: pa.Schema, *, on_error: str = "abort", fetch: Fetch | None = None) -> Reception:
        """Begin to take rows that shall be inserted.

        Args:
            table: where to.
            schema: the columns as they are sent.
            on_error: `abort`, or `ignore` to leave rows out that are at fault.
            fetch: the files that the rows name; default those behind https URLs.

        Raises:
            PxtFlightError: the columns are not those of the table.
        """
        return Reception(validation.InsertChecker(table, schema, on_error=on_error, fetch=fetch), self.limits.spool, self.limits.size)

    def insert(
        self, table: Target, upload: Upload, asked: Asked, on_progress: OnProgress | None = None, *, ignores_errors: bool = False
    ) -> Written:
        """Insert rows, as one version, or none of them.

        Args:
            table: where to.
            upload: the rows.
            asked: by whom.
            on_progress: told how many are written.
            ignores_errors: whether computed and media cells that fail are NULL, with their error beside them.

        Raises:
            ConflictError: `CONSTRAINT_VIOLATION`, a key is there already.
            PxtFlightError: nothing was written.
        """
        return self._write(
            table, asked, lambda opened: self._inserted(table, opened, upload, on_progress, ignore_cell_errors=ignores_errors)
        )

    def history(self, path: str, limit: int | None = None) -> list[WriteRecord]:
        """The writes of a table that went through a server of ours, newest first.

        Args:
            path: of the table.
            limit: at most so many; default all.

        Raises:
            NotFoundError: `TABLE_NOT_FOUND`.
        """
        return self._receipts.history(self.engine.run(lambda: catalog.table_id(path)), limit)

    def planned(self, path: str, columns: tuple[TargetColumn, ...], primary_key: Sequence[str] = ()) -> Target:
        """A table that may be made.

        Args:
            path: of the table.
            columns: its columns: `inference.infer` of rows, or `schemas.read_columns`.
            primary_key: the names of its key columns.
        """
        return Target(path, NOT_MADE, 0, columns, tuple(primary_key), is_versioned=True)

    def exists(self, path: str) -> bool:
        """Whether there is a table, view or snapshot of a path."""
        return self.engine.run(lambda: catalog.exists(path))

    def create(
        self,
        table: Target,
        upload: Upload | None,
        asked: Asked,
        on_progress: OnProgress | None = None,
        *,
        is_replacing: bool = False,
        declared: Columns | None = None,
        comment: str = "",
    ) -> Written:
        """Make a table with its first rows; nobody sees it without them.

        Args:
            table: what `planned` answered.
            upload: the rows; None for none.
            asked: by whom.
            on_progress: told how many are written.
            is_replacing: whether a table of that path makes room.
            declared: its columns, where they were declared.
            comment: what the table is for.

        Raises:
            ConflictError: `PATH_ALREADY_EXISTS`, or `CONSTRAINT_VIOLATION`, a key is there twice.
            PxtFlightError: nothing was made.
        """
        earlier = self._receipts.by_key(asked, table.path)
        if earlier is not None:
            return earlier
        with self._staged(table, declared, comment) as staged:

            def work(opened: pxt.Table) -> Written:
                written = Written(asked.kind, table.path, 0)
                if upload is not None:  # errors name the table by where it will be
                    written = self._inserted(replace(staged, path=table.path), opened, upload, on_progress)
                creation.put_in_place(staged.path, table.path, is_replacing=is_replacing)
                return replace(written, kind=asked.kind)

            return self._write(staged, asked, work, path=table.path)

    @contextmanager
    def _staged(self, table: Target, declared: Columns | None, comment: str) -> Generator[Target, None, None]:
        """An empty table of these columns that nobody is shown; what is left of it in the end goes."""
        claim = uuid4()
        with self._turns.claimed(claim):
            try:
                schema = declared.specs if declared else inference.pixeltable_types(table.columns)
                yield self.target(self._run(lambda: creation.stage(claim, schema, table.primary_key, comment)))
            finally:
                self._run(lambda: creation.discard(claim))

    def sweep(self) -> None:
        """Drop what writes left that were killed."""
        for claim in self._run(creation.claims):
            if not self._turns.is_claimed(claim):
                self._run(partial(creation.discard, claim))
        self._run(_sweep_files)

    def receive_changes(self, table: Target, schema: pa.Schema, keys: tuple[str, ...], *, fetch: Fetch | None = None) -> Reception:
        """Begin to take rows that name others, with their new values.

        Args:
            table: that changes.
            schema: the columns as they are sent.
            keys: those of them that name rows.
            fetch: as of `receive`.

        Raises:
            PxtFlightError: the columns are not those of the table.
        """
        checker = validation.InsertChecker(table, schema, partial=True, keys=keys, fetch=fetch)
        return Reception(checker, self.limits.spool, self.limits.size)

    def change(self, table: Target, changes: Changes, asked: Asked) -> Written:
        """Update, upsert or delete (`asked.kind`) rows that are named, or none of them; arguments and errors as of `mutate`."""
        return self._write(table, asked, lambda opened: mutate.apply(table, opened, changes, asked.kind, self.tiers))

    def change_where(self, table: Target, wanted: Affected, asked: Asked, *, limit: int | None = None, dry_run: bool = False) -> Written:
        """Update, delete, delete softly or restore (`asked.kind`) the rows that a condition means, as one version, or none of them.

        Args:
            table: that changes.
            wanted: the rows, and their new values.
            asked: by whom.
            limit: how many rows may be affected; None for any number.
            dry_run: whether to tell how many there are, and change nothing.

        Raises:
            ConflictError: `too_many_affected`.
            UnavailableError: `table_busy`, others write the table faster than it can be read.
            PxtFlightError: the request is at fault; nothing was written.
        """
        for _ in range(_READINGS):
            try:
                upload, pin = affected.read(self.engine, table, wanted, lambda schema: self.receive_changes(table, schema, wanted.keys))
                with upload:
                    includes = wanted.request.include_deleted
                    changes = Changes(upload, wanted.keys, wanted.constants, pin, limit, include_deleted=includes)
                    if dry_run:
                        return mutate.told(table, changes, asked.kind)
                    return self.change(table, changes, asked)
            except StaleTicketError:
                continue
        raise error("table_busy", "Others write to this table faster than it can be read.", hint="Nothing was written; try again.")

    def change_row(self, table: Target, changes: Changes, asked: Asked, check: Callable[[], Pin] | None = None) -> Written:
        """Update or delete (`asked.kind`) the one row that is named, or nothing.

        Args:
            table: that changes.
            changes: the name of the row, and its new values.
            asked: by whom.
            check: raises where the row is not what the caller believes it to be, else says what of the table it has read: where that is
                written before this write, it is asked again.

        Raises:
            NotFoundError: `ROW_NOT_FOUND`.
            UnavailableError: `table_busy`, others write the table faster than it can be read.
            PxtFlightError: nothing was written.
        """
        if check is None:
            return self.change(table, changes, asked)
        earlier = self._receipts.by_key(asked, table.path, table.table_id)  # first: what it did made the row another
        if earlier is not None:
            return earlier
        for _ in range(_READINGS):
            with suppress(StaleTicketError):
                return self.change(table, replace(changes, pin=check()), asked)
        raise error("table_busy", "Others write to this table faster than it can be read.", hint="Nothing was written; try again.")

    def define(self, work: Callable[[], T], table: str | None = None, on_wait: OnOpen | None = None) -> T:
        """Change what tables or directories there are, or what a table is, when its turn has come.

        What Pixeltable does then may be several transactions, so it is in none of ours.

        Args:
            work: what changes them.
            table: the path of the table that is changed, also where others are made of it; None where there is none.
            on_wait: given what ends the wait.

        Raises:
            UnavailableError: `table_busy`.
            PxtFlightError: what the work raises, as ours.
        """
        from pxt_flight.engine.seam import writes

        def done(deadline: float) -> T:
            with writes.locking_until(deadline):
                return work()

        if table is None:
            return self._run(lambda: done(time.monotonic() + self.limits.patience))
        table_id = self.engine.run(lambda: catalog.table_id(table))
        with self._turns.turn(table_id, on_wait) as turn:
            turn.begin()
            return self._run(lambda: (catalog.current(table, lambda _: None), done(turn.deadline))[1])

    def revert(self, table: Target, version: int | None, asked: Asked) -> Written:
        """See `mutate.revert`."""
        return self._write(table, asked, lambda opened: mutate.revert(table, opened, version))

    def inventory(self) -> Inventory:
        """See `inventory.take`."""
        return self.engine.run(inventory.take)

    def drop_all(self, expected: Inventory) -> bool:
        """See `inventory.drop`."""
        return self._run(lambda: inventory.drop(expected, patience=self.limits.patience))

    def close(self) -> None:
        """Wait for the writes that run."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _write(self, table: Target, asked: Asked, work: Callable[[pxt.Table], Written], *, path: str | None = None) -> Written:
        """Do a write when its turn has come, unless it was done before, and measure it.

        Args:
            table: that is written.
            asked: by whom.
            work: what writes, given the table as Pixeltable has it.
            path: at which the table will stand, where it is only being made.
        """
        meter = WriteMeter(asked.kind)
        receipt = Receipt(table.path, table.table_id, asked) if path is None else Receipt(path, None, asked)
        try:
            written = self._receipts.by_key(asked, receipt.path, receipt.table_id)
            if written is None:
                with self._turns.turn(table.table_id, asked.on_wait) as turn:
                    meter.admitted()
                    written = self._run(lambda: self._transaction(table, receipt, work, turn))
        except PxtFlightError as fault:
            meter.ended(fault.code)
            raise
        if written.repeated:
            meter.ended("repeated")
        else:
            meter.ended("ok", written.tier, inserted=written.inserted, updated=written.updated, deleted=written.deleted)
        return written

    def _transaction(self, table: Target, receipt: Receipt, work: Callable[[pxt.Table], Written], turn: Turn) -> Written:
        from pxt_flight.engine.seam import writes

        def attempt() -> Written:
            opened = writes.opened(table.table_id) or catalog.get_table(table.path)

            def checked() -> Written:
                receipt.claim(writes.execute)
                if not target.is_unchanged(table):
                    raise error("table_busy", "The columns of the table were changed meanwhile.", hint="Nothing was written; try again.")
                written = work(opened)
                receipt.settle(writes.execute, written, table.table_id)
                return written

            return writes.in_write(opened, checked, deadline=turn.deadline, on_begin=turn.begin)

        try:
            try:
                return attempt()
            except writes.OutdatedError:  # what this thread knew of the table; it knows nothing now
                return attempt()
        except Exception as fault:  # noqa: BLE001  # raised again, unless the write took place
            return receipt.found_after(fault, self._receipts)

    def _inserted(self, table: Target, opened: pxt.Table, upload: Upload, on_progress: OnProgress | None, **options: Any) -> Written:
        rejected = 0 if upload.rejected is None else upload.rejected.num_rows
        return replace(ingest.insert(table, opened, upload, on_progress, tiers=self.tiers, **options), rejected=rejected)

    def _connect(self) -> AbstractContextManager[Connection]:
        return self.engine.store.connection()  # of the store of now: another one where the engine got its restricted role later

    def _run(self, work: Callable[[], T]) -> T:
        try:
            return self._threads.submit(work).result()
        except PxtFlightError:
            raise
        except Exception as fault:
            raise of_pixeltable(fault) from fault


def _sweep_files() -> None:
    """Delete the files of versions that were never made. A table that somebody writes is left to the next start."""
    if probe.missing_parts_of_writes():
        return
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import files, writes

    for table in files.unswept():
        with suppress(Exception):  # a table that is busy, or gone: it is no reason not to start
            writes.in_write(table, partial(files.sweep, table), deadline=time.monotonic() + _SWEEPING)
