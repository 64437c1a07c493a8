"""What all queries of an engine may take together, put around each: request -> admission -> open -> limits -> relay."""

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from pxt_flight.engine.admission import Admission, Place
from pxt_flight.engine.blocked import IDLE, TICK, StreamWatch
from pxt_flight.engine.handoff import Producers
from pxt_flight.engine.limits import Limits, limited
from pxt_flight.engine.relay import Relay
from pxt_flight.engine.scan import OnOpen, Stream
from pxt_flight.engine.spool import Spool
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.metrics import QueryMeter

T = TypeVar("T")
# Planning takes a tenth of a second; what lasts longer finishes work that a writer of the table left, or waits for one.
_PLANNING_SECONDS = 60.0


@dataclass(frozen=True)
class Capacity:
    """Of one engine.

    Attributes:
        queries: that Postgres answers at once.
        streams: that Pixeltable itself answers at once, each with a thread and a connection of its own.
        waiting: calls that may wait for each of these two, and to be planned.
        patience: seconds that one may wait.
        spill: bytes on disk for clients that lag.
        spool: the folder for that; None for the system's temporary folder.
        drain: seconds that who changes a table waits for its streams at most.
        idle: seconds after which a client is taken to lag.
        tick: seconds between two looks at the streams.
    """

    queries: int = 16
    streams: int = 4
    waiting: int = 64
    patience: float = 30.0
    spill: int = 4 << 30
    spool: Path | None = None
    drain: float = 30.0
    idle: float = IDLE
    tick: float = TICK


class Run:
    """One query, from its admission to the end of its transaction.

    Attributes:
        tables: the ids of the tables that it reads, as hex.
        began: when, by `time.monotonic`.
    """

    def __init__(self, place: Place, watch: StreamWatch, on_open: OnOpen | None) -> None:
        self.tables: Collection[str] = ()
        self.began = time.monotonic()
        self.on_wait = on_open
        self.reason: PxtFlightError | None = None
        self.relay: Relay | None = None
        self.place = place
        self._watch = watch
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def reads(self, ids: Iterable[str]) -> None:
        """Say which tables it will read, before it begins to."""
        self.tables = frozenset(table_id.replace("-", "") for table_id in ids)

    def opening(self, ids: Iterable[str]) -> OnOpen:
        """What to tell how the statement that will read these tables is stopped, before it begins to run."""
        self.reads(ids)

        def told(stop: Callable[[], None]) -> None:
            if self.on_wait is not None:
                self.on_wait(stop)
            with self._lock:
                self._stop = stop
                if self.reason is not None:
                    stop()

        return told

    def end(self) -> None:
        """It holds nothing any more."""
        self._watch.remove(self)
        self.place.leave()

    def spool_if_idle(self, seconds: float) -> None:
        """See `blocked.Watched`; a stream whose client is gone without a word is closed here."""
        if self.relay is not None:
            self.relay.close() if self.relay.abandoned else self.relay.spool_if_idle(seconds)

    def hurry(self, is_needed: bool) -> None:
        """See `blocked.Watched`."""
        if self.relay is not None:
            self.relay.hurry(is_needed)

    def cut(self, reason: PxtFlightError) -> None:
        """See `blocked.Watched`."""
        with self._lock:
            if self.relay is None:
                self.reason = reason
                if self._stop is not None:
                    self._stop()
                return
        self.relay.cut(reason, at_once=False)

    def opened(self, relay: Relay) -> None:
        """Its batches come now."""
        with self._lock:
            self.relay = relay
            self._stop = None
        if self.reason is not None:
            relay.cut(self.reason, at_once=True)


