"""Directories: what there is, made and dropped. A key for some tables sees those on the way to them, and makes and drops what it covers."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from pxt_flight.engine import ddl
from pxt_flight.engine.ddl import IfExists, IfMissing
from pxt_flight.errors import NotFoundError, error
from pxt_flight.operations.call import Call
from pxt_flight.operations.references import DirectoryRef, path_of
from pxt_flight.operations.tables import SchemaChange, list_tables
from pxt_flight.public_api import public_api


@dataclass(frozen=True)
class DirectoryContents:
    """What is in a directory.

    Attributes:
        path: of the directory; empty for the root.
        directories: the paths of the directories in it, sorted.
        tables: the paths of the tables, views and snapshots in it, sorted.
    """

    path: str
    directories: list[str]
    tables: list[str]


@public_api(category="directories", http_method="GET", path="/api/v1/dirs", permission="read", raises=("DIRECTORY_NOT_FOUND",))
def list_dirs(call: Call, dir_path: DirectoryRef = "", recursive: bool = True) -> list[str]:
    """List the directories in a directory that this key may know of.

    Args:
        call: who asks.
        dir_path: path of the directory; empty, or `/`, is the root.
        recursive: whether those inside of them are listed too.

    Returns:
        Paths with slashes, sorted.
    """
    call.require("list_dirs")
    return _contents(call, path_of(dir_path), recursive=recursive).directories


@public_api(category="directories", http_method="GET", path="/api/v1/dirs/{path}", permission="read", raises=("DIRECTORY_NOT_FOUND",))
def get_dir_contents(call: Call, path: DirectoryRef, recursive: bool = True) -> DirectoryContents:
    """List what is in a directory, as far as this key may know of it.

    Args:
        call: who asks.
        path: of the directory; `/` is the root, where it is not part of a URL.
        recursive: whether what is inside of its directories is listed too.

    Returns:
        The paths of directories and tables.
    """
    call.require("get_dir_contents")
    return _contents(call, path_of(path), recursive=recursive)


@public_api(
    category="directories",
    path="/api/v1/dirs",
    permission="schema",
    raises=("DIRECTORY_NOT_FOUND", "PATH_ALREADY_EXISTS", "INVALID_PATH", "table_busy"),
    status=201,
)
def create_dir(call: Call, path: DirectoryRef, parents: bool = False, if_exists: IfExists = "error") -> SchemaChange:
    """Make a directory.

    Args:
        call: who asks; a key for some tables must cover all that may come to be in it.
        path: of the directory.
        parents: whether those above it are made too, where they are missing.
        if_exists: what to do where it is there: `error` or `ignore`.

    Returns:
        What was done.
    """
    path = _named(call, "create_dir", path)
    make = partial(ddl.create_directory, path, call.principal.covers, parents=parents, if_exists=if_exists)
    return SchemaChange(path, call.writer.define(make))


@public_api(
    category="directories",
    http_method="DELETE",
    path="/api/v1/dirs/{path}",
    permission="schema",
    raises=("DIRECTORY_NOT_FOUND", "CONSTRAINT_VIOLATION", "INVALID_PATH", "table_busy"),
)
def drop_dir(call: Call, path: DirectoryRef, force: bool = False, if_missing: IfMissing = "error") -> SchemaChange:
    """Drop a directory, empty or with all that is in it; nothing brings that back.

    Args:
        call: who asks; a key for some tables must cover all that may be in it.
        path: of the directory.
        force: whether the tables and directories in it go with it, and the views and snapshots that stand on them.
        if_missing: `error`, or `ignore` where there is none.

    Returns:
        What was done.
    """
    path = _named(call, "drop_dir", path)
    try:
        call.writer.define(lambda: ddl.drop_directory(path, call.sees("drop_dir"), force=force))
    except NotFoundError:
        if if_missing == "ignore":
            return SchemaChange(path, changed=False)
        raise
    return SchemaChange(path, changed=True)


def _named(call: Call, name: str, path: str) -> str:
    path = path_of(path)
    call.require_directory(name, path)
    if not path:
        raise error("INVALID_PATH", "The root is always there.", where={"argument": "path"})
    call.engine.run(partial(ddl.check_name, path))
    return path


def _contents(call: Call, path: str, *, recursive: bool) -> DirectoryContents:
    tables, visible = list_tables(call), set(call.engine.run(ddl.list_directories))
    if "*" not in call.principal.tables:
        reached = [*filter(call.principal.covers, visible), *(table.rpartition("/")[0] for table in tables)]
        visible &= {above for directory in reached for above in ddl.ancestors(directory)}
    if path and path not in visible:
        raise error("DIRECTORY_NOT_FOUND", f"There is no directory {path}.", where={"directory": path})
    inside = f"{path}/" if path else ""

    def listed(paths: Iterable[str]) -> list[str]:
        return sorted(name for name in paths if name.startswith(inside) and (recursive or "/" not in name[len(inside) :]))

    return DirectoryContents(path, listed(visible), listed(tables))
