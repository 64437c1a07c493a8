"""Figures of queries and writes, for Prometheus. Labels are closed sets of ours: never a table's name, SQL, a key or an address.

Queries run in the data plane, and /metrics is answered by the control plane: the supervisor names one folder to both in
PROMETHEUS_MULTIPROC_DIR, in which each process keeps its figures in mapped files; it is emptied at each start of a server. Without it
(a test, a notebook) the figures stay in the process.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from pxt_flight.config import METRICS_FOLDER

CONTENT_TYPE = CONTENT_TYPE_LATEST
NO_TIER = "none"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_QUERIES = Counter("pxt_flight_queries", "Queries that ended, by the way they were read and how they ended.", ["tier", "outcome"])
_ROWS = Counter("pxt_flight_rows", "Rows handed to clients.", ["tier"])
_BYTES = Counter("pxt_flight_bytes", "Bytes of Arrow data handed to clients.", ["tier"])
_FIRST_BATCH = Histogram(
    "pxt_flight_first_batch_seconds", "From a query's arrival to its first batch, waiting included.", ["tier"], buckets=_SECONDS
)
_DURATION = Histogram("pxt_flight_query_seconds", "From a query's arrival to its end.", ["tier"], buckets=_SECONDS)
_RUNNING = Gauge("pxt_flight_running", "How many run, by what they share.", ["pool"], multiprocess_mode="livesum")
_WAITING = Gauge("pxt_flight_waiting", "How many wait to run, by what they share.", ["pool"], multiprocess_mode="livesum")
_SPILLED = Counter("pxt_flight_spilled_bytes", "Bytes written to files for clients that lag or tables that are being changed.")
_TOO_SLOW = Counter("pxt_flight_client_too_slow", "Streams ended because their client lagged and the space for that was used up.")
_WRITES = Counter(
    "pxt_flight_writes", "Writes that ended, by kind, how rows were inserted, and how they ended.", ["kind", "tier", "outcome"]
)
_WRITTEN_ROWS = Counter("pxt_flight_written_rows", "Rows that writes changed.", ["change"])
_WRITE_WAIT = Histogram("pxt_flight_write_wait_seconds", "From a checked write to its turn at the table.", ["kind"], buckets=_SECONDS)
_WRITE_DURATION = Histogram("pxt_flight_write_seconds", "From a checked write to its end, waiting included.", ["kind"], buckets=_SECONDS)
_REQUESTS = Counter("pxt_flight_http_requests", "Requests over HTTP that were answered.", ["method", "route", "status"])
_REQUEST_DURATION = Histogram(
    "pxt_flight_http_seconds", "From a request's head to the end of its answer.", ["method", "route"], buckets=_SECONDS
)
_IN_FLIGHT = Gauge("pxt_flight_http_in_flight", "Requests over HTTP that are being answered.", multiprocess_mode="livesum")


@contextmanager
def in_flight() -> Iterator[None]:
    """A request over HTTP is being answered for as long as the block."""
    _IN_FLIGHT.inc()
    try:
        yield
    finally:
        _IN_FLIGHT.dec()


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """A request over HTTP has its answer; `route` is a template of ours, never the path that was asked for."""
    _REQUESTS.labels(method, route, status).inc()
    _REQUEST_DURATION.labels(method, route).observe(seconds)


def running(pool: str, change: int) -> None:
    """So many more (or less) run in a pool."""
    _RUNNING.labels(pool).inc(change)


def waiting(pool: str, change: int) -> None:
    """So many more (or less) wait for a pool."""
    _WAITING.labels(pool).inc(change)


def spilled(size: int) -> None:
    """So many bytes were written to a file."""
    _SPILLED.inc(size)


def client_too_slow() -> None:
    """A stream was ended because its client lagged."""
    _TOO_SLOW.inc()


class QueryMeter:
    """Measures one query from its arrival on. Not for several threads at once."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._tier = NO_TIER
        self._has_batch = self._has_ended = False

    def opened(self, tier: str) -> None:
        """It is read in this tier."""
        self._tier = tier

    def sent(self, *, rows: int, size: int) -> None:
        """A batch of so many rows and bytes goes to the client."""
        if not self._has_batch:
            self._has_batch = True
            _FIRST_BATCH.labels(self._tier).observe(time.monotonic() - self._began)
        _ROWS.labels(self._tier).inc(rows)
        _BYTES.labels(self._tier).inc(size)

    def ended(self, outcome: str) -> None:
        """It is over: `ok`, `left` (its client did not want the rest) or the code of an error. Only the first call counts."""
        if not self._has_ended:
            self._has_ended = True
            _QUERIES.labels(self._tier, outcome).inc()
            _DURATION.labels(self._tier).observe(time.monotonic() - self._began)


class WriteMeter:
    """Measures one write, from when its rows are there and checked.

    Args:
        kind: of write.
    """

    def __init__(self, kind: str) -> None:
        self._began = time.monotonic()
        self._kind = kind

    def admitted(self) -> None:
        """Its turn has come."""
        _WRITE_WAIT.labels(self._kind).observe(time.monotonic() - self._began)

    def ended(self, outcome: str, tier: str | None = None, **rows: int) -> None:
        """It is over: `ok`, `repeated` (it had been done before) or the code of an error.

        Args:
            outcome: how it ended.
            tier: how rows were inserted; default they were not.
            rows: how many changed, by the change.
        """
        _WRITES.labels(self._kind, tier or NO_TIER, outcome).inc()
        _WRITE_DURATION.labels(self._kind).observe(time.monotonic() - self._began)
        for change, count in rows.items():
            _WRITTEN_ROWS.labels(change).inc(count)


def exposition() -> bytes:
    """The figures of all processes of this server in Prometheus' text format."""
    if not os.environ.get(METRICS_FOLDER):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
