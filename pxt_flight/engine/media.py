"""Media values: the stored file of a cell -> its bytes, or a thumbnail.

A path here always comes out of a cell of a table that the caller may read, never from a client.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from PIL import Image, ImageOps

from pxt_flight.engine.seam.store import fetch_url
from pxt_flight.errors import error

MAX_THUMBNAIL = 1024  # pixels on the long side
MAX_PIXELS = 50_000_000  # decoded at most; a bomb of 48 KB can hold 400 million
CHUNK_BYTES = 1 << 20  # of stored bytes decoded into one batch
CHUNK_ROWS = 64  # thumbnails in one batch: about 700 KB at 256 pixels
JPEG_QUALITY = 80

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_MODE = re.compile(r"url|bytes|thumbnail:(?P<size>[0-9]{1,4})")
# Decoding releases the GIL; more threads than cores gain nothing.
_decoders = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="thumbnail")


@dataclass(frozen=True)
class MediaMode:
    """How media cells are sent: `url`, `bytes`, or `thumbnail:N`, a JPEG of at most N pixels on its long side."""

    name: str
    thumbnail: int | None

    @property
    def is_url(self) -> bool:
        """Whether a cell is its URL."""
        return self.name == "url"


def media_mode(name: str) -> MediaMode:
    """Read the option `media`.

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
    return MediaMode(name, size)


def check_served(kind: str, column: str, mode: MediaMode) -> None:
    """Refuse what a mode cannot show, before anything is read.

    Raises:
        InvalidRequestError: `type_unsupported`, a thumbnail of something that is not an image.
    """
    if mode.thumbnail is not None and kind != "Image":
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
    if "://" not in reference or reference.startswith("file://"):
        yield local_path(reference) or Path(reference)
        return
    try:
        path = fetch_url(reference)
    except Exception as fault:  # whatever the library of that store raises; its text quotes the address
        raise OSError("not fetched") from fault
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def local_path(reference: str | None) -> Path | None:
    """The file behind a stored reference: a `file://` URL, or a path that Pixeltable gave."""
    if reference is None:
        return None
    if reference.startswith("file://"):
        return Path(unquote(urlsplit(reference).path))
    return Path(reference)


def read_cells(references: Sequence[str | None], column: str, mode: MediaMode) -> pa.Array:
    """The values of a column of media cells, as `binary`; NULL stays NULL.

    Args:
        references: the stored references of some rows.
        column: the column's name, for errors.
        mode: bytes or thumbnails.

    Raises:
        InvalidRequestError: `media_unreadable`, a file is gone or cannot be decoded.
    """
    if mode.thumbnail is None:
        return pa.array([None if reference is None else _read(reference, column) for reference in references], pa.binary())
    make: Callable[[str | None], bytes | None] = partial(_thumbnail, size=mode.thumbnail, column=column)
    return pa.array(list(_decoders.map(make, references)), pa.binary())


def chunks(columns: Sequence[Sequence[str | None]], mode: MediaMode) -> Iterator[tuple[int, int]]:
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


def _size(reference: str | None) -> int:
    path = local_path(reference)
    try:
        return 0 if path is None else path.stat().st_size
    except OSError:
        return CHUNK_BYTES  # one that must be fetched: it goes by itself


def _read(reference: str, column: str) -> bytes:
    try:
        with opened(reference) as path:
            return path.read_bytes()
    except OSError:
        raise _unreadable(column, "is gone or cannot be read") from None


def _thumbnail(reference: str | None, *, size: int, column: str) -> bytes | None:
    if reference is None:
        return None
    try:
        with opened(reference) as path, Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _unreadable(column, f"has more than {MAX_PIXELS // 1_000_000} million pixels")
            # JPEG decodes at 1/2, 1/4 or 1/8 by itself: a third of the time of a full decode.
            image.draft("RGB", (size, size))
            return thumbnail_of(ImageOps.exif_transpose(image), size)
    except FileNotFoundError:
        raise _unreadable(column, "is gone") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _unreadable(column, "cannot be decoded") from None


def thumbnail_of(image: Image.Image, size: int) -> bytes:
    """A JPEG of a picture that is decoded already, at most `size` pixels on its long side. The picture may be changed."""
    flat = _flatten(image)
    flat.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=1.1)
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _flatten(image: Image.Image) -> Image.Image:
    """In RGB, transparency over white: JPEG has neither alpha nor palettes."""
    if image.mode.startswith(("I", "F")):  # 16 and 32 bits of grey: to 8, by their own range
        grey = image.convert("F")
        low, high = (float(str(value)) for value in grey.getextrema())
        return grey.point(lambda value: (value - low) * (255.0 / (high - low or 1.0))).convert("L").convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _unreadable(column: str, why: str) -> Exception:
    return error(
        "media_unreadable",
        f"A file of column {column} {why}.",
        hint="Leave the column out, or the row, to read the rest.",
        where={"column": column},
    )
