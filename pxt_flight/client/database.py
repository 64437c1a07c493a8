"""`connect` and what it answers."""

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import pyarrow as pa

from pxt_flight.client.discovery import Found, named_server
from pxt_flight.client.explanation import Explanation
from pxt_flight.client.local_server import chosen_home, running_in, start, why_not_startable
from pxt_flight.client.operations import DatabaseOperations
from pxt_flight.client.preview import MEDIA
from pxt_flight.client.result import Result
from pxt_flight.client.sources import open_source
from pxt_flight.client.table import Table, quoted
from pxt_flight.client.transport import Transport
from pxt_flight.client.writes import Progress, Writes
from pxt_flight.client.written import Written
from pxt_flight.errors import ConnectError, PxtFlightError, UnauthenticatedError, error

if TYPE_CHECKING:
    import polars as pl
    from adbc_driver_flightsql import dbapi as flightsql

    from pxt_flight.client.lazyframe import Transfer

# Behind comments, the first word of a statement that writes.
_WRITES = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(?:insert|update|delete)\b", re.IGNORECASE | re.DOTALL)


class Database(DatabaseOperations):
    """A connection to a pxt-flight server; made by `connect`, usable as a context manager.

    Attributes:
        uri: `grpc://host:port` of the server.
    """

    def __init__(self, uri: str, key: str) -> None:
        self.uri = uri
        self._key = key
        self._transport = Transport(uri, key)
        self._call = self._transport.call
        self._writes = Writes(self._transport)

    def sql(self, query: str, parameters: Sequence[Any] = (), *, media: str | None = None, include_deleted: bool = False) -> Result:
        """Run one SELECT; an INSERT, UPDATE or DELETE is run once, at once, and answers a `Written` in place of rows (see `execute`).

            db.sql("select name from films where score > $1", [8]).to_polars()

        Args:
            query: PostgreSQL's SELECT; placeholders are `$1` or `?`.
            parameters: the values of the placeholders, in order.
            media: how media values are sent: `url` (default; links that are good for 15 minutes), `thumbnail:N` (JPEG) or `bytes`.
            include_deleted: of a SELECT: read the rows that are deleted softly, too, and the column that says when.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        if _WRITES.match(query):
            # As a query it would be run again for its display.
            return self.execute(query, parameters)  # type: ignore[return-value]  # whoever writes rows reads none
        values = list(parameters)  # as they are now: the display asks again, later
        command: dict[str, Any] = {"sql": query, "parameters": values} | ({} if media is None else {"media": media})
        command |= {"include_deleted": True} if include_deleted else {}

        def again(columns: Sequence[str] | None, media: str = MEDIA) -> Result:
            narrowed = query if columns is None else _narrowed(query, columns)
            return self.sql(narrowed, values, media=media, include_deleted=include_deleted)

        def explain() -> Explanation:
            return self.explain(query, values, include_deleted=include_deleted)

        return Result(self._transport.read(command), self.uri, explain=explain, again=again)

    def read_rows(self, command: dict[str, Any]) -> Result:
        """Read rows of a table by the arguments of the operation `Table.query`; `Table.scan` does so where its condition is a filter.

        Args:
            command: `table_path`, and what of `select`, `where`, `order_by`, `limit`, `aggregate`, `group_by` is wanted.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """

        def again(columns: Sequence[str] | None, media: str = MEDIA) -> Result:
            return self.read_rows(command | {"media": media} | ({} if columns is None else {"select": list(columns)}))

        def explain() -> Explanation:
            raise error("UNSUPPORTED_OPERATION", "How a filter is read is not told.", hint="Write it as a condition in SQL.")

        return Result(self._transport.read(command), self.uri, explain=explain, again=again)

    def execute(self, statement: str, parameters: Sequence[Any] = (), *, idempotency_key: str | None = None) -> Written:
        """Run one INSERT, UPDATE or DELETE, and answer what it did.

            db.execute("update films set score = score + 1 where name = $1", ["Brazil"]).updated

        Args:
            statement: on one table; placeholders are `$1` or `?`.
            parameters: the values of the placeholders, in order.
            idempotency_key: a name for this write: asked again under it, it is not done again. Default a new one.

        Raises:
            PxtFlightError: what the server says; nothing was written.
        """
        return self._writes.call("pixeltable.execute", sql=statement, parameters=list(parameters), idempotency_key=idempotency_key)

    def create_table(
        self,
        name: str,
        source: Any,
        *,
        column: str | None = None,
        primary_key: str | Sequence[str] | None = None,
        if_exists: Literal["error", "replace", "append"] = "error",
        on_error: Literal["abort", "ignore"] = "abort",
        progress: Progress = None,
        idempotency_key: str | None = None,
    ) -> Table:
        """Make a table of rows, or of a schema, as one version.

            db.create_table("films", pl.read_csv("films.csv"), primary_key="id")
            db.create_table("photos", "photos/*.jpg", column="image")
            db.create_table("notes", pa.schema([pa.field("id", pa.int64(), nullable=False), ("text", pa.string())]))

        The columns are those of Arrow, with NULL where Arrow allows it; the metadata `pxt:type` of a field (`Image`, `Json`) says what
        its bytes or text are. Of values of Python, pictures and paths become media, dicts and lists Json, numpy's arrays arrays.

        Args:
            name: `films`, or `dir.films`.
            source: rows, as `Table.insert` takes them, or a `pyarrow.Schema` for a table without rows.
            column: the name of the column, where `source` is a pattern of media files.
            primary_key: its column, or columns.
            if_exists: `error`, `replace`, or `append` to insert into the table that is there.
            on_error: as of `Table.insert`, like the rest.
            progress: a bar, or what is called.
            idempotency_key: a name for this write.

        Raises:
            ConflictError: `PATH_ALREADY_EXISTS`.
            PxtFlightError: what the server says; nothing was made.
        """
        table = self.table(name)
        declared = table.schema_if_there() if if_exists == "append" else None
        rows = source.empty_table() if isinstance(source, pa.Schema) else source
        keys = [primary_key] if isinstance(primary_key, str) else None if primary_key is None else list(primary_key)
        self._writes.rows(
            "pixeltable.create_table",
            open_source(rows, column, {}, declared),
            declared,
            progress=progress,
            idempotency_key=idempotency_key,
            path=table.name,
            if_exists=if_exists,
            primary_key=keys,
            on_error=on_error,
        )
        return table

    def explain(self, query: str, parameters: Sequence[Any] = (), *, include_deleted: bool = False) -> Explanation:
        """How the server would read a query, and why; nothing is read.

        Args:
            query: as in `sql`.
            parameters: as in `sql`.
            include_deleted: as in `sql`.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        asked: dict[str, Any] = {"sql": query, "parameters": list(parameters)} | ({"include_deleted": True} if include_deleted else {})
        return Explanation.from_answer(self._call("pixeltable.explain", **asked))

    def table(self, name: str) -> Table:
        """A table by its name: `films`, `dir.films` or `dir/films`. Whether it exists is asked when it is read."""
        return Table(name.replace(".", "/"), self.sql, self._call, self._writes, self.read_rows)

    def __getitem__(self, name: str) -> Table:
        return self.table(name)

    def tables(self, directory: str = "/") -> list[str]:
        """The paths of the tables in a directory and below it."""
        return self.list_tables(dir_path=directory)

    def adbc(self) -> "flightsql.Connection":
        """An ADBC connection (DB-API) to the same server with the same key: for `pl.read_database`, DuckDB, dbt and the like."""
        from pxt_flight.client.adbc import open_adbc  # its driver imports pandas and polars where they are: 1 s

        return open_adbc(self.uri, self._key)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.uri!r})"  # never the key: notebooks are saved


