"""New tables that appear with their rows: filled in a folder of ours, and moved into their place by the transaction that fills them.

So nobody sees a table that is half full, and one that is to be replaced is there until the new one is.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pixeltable as pxt
from pixeltable.exceptions import AlreadyExistsError, NotFoundError, RequestError

from pxt_flight.engine.catalog import STAGING
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.trace import describe

log = logging.getLogger(__name__)


def stage(claim: UUID, schema: Mapping[str, Any], primary_key: Sequence[str], comment: str = "") -> str:
    """Make an empty table that nobody is shown.

    Args:
        claim: tells it from those of others.
        schema: names and types of Pixeltable's.
        primary_key: the names of its key columns.
        comment: what the table is for.

    Returns:
        Its path.
    """
    pxt.create_dir(STAGING, if_exists="ignore")
    path = _staged(claim)
    pxt.create_table(path, dict(schema), primary_key=list(primary_key) or None, comment=comment)
    return path


def put_in_place(staged: str, path: str, *, is_replacing: bool) -> None:
    """Move a staged table to where it belongs. Needs `in_write` of it.

    Args:
        staged: what `stage` answered.
        path: where it belongs.
        is_replacing: whether a table that is there makes room; `discard` drops that later.

    Raises:
        ConflictError: `PATH_ALREADY_EXISTS`.
        NotFoundError: `DIRECTORY_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, the table that is there has views, which would go with it.
    """
    if is_replacing and (old := _replaceable(path)) is not None:
        if old.get_metadata()["kind"] != "table" or old.list_views():
            raise error(
                "UNSUPPORTED_OPERATION",
                f"{path} is a view, or views and snapshots stand on it: it cannot be replaced.",
                hint="Drop those first, or append to it.",
                where={"table": path},
            )
        pxt.move(path, _replaced(staged))
    try:
        pxt.move(staged, path)
    except AlreadyExistsError:
        raise exists(path) from None
    except NotFoundError:
        directory = path.rpartition("/")[0]
        hint = "Make it with create_dir."
        raise error("DIRECTORY_NOT_FOUND", f"There is no directory {directory}.", hint=hint, where={"directory": directory}) from None


def discard(claim: UUID) -> None:
    """Drop what is left of a staged table: itself where it did not get into its place, else the one that made room for it.

    What cannot be dropped now, because somebody reads it, goes at the next start of a server.
    """
    for path in (_staged(claim), _replaced(_staged(claim))):
        try:
            pxt.drop_table(path, if_not_exists="ignore")
        except Exception as fault:  # noqa: BLE001  # the write itself is done, or told its own fault
            log.warning("a table that is of no use any more could not be dropped: %s", describe(fault))


def claims() -> set[UUID]:
    """The claims of the tables that are staged, or made room, here and in other processes, or were when those were killed."""
    if STAGING not in pxt.list_dirs():
        return set()
    names = [path.rpartition("/")[2] for path in pxt.list_tables(STAGING)]
    return {UUID(name[1:33]) for name in names}


def exists(path: str) -> PxtFlightError:
    """The error of a path at which there is something."""
    return error("PATH_ALREADY_EXISTS", f"{path} exists already.", hint="Append to it, or replace it.", where={"table": path})


def _replaceable(path: str) -> pxt.Table | None:
    try:
        return pxt.get_table(path, if_not_exists="ignore")
    except RequestError:  # a directory
        raise exists(path) from None


def _staged(claim: UUID) -> str:
    return f"{STAGING}/t{claim.hex}"


def _replaced(staged: str) -> str:
    return f"{staged}_replaced"
