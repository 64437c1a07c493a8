"""Media files by link: what a link leads to, for as long as its grant, its key and the right of that key to read the table last."""

import hashlib
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pxt_flight.access.grants import MediaGrant
from pxt_flight.engine import media
from pxt_flight.engine.content_types import HEAD_BYTES, content_type
from pxt_flight.engine.lookup import Cell
from pxt_flight.engine.thumbnails import thumbnail
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.operations.queries import query
from pxt_flight.operations.startup import OpenStore
from pxt_flight.public_api import find_operation

# The numbers of a row id and the version of the row, each in its one form.
_CELL = re.compile(r"(?:0|[1-9][0-9]{0,18})(?:\.(?:0|[1-9][0-9]{0,18})){1,9}")


@dataclass(frozen=True)
class MediaFile:
    """What a link leads to; who got it closes it.

    Attributes:
        content: the stored file, or the thumbnail itself. The path is nobody's to see.
        content_type: by what the file is, never by its name.
        tag: another one where the content is another.
        modified: seconds since the epoch; None where only the time of the fetch is known.
        expires: when the link ends, in seconds since the epoch.
        close: drops a file that was fetched for this once.
    """

    content: Path | bytes
    content_type: str
    tag: str
    modified: float | None
    expires: int
    close: Callable[[], None]


def open_cell(store: OpenStore, grant: str, cell: str, size: int | None = None) -> MediaFile:
    """The file that a link leads to, or a thumbnail of it. Blocks: the file of a bucket is fetched.

    Args:
        store: the store.
        grant: as it stands in the URL.
        cell: the last element of the URL, `<rowid>.<v_min>`.
        size: pixels on the long side of a thumbnail; None for the stored file.

    Raises:
        StaleTicketError: `ticket_invalid` or `ticket_expired`.
        UnauthenticatedError: `key_invalid`, the key of the link is gone.
        NotFoundError: `media_not_found`: no such row as of the grant's version, an empty cell, a file that is gone, or a table that the
            key may not read any more: what one may not see does not exist.
        InvalidRequestError: `media_unreadable`, a thumbnail cannot be made of it.
    """
    read = store.media_grants.read(grant)
    found = _found(store, read, cell)
    with ExitStack() as stack:
        path, modified = _opened(stack, found)
        about = f"{read.table_id}/{read.column_id}/{cell}/{path.stat().st_size}/{modified}/{size}"
        tag = hashlib.sha256(about.encode()).hexdigest()[:32]
        if size is not None:
            made = thumbnail(path, found.kind, size)
            if made is None:
                raise error("media_unreadable", "There is nothing in this file to make a picture of.")
            return MediaFile(made, "image/jpeg", tag, modified, read.expires, close=lambda: None)
        with path.open("rb") as file:
            kind = content_type(file.read(HEAD_BYTES), found.kind)
        return MediaFile(path, kind, tag, modified, read.expires, close=stack.pop_all().close)


def _found(store: OpenStore, grant: MediaGrant, cell: str) -> Cell:
    principal = store.keys.principal(grant.key_id)
    if principal is None:
        raise error("key_invalid", "The key that this link was made for is not known here.", hint="It may be revoked.")
    if _CELL.fullmatch(cell) is None:
        raise _not_found()
    *row_id, v_min = map(int, cell.split("."))
    found = store.engine.cell(MediaColumn(grant.table_id, grant.version, grant.column_id), tuple(row_id), v_min)
    if not principal.may(find_operation(query.__name__), found.table):
        raise _not_found()
    return found


def _opened(stack: ExitStack, cell: Cell) -> tuple[Path, float | None]:
    try:
        path = stack.enter_context(media.opened(cell.reference))
        is_file, modified = path.is_file(), path.stat().st_mtime
    except OSError:
        raise _not_found() from None
    if not is_file:
        raise _not_found()
    return path, modified if path == media.local_path(cell.reference) else None


def _not_found() -> PxtFlightError:
    return error("media_not_found", "There is no such media file.", hint="Run the query again: the row, or its file, may be gone.")
