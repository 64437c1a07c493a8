"""The connection of a transaction of Pixeltable, whose statements are read as they are fetched."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql


@contextmanager
def streamed(connection: sql.Connection, *, rows: int) -> Iterator[None]:
    """Let the statements of a transaction be read with cursors of the server, so that no result is in memory as a whole.

    Args:
        connection: of the transaction; its next one is not affected.
        rows: fetched at a time, at most.
    """
    opened: list[Any] = []

    def remember(_connection: Any, cursor: Any, *_: Any) -> None:
        opened.append(cursor)

    # Of a cursor Postgres thinks that only a tenth is read, and takes an index of embeddings that gives 40 rows and no more.
    connection.execute(sql.text("SET LOCAL cursor_tuple_fraction = 1"))
    sql.event.listen(connection, "after_cursor_execute", remember)
    connection.execution_options(stream_results=True, max_row_buffer=rows)
    try:
        yield
    finally:
        sql.event.remove(connection, "after_cursor_execute", remember)
        for cursor in opened:  # those that were not read to their end
            cursor.close()