def connect(uri: str | None = None, *, key: str | None = None, home: str | Path | None = None) -> Database:
    """Connect to a pxt-flight server: the one that is named, or the first that is found.

        db = pf.connect("grpc://host:8815", key="pxt_...")
        db = pf.connect(home=".demo")
        db = pf.connect()

    The first of these that is there is used, and no later one:

    1. `uri` and `key`, or `home`.
    2. The file that PXT_FLIGHT_CREDENTIALS names, then the one that KERNEL_PXT_FLIGHT_CREDENTIALS names.
    3. PXT_FLIGHT_URI with PXT_FLIGHT_KEY, then KERNEL_PXT_FLIGHT_URI with KERNEL_PXT_FLIGHT_KEY.
    4. The user's profile: `$XDG_CONFIG_HOME/pxt-flight/profile.json`, by default below `~/.config`, on Windows below `%APPDATA%`.
    5. The server that runs in the home: `home`, else PIXELTABLE_HOME, else `~/.pixeltable` if that exists.
    6. With the extra `server` installed, a server that is started on that home. A line says where it is and how to stop it; it goes on
       when this process ends. A folder that is no Pixeltable home stays as it is.

    A credentials file, and the profile, is JSON: `{"uri": "grpc://host:8815", "key": "pxt_..."}`, readable by its owner only
    (mode 0600), else it is refused. (Windows has no such modes; there it is taken.)

    Args:
        uri: `grpc://host:port` with `key`, or `pxt://KEY@host:port`. Without `key`, PXT_FLIGHT_KEY is taken.
        key: the key to come in with.
        home: the Pixeltable home of a server on this machine; its address and key are found there, whatever the environment says.

    Raises:
        ConnectError: no server was found, or none answers; the hint says what to do and `where` what was tried.
        UnauthenticatedError: the server does not know the key, or none was given.
        InvalidRequestError: `INVALID_ARGUMENT`, the arguments do not go together, or the address is malformed.
    """
    if home is not None and uri is not None:
        raise error("INVALID_ARGUMENT", "Both uri and home were given.", hint="Give one of them.")
    if home is None and (found := named_server(uri, key)):
        return _opened(found)
    return _opened_in_home(home, key)


