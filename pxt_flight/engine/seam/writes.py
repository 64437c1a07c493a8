"""A write inside of one transaction of Pixeltable's: its locks, its version, and beside them rows of ours that stand or fall with it."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.catalog import retry_loop
from pixeltable.runtime import get_runtime, reset_runtime

from pxt_flight.engine.seam import files
from pxt_flight.engine.seam.names import check_names
from pxt_flight.engine.seam.plan import OutdatedError, moments
from pxt_flight.errors import PxtFlightError, error

T = TypeVar("T")
__all__ = ["OutdatedError", "execute", "in_write", "locking_until", "opened"]


def in_write(table: pxt.Table, work: Callable[[], T], *, deadline: float, on_begin: Callable[[], None] = lambda: None) -> T:
    """Run work that changes a table in one transaction, with its metadata locked and those of its views; on this thread.

    The work is run again where Postgres aborts the transaction for another's sake, so it must begin anew each time. Whatever Pixeltable
    does inside of it (`insert`, `update`, `delete`, `revert`) joins the transaction. Where it fails, the files that it made are deleted.

    Args:
        table: that is written; of this thread.
        work: what changes it.
        deadline: by `time.monotonic`, until when the locks may be waited for.
        on_begin: called right before each attempt to lock the table.

    Raises:
        UnavailableError: `table_busy`, another process is still writing it at the deadline.
        OutdatedError: what this thread knew of the table was outdated; opened anew, the table can be written.
    """
    attempt = retry_loop(for_write=True, write_tvps=[table._tbl_version_path], lock_mutable_tree=True)

    def checked() -> T:
        moments([table])
        check_names(table)
        _know_row_ids(table)
        with files.unmade_by_failure(table):
            return work()

    with _waiting_until(deadline, on_begin):
        try:
            result: T = attempt(checked)()
            return result
        except OutdatedError:
            reset_runtime()
            raise


def opened(table_id: UUID) -> pxt.Table | None:
    """A table by its id, as this thread knows it (what is outdated of that `in_write` tells); None where it knows none."""
    table: pxt.Table | None = get_runtime().catalog.get_table_by_id(table_id)
    return table


def _know_row_ids(table: pxt.Table) -> None:
    """Look up which row id comes next.

    What Pixeltable keeps of a table on this thread is taken for current by its version's number alone (0.7.21): after an insert
    elsewhere that was reverted, which uses ids up and leaves the number as it was, they would be handed out again.
    """
    tv = table._tbl_version.get()
    if tv.is_data_versioned:
        ((tv.next_row_id,),) = execute("SELECT CAST(md->>'next_row_id' AS bigint) FROM tables WHERE id = :id", id=tv.id)


@contextmanager
def _waiting_until(deadline: float, on_begin: Callable[[], None]) -> Any:
    """Pixeltable waits for locks without end (0.7.21, `_MAX_RETRIES = -1`): let it ask for none after the deadline."""
    runtime, catalog = get_runtime(), get_runtime().catalog
    begin, lock = runtime.begin_xact, catalog._acquire_write_lock
    is_first = False  # of its transaction; the others are those of views

    def begin_in_time(*arguments: Any, **named: Any) -> Any:
        nonlocal is_first
        if not runtime.in_xact:
            is_first = True
            if time.monotonic() > deadline:
                raise _busy()
        return begin(*arguments, **named)

    def lock_in_time(**named: Any) -> Any:
        nonlocal is_first
        if is_first:
            is_first = False
            on_begin()
        return lock(**named)

    runtime.begin_xact, catalog._acquire_write_lock = begin_in_time, lock_in_time
    try:
        yield
    finally:
        del runtime.begin_xact, catalog._acquire_write_lock


@contextmanager
def locking_until(deadline: float) -> Any:
    """Let what Pixeltable does on this thread wait for locks until a deadline, by `time.monotonic`.

    What it still has to do after its first commit (the physical part of a new table, or of one that goes) is waited for: that is going to
    happen, sooner or later.

    Raises:
        UnavailableError: `table_busy`.
    """
    runtime, catalog = get_runtime(), get_runtime().catalog
    begin, finalize = runtime.begin_xact, catalog._finalize_pending_ops
    is_finalizing = False

    def begin_in_time(*arguments: Any, for_write: bool = False, **named: Any) -> Any:
        if for_write and not runtime.in_xact and not is_finalizing and time.monotonic() > deadline:
            raise _busy()
        return begin(*arguments, for_write=for_write, **named)

    def finalized(*arguments: Any, **named: Any) -> Any:
        nonlocal is_finalizing
        is_finalizing = True
        try:
            return finalize(*arguments, **named)
        finally:
            is_finalizing = False

    runtime.begin_xact, catalog._finalize_pending_ops = begin_in_time, finalized
    try:
        yield
    finally:
        del runtime.begin_xact, catalog._finalize_pending_ops


def _busy() -> PxtFlightError:
    return error("table_busy", "Another process is writing this table.", hint="Nothing was written; try again.")


def execute(statement: str, **parameters: Any) -> list[Any]:
    """The rows of a statement of ours in this thread's transaction."""
    result = get_runtime().conn.execute(sql.text(statement), parameters)
    return list(result) if result.returns_rows else []
