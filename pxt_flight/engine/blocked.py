"""Looks after the streams that run: spools those whose clients lag, and those whose tables somebody waits to change.

A stream's transaction holds ACCESS SHARE on its tables. Who changes a table waits for all of them, and every later reader of it waits
behind that.
"""

import threading
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Protocol

import psycopg

from pxt_flight.errors import PxtFlightError, error

TICK = 1.0  # seconds between two looks
IDLE = 2.0  # seconds after which a client that has not come back is taken to lag

# Only ACCESS EXCLUSIVE is kept waiting by those who read.
_AWAITED = """
SELECT DISTINCT right(c.relname, 32) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE NOT l.granted AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c.relname ~ '^(tbl|view)_[0-9a-f]{32}$'
"""


class Watched(Protocol):
    """A stream, from before its statement begins to run.

    Attributes:
        tables: the ids of those that it reads, as hex; more do no harm.
        began: when, by `time.monotonic`.
    """

    tables: Collection[str]
    began: float

    def spool_if_idle(self, seconds: float) -> None:
        """Spool it if its client has not come back for so long."""

    def hurry(self, is_needed: bool) -> None:
        """Spool it however fast its client is, or need not any more."""

    def cut(self, reason: PxtFlightError) -> None:
        """End it."""


class StreamWatch:
    """One thread that looks at all streams about once a second, while there are any.

    Args:
        uri: libpq's connection URI of Pixeltable's login.
        deadline: seconds that who changes a table waits for its streams at most.
        tick: seconds between two looks.
        idle: seconds after which a client is taken to lag.
    """

    def __init__(self, uri: str, *, deadline: float, tick: float = TICK, idle: float = IDLE) -> None:
        self._uri = uri
        self._deadline = deadline
        self._tick = tick
        self._idle = idle
        self._streams: dict[Watched, float | None] = {}  # and since when somebody waits for a table of it
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None

    def add(self, stream: Watched) -> None:
        """Look after a stream."""
        with self._changed:
            self._streams[stream] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="streams", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, stream: Watched) -> None:
        """It holds no table any more."""
        with self._changed:
            self._streams.pop(stream, None)

    def close(self) -> None:
        """Stop looking, and cut off what still runs."""
        self._closed.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._disconnect()
        with self._changed:
            streams = list(self._streams)
        for stream in streams:
            stream.cut(error("unavailable", "The server is stopping.", hint="Try again."))

    def _watch(self) -> None:
        while not self._closed.wait(self._tick):
            with self._changed:
                if not self._streams:
                    self._disconnect()
                self._changed.wait_for(lambda: self._streams or self._closed.is_set())
            with suppress(Exception):  # one look's fault must not end all later ones
                self.look()

    def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        with self._changed:
            streams = dict(self._streams)
        for stream in streams:
            stream.spool_if_idle(self._idle)
        # Those that are over within a tick keep nobody waiting; for them Postgres is not even asked.
        lasting = {stream: since for stream, since in streams.items() if now - stream.began >= self._tick and stream.tables}
        awaited = self._awaited_tables() if lasting else frozenset()
        for stream, since in lasting.items():
            self._judge(stream, since, now, is_awaited=not awaited.isdisjoint(stream.tables))

    def _judge(self, stream: Watched, since: float | None, now: float, *, is_awaited: bool) -> None:
        with self._changed:
            if stream not in self._streams:
                return
            self._streams[stream] = (now if since is None else since) if is_awaited else None
        if is_awaited or since is not None:
            stream.hurry(is_awaited)
        if is_awaited and now - (now if since is None else since) >= self._deadline:
            stream.cut(being_changed())

    def _awaited_tables(self) -> frozenset[str]:
        """The ids of the tables that somebody waits to have alone; none where Postgres does not answer."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(self._uri, autocommit=True)
            return frozenset(row[0] for row in self._connection.execute(_AWAITED).fetchall())
        except psycopg.Error:
            self._disconnect()
            return frozenset()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()


def being_changed() -> PxtFlightError:
    """The error of a stream that must let go of its table."""
    return error("unavailable", "The table is being changed.", hint="Run the query again.")
