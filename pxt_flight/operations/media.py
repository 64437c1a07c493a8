"""Media files by link: what a link leads to, for as long as its grant, its key and the right of that key to read the table last."""

import hashlib
import io
import os
import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pxt_flight.access.grants import MediaGrant
from pxt_flight.engine import media
from pxt_flight.engine.content_types import HEAD_BYTES, content_type
from pxt_flight.engine.lookup import Cell
from pxt_flight.engine.thumbnails import thumbnail_of
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
        content: the stored file, or the thumbnail or computed picture itself. The path is nobody's to see.
        content_type: by what the file is, never by its name.
        tag: another one where the content is another.
        modified: seconds since the epoch; None for a thumbnail, and where only the time of the fetch is known.
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
    if size is not None:
        return _thumbnail(store, found, size, read.expires)
    if found.content is not None:
        kind = content_type(found.content[:HEAD_BYTES], found.kind)
        return MediaFile(found.content, kind, _tag(found.content), None, read.expires, close=lambda: None)
    with ExitStack() as stack:
        path, head, status = _opened(stack, found)
        modified = None if media.local_path(found.reference) is None else status.st_mtime
        tag = _tag(f"{read.table_id}/{read.column_id}/{cell}/{status.st_size}/{modified}".encode())
        return MediaFile(path, content_type(head, found.kind), tag, modified, read.expires, close=stack.pop_all().close)


def _found(store: OpenStore, grant: MediaGrant, cell: str) -> Cell:
    principal = store.keys.principal(grant.key_id)
    if principal is None:
        raise error("key_invalid", "The key that this link was made for is not known here.", hint="It may be revoked.")
    if _CELL.fullmatch(cell) is None:
        raise _not_found()
    *row_id, v_min = map(int, cell.split("."))
    column, operation = MediaColumn(grant.table_id, grant.version, grant.column_id), find_operation(query.__name__)
    return store.engine.cell(
        column, tuple(row_id), v_min, lambda table: principal.may(operation, table), include_deleted=grant.include_deleted
    )


def _thumbnail(store: OpenStore, cell: Cell, size: int, expires: int) -> MediaFile:
    if cell.content is not None:
        with Image.open(io.BytesIO(cell.content)) as picture:
            made: bytes | None = thumbnail_of(picture, size)
    else:
        made = media.thumbnail(media.StoredFile(cell.kind, cell.reference), size, store.engine.thumbnails)
    if made is None:
        raise error("media_unreadable", "There is nothing in this file to make a picture of.")
    return MediaFile(made, "image/jpeg", _tag(made), None, expires, close=lambda: None)


def _opened(stack: ExitStack, cell: Cell) -> tuple[Path, bytes, os.stat_result]:
    """The file of a cell, its first bytes and its status."""
    with suppress(OSError, ValueError):  # a name with a zero byte
        path = stack.enter_context(media.opened(cell.reference))
        if path.is_file():  # a pipe would block
            with path.open("rb") as file:
                return path, file.read(HEAD_BYTES), os.fstat(file.fileno())
    raise _not_found()


def _tag(about: bytes) -> str:
    return hashlib.sha256(about).hexdigest()[:32]


def _not_found() -> PxtFlightError:
    return error("media_not_found", "There is no such media file.", hint="Run the query again: the row, or its file, may be gone.")
