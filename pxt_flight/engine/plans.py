"""How requests are read: planned for Postgres, else for Pixeltable itself; live, or as of the versions that a ticket names."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Protocol, TypeVar

from pxt_flight.engine import catalog, media, partitions, sql
from pxt_flight.engine.kept import Kept
from pxt_flight.engine.literals import kind_of, literal
from pxt_flight.engine.planner import Planner, SqlPlan
from pxt_flight.engine.scan import OnOpen, Pin, Request, Tier
from pxt_flight.engine.seam import probe
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.engine.tier_cursor import CursorPlan, plan_cursor
from pxt_flight.errors import PxtFlightError, error

T = TypeVar("T")
Plan = SqlPlan | CursorPlan
OF_PIXELTABLE = ("exec", "cursor")
"""The tiers in which Pixeltable runs the query itself."""
_KEPT = 256


class Run(Protocol):
    """Does work on a thread that speaks to Pixeltable, and raises our errors."""

    def __call__(self, work: Callable[[], T], on_wait: OnOpen | None = None) -> T:
        """Do it; `on_wait` is told how to end the wait for a thread."""


class Plans:
    """Makes plans, and keeps those for Postgres as long as they hold.

    Args:
        seam: `seam.plan`; None where this Pixeltable is not the one we know.
        executor: `seam.batches`, or None likewise.
        planner: plans for Postgres; None where Pixeltable itself reads everything.
        why: what keeps Postgres from reading, where something does.
        thumbnails: where thumbnails are kept.
        run: how work is done on an engine thread.
    """

    def __init__(
        self,
        seam: ModuleType | None,
        executor: ModuleType | None,
        planner: Planner | None,
        why: str | None,
        thumbnails: ThumbnailCache | None,
        run: Run,
    ) -> None:
        self._seam = seam
        self._executor = executor
        self._planner = planner
        self._why = why
        self._thumbnails = thumbnails
        self._run = run
        self._kept = Kept[tuple[object, ...], SqlPlan](_KEPT)

    def known(self, request: Request) -> SqlPlan | None:
        """The plan that is kept for a request; whether it still holds is not asked."""
        return self._kept.get(_key(request))

    def live(self, request: Request) -> Plan:
        """The plan for the live tables.

        Raises:
            PxtFlightError: the request is at fault.
        """
        known = self._renewed(request)
        return self._run(lambda: self._plan(request, {}, None)) if known is None else known

    def of(self, request: Request, pins: Sequence[Pin] | None, tier: Tier | None, on_wait: OnOpen | None) -> tuple[Plan, bool]:
        """The plan that reads what pins name, and whether it reads versions of its tables: not while the live ones are the same.

        Args:
            request: what to read.
            pins: what a ticket names; None for the live tables.
            tier: insist on it.
            on_wait: told how to end the wait for a thread.

        Raises:
            StaleTicketError: `ticket_stale`.
            PxtFlightError: the request is at fault.
        """
        try:
            known = None if tier in OF_PIXELTABLE else self._renewed(request)
            live = self._run(lambda: self._plan(request, {}, tier), on_wait) if known is None else known
        except PxtFlightError as fault:
            if pins is None or fault.retryable:
                raise
        else:
            if pins is None or live.pins == tuple(pins):
                return live, False
        return self.pinned(request, pins, tier, on_wait), True

    def pinned(self, request: Request, pins: Sequence[Pin], tier: Tier | None, on_wait: OnOpen | None) -> Plan:
        """The plan that reads the versions that pins name; arguments and errors as of `of`."""
        try:
            plan = self._run(lambda: self._plan(request, _versions(pins), tier), on_wait)
        except PxtFlightError as fault:
            if fault.retryable:
                raise
            # It was planned when the ticket was made: it is the tables that have changed.
            raise stale("The table was changed or dropped since the query was planned.") from fault
        if plan.pins != tuple(pins):
            raise stale("The table was changed, and what the query was planned for is no more.")
        return plan

    def bounds(self, request: Request, plan: SqlPlan) -> SqlPlan | None:
        """The plan of the lowest and the highest first row id of a scan, as of its plan; None where they are no whole numbers."""
        planner = self._planner
        assert planner is not None

        def planned() -> SqlPlan | None:
            with suppress(probe.NotSqlError):
                return planner.plan(
                    partitions.bounds(resolved(request)), (), plan.mode, _versions(plan.pins), include_deleted=request.include_deleted
                )
            return None

        return self._run(planned)

    def clear(self) -> None:
        """Keep none."""
        self._kept.clear()

    def _renewed(self, request: Request) -> SqlPlan | None:
        """The plan that is kept for a request, as it holds now; None where there is none, or it holds no longer."""
        known = self.known(request)
        if known is None or self._planner is None:
            return None
        plan = self._planner.renewed(known)
        if plan is None:
            return None
        for value in request.parameters:
            literal(value)  # refuses what no plan can hold, before anything is read
        return plan if plan is known else self._keep(request, plan)

    def _plan(self, request: Request, versions: Mapping[str, int], tier: Tier | None) -> Plan:
        statement = resolved(request)
        if request.row_ids is not None:
            statement = partitions.within_rows(statement)
        mode = media.media_mode(request.media, cache=self._thumbnails)
        why = self._why or "the caller asked for it"
        if self._planner is not None and tier not in OF_PIXELTABLE:
            try:
                plan = self._planner.plan(statement, request.values, mode, versions, include_deleted=request.include_deleted)
            except probe.NotSqlError as found:
                why = str(found)
            else:
                # A table of the root may get a namesake in the session's directory, which no fingerprint tells.
                may_move = bool(request.directory) and any("/" not in path for path in statement.tables)
                return plan if versions or may_move else self._keep(request, plan)
        with sql.positions(request.sql):
            executor = self._executor if tier != "cursor" else None
            return plan_cursor(statement, request, mode, versions, seam=self._seam, executor=executor, why=why)

    def _keep(self, request: Request, plan: SqlPlan) -> SqlPlan:
        """Keep a plan for as long as nothing that it depends on changes; that is asked whenever it is used."""
        return self._kept.put(_key(request), plan)


def resolved(request: Request) -> sql.Statement:
    """The statement with its tables found; runs on an engine thread."""
    statement = sql.parse(request.sql)
    if not request.directory or not any("/" not in path for path in statement.tables):
        return statement
    inside = set(catalog.list_tables(request.directory, recursive=False))
    return statement.within(request.directory, inside)


def stale(message: str) -> PxtFlightError:
    """The error of a ticket whose tables have moved on."""
    return error("ticket_stale", message, hint="Run the query again.")


def _key(request: Request) -> tuple[object, ...]:
    # A plan depends on the types of the values, not on the values.
    kinds = tuple(map(kind_of, request.values))
    return (request.sql, kinds, request.media, request.directory, request.row_ids is None, request.include_deleted)


def _versions(pins: Sequence[Pin]) -> dict[str, int]:
    return {pin.path: pin.version for pin in pins if pin.version is not None}
