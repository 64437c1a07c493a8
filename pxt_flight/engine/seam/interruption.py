"""What keeps Pixeltable's own statements in Postgres from taking too long: time limits, and a way to stop each."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import sqlalchemy as sql
from pixeltable.env import Env
from pixeltable.runtime import get_runtime

from pxt_flight.engine.seam.store import libpq_uri

# By process and transaction: the next one on that connection is somebody else's.
_BEGAN = "SELECT xact_start FROM pg_stat_activity WHERE pid = %s"
_CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND xact_start = %s"


def interrupter() -> Callable[[], None]:
    """What cancels the statement of this thread's transaction, whichever that is when it is called. Any other thread may call it."""
    runtime = get_runtime()

    def interrupt() -> None:
        transaction = runtime.conn
        # Where Postgres cannot be asked, or the transaction just ended, there is nothing to cancel.
        with suppress(psycopg.Error, sql.exc.SQLAlchemyError):
            if transaction is None:
                return
            pid = transaction.connection.driver_connection.info.backend_pid
            with psycopg.connect(libpq_uri(), autocommit=True) as connection:
                began = connection.execute(_BEGAN, [pid]).fetchone()
                if began is not None and runtime.conn is transaction:
                    connection.execute(_CANCEL, [pid, began[0]])

    return interrupt


def bound_sessions(*, statement: float, lock: float) -> None:
    """Have Postgres end statements of Pixeltable in this process that take too long.

    Args:
        statement: seconds that one may take.
        lock: seconds that one may wait for a lock.
    """
    engine = Env.get().engine

    def bound(connection: Any, _record: object) -> None:
        connection.execute(f"SET statement_timeout = {int(statement * 1000)}")
        connection.execute(f"SET lock_timeout = {int(lock * 1000)}")
        connection.commit()

    sql.event.listen(engine, "connect", bound)
    engine.dispose()  # those that are open already
