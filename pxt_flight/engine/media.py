"""Media values: the stored file of a cell -> its bytes, or a thumbnail.

A path here always comes out of a cell of a table that the caller may read, never from a client.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from pxt_flight.engine import thumbnails
from pxt_flight.engine.seam.store import fetch_url
from pxt_flight.engine.thumbnails import KINDS, unreadable
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.errors import error

MAX_THUMBNAIL = 1024  # pixels on the long side
CHUNK_BYTES = 1 << 20  # of stored bytes decoded into one batch
CHUNK_ROWS = 64  # thumbnails in one batch: about 700 KB at 256 pixels
_MODE = re.compile(r"url|bytes|thumbnail:(?P<size>[0-9]{1,4})")
# Decoding releases the GIL; more threads than cores gain nothing.
_decoders = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="thumbnail")


class StoredFile(NamedTuple):
    """The file of a media cell.

    Attributes:
        kind: what its column holds: `Image`, `Video`, `Audio` or `Document`.
        reference: where it is stored; it never leaves the server.
    """

    kind: str
    reference: str


@dataclass(frozen=True)
class MediaMode:
    """How media cells are sent: `url`, `bytes`, or `thumbnail:N`, a JPEG of at most N pixels on its long side.

    Attributes:
        name: as it was asked for.
        thumbnail: N.
        cache: where thumbnails are kept; None where each is made anew.
    """

    name: str
    thumbnail: int | None
    cache: ThumbnailCache | None = field(default=None, compare=False)

    @property
    def is_url(self) -> bool:
        """Whether a cell is its URL."""
        return self.name == "url"


def media_mode(name: str, *, cache: ThumbnailCache | None = None) -> MediaMode:
    """Read the option `media`.

    Args:
        name: its value.
        cache: where thumbnails are kept.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`.
    """
    match = _MODE.fullmatch(name)
    size = int(match["size"]) if match and match["size"] else None
    if match is None or (size is not None and not 16 <= size <= MAX_THUMBNAIL):
        raise error(
            "INVALID_ARGUMENT",
            f"There is no media mode {name[:40]!r}.",
            hint=f"media is url, bytes, or thumbnail:N with N from 16 to {MAX_THUMBNAIL} pixels.",
        )
    return MediaMode(name, size, cache)


def check_served(kind: str, column: str, mode: MediaMode) -> None:
    """Refuse what a mode cannot show, before anything is read.

    Raises:
        InvalidRequestError: `type_unsupported`, a thumbnail of a kind that has none.
    """
    if mode.thumbnail is not None and kind not in KINDS:
        raise error(
            "type_unsupported",
            f"Column {column} is of type {kind}, which has no thumbnail.",
            hint="Ask for media=bytes, or leave the column out.",
            where={"column": column},
        )


@contextmanager
def opened(reference: str) -> Iterator[Path]:
    """The file behind a stored reference, for as long as it is read; an object of a bucket or a web server is fetched for that time.

    Raises:
        OSError: it cannot be fetched.
    """
    local = local_path(reference)
    if local is not None:
        yield local
        return
    try:
        path = fetch_url(reference)
    except Exception as fault:  # whatever the library of that store raises; its text quotes the address
        raise OSError("not fetched") from fault
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def local_path(reference: str) -> Path | None:
    """The file behind a stored reference: a `file://` URL, or a path that Pixeltable gave. None for what must be fetched."""
    if reference.startswith("file://"):
        return Path(unquote(urlsplit(reference).path))
    return None if "://" in reference else Path(reference)


def stored_files(stored: Sequence[str | StoredFile | None], field: pa.Field) -> list[StoredFile | None]:
    """The files of a column of a result.

    Args:
        stored: the stored references; one that is no `StoredFile` is of the column's own kind. A UNION may mix kinds.
        field: what was promised of the column.
    """
    kind = field.metadata[b"pxt:type"].decode()
    return [StoredFile(kind, found) if isinstance(found, str) else found for found in stored]


