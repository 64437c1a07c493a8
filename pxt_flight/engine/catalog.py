"""Tables and directories by name."""

from difflib import get_close_matches

import pixeltable as pxt
from pixeltable.exceptions import Error, NotFoundError, RequestError

from pxt_flight.errors import error

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
        return sorted(pxt.list_tables(directory.strip("/").lower(), recursive=recursive))
    except (NotFoundError, RequestError):
        raise error("TABLE_NOT_FOUND", f"There is no directory {directory}.", where={"directory": directory}) from None


def get_table(path: str) -> pxt.Table:
    """The table of a path, `films`, `dir/films` or `films:3`.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`, with the closest name as hint.
    """
    bare, colon, version = path.partition(":")
    try:
        if len(version) <= _VERSION_DIGITS:
            return pxt.get_table(path)
    except (Error, ValueError):
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
