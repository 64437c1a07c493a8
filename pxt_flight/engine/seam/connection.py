"""The connection of a transaction of Pixeltable: its statements read as they are fetched, ended in time, and stopped from any thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql


class Cancel:
    """Cancels what a connection runs, from any thread; does nothing once the connection is another's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.cancel_safe()

    def end(self) -> None:
        """The work is over."""
        with self._lock:
            self._connection = None


@contextmanager
def streamed(connection: sql.Connection, *, seconds: float, rows: int) -> Iterator[Cancel]:
    """Let the statements of a transaction be read with cursors of the server, so that no result is in memory as a whole.

    Args:
        connection: of the transaction; its next one is not affected.
        seconds: that a statement may take; 0 is no limit.
        rows: fetched at a time, at most.

    Yields:
        What stops the statement that runs.
    """
    opened: list[Any] = []

    def remember(_connection: Any, cursor: Any, *_: Any) -> None:
        opened.append(cursor)

    # Of a cursor Postgres thinks that only a tenth is read, and takes an index of embeddings that gives 40 rows and no more.
    connection.execute(sql.text("SET LOCAL cursor_tuple_fraction = 1"))
    connection.execute(sql.text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
    cancel = Cancel(connection.connection.driver_connection)
    sql.event.listen(connection, "after_cursor_execute", remember)
    connection.execution_options(stream_results=True, max_row_buffer=rows)
    try:
        yield cancel
    finally:
        cancel.end()
        sql.event.remove(connection, "after_cursor_execute", remember)
        for cursor in opened:  # those that were not read to their end
            cursor.close()
