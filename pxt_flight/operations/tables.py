"""Tables: what there is, and its versions."""

from dataclasses import asdict
from typing import Any

from pxt_flight.engine.catalog import Catalog, Listing
from pxt_flight.errors import error
from pxt_flight.operations.call import Call
from pxt_flight.public_api import find_operation, public_api


@public_api(http_method="GET", permission="read", raises=("TABLE_NOT_FOUND",))
def list_tables(call: Call, dir_path: str = "/", recursive: bool = True) -> list[str]:
    """List the tables of a directory that this key may read.

    Args:
        call: who asks.
        dir_path: path of the directory with slashes; `/` is the root.
        recursive: whether tables of directories inside are listed too.

    Returns:
        Paths with slashes, sorted.
    """
    call.require("list_tables")
    operation = find_operation("list_tables")
    return [table for table in call.engine.list_tables(dir_path, recursive=recursive) if call.principal.may(operation, table)]


@public_api(http_method="GET", permission="read", raises=("TABLE_NOT_FOUND", "INVALID_ARGUMENT"))
def table_versions(call: Call, table: str, limit: int | None = None) -> list[dict[str, Any]]:
    """List the versions of a table, newest first.

    Args:
        call: who asks.
        table: its path with slashes, without a version.
        limit: at most so many; default all.

    Returns:
        Of each version `version`, `created_at` (ISO 8601, UTC), `created_by` (null where Pixeltable was not told), `change` (`data` or
        `schema`), the numbers of rows in `inserts`, `updates` and `deletes`, of failed cells in `errors`, `schema_change` (a text, or
        null) and `note` (why the version cannot be read; null where `"table:version"` reads it).
    """
    path = _path(call, "table_versions", table, limit)
    return [asdict(version) | {"created_at": version.created_at.isoformat()} for version in call.engine.list_versions(path, limit)]


@public_api(http_method="GET", permission="read", raises=("TABLE_NOT_FOUND", "INVALID_ARGUMENT"))
def table_writes(call: Call, table: str, limit: int | None = None) -> list[dict[str, Any]]:
    """List what was written to a table through this server and others of ours, newest first.

    A version of `table_versions` that is not here was made by Pixeltable itself, or is a change of columns. A write that made several
    versions is named by the last. Where a number stands here twice, `revert` took the older version back: the newer entry is the one that
    `table_versions` lists.

    Args:
        call: who asks.
        table: its path with slashes, without a version.
        limit: at most so many; default all.

    Returns:
        Of each write `version`, `kind` (insert, update, upsert, delete, create, replace, revert), `created_at` (ISO 8601, UTC),
        `created_by` (the name of the key; null where it is gone), the numbers of rows `inserted`, `updated`, `deleted` and `rejected`
        (sent, and left out), and `tier` (how rows were inserted; null where none were).
    """
    path = _path(call, "table_writes", table, limit)
    return [asdict(write) | {"created_at": write.created_at.isoformat()} for write in call.writer.history(path, limit)]


def describe_tables(call: Call, catalog: Catalog) -> Listing:
    """The tables that this key may read, described, and the directories: all for a key of all tables, else those on the way to its own."""
    call.require("list_tables")
    listing = catalog.listing()
    if "*" in call.principal.tables:
        return listing
    operation = find_operation("list_tables")
    tables = tuple(table for table in listing.tables if call.principal.may(operation, table.path))
    on_the_way = {"", *(part for table in tables for part in _ancestors(table.directory))}
    return Listing(tuple(path for path in listing.directories if path in on_the_way), tables)


def _path(call: Call, name: str, table: str, limit: int | None) -> str:
    """The table that an operation lists something of, once the caller may see it."""
    path = table.strip("/").lower()
    call.require(name, path)
    if ":" in path:
        raise error("INVALID_ARGUMENT", "Name the table without a version.", where={"argument": "table"})
    if limit is not None and not 1 <= limit < 1 << 31:
        raise error("INVALID_ARGUMENT", "limit must be a number from 1 on.", where={"argument": "limit"})
    return path


def _ancestors(directory: str) -> list[str]:
    parts = directory.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