def scan_pxt(
    name: str,
    db: Database | None = None,
    *,
    version: int | None = None,
    media: str | None = None,
    on_transfer: "Callable[[Transfer], object] | None" = None,
) -> "pl.LazyFrame":
    """A table as a `polars.LazyFrame`: `pf.scan_pxt("films").filter(pl.col("score") > 8).collect()`.

    Args:
        name: the table, `films` or `dir.films`.
        db: the connection; default one that `connect()` finds by itself, open as long as the frame is in use.
        version: as in `Table.scan_polars`, like the rest.
        media: how media values are sent, as in `Table.scan`.
        on_transfer: called after each read.

    Raises:
        PxtFlightError: no server was found, or what the server says.
    """
    return (connect() if db is None else db).table(name).scan_polars(version=version, media=media, on_transfer=on_transfer)


def _narrowed(query: str, columns: Sequence[str]) -> str:
    """Some columns of a query's result. A line of its own for the query: a comment at its end swallows nothing."""
    return f"SELECT {', '.join(map(quoted, columns))} FROM (\n{query.rstrip().removesuffix(';')}\n) AS narrowed"  # noqa: S608  # quoted


def _opened_in_home(home: str | Path | None, key: str | None) -> Database:
    folder, step = chosen_home(home)
    if folder is None:
        raise _nothing_found(home, f"{step} (no such folder)")
    found = running_in(folder, step)
    if found is not None:
        with contextlib.suppress(ConnectError):  # it died, and its process id has gone to another process
            return _opened(found if key is None else replace(found, key=key))
    reason = why_not_startable(folder)
    if reason is not None:
        raise _nothing_found(home, f"a server in {step} ({'none answers' if found else 'none runs'}), starting one ({reason})")
    started = start(folder, step, instead_of=found)
    return _opened(started if key is None else replace(started, key=key))


def _opened(found: Found) -> Database:
    try:
        database = Database(found.uri, found.key)
        try:
            database.tables()  # a wrong address or key is told here, not at the first query
        except BaseException:
            database.close()
            raise
    except (ConnectError, UnauthenticatedError) as fault:
        raise found.failed(fault) from None
    return database


def _nothing_found(home: str | Path | None, last: str) -> PxtFlightError:
    tried = [last] if home is not None else ["PXT_FLIGHT_CREDENTIALS", "PXT_FLIGHT_URI with PXT_FLIGHT_KEY", "the user's profile", last]
    return error(
        "connect_failed",
        "No server was found.",
        hint=f"Tried: {'; '.join(tried)}. Pass uri= and key=, or start one: pxt-flight serve --home DIR.",
        where={"tried": tried},
    )
