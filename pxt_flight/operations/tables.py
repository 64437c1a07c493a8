"""Tables: what there is."""

from pxt_flight.engine.catalog import Catalog, Listing
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


def _ancestors(directory: str) -> list[str]:
    parts = directory.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