def read_cells(files: Sequence[StoredFile | None], column: str, mode: MediaMode) -> pa.Array:
    """The values of a column of media cells, as `binary`; NULL stays NULL, and the thumbnail of what cannot be seen is NULL.

    Args:
        files: those of some rows.
        column: the column's name, for errors.
        mode: bytes or thumbnails.

    Raises:
        InvalidRequestError: `media_unreadable`, a file is gone or cannot be decoded.
    """
    if mode.thumbnail is None:
        return pa.array([None if file is None else _read(file.reference, column) for file in files], pa.binary())
    # What is kept is read here: handing it to another thread would cost more than reading it.
    jobs = {file: _Job(file, mode.thumbnail, mode.cache, column) for file in dict.fromkeys(files) if file is not None}
    missing = [job for job in jobs.values() if not job.recall()]
    list(_decoders.map(_Job.make, missing))
    return pa.array([jobs[file].thumbnail or None if file else None for file in files], pa.binary())


def thumbnail(file: StoredFile, size: int, cache: ThumbnailCache | None = None, *, column: str | None = None) -> bytes | None:
    """The thumbnail of one file: kept, or made and kept. None where there is nothing to look at.

    Args:
        file: of a cell that the caller may read.
        size: pixels of the long side, at most.
        cache: where thumbnails are kept.
        column: its column's name, for errors.

    Raises:
        InvalidRequestError: `media_unreadable`, the file is gone or cannot be decoded.
    """
    job = _Job(file, size, cache, column)
    if not job.recall():
        job.make()
    return job.thumbnail or None


def chunks(columns: Sequence[Sequence[StoredFile | None]], mode: MediaMode) -> Iterator[tuple[int, int]]:
    """Ranges (start, length) of rows whose media values make a batch of bounded size."""
    rows = len(columns[0])
    if mode.thumbnail is not None:
        yield from ((start, min(CHUNK_ROWS, rows - start)) for start in range(0, rows, CHUNK_ROWS))
        return
    start = total = 0
    for row in range(rows):
        size = sum(_size(column[row]) for column in columns)
        if row > start and total + size > CHUNK_BYTES:
            yield start, row - start
            start, total = row, 0
        total += size
    if rows > start:
        yield start, rows - start


class _Job:
    """The thumbnail of one file; empty where there is nothing to look at."""

    def __init__(self, file: StoredFile, size: int, cache: ThumbnailCache | None, column: str | None) -> None:
        self._file, self._size, self._cache, self._column = file, size, cache, column
        self._key: tuple[object, ...] = ()
        self.thumbnail: bytes | None = None

    def recall(self) -> bool:
        """Look it up; answers whether it was kept."""
        if self._cache is None:
            return False
        self._key = (*self._file, self._size, *self._content())
        self.thumbnail = self._cache.get(self._key)
        return self.thumbnail is not None

    def make(self) -> None:
        """Make it from the file, and keep it; one that fails is tried again the next time."""
        try:
            with opened(self._file.reference) as path:
                self.thumbnail = thumbnails.thumbnail(path, self._file.kind, self._size, column=self._column) or b""
        except OSError:
            raise unreadable("is gone or cannot be read", self._column) from None
        if self._cache is not None:
            self._cache.put(self._key, self.thumbnail)

    def _content(self) -> tuple[int, ...]:
        """What tells the content of a file from an earlier one under its name.

        Nothing does for what must be fetched: its reference is taken for its content, as Pixeltable's own cache of files takes it. What
        Pixeltable writes to a bucket has a name of its own there; whoever replaces what a URL of theirs shows gives it another URL.
        """
        path = local_path(self._file.reference)
        if path is None:
            return ()
        try:
            status = path.stat()
        except FileNotFoundError:
            raise unreadable("is gone", self._column) from None
        except (OSError, ValueError):
            raise unreadable("is gone or cannot be read", self._column) from None
        return status.st_mtime_ns, status.st_size


def _size(file: StoredFile | None) -> int:
    if file is None:
        return 0
    path = local_path(file.reference)
    try:
        return CHUNK_BYTES if path is None else path.stat().st_size  # one that must be fetched goes by itself
    except OSError:
        return CHUNK_BYTES


def _read(reference: str, column: str) -> bytes:
    try:
        with opened(reference) as path:
            return path.read_bytes()
    except OSError:
        raise unreadable("is gone or cannot be read", column) from None
