"""The files that a write leaves beside the rows, and what becomes of them where the write does not.

Pixeltable puts media, long arrays and long bytes into files before it commits the rows that name them, and takes none back when it fails.
The name of each file begins with its table, column and version (`pixeltable.utils.object_stores.ObjectPath`), so files of versions that
do not exist can be told.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pixeltable as pxt
import sqlalchemy as sql
from pixeltable.env import Env
from pixeltable.runtime import get_runtime
from pixeltable.utils.local_store import TempStore
from pixeltable.utils.object_stores import ObjectOps, ObjectPath, StorageTarget

log = logging.getLogger(__name__)


@contextmanager
def unmade_by_failure(table: pxt.Table) -> Iterator[None]:
    """Delete the files of what a write has begun where it fails. Needs `in_write`: its locks keep the versions' numbers ours.

    Where it does not, what is still in the temporary folder is of cells that failed: all else was moved to where it is kept.

    Args:
        table: that is written; the views below it are meant too.
    """
    versions = [(version, version.version) for version in _tree(table) if version.is_data_versioned]
    try:
        yield
    except BaseException:
        for version, live in versions:
            with suppress(Exception):  # whatever stands in the way here, it is not what went wrong
                _delete_above(version, live)
        raise
    for version, live in versions:
        with suppress(OSError):
            _delete(_above(_temporary() / ObjectPath.table_prefix(version.id), live))


def sweep(table: pxt.Table) -> int:
    """Delete what writes that were killed have left of a table and its views. Needs `in_write`; answers how many files it found."""
    return sum(_delete_above(version, version.version) for version in _tree(table) if version.is_data_versioned)


def unswept() -> list[pxt.Table]:
    """The tables and views with files, in the local store, of versions above their live one; some of these a write may be making now."""
    folder = Env.get().media_dir
    catalog = get_runtime().catalog
    with catalog.begin_xact(for_write=False) as connection:
        live = connection.execute(sql.text("SELECT id, (md->>'current_version')::bigint FROM tables")).fetchall()
        return [catalog.get_table_by_id(key) for key, version in live if any(_above(folder / ObjectPath.table_prefix(key), version))]


def _tree(table: pxt.Table) -> list[Any]:
    """The live versions of a table and of the views that follow it."""
    found = [table._tbl_version_path.tbl_version.get()]
    for version in found:
        found += [view.get() for view in version.mutable_views]
    return found


def _delete_above(version: Any, live: int) -> int:
    """Delete the files of the versions of a table above its live one."""
    folders = {Env.get().media_dir, _temporary()}
    for destination in {column.destination for column in version.cols_by_id.values() if column.is_stored} - {None}:
        address = ObjectPath.parse_object_storage_addr(destination, False)
        if address.storage_target == StorageTarget.LOCAL_STORE:
            folders.add(address.to_path)
        else:
            ObjectOps.delete(destination, version.id, tbl_version=live + 1)
    count = sum(_delete(_above(folder / ObjectPath.table_prefix(version.id), live)) for folder in folders)
    if count:
        log.info("deleted %d files of a write that failed", count)
    return count


def _temporary() -> Path:
    return Path(TempStore._tmp_dir())


def _delete(paths: Iterable[Path]) -> int:
    found = list(paths)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _above(folder: Path, live: int) -> Iterator[Path]:
    """The files in the folder of a table that are of a version above its live one."""
    for parent, _, names in os.walk(folder):
        for name in names:
            found = ObjectPath.PATTERN.match(name)
            if found is not None and int(found[3]) > live:
                yield Path(parent, name)
