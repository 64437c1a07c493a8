"""Tables: what there is, and its versions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial

from pxt_flight.engine import ddl, definition
from pxt_flight.engine.catalog import Catalog, Listing, Version
from pxt_flight.engine.ddl import IfExists, IfMissing
from pxt_flight.engine.definition import TableInfo
from pxt_flight.engine.receipts import WriteRecord
from pxt_flight.errors import NotFoundError, error
from pxt_flight.operations.call import Call
from pxt_flight.operations.references import DirectoryRef, OfTable, TableRef, path_of
from pxt_flight.public_api import Deprecation, find_operation, public_api


@public_api(category="tables", http_method="GET", path="/api/v1/tables", permission="read", raises=("TABLE_NOT_FOUND",))
def list_tables(call: Call, dir_path: DirectoryRef = "", recursive: bool = True) -> list[str]:
    """List the tables of a directory that this key may read.

    Args:
        call: who asks.
        dir_path: path of the directory; empty, or `/`, is the root.
        recursive: whether tables of directories inside are listed too.

    Returns:
        Paths with slashes, sorted.
    """
    call.require("list_tables")
    operation = find_operation("list_tables")
    return [table for table in call.engine.list_tables(dir_path, recursive=recursive) if call.principal.may(operation, table)]


@public_api(
    category="versions",
    http_method="GET",
    path="/api/v1/tables/{table_path}/versions",
    permission="read",
    raises=("TABLE_NOT_FOUND", "INVALID_ARGUMENT"),
)
def versions(call: Call, table_path: OfTable, limit: int | None = None) -> list[Version]:
    """List the versions of a table, newest first.

    Args:
        call: who asks.
        table_path: its path, without a version.
        limit: at most so many; default all.

    Returns:
        Of each version `version`, `created_at` (ISO 8601, UTC), `created_by` (null where Pixeltable was not told), `change` (`data` or
        `schema`), the numbers of rows in `inserts`, `updates` and `deletes`, of failed cells in `errors`, `schema_change` (a text, or
        null) and `note` (why the version cannot be read; null where `"table:version"` reads it).
    """
    path = _path(call, "Table.versions", table_path, limit)
    return call.engine.list_versions(path, limit)


@public_api(
    category="versions",
    http_method="GET",
    path="/api/v1/tables/{table_path}/writes",
    permission="read",
    raises=("TABLE_NOT_FOUND", "INVALID_ARGUMENT"),
)
def writes(call: Call, table_path: OfTable, limit: int | None = None) -> list[WriteRecord]:
    """List what was written to a table through this server and others of ours, newest first.

    A version of `versions` that is not here was made by Pixeltable itself, or is a change of columns. A write that made several
    versions is named by the last. Where a number stands here twice, `revert` took the older version back: the newer entry is the one that
    `versions` lists.

    Args:
        call: who asks.
        table_path: its path, without a version.
        limit: at most so many; default all.

    Returns:
        Of each write `version`, `kind` (insert, update, upsert, delete, create, replace, revert), `created_at` (ISO 8601, UTC),
        `created_by` (the name of the key; null where it is gone), the numbers of rows `inserted`, `updated`, `deleted` and `rejected`
        (sent, and left out), and `tier` (how rows were inserted; null where none were).
    """
    path = _path(call, "Table.writes", table_path, limit)
    return call.writer.history(path, limit)


@dataclass(frozen=True)
class SchemaChange:
    """What a change of tables, columns or directories did.

    Attributes:
        path: of the table or directory, after it.
        changed: whether anything is otherwise than before.
        version: that of the table after it; null where it has none, or is gone.
    """

    path: str
    changed: bool
    version: int | None = None


@public_api(category="tables", http_method="GET", path="/api/v1/tables/{path}", permission="read", raises=("TABLE_NOT_FOUND",))
def get_table(call: Call, path: TableRef) -> TableInfo:
    """Describe a table, view or snapshot: its columns, its key, its indexes, what it stands on and what stands on it.

    Args:
        call: who asks.
        path: its path; `films:3` is an earlier version of it.

    Returns:
        All but its rows. Expressions that name files are null.
    """
    path = path_of(path)
    call.require("get_table", path.partition(":")[0])
    return call.engine.run(lambda: definition.describe(path, call.sees("get_table")))


@public_api(
    category="tables",
    http_method="GET",
    path="/api/v1/tables/{path}/info",
    permission="read",
    raises=("TABLE_NOT_FOUND",),
    deprecated=Deprecation("0.1.0", date(2026, 11, 22), sunset=date(2027, 11, 22)),
    replacement="get_table",
)
def table_info(call: Call, path: TableRef) -> TableInfo:
    """Describe a table, as `get_table` does.

    Args:
        call: who asks.
        path: its path; `films:3` is an earlier version of it.

    Returns:
        As `get_table`.
    """
    return get_table(call, path)


@public_api(
    category="tables",
    http_method="DELETE",
    path="/api/v1/tables/{path}",
    permission="schema",
    raises=("TABLE_NOT_FOUND", "CONSTRAINT_VIOLATION", "INVALID_PATH", "table_busy"),
)
def drop_table(call: Call, path: TableRef, force: bool = False, if_missing: IfMissing = "error") -> SchemaChange:
    """Drop a table, view or snapshot with all of its versions; nothing brings it back.

    Args:
        call: who asks.
        path: its path.
        force: whether the views and snapshots that stand on it go with it.
        if_missing: `error`, or `ignore` where there is none.

    Returns:
        What was done.
    """
    path = path_of(path)
    call.require("drop_table", path)
    call.engine.run(partial(ddl.check_name, path))
    try:
        call.writer.define(lambda: ddl.drop_table(path, call.sees("drop_table"), force=force), path, call.on_wait)
    except NotFoundError:
        if if_missing == "ignore":
            return SchemaChange(path, changed=False)
        raise
    return SchemaChange(path, changed=True)


@public_api(
    category="tables",
    path="/api/v1/tables/{path}/move",
    permission="schema",
    raises=("TABLE_NOT_FOUND", "DIRECTORY_NOT_FOUND", "PATH_ALREADY_EXISTS", "INVALID_PATH", "table_busy"),
)
def move_table(call: Call, path: TableRef, new_path: TableRef, if_exists: IfExists = "error") -> SchemaChange:
    """Give a table, view or snapshot another name, directory, or both; its versions go with it.

    Args:
        call: who asks.
        path: its path.
        new_path: where it shall be; the directory must be there.
        if_exists: what to do where there is something: `error`, or `ignore`, which leaves both as they are.

    Returns:
        What was done.
    """
    path, new_path = path_of(path), path_of(new_path)
    for named in (path, new_path):
        call.require("move_table", named)
        call.engine.run(partial(ddl.check_name, named))
    if path == new_path:
        raise error("INVALID_ARGUMENT", "The table is there already.", where={"argument": "new_path"})
    is_moved = call.writer.define(lambda: ddl.move_table(path, new_path, if_exists=if_exists), path, call.on_wait)
    return SchemaChange(new_path if is_moved else path, is_moved)


def changed(call: Call, path: str, change: Callable[[], bool], *, of: str | None = None) -> SchemaChange:
    """Change what a table is, when its turn has come.

    Args:
        call: who asks.
        path: of the table.
        change: changes it, and tells whether it did.
        of: the path of the table whose turn is waited for, where that is another.

    Raises:
        UnavailableError: `table_busy`.
        PxtFlightError: what the change raises.
    """

    def work() -> SchemaChange:
        return SchemaChange(path, change(), definition.version(path))

    return call.writer.define(work, of or path, call.on_wait)


def describe_tables(call: Call, catalog: Catalog) -> Listing:
    """The tables that this key may read, described, and the directories: all for a key of all tables, else those on the way to its own."""
    call.require("list_tables")
    listing = catalog.listing()
    if "*" in call.principal.tables:
        return listing
    operation = find_operation("list_tables")
    tables = tuple(table for table in listing.tables if call.principal.may(operation, table.path))
    on_the_way = {"", *(part for table in tables for part in ddl.ancestors(table.directory))}
    return Listing(tuple(path for path in listing.directories if path in on_the_way), tables)


def _path(call: Call, name: str, table: str, limit: int | None) -> str:
    """The table that an operation lists something of, once the caller may see it."""
    path = table
    call.require(name, path)
    if ":" in path:
        raise error("INVALID_ARGUMENT", "Name the table without a version.", where={"argument": "table"})
    if limit is not None and not 1 <= limit < 1 << 31:
        raise error("INVALID_ARGUMENT", "limit must be a number from 1 on.", where={"argument": "limit"})
    return path
