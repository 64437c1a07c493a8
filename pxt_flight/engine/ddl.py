"""Changes of what tables and directories there are. Each runs on a thread that may write, by `Writer.define`."""

from collections.abc import Callable
from typing import Literal

import pixeltable as pxt
from pixeltable.exceptions import AlreadyExistsError, Error, ErrorCode, NotFoundError

from pxt_flight.engine import catalog
from pxt_flight.engine.catalog import shown
from pxt_flight.engine.definition import Sees, dependents
from pxt_flight.errors import PxtFlightError, error

IfExists = Literal["error", "ignore"]
IfMissing = Literal["error", "ignore"]


def check_name(path: str) -> None:
    """Refuse a path at which nothing may be made.

    Raises:
        InvalidRequestError: `INVALID_PATH`.
    """
    if catalog.is_hidden(path):
        raise error("INVALID_PATH", f"The directory {catalog.STAGING} is the server's own.", hint="Choose another name.")
    if ":" in path:
        raise error("INVALID_PATH", "Name it without a version.", where={"path": path})
    catalog.exists(path)


def drop_table(path: str, sees: Sees, *, force: bool) -> None:
    """Drop a table, view or snapshot.

    Args:
        path: of it.
        sees: which tables the caller may drop.
        force: whether what stands on it goes with it.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
        ConflictError: `CONSTRAINT_VIOLATION`, others stand on it.
    """
    _check_dependents(path, sees, set(catalog.current(path, dependents)), force=force)
    try:
        pxt.drop_table(path, force=force)
    except Error as fault:
        if fault.error_code is ErrorCode.CONSTRAINT_VIOLATION:  # one that came meanwhile; Pixeltable names it to whomever
            raise _stands_on(path, [], has_others=True) from None
        raise


def move_table(path: str, new_path: str, *, if_exists: IfExists) -> bool:
    """Give a table, view or snapshot another path.

    Args:
        path: of it.
        new_path: where it shall be.
        if_exists: what to do where there is something.

    Returns:
        Whether it was moved.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`, or `DIRECTORY_NOT_FOUND`.
        ConflictError: `PATH_ALREADY_EXISTS`.
    """
    catalog.get_table(path)
    if if_exists == "ignore" and catalog.exists(new_path):
        return False
    try:
        pxt.move(path, new_path)
    except AlreadyExistsError:
        if if_exists == "ignore":
            return False
        raise error("PATH_ALREADY_EXISTS", f"{new_path} exists already.", where={"path": new_path}) from None
    except NotFoundError:
        raise _no_directory(new_path.rpartition("/")[0]) from None
    return True


def list_directories(directory: str = "", *, recursive: bool = True) -> list[str]:
    """The paths of the directories in a directory, sorted.

    Args:
        directory: its path; empty for the root.
        recursive: whether those inside of them count too.

    Raises:
        NotFoundError: `DIRECTORY_NOT_FOUND`.
    """
    try:
        return shown(pxt.list_dirs(directory, recursive=recursive))
    except Error:
        raise _no_directory(directory) from None


def create_directory(path: str, may_make: Callable[[str], bool], *, parents: bool, if_exists: IfExists) -> bool:
    """Make a directory.

    Args:
        path: of it.
        may_make: whether the caller may make the directory of a path.
        parents: whether those above it are made too, where they are missing.
        if_exists: what to do where it is there.

    Returns:
        Whether it was made.

    Raises:
        NotFoundError: `DIRECTORY_NOT_FOUND`, the one above it is missing.
        ConflictError: `PATH_ALREADY_EXISTS`, there is something.
    """
    known = set(list_directories())
    above = path.rpartition("/")[0]
    missing = [part for part in ancestors(above) if part not in known]
    if missing and not (parents and all(map(may_make, missing))):
        raise _no_directory(missing[0])
    for part in missing:
        if catalog.exists(part):
            raise error("PATH_ALREADY_EXISTS", f"{part} is a table.", where={"path": part})
    if path in known and if_exists == "ignore":
        return False
    try:
        pxt.create_dir(path, parents=parents)
    except AlreadyExistsError:
        if if_exists == "ignore" and path in list_directories():
            return False
        raise error("PATH_ALREADY_EXISTS", f"{path} exists already.", where={"path": path}) from None
    return True


def drop_directory(path: str, sees: Sees, *, force: bool) -> None:
    """Drop a directory.

    Args:
        path: of it.
        sees: which tables the caller may drop.
        force: whether all that is in it goes with it, and what stands on that; else it must be empty.

    Raises:
        NotFoundError: `DIRECTORY_NOT_FOUND`.
        ConflictError: `CONSTRAINT_VIOLATION`, it is not empty, or others stand on what is in it.
    """
    if path not in list_directories():
        raise _no_directory(path)
    inside = set(catalog.list_tables(path))
    if not force and (inside or list_directories(path)):
        raise error("CONSTRAINT_VIOLATION", f"{path} is not empty.", hint="Say force=true to drop all that is in it.", where={"path": path})
    outside = {view for table in inside for view in catalog.current(table, dependents)} - inside
    _check_dependents(path, sees, outside, force=force)
    try:
        pxt.drop_dir(path, force=force)
    except Error as fault:
        if fault.error_code is ErrorCode.UNSUPPORTED_OPERATION:  # something came meanwhile
            raise error("CONSTRAINT_VIOLATION", f"{path} is not empty.", where={"path": path}) from None
        raise


def ancestors(directory: str) -> list[str]:
    """A directory and those above it but the root, from the top."""
    parts = directory.split("/") if directory else []
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _check_dependents(path: str, sees: Sees, found: set[str], *, force: bool) -> None:
    """Refuse to drop what others stand on; also by force, where some of them are not the caller's to drop, or even to know of."""
    visible = sorted(filter(sees, found))
    if len(visible) < len(found) or (visible and not force):
        raise _stands_on(path, visible, has_others=len(visible) < len(found))


def _stands_on(path: str, visible: list[str], *, has_others: bool) -> PxtFlightError:
    named = [*visible[:10], *(["others"] if has_others or len(visible) > 10 else [])]
    hint = "Ask the owner: some of them are not this key's." if has_others else "Drop those first, or say force=true to drop them too."
    return error("CONSTRAINT_VIOLATION", f"On {path} stand {', '.join(named)}.", hint=hint, where={"path": path, "views": visible[:10]})


def _no_directory(path: str) -> PxtFlightError:
    return error("DIRECTORY_NOT_FOUND", f"There is no directory {path}.", hint="create_dir makes one.", where={"directory": path})
