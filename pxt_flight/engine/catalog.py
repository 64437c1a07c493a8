"""Tables and directories by name, and what describes them."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal, TypeVar
from uuid import UUID

import pixeltable as pxt
import psycopg
from pixeltable.exceptions import Error, ErrorCode, NotFoundError, RequestError

from pxt_flight.engine.seam import directory, probe
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.errors import PxtFlightError, error

T = TypeVar("T")
STAGING = "pxt_flight_staging"
"""The directory in which tables are filled before they are shown; nobody is shown it."""

# Pixeltable looks versions up as bigint, and answers a longer number with an error of Postgres.
_VERSION_DIGITS = 18


def list_tables(directory: str = "", *, recursive: bool = True) -> list[str]:
    """The paths of the tables in a directory, with slashes, sorted.

    Args:
        directory: its path; empty, or `/`, is the root.
        recursive: whether tables of directories inside count too.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`, there is no such directory.
    """
    try:
        return shown(pxt.list_tables(directory.strip("/").lower(), recursive=recursive))
    except (NotFoundError, RequestError):
        raise error("TABLE_NOT_FOUND", f"There is no directory {directory}.", where={"directory": directory}) from None


def shown(paths: Iterable[str]) -> list[str]:
    """Paths of tables or directories without what is being filled, sorted."""
    return sorted(path for path in paths if not is_hidden(path))


def is_hidden(path: str) -> bool:
    """Whether a path is in the directory that nobody is shown, or is that."""
    return path.partition(":")[0].partition("/")[0] == STAGING


def get_table(path: str) -> pxt.Table:
    """The table of a path, `films`, `dir/films` or `films:3`.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`, with the closest name as hint.
    """
    bare, colon, version = path.partition(":")
    try:
        if len(version) <= _VERSION_DIGITS:
            return pxt.get_table(path)
    except (Error, ValueError, AssertionError):  # the last is Pixeltable's answer to a version of a table that has none
        pass
    tables = list_tables()
    if colon and bare in tables:
        raise error("TABLE_NOT_FOUND", f"Table {bare} has no version {version}.", where={"table": bare})
    close = get_close_matches(bare, tables, n=1, cutoff=0.5)
    raise error(
        "TABLE_NOT_FOUND",
        f"There is no table {bare}.",
        hint=f"Did you mean {close[0]}?" if close else "List the tables with db.tables().",
        where={"table": bare},
    )


def current(path: str, use: Callable[[pxt.Table], T]) -> T:
    """Use a table as it is now: what this thread knows of one may be outdated, where another has reverted or moved it.

    Args:
        path: of the table.
        use: only looks at it; may run twice.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    # Imported here only: where Pixeltable's private parts are missing, the import itself would fail.
    if probe.missing_parts():
        return use(get_table(path))
    from pxt_flight.engine.seam import names, plan

    def used() -> T:
        table = get_table(path)
        plan.moments([table])
        names.check_names(table)
        return use(table)

    return plan.in_transaction(used)


def exists(path: str) -> bool:
    """Whether there is a table, view, snapshot or directory of a path.

    Raises:
        InvalidRequestError: `INVALID_PATH`, nothing can be called so.
    """
    try:
        return pxt.get_table(path, if_not_exists="ignore") is not None
    except RequestError as fault:
        if fault.error_code is ErrorCode.INVALID_PATH:
            hint = "Each name has ASCII letters, digits, _ and -, and begins with a letter."
            raise error("INVALID_PATH", f"No table or directory may be called {path!r}.", hint=hint) from None
        return True  # a directory, which `get_table` refuses


def table_id(path: str) -> UUID:
    """The id of a table in the store, which it keeps when it is renamed.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    found: UUID = get_table(path).get_metadata()["id"]
    return found


def primary_key(path: str) -> tuple[str, ...]:
    """The names of the key columns of a table; none where it has no key.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    return tuple(get_table(path).get_metadata()["primary_key"] or ())


@dataclass(frozen=True)
class Version:
    """A version of a table, as Pixeltable tells of it.

    Attributes:
        version: its number.
        created_at: when it was made, in UTC.
        created_by: by whom, where Pixeltable was told.
        change: of what it is one.
        inserts: how many rows came.
        updates: how many changed.
        deletes: how many went.
        errors: how many computed cells failed.
        schema_change: what changed of the columns.
        note: why it cannot be read; None where it can.
    """

    version: int
    created_at: datetime
    created_by: str | None
    change: Literal["data", "schema"]
    inserts: int
    updates: int
    deletes: int
    errors: int
    schema_change: str | None
    note: str | None