class Bounds:
    """The bounds of an engine.

    Args:
        uri: libpq's connection URI of Pixeltable's login.
        threads: that plan, each with a connection of Pixeltable's.
        limits: of each query.
        capacity: of all together.
        interrupter: see `Producers`.
    """

    def __init__(
        self, uri: str, threads: int, limits: Limits, capacity: Capacity, interrupter: Callable[[], Callable[[], None]] | None = None
    ) -> None:
        waiting, patience = capacity.waiting, capacity.patience
        self._limits = limits
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._planning = Admission("planning", running=threads, waiting=waiting, patience=patience)
        self._queries = Admission("queries", running=capacity.queries, waiting=waiting, patience=patience)
        self.producers = Producers(capacity.streams, waiting=waiting, patience=patience, interrupter=interrupter)
        self._spool = Spool(capacity.spool, capacity.spill)
        self._watch = StreamWatch(uri, deadline=capacity.drain, tick=capacity.tick, idle=capacity.idle)

    def plan(self, work: Callable[[], T], on_wait: OnOpen | None = None) -> T:
        """Do something that takes a moment on a thread that speaks to Pixeltable.

        Raises:
            UnavailableError: all of them are busy, or Pixeltable waits for who changes a table.
            Exception: what the work raised.
        """
        place = self._planning.enter(on_wait)
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: place.leave())
        try:
            return future.result(_PLANNING_SECONDS)
        except TimeoutError:
            if future.done():  # the work's own
                raise
            raise error("unavailable", "The table is being changed.", hint="Try again.") from None

    def stream(self, open_stream: Callable[[Run], Stream], on_open: OnOpen | None = None) -> Stream:
        """Admit a query, open it, and keep it within its limits.

        Args:
            open_stream: opens it, and tells the run how its statement is stopped and which tables it reads.
            on_open: see `Engine.stream`.

        Raises:
            UnavailableError: there are too many, or a table of it is being changed.
            PxtFlightError: what `open_stream` raises.
        """
        meter = QueryMeter()
        try:
            run = Run(self._queries.enter(on_open), self._watch, on_open)
            stream = self._opened(run, open_stream)
        except PxtFlightError as fault:
            meter.ended(fault.code)
            raise
        except BaseException:
            meter.ended("INTERNAL_ERROR")
            raise
        meter.opened(stream.tier)
        return self._relayed(limited(stream, self._limits), run, meter)

    def close(self) -> None:
        """Stop the threads; streams that still run are cut off."""
        self._watch.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.producers.close()

    def _opened(self, run: Run, open_stream: Callable[[Run], Stream]) -> Stream:
        self._watch.add(run)
        try:
            stream = open_stream(run)
        except BaseException:
            run.end()
            if run.reason is not None:
                raise run.reason from None
            raise
        if stream.tier in ("exec", "cursor"):
            run.place.leave()  # it takes one of the producers' at its first batch, and costs nothing while it waits for that
        return stream

    def _relayed(self, stream: Stream, run: Run, meter: QueryMeter) -> Stream:
        relay = Relay(stream.batches, stop=stream.cancel, close=stream.close, spool=self._spool, on_end=run.end)
        run.opened(relay)
        batches = _Batches(relay, meter)
        weakref.finalize(batches, _abandon, relay).atexit = False

        def cancel() -> None:
            relay.cut(error("unavailable", "The server is stopping.", hint="Try again."), at_once=True)

        return replace(stream, batches=batches, cancel=cancel, close=batches.close)


class _Batches:
    """What a client takes of a stream."""

    def __init__(self, relay: Relay, meter: QueryMeter) -> None:
        self._relay = relay
        self._meter = meter

    def __iter__(self) -> "_Batches":
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            batch = self._relay.take()
        except StopIteration:
            self._meter.ended("ok")
            raise
        except PxtFlightError as fault:
            self._meter.ended(fault.code)
            raise
        except BaseException:
            self._meter.ended("INTERNAL_ERROR")
            raise
        self._meter.sent(rows=batch.num_rows, size=batch.nbytes)
        return batch

    def close(self) -> None:
        self._relay.close()
        self._meter.ended("left")


def _abandon(relay: Relay) -> None:
    relay.abandoned = True
