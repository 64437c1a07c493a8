"""One media file -> a small JPEG of what it shows.

Files come from anybody who may insert: each kind bounds the memory and the time that a hostile one can take.
"""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pxt_flight.engine.thumbnails import audio, document, image, video
from pxt_flight.engine.thumbnails.bounds import RefusedError
from pxt_flight.errors import PxtFlightError, error

__all__ = ["KINDS", "thumbnail", "thumbnail_of", "unreadable"]

JPEG_QUALITY = 80

_PICTURES: dict[str, Callable[[Path, int], Image.Image | None]] = {
    "Image": image.picture,
    "Video": video.picture,
    "Audio": audio.picture,
    "Document": document.picture,
}
KINDS = frozenset(_PICTURES)


def thumbnail(path: Path, kind: str, size: int, *, column: str | None = None) -> bytes | None:
    """A JPEG of what a media file shows, or None where there is nothing to look at:
    a document that is no PDF, a video or sound file without a stream of that kind.

    Args:
        path: the file.
        kind: what it is held as: `Image`, `Video`, `Audio` or `Document`.
        size: pixels of the long side, at most; a smaller picture is not enlarged.
        column: the column that it is of, for errors.

    Raises:
        InvalidRequestError: `media_unreadable`, the file is gone or cannot be decoded.
    """
    try:
        picture = _PICTURES[kind](path, size)
        return None if picture is None else _encoded(picture)
    except FileNotFoundError:
        raise unreadable("is gone", column) from None
    except RefusedError as why:
        raise unreadable(str(why), column) from None
    except Exception as fault:  # decoders raise anything at all on a hostile file
        raise unreadable("cannot be decoded", column) from fault


def thumbnail_of(picture: Image.Image, size: int) -> bytes:
    """A JPEG of a picture that is decoded already: one that Pixeltable computed and nobody stored.

    Args:
        picture: in any mode; it is left as it is.
        size: pixels of the long side, at most.
    """
    return _encoded(image.reduced(picture, size))


def unreadable(why: str, column: str | None) -> PxtFlightError:
    """The error of a file that cannot be shown."""
    return error(
        "media_unreadable",
        f"A file of column {column} {why}." if column else f"The file {why}.",
        hint="Leave the column out, or the row, to read the rest.",
        where={"column": column} if column else None,
    )


def _encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
