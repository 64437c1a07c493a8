"""Media values as a caller has them -> the bytes of a file, or the URL from which the server takes it."""

import io
import mimetypes
import os
from pathlib import Path
from typing import Any, NoReturn

MEDIA = frozenset({"Image", "Video", "Audio", "Document"})
_URL = ("https://", "http://")
# What a suffix says a file is; what is neither image, video nor audio is a document.
_KINDS = {"image": "Image", "video": "Video", "audio": "Audio"}


def media_kind(path: str | os.PathLike[str]) -> str:
    """The kind of media that a path's suffix tells: `Image`, `Video`, `Audio`, else `Document`."""
    guessed = mimetypes.guess_type(os.fspath(path))[0] or ""
    return _KINDS.get(guessed.partition("/")[0], "Document")


def is_url(value: Any) -> bool:
    """Whether the server fetches it."""
    return isinstance(value, str) and value.lower().startswith(_URL)


def is_picture(value: Any) -> bool:
    """Whether it is an image of Pillow's, which nobody needs to have installed."""
    return any(kind.__module__ == "PIL.Image" for kind in type(value).__mro__)


def content(value: Any) -> bytes | str | None:
    """A media value as it is sent: the bytes of a file, a URL, or None.

    Args:
        value: bytes, the path of a file on this machine, an https URL, an image of Pillow's, or an array of numpy's of the shape
            (height, width, 3) and the type uint8.

    Raises:
        TypeError: it is none of them.
        OSError: the file cannot be read.
    """
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str) and is_url(value):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str | os.PathLike):
        return _file(value)
    if is_picture(value):
        return _encoded(value)
    if type(value).__module__ == "numpy" and hasattr(value, "shape"):
        return _pixels(value)
    raise TypeError(f"{_a(value)} is no file, URL or picture")


def _file(path: str | os.PathLike[str]) -> bytes:
    text = os.fspath(path)
    if "://" in text:
        raise TypeError("of URLs only https is sent")
    return Path(text).expanduser().read_bytes()


def _encoded(picture: Any) -> bytes:
    """Pillow's image as a file: JPEG where it came as one, else PNG, which loses nothing."""
    target = io.BytesIO()
    if picture.format == "JPEG":
        picture.save(target, "JPEG", quality="keep")
    else:
        picture.save(target, "PNG", compress_level=1)  # of the time of the default a third, for a tenth more bytes
    return target.getvalue()


def _pixels(array: Any) -> bytes:
    if array.dtype != "uint8" or len(array.shape) != 3 or array.shape[2] != 3:
        _refused(f"an array of {array.dtype} and shape {array.shape} is no picture; one has the shape (height, width, 3) and is of uint8")
    try:
        from PIL import Image
    except ImportError:
        _refused("arrays are sent as pictures where Pillow is installed")
    return _encoded(Image.fromarray(array))


def _refused(why: str) -> NoReturn:
    raise TypeError(why)


def _a(value: Any) -> str:
    return f"{'an' if type(value).__name__[:1].lower() in 'aeiou' else 'a'} {type(value).__name__}"
