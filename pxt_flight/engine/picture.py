"""What can be measured from a picture file: size, brightness, sharpness, colours, and when it was taken."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

# Figures of a telephone's 12 megapixels and of a thumbnail are only comparable at one scale; it also lets libjpeg decode at 1/2 to 1/8.
MEASURED_SIZE = (640, 640)

# EXIF 2.32, tables 4 and 8.
EXIF_IFD = 0x8769
DATE_TIME_ORIGINAL = 0x9003
OFFSET_TIME_ORIGINAL = 0x9011


@dataclass(frozen=True)
class Picture:
    """What was measured from one picture.

    Attributes:
        width: pixels, as stored (an EXIF orientation is not applied, and Pixeltable does not apply it either).
        height: pixels, as stored.
        brightness: mean luma, 0 to 255.
        sharpness: variance of the Laplacian of the luma; near 0 for a blurred picture, thousands for fine texture.
        colours: the most frequent colours as `#rrggbb`, the dominant one first; at least one, at most four.
        taken_at: EXIF DateTimeOriginal (UTC where no offset is given), else the file's modification time.
    """

    width: int
    height: int
    brightness: float
    sharpness: float
    colours: list[str]
    taken_at: datetime


def measure(path: Path) -> Picture:
    """Decode the picture at `path` fully and measure it, at most 640 pixels on the long side.

    Raises:
        Exception: whatever Pillow's decoder raises on a broken file; mostly `OSError`, but not only.
    """
    with Image.open(path) as image:
        width, height = image.size
        taken_at = _exif_time(image) or datetime.fromtimestamp(path.stat().st_mtime, UTC)
        image.thumbnail(MEASURED_SIZE)
        opaque = _opaque(image)
    luma = np.asarray(opaque.convert("L"), dtype=np.float64)
    return Picture(
        width=width,
        height=height,
        brightness=round(float(luma.mean()), 1),
        sharpness=round(_laplacian_variance(luma), 1),
        colours=_frequent_colours(opaque, limit=4),
        taken_at=taken_at,
    )


def _opaque(image: Image.Image) -> Image.Image:
    """`image` in RGB, on white where it is transparent."""
    if image.mode not in ("P", "PA", "LA", "RGBA"):
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _laplacian_variance(luma: np.ndarray) -> float:
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def _frequent_colours(image: Image.Image, *, limit: int) -> list[str]:
    small = image.copy()
    small.thumbnail((64, 64))
    palette = small.quantize(colors=limit, method=Image.Quantize.MEDIANCUT)
    counts = palette.convert("RGB").getcolors(limit) or []
    ordered = sorted(counts, key=lambda entry: (-entry[0], entry[1]))
    return ["#{:02x}{:02x}{:02x}".format(*colour) for _, colour in ordered if isinstance(colour, tuple)]


def _exif_time(image: Image.Image) -> datetime | None:
    exif = image.getexif().get_ifd(EXIF_IFD)
    taken, offset = exif.get(DATE_TIME_ORIGINAL), exif.get(OFFSET_TIME_ORIGINAL)
    try:
        if offset:
            return datetime.strptime(f"{taken}{offset}", "%Y:%m:%d %H:%M:%S%z").astimezone(UTC)
        return datetime.strptime(str(taken), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # absent, "0000:00:00 00:00:00" of a camera whose clock was never set, year 1 west of UTC
        return None
