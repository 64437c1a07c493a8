"""Pixeltable's Postgres by Pixeltable's own login: what the restricted role may not do. No statement of a user comes here.

It tells whether plans still hold, names snapshots for the readers to join, grants them columns, and looks up where media cells are.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pxt_flight.engine.faults import translated
from pxt_flight.engine.seam.columns import CellSource
from pxt_flight.engine.seam.plan import Moment, State
from pxt_flight.engine.seam.store import FINGERPRINT, MOMENTS, STATES
from pxt_flight.errors import error

Connection = psycopg.Connection[Any]
Fingerprint = frozenset[tuple[str, str]]
Shapes = frozenset[tuple[str, str]]
log = logging.getLogger(__name__)
_FINGERPRINT = FINGERPRINT.format(ids="%s::uuid[]")
_STATES = STATES.format(ids="%s::uuid[]")
_HAS_TYPE = "SELECT 1 FROM pg_type WHERE typname = %s AND typnamespace = 'pxt_flight'::regnamespace"
# json has no order and no equality: two blobs cannot be compared by where they are.
_BLOB_TYPE: LiteralString = "CREATE TYPE {} AS (source integer, row_id bigint[], v_min bigint, data bytea, incomparable json)"
_MOMENTS = MOMENTS.format(ids="%s::uuid[]", versions="%s::bigint[]")
_UNREADABLE = """
SELECT w.t, w.c FROM unnest(%s::text[], %s::text[]) AS w(t, c)
JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(w.t)) AND a.attname = w.c AND NOT a.attisdropped
WHERE NOT has_column_privilege(%s::name, a.attrelid, a.attnum, 'SELECT')
"""
_IDLE = 4
_OPEN = 24  # of the 100 connections that Postgres gives to everybody
_PATIENCE = 30.0  # seconds to wait for one
# That any session waits for a lock: one on a table is held by who changes it, who in turn waits for nobody longer than for its streams.
LOCK_SECONDS = 10.0
SET_LOCK_TIMEOUT: LiteralString = "SELECT set_config('lock_timeout', %s, false)"  # in milliseconds


def shapes(states: Mapping[str, State]) -> Shapes:
    """What all changes of tables and directories change, but writes of rows."""
    return frozenset((key, state.shape) for key, state in states.items())


class BlobPlace(NamedTuple):
    """Where a blob is: bytes `start` to `end` of a file; `shape` of an array of bits, None of what is as it is."""

    url: str
    start: int
    end: int
    shape: tuple[int, ...] | None


class Store:
    """Connections to Pixeltable's Postgres.

    Args:
        uri: libpq's connection URI of Pixeltable's login.
        reader: that of the restricted role; None where there is none.
    """

    def __init__(self, uri: str, *, reader: str | None = None) -> None:
        self.uri = uri
        self._role = conninfo_to_dict(reader)["user"] if reader else None
        self._types: set[str] = set()
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._open = threading.BoundedSemaphore(_OPEN)

    def fingerprint(self, ids: Sequence[str]) -> Fingerprint:
        """What changes with any change of some tables and directories, by their ids."""
        with self.connection() as connection:
            return self.fingerprint_in(connection, ids)

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        """How some tables and directories are, by id."""
        with self.connection() as connection:
            return {row[0]: State(*row[1:]) for row in connection.execute(_STATES, [list(ids), list(ids)]).fetchall()}

    @contextmanager
    def snapshot(self) -> Iterator[tuple[str, Connection]]:
        """The name of a snapshot that others may join within this context, and the connection whose transaction sees it."""
        with self.connection() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection.execute("SELECT pg_export_snapshot()").fetchone()[0], connection  # type: ignore[index]  # always a row

    def seen_by(
        self, connection: Connection
    ) -> tuple[Callable[[Sequence[str]], Fingerprint], Callable[[Collection[Moment]], frozenset[Moment]]]:
        """`fingerprint_in` and `moments_in` of a connection, for `bindings.Held`."""
        return partial(self.fingerprint_in, connection), partial(self.moments_in, connection)

    def fingerprint_in(self, connection: Connection, ids: Sequence[str]) -> Fingerprint:
        """Like `fingerprint`, in the transaction of a connection."""
        return frozenset(connection.execute(_FINGERPRINT, [list(ids), list(ids)]).fetchall())

    def moments_in(self, connection: Connection, versions: Collection[Moment]) -> frozenset[Moment]:
        """Which versions of these numbers there are in the transaction of a connection."""
        ids, numbers = [table_id for table_id, _, _ in versions], [version for _, version, _ in versions]
        return frozenset(connection.execute(_MOMENTS, [ids, numbers]).fetchall())

    def grant(self, columns: Iterable[tuple[str, str]]) -> None:
        """Let the restricted role read columns of the store that it could not read yet."""
        wanted = list(columns)
        if self._role is None or not wanted:
            return
        with self.connection() as connection:
            # Asked each time: a column that revert() dropped may come again under its name, without the right to it.
            found = connection.execute(_UNREADABLE, [[table for table, _ in wanted], [name for _, name in wanted], self._role]).fetchall()
            if not found:
                return
            missing: set[tuple[str, str]] = set(found)
            connection.execute("BEGIN")
            # Two servers that grant at once would meet in the catalog: "tuple concurrently updated".
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('pxt_flight.grant'))")
            for table in sorted({table for table, _ in missing}):
                names = sql.SQL(", ").join(sql.Identifier(name) for owner, name in sorted(missing) if owner == table)
                grant = sql.SQL("GRANT SELECT ({}) ON {} TO {}")
                connection.execute(grant.format(names, sql.Identifier(table), sql.Identifier(str(self._role))))
            connection.execute("COMMIT")

    def make_types(self, names: Iterable[str]) -> None:
        """Make the types of Postgres for blobs that are not there yet.

        Args:
            names: of `types.blob_name`.
        """
        missing = frozenset(names) - self._types
        if not missing:
            return
        with self.connection() as connection, self._lock:
            connection.execute("BEGIN")
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('pxt_flight.grant'))")
            for name in sorted(missing):
                if connection.execute(_HAS_TYPE, [name]).fetchone() is None:
                    connection.execute(sql.SQL(_BLOB_TYPE).format(sql.Identifier("pxt_flight", name)))
            connection.execute("COMMIT")
            self._types |= missing

    def type_name(self, oid: int) -> str:
        """The name of a type of Postgres."""
        with self.connection() as connection:
            row = connection.execute("SELECT typname FROM pg_type WHERE oid = %s::bigint::oid", [oid]).fetchone()
        return "?" if row is None else str(row[0])

    def blobs(self, source: CellSource, row_ids: Sequence[Sequence[int]], versions: Sequence[int]) -> list["BlobPlace | None"]:
        """Where the blobs of rows are that are not in the row, in the order of the references; None where one is gone.

        Args:
            source: the column.
            row_ids: as in `stored_paths`.
            versions: as in `stored_paths`.
        """
        md = sql.Identifier("t", f"{source.column}_cellmd")
        part = sql.SQL("{}->'array_md'->>") if source.kind == "Array" else sql.SQL("{}->'binary_md'->>")
        place = sql.SQL(
            "{}->'file_urls'->>0, ({}'start')::bigint, ({}'end')::bigint, ({}'is_bool')::boolean, {}->'array_md'->'shape'"
        ).format(md, *[part.format(md)] * 3, md)
        with self.connection() as connection:
            found = connection.execute(_looked_up(source, place), [*map(list, row_ids), list(versions)]).fetchall()
        return [None if row[0] is None else BlobPlace(row[0], row[1], row[2], tuple(row[4]) if row[3] else None) for row in found]

    def documents(
        self, source: CellSource, row_ids: Sequence[Sequence[int]], versions: Sequence[int]
    ) -> list[tuple[Any, Sequence[str]] | None]:
        """Json cells as they are stored, with the files of the objects in them; None where one is gone.

        Args:
            source: the column.
            row_ids: as in `stored_paths`.
            versions: as in `stored_paths`.
        """
        selected = sql.SQL("{}, {}->'file_urls'").format(sql.Identifier("t", source.column), sql.Identifier("t", f"{source.column}_cellmd"))
        with self.connection() as connection:
            found = connection.execute(_looked_up(source, selected), [*map(list, row_ids), list(versions)]).fetchall()
        return [None if row[1] is None else (row[0], row[1]) for row in found]

    def stored_paths(self, source: CellSource, row_ids: Sequence[Sequence[int]], versions: Sequence[int]) -> list[str | None]:
        """Where the cells of a media column are, in the order of the references; None where a cell is gone.

        Args:
            source: the column.
            row_ids: the numbers of the row ids, one sequence for each column of the row id.
            versions: those in which the rows were written.
        """
        with self.connection() as connection:
            statement = _looked_up(source, sql.Identifier("t", source.column))
            return [row[0] for row in connection.execute(statement, [*map(list, row_ids), list(versions)]).fetchall()]

    def value(self, statement: str, parameters: Sequence[int]) -> str | None:
        """The one value of a statement of our own, whose parameters are `$1`, `$2`, ...; None where it has no row."""
        with self.connection() as connection:
            row = psycopg.RawCursor(connection).execute(statement.encode(), parameters).fetchone()
            return None if row is None else row[0]

    def is_superuser(self) -> bool:
        """Whether Pixeltable's login is one: then no statement of a user may ever run as it."""
        with self.connection() as connection:
            return connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for the caller alone; a transaction that it leaves open is rolled back.

        Raises:
            UnavailableError: Postgres takes no further connection, or all that we take are in use.
        """
        if not self._open.acquire(timeout=_PATIENCE):
            raise error("unavailable", "The server is busy.", hint="Try again.")
        try:
            with self._connection() as connection:
                yield connection
        except psycopg.Error as fault:
            raise translated(fault.sqlstate or "", fault.diag.message_primary or "connection") from fault  # its own text quotes statements
        finally:
            self._open.release()

    def close(self) -> None:
        """Close the unused connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection = self._take()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = psycopg.connect(self.uri, autocommit=True, prepare_threshold=1)
                connection.execute(SET_LOCK_TIMEOUT, [str(int(LOCK_SECONDS * 1000))])
                return connection
            with suppress(psycopg.Error):
                connection.execute("SELECT 1")  # Postgres may have been restarted meanwhile
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        with suppress(psycopg.Error):
            if connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
            with self._lock:
                if len(self._idle) < _IDLE:
                    self._idle.append(connection)
                    return
        connection.close()


def _looked_up(source: CellSource, selected: sql.Composable) -> sql.Composed:
    """What is selected of the rows `t` of a column's table that references name, in the order of these."""
    keys = [f"k{i}" for i in range(len(source.row_id))]
    same: list[sql.Composable] = [sql.SQL("t.v_min = v")]
    same += [sql.SQL("t.{} = {}").format(sql.Identifier(name), sql.Identifier(key)) for name, key in zip(source.row_id, keys, strict=True)]
    return sql.SQL("SELECT {} FROM unnest({}, %s::bigint[]) WITH ORDINALITY AS r({}, v, n) LEFT JOIN {} t ON {} ORDER BY n").format(
        selected,
        sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(keys)),
        sql.SQL(", ").join(map(sql.Identifier, keys)),
        sql.Identifier(source.table),
        sql.SQL(" AND ").join(same),
    )
