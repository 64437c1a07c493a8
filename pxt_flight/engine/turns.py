"""Turns at writing a table: first come, first served, in this process and then among all that write through us.

Pixeltable locks the row of a table in its metadata with NOWAIT and tries again after 0.1 to 0.5 s, so whoever writes in a loop starves
the others. Here a write waits in line: among the writes of this process, then for an advisory lock in Postgres, whose own queue is fair,
and then for that row, among those who write with Pixeltable itself. What it got from one of those it keeps for a tenth of a second: the
next attempt of that one fails in this time, and then it sleeps, while the row is let go of and taken again. Nothing depends on a turn but
fairness: Pixeltable's lock is what keeps two writes apart, also where the connection of a turn is lost.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from pxt_flight.engine.admission import Admission
from pxt_flight.engine.scan import OnOpen
from pxt_flight.engine.seam.store import ROW_LOCK
from pxt_flight.engine.store import LOCK_SECONDS, SET_LOCK_TIMEOUT, Connection
from pxt_flight.errors import PxtFlightError, error

# Each takes a connection of the store's; one more waits until another table's turn is over.
_TABLES = 8
_LOCK: LiteralString = "SELECT pg_advisory_lock(%s)"
_TRY: LiteralString = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK: LiteralString = "SELECT pg_advisory_unlock(%s)"
_ROW = ROW_LOCK.format(id="%s")
_FREE_ROW = f"{_ROW} SKIP LOCKED"
_KEPT = 0.1  # seconds: the shortest that Pixeltable sleeps, and more than it needs from one insert to the next


class Turns:
    """The turns of one process.

    Args:
        connect: lends a connection to Pixeltable's Postgres, by Pixeltable's own login.
        writing: how many may write at once, each another table.
        waiting: how many may wait for a turn at one table, and for each of the two places behind it.
        patience: seconds that one may wait.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Connection]], *, writing: int, waiting: int, patience: float) -> None:
        self._connect = connect
        self._waiting = waiting
        self._patience = patience
        self._tables = Admission("write_tables", running=_TABLES, waiting=waiting, patience=patience)
        self._writing = Admission("writes", running=writing, waiting=waiting, patience=patience)
        self._lines: dict[UUID, _Line] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, table_id: UUID, on_wait: OnOpen | None = None) -> Iterator["Turn"]:
        """Wait for one's turn at a table, on the caller's thread, and have it within this context.

        Args:
            table_id: of the store.
            on_wait: given, before the wait begins, what ends it from any thread; nothing, once the turn has come.

        Raises:
            UnavailableError: `table_busy`, no turn in time, or too many wait; `unavailable`, Postgres takes no connection.
            InvalidRequestError: `cancelled`, the wait was ended.
        """
        wait = _Wait(time.monotonic() + self._patience, on_wait)
        with (
            self._line(table_id) as line,
            wait.place(line),
            wait.place(self._tables),
            self._connect() as connection,
            _locked(connection, table_id, wait),
            wait.place(self._writing),
        ):
            turn = Turn(table_id, connection, wait)
            try:
                yield turn
            finally:
                turn.end()

    @contextmanager
    def claimed(self, claim: UUID) -> Iterator[None]:
        """Hold a claim that other processes see, and that ends with this one however that ends.

        Args:
            claim: what it is, of nobody else's making.
        """
        with self._connect() as connection:
            connection.execute(_LOCK, [_key(claim)])
            try:
                yield
            finally:
                with suppress(psycopg.Error):
                    connection.execute(_UNLOCK, [_key(claim)])

    def is_claimed(self, claim: UUID) -> bool:
        """Whether some process holds a claim."""
        with self._connect() as connection:
            (was_free,) = connection.execute(_TRY, [_key(claim)]).fetchone() or (False,)
            if was_free:
                connection.execute(_UNLOCK, [_key(claim)])
        return not was_free

    @contextmanager
    def _line(self, table_id: UUID) -> Iterator[Admission]:
        """The line at a table, which is kept as long as somebody stands in it."""
        with self._lock:
            line = self._lines.setdefault(table_id, _Line(self._waiting, self._patience))
            line.size += 1
        try:
            yield line.admission
        finally:
            with self._lock:
                line.size -= 1
                if not line.size:
                    del self._lines[table_id]


