"""The picture of an image file: upright, flat, small.

JPEG goes through `simplejpeg` where it is installed, which decodes to any eighth of the size: half the time of Pillow, which knows a
half, a quarter and an eighth. Whatever it will not take (CMYK, a file cut short) is Pillow's to decode or to refuse.
"""

import io
import threading
from contextlib import nullcontext
from pathlib import Path

from PIL import ExifTags, Image

from pxt_flight.engine.thumbnails.bounds import MAX_PIXELS, RefusedError, check_pixels

try:
    import simplejpeg
except ImportError:  # the extra `thumbnails` is not installed
    simplejpeg = None

# No EPS, which runs Ghostscript on the file. HEIF is Pixeltable's addition.
_FORMATS = frozenset("AVIF BMP DIB GIF HEIF ICNS ICO JPEG JPEG2000 MPO MSP PCX PIXAR PNG PPM PSD QOI SGI SUN TGA TIFF WEBP XBM XPM".split())
# A progressive JPEG has about ten scans; one of a megabyte can have a hundred thousand, each of which goes over all pixels
# (libjpeg-turbo, "Two Issues with the JPEG Standard").
_JPEG_START, _SCAN, _MAX_SCANS = b"\xff\xd8\xff", b"\xff\xda", 200
_MAX_JPEG = 256 << 20  # bytes; 50 million pixels at the highest quality take half of it
_LARGE = 8_000_000  # pixels of a picture that is decoded only while no other such one is: it may take 12 bytes for each
_one_large = threading.Lock()
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
Image.init()


def picture(path: Path, size: int) -> Image.Image:
    """The image in a file, in RGB, at most `size` pixels on its long side; of an animation the first frame.

    Raises:
        RefusedError: it would take too much to decode.
        Exception: whatever Pillow raises where it cannot be decoded.
    """
    data = _jpeg(path)
    formats = [name for name in Image.OPEN if name in _FORMATS]
    with Image.open(path if data is None else io.BytesIO(data), formats=formats) as image:
        check_pixels(image.width, image.height)
        fitted = _fitted(image.size, size)
        shown = None if data is None else _scaled_jpeg(data, image.mode, fitted)
        if shown is None:
            # JPEG decodes at 1/2, 1/4 or 1/8 by itself: a third of the time of a full decode.
            image.draft("RGB", fitted)
            with _one_large if image.width * image.height > _LARGE else nullcontext():
                shown = _flat(_shrunk(_resizable(image), fitted))
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        return shown if turn is None else shown.transpose(turn)


def reduced(image: Image.Image, size: int) -> Image.Image:
    """A picture that is decoded already, in RGB, at most `size` pixels on its long side."""
    return _flat(_shrunk(_resizable(image), _fitted(image.size, size)))


def _jpeg(path: Path) -> bytes | None:
    """All of a JPEG file; None where it is another."""
    with path.open("rb", buffering=0) as file:
        start = file.read(len(_JPEG_START))
        if start != _JPEG_START:
            return None
        data = start + (file.read(_MAX_JPEG) or b"")
    if len(data) > _MAX_JPEG or data.count(_SCAN) > _MAX_SCANS:
        raise RefusedError("takes too much to decode")
    return data


def _fitted(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height of the thumbnail."""
    longest = max(*shape, size)
    width, height = (max(1, round(side * size / longest)) for side in shape)
    return width, height


def _scaled_jpeg(data: bytes, mode: str, fitted: tuple[int, int]) -> Image.Image | None:
    """The image as `simplejpeg` decodes it; None where that cannot."""
    if simplejpeg is None or mode not in ("RGB", "L"):
        return None
    width, height = fitted
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True, min_width=width, min_height=height)
    except ValueError:
        return None
    return _shrunk(Image.fromarray(pixels), fitted)


def _shrunk(image: Image.Image, fitted: tuple[int, int]) -> Image.Image:
    return image if image.size == fitted else image.resize(fitted, Image.Resampling.BILINEAR, reducing_gap=1.1)


def _resizable(image: Image.Image) -> Image.Image:
    """In a mode whose pixels can be averaged; palettes and bits cannot."""
    if image.mode.startswith(("I", "F")):
        return image.convert("F")
    if "A" in image.getbands() or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def _flat(image: Image.Image) -> Image.Image:
    """In RGB, transparency over white: JPEG has neither alpha nor 16 bits."""
    if image.mode == "F":  # 16 and 32 bits of grey: to 8, by their own range
        low, high = (float(str(value)) for value in image.getextrema())
        return image.point(lambda value: (value - low) * (255.0 / (high - low or 1.0))).convert("L").convert("RGB")
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image