def list_versions(path: str, limit: int | None = None) -> list[Version]:
    """The versions of a table, newest first.

    Args:
        path: of the table, without a version.
        limit: at most so many; default all.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    table = get_table(path)
    metadata = table.get_metadata()
    found = []
    for told in table.get_versions(limit):
        note = None
        if not metadata["is_data_versioned"]:
            note = "The table keeps its live rows only."
        elif metadata["is_view"] and not _is_readable(f"{path}:{told['version']}"):
            note = "It was made of rows that are no more."
        rows = (told["inserts"], told["updates"], told["deletes"], told["errors"])
        found.append(Version(told["version"], told["created_at"], told["user"], told["change_type"], *rows, told["schema_change"], note))
    return found


def _is_readable(path: str) -> bool:
    try:
        get_table(path)
    except PxtFlightError:
        return False
    return True


@dataclass(frozen=True)
class TableDescription:
    """What a table is, without its rows.

    Attributes:
        path: its path with slashes.
        kind: `table`, `view` or `snapshot`.
        columns: the name and Pixeltable's declaration of each column, in order: `("score", "Float | None")`; not the one that says when a
            row was deleted softly.
        primary_key: the names of its key columns, in order.
        stamp: differs where the table's schema does; `columns` and `primary_key` are the same while it is.
    """

    path: str
    kind: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...]
    stamp: object

    @property
    def directory(self) -> str:
        """The path of its directory, empty for the root."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name inside of its directory."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Listing:
    """All directories and tables at one moment, both sorted by path; the root directory is the empty path."""

    directories: tuple[str, ...]
    tables: tuple[TableDescription, ...]


class Catalog:
    """Describes the tables of the store, and asks Pixeltable only for those that changed.

    Pixeltable takes 6 ms for each table; the stamps of all of them take 1 ms, and that nothing has changed at all 0.1 ms.

    Args:
        uri: libpq's connection URI of Pixeltable's Postgres.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        # Pixeltable keeps its catalog per thread: one of our own, so that slow queries do not hold metadata up.
        self._thread = ThreadPoolExecutor(1, "catalog")
        self._listed: tuple[object, Listing] | None = None
        self._described: dict[str, TableDescription] = {}

    def moment(self) -> object:
        """Equal to an earlier one exactly if no transaction has ended since, by whomever; any other object where that is not known."""
        found = self._ask(directory.visible_transactions)
        return object() if found is None else found

    def listing(self) -> Listing:
        """All directories and tables."""
        moment = self.moment()  # before the tables are read: what is newer is read again next time
        listed = self._listed
        if listed is None or listed[0] != moment:
            listed = (moment, self._thread.submit(self._read).result())
            self._listed = listed
        return listed[1]

    def close(self) -> None:
        """Stop the thread and close the connection."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _read(self) -> Listing:
        # Imported here only: where Pixeltable's private parts are missing, the import itself would fail.
        if probe.missing_parts():
            return self._read_all(lambda _tables: None)
        from pxt_flight.engine.seam import plan

        return plan.in_transaction(lambda: self._read_all(plan.moments))  # one for all: each would open its own

    def _read_all(self, check: Callable[[list[Any]], object]) -> Listing:
        stamps = self._ask(directory.stamps) or {}
        described = {}
        for path in shown(pxt.list_tables("", recursive=True)):
            known = self._described.get(path)
            if known is None or known.stamp != stamps.get(path):
                known = _describe(path, stamps.get(path), check)
            if known is not None:
                described[path] = known
        self._described = described
        directories = ("", *shown(pxt.list_dirs("", recursive=True)))
        return Listing(directories, tuple(described.values()))

    def _ask(self, question: Callable[["psycopg.Connection[Any]"], T]) -> T | None:
        """Ask Postgres itself; None where it cannot be asked, or is not laid out as we know it: slower then, and never wrong."""
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(self._uri, autocommit=True)
                return question(self._connection)
            except (psycopg.Error, LookupError, TypeError, AttributeError):
                with suppress(psycopg.Error):
                    if self._connection is not None:
                        self._connection.close()
                return None


def _describe(path: str, stamp: object, check: Callable[[list[Any]], object]) -> TableDescription | None:
    try:
        table = pxt.get_table(path)
        check([table])  # that this is the table of now: Pixeltable keeps it by its version's number
        metadata = table.get_metadata()
    except Error:  # dropped meanwhile
        return None
    concealed = deletion_columns(metadata["columns"])
    columns = tuple((name, column["type_"]) for name, column in metadata["columns"].items() if name not in concealed)
    # Without a stamp nothing would tell that it has changed: one of its own, equal to no other.
    return TableDescription(path, metadata["kind"], columns, tuple(metadata["primary_key"] or ()), object() if stamp is None else stamp)