class Turn:
    """The turn of one write, which keeps the row that Pixeltable locks until it begins.

    Attributes:
        deadline: until when, by `time.monotonic`, the write may wait for locks.
    """

    def __init__(self, table_id: UUID, connection: Connection, wait: "_Wait") -> None:
        self.deadline = wait.deadline
        self._table_id = table_id
        self._connection = connection
        self._wait = wait
        self._kept_until = 0.0
        self._keep()

    def begin(self) -> None:
        """Let go of the row, which Pixeltable is going to lock in the next moment; called before each of its attempts, from any thread.

        Raises:
            UnavailableError: `table_busy`, somebody else was faster, and keeps it.
        """
        with suppress(psycopg.OperationalError):  # whoever lost the connection is as well off as without a turn
            if self._connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
                self._keep()
            time.sleep(max(0.0, self._kept_until - time.monotonic()))
            self._connection.execute("ROLLBACK")

    def end(self) -> None:
        """Let go of the row where the write did not even begin."""
        with suppress(psycopg.Error):
            if self._connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")

    def _keep(self) -> None:
        if _at_once(self._connection, (f"BEGIN; {_FREE_ROW}", self._table_id)).fetchone() is None:
            _execute(self._connection, self._wait, (_ROW, self._table_id))
            self._kept_until = time.monotonic() + _KEPT


class _Line:
    """Those who write one table or wait for it."""

    def __init__(self, waiting: int, patience: float) -> None:
        self.admission = Admission("write_queues", running=1, waiting=waiting, patience=patience)
        self.size = 0


class _Wait:
    """One wait through all its stages, which any thread may end."""

    def __init__(self, deadline: float, on_wait: OnOpen | None) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._is_ended = False
        if on_wait is not None:
            on_wait(self.end)

    def end(self) -> None:
        """End the wait, as soon as there is any; nothing, where it has come to its turn."""
        # `stop` too is called under the lock: the connection that it cancels may be another's once the stage is over.
        with self._lock:
            self._is_ended = True
            if self._stop is not None:
                self._stop()

    def seconds(self) -> float:
        """How long it may last from now on."""
        return max(0.001, self.deadline - time.monotonic())

    @contextmanager
    def place(self, admission: Admission) -> Iterator[None]:
        """Have a place of an admission within this context."""
        try:
            place = admission.enter(self._begin, patience=self.seconds())
        except PxtFlightError as fault:
            raise _cancelled() if fault.code == "cancelled" else _busy() from None
        finally:
            self._begin(None)
        try:
            yield
        finally:
            place.leave()

    @contextmanager
    def of(self, connection: Connection) -> Iterator[None]:
        """Statements that wait for a lock are ended where the wait is."""
        self._begin(connection.cancel_safe)
        try:
            if self._is_ended:
                raise _cancelled()
            yield
        except psycopg.errors.LockNotAvailable:
            raise _busy() from None
        except psycopg.errors.QueryCanceled:
            raise (_cancelled() if self._is_ended else _busy()) from None
        finally:
            self._begin(None)

    def _begin(self, stop: Callable[[], None] | None) -> None:
        with self._lock:
            self._stop = stop
            if self._is_ended and stop is not None:
                stop()


@contextmanager
def _locked(connection: Connection, table_id: UUID, wait: _Wait) -> Iterator[None]:
    """Have a table's advisory lock, with nobody of Pixeltable's own writing the table when it came."""
    key = _key(table_id)
    _execute(connection, wait, (_LOCK, key), (_ROW, table_id))  # alone, a statement keeps no row
    try:
        yield
    finally:
        try:
            _at_once(connection, (_UNLOCK, key), (SET_LOCK_TIMEOUT, _milliseconds(LOCK_SECONDS)))
        except psycopg.Error:
            with suppress(psycopg.Error):
                connection.close()


def _execute(connection: Connection, wait: _Wait, *statements: tuple[str, object]) -> None:
    """Run statements that wait for locks."""
    try:
        with wait.of(connection):
            for statement, value in statements:
                _at_once(connection, (SET_LOCK_TIMEOUT, _milliseconds(wait.seconds())), (statement, value))
    except BaseException:
        connection.close()  # and whatever it holds, or would have held
        raise


def _at_once(connection: Connection, *statements: tuple[str, object]) -> psycopg.Cursor[Any]:
    """Run statements of one value each in one round trip: a single write of one row takes 10 ms. Answers the cursor at the last of them."""
    cursor = psycopg.ClientCursor(connection)  # its values stand in the text: Postgres takes several statements only so
    cursor.execute("; ".join(statement for statement, _ in statements).encode(), [value for _, value in statements])
    while cursor.nextset():
        pass
    return cursor


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _key(table_id: UUID) -> int:
    """What stands for a table among the advisory locks of the database: 64 bits that nobody else is likely to use."""
    digest = hashlib.blake2b(table_id.bytes, digest_size=8, person=b"pxt_flight.turn").digest()
    return int.from_bytes(digest, signed=True)


def _busy() -> PxtFlightError:
    return error("table_busy", "Others are writing this table.", hint="Nothing was written; try again, with fewer and larger writes.")


def _cancelled() -> PxtFlightError:
    return error("cancelled", "The write was cancelled.", hint="Nothing was written.")
