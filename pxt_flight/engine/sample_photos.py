"""The demo's photographs: real pictures that scikit-image and scikit-learn ship, cropped around subjects chosen by hand.

Nothing is downloaded: the files are opened directly, because `skimage.data` may ask the network.
"""

import io
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from itertools import chain, zip_longest
from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from pxt_flight.errors import error

SEED = 8815
LONG_SIDE = 640
JPEG_QUALITY = 88

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Source:
    """One shipped picture: `file`, its caption, its subject, and the parts worth a crop (caption, box in fractions of the sides)."""

    file: str
    title: str
    subject: str
    parts: tuple[tuple[str, Box], ...] = ()

    @property
    def stem(self) -> str:
        return Path(self.file).stem


@dataclass(frozen=True)
class Photo:
    """One row to be: which part of which source, under which file name.

    Attributes:
        name: file name of the JPEG.
        title: caption for people.
        source: the picture it is cut from.
        part: index into `source.parts`; None is the whole picture.
        framing: index into `FRAMINGS`.
    """

    name: str
    title: str
    source: Source
    part: int | None
    framing: int


# Caption, width divided by height (None: as the box has it), size compared with the box.
FRAMINGS: tuple[tuple[str, float | None, float], ...] = (
    ("", None, 1.0),
    (", square", 1.0, 1.05),
    (", upright", 4 / 5, 1.1),
    (", wide", 16 / 10, 1.1),
)

SOURCES: tuple[Source, ...] = (
    Source(
        "astronaut.png",
        "Astronaut Eileen Collins",
        "people",
        (
            ("Astronaut's portrait", (0.18, 0.00, 0.72, 0.58)),
            ("Astronaut's face, close-up", (0.27, 0.01, 0.62, 0.38)),
            ("Mission patch on an orange suit", (0.16, 0.60, 0.60, 0.92)),
            ("Model of the Space Shuttle", (0.64, 0.00, 0.96, 0.58)),
            ("Helmet with a dark visor", (0.50, 0.62, 1.00, 1.00)),
            ("Astronaut beside the flag", (0.00, 0.00, 0.62, 0.60)),
        ),
    ),
    Source(
        "china.jpg",
        "Pagoda above a lake",
        "buildings",
        (
            ("Pagoda between the trees", (0.06, 0.03, 0.62, 1.00)),
            ("Roofs of a Chinese pagoda", (0.12, 0.06, 0.56, 0.50)),
            ("Golden top of the pagoda", (0.18, 0.04, 0.46, 0.38)),
            ("Lake and islands in the haze", (0.56, 0.28, 1.00, 0.80)),
            ("Red galleries of the pagoda", (0.08, 0.46, 0.58, 0.90)),
        ),
    ),
    Source(
        "coffee.png",
        "Cup of espresso on a red saucer",
        "still life",
        (
            ("Espresso cup from above", (0.27, 0.00, 0.73, 0.62)),
            ("Last sip of espresso", (0.30, 0.10, 0.68, 0.60)),
            ("Coffee spoon on a red saucer", (0.42, 0.45, 0.80, 0.95)),
            ("Red saucer on a wooden table", (0.10, 0.15, 0.85, 1.00)),
        ),
    ),
    Source(
        "hubble_deep_field.jpg",
        "Hubble eXtreme Deep Field",
        "space",
        (
            ("Spiral galaxy in the deep field", (0.02, 0.33, 0.30, 0.60)),
            ("Galaxies in every colour", (0.16, 0.02, 0.52, 0.34)),
            ("Bright yellow galaxy", (0.60, 0.42, 0.90, 0.72)),
            ("Star with diffraction spikes", (0.64, 0.56, 0.88, 0.78)),
            ("Field of distant galaxies", (0.05, 0.58, 0.55, 1.00)),
            ("Faint galaxies in the middle", (0.28, 0.28, 0.56, 0.60)),
            ("Deep sky at the right edge", (0.66, 0.10, 1.00, 0.42)),
            ("Galaxies near the lower edge", (0.30, 0.72, 0.85, 1.00)),
        ),
    ),
    Source(
        "chelsea.png",
        "Chelsea the cat",
        "animals",
        (
            ("Cat's face, close-up", (0.20, 0.08, 0.88, 1.00)),
            ("Green eyes of a tabby cat", (0.25, 0.18, 0.85, 0.62)),
            ("Cat's nose and whiskers", (0.28, 0.50, 0.82, 1.00)),
            ("Tabby stripes above the eyes", (0.20, 0.00, 0.78, 0.50)),
        ),
    ),
    Source(
        "rocket.jpg",
        "Rocket on the launch pad at dusk",
        "space",
        (
            ("Rocket between its towers", (0.24, 0.20, 0.76, 1.00)),
            ("Nose of the rocket", (0.36, 0.26, 0.64, 0.72)),
            ("Lights at the foot of the rocket", (0.12, 0.62, 0.75, 1.00)),
            ("Lightning tower in the evening", (0.00, 0.20, 0.36, 1.00)),
        ),
    ),
    Source(
        "flower.jpg",
        "Dahlia against dark leaves",
        "plants",
        (
            ("Dahlia in bloom", (0.22, 0.15, 0.75, 0.90)),
            ("Heart of a dahlia", (0.34, 0.30, 0.62, 0.72)),
            ("Petals of a dahlia", (0.26, 0.20, 0.52, 0.62)),
            ("Second dahlia opening", (0.38, 0.62, 0.80, 1.00)),
        ),
    ),
    Source(
        "motorcycle_left.png",
        "Red motorcycle in a garage",
        "vehicles",
        (
            ("Motorcycle in red and chrome", (0.10, 0.10, 0.95, 0.95)),
            ("Front wheel of a motorcycle", (0.62, 0.42, 0.96, 0.95)),
            ("Rear wheel and exhaust", (0.13, 0.30, 0.55, 0.86)),
            ("Engine of a red motorcycle", (0.36, 0.42, 0.70, 0.86)),
            ("Headlight and handlebar", (0.58, 0.12, 0.90, 0.52)),
            ("Red fuel tank", (0.36, 0.24, 0.74, 0.58)),
        ),
    ),
    Source(
        "camera.png",
        "Photographer in a park",
        "people",
        (
            ("Photographer at his tripod", (0.00, 0.08, 0.82, 1.00)),
            ("Photographer at the viewfinder", (0.26, 0.10, 0.70, 0.48)),
            ("Camera on the tripod", (0.44, 0.22, 0.82, 0.62)),
            ("Tripod on the lawn", (0.40, 0.50, 0.86, 1.00)),
        ),
    ),
    Source(
        "ihc.png",
        "Colon tissue, stained",
        "microscopy",
        (
            ("Stained gland, cut lengthwise", (0.00, 0.00, 0.55, 0.50)),
            ("Gland with a white channel", (0.50, 0.00, 0.92, 0.58)),
            ("Round gland in cross-section", (0.46, 0.56, 0.82, 1.00)),
            ("Blue nuclei between the glands", (0.28, 0.34, 0.72, 0.70)),
            ("Brown tissue at the left edge", (0.00, 0.30, 0.36, 1.00)),
        ),
    ),
    Source(
        "retina.jpg",
        "Retina of a healthy eye",
        "medicine",
        (
            ("Optic disc", (0.03, 0.34, 0.35, 0.66)),
            ("Macula at the centre of the eye", (0.36, 0.36, 0.66, 0.66)),
            ("Upper vessels of the retina", (0.20, 0.06, 0.72, 0.40)),
            ("Lower vessels of the retina", (0.20, 0.60, 0.72, 0.94)),
            ("Vessels leaving the optic disc", (0.05, 0.20, 0.45, 0.80)),
            ("Fine vessels of the retina", (0.58, 0.15, 0.90, 0.50)),
        ),
    ),
    Source(
        "coins.png",
        "Greek coins from Pompeii",
        "still life",
        (
            ("Greek coins, upper rows", (0.48, 0.02, 1.00, 0.46)),
            ("Greek coins with portraits", (0.38, 0.26, 0.90, 0.72)),
            ("Greek coins, lower rows", (0.50, 0.48, 1.00, 0.98)),
            ("Worn Greek coins", (0.02, 0.48, 0.58, 0.98)),
        ),
    ),
    Source(
        "moon.png",
        "Surface of the Moon",
        "space",
        (
            ("Young crater on the Moon", (0.06, 0.02, 0.48, 0.40)),
            ("Crater with a dark rim", (0.46, 0.06, 0.90, 0.46)),
            ("Dark hills on the Moon", (0.28, 0.60, 0.76, 1.00)),
        ),
    ),
    Source(
        "brick.png",
        "Brick wall",
        "textures",
        (("Bricks and mortar", (0.00, 0.00, 0.60, 0.50)), ("Mortar joints of a brick wall", (0.30, 0.40, 0.80, 0.90))),
    ),
    Source(
        "grass.png",
        "Lawn from above",
        "textures",
        (("Blades of grass", (0.10, 0.10, 0.60, 0.60)), ("Clover among the grass", (0.45, 0.40, 0.95, 0.85))),
    ),
    Source(
        "gravel.png",
        "Gravel path",
        "textures",
        (("Gravel, close-up", (0.10, 0.10, 0.60, 0.55)), ("Sharp-edged stones", (0.45, 0.45, 0.95, 0.95))),
    ),
    Source("cell.png", "Single cell, in a hologram", "microscopy", (("Cell under the microscope", (0.48, 0.40, 1.00, 0.76)),)),
    Source("motorcycle_right.png", "Red motorcycle, seen by the right eye", "vehicles"),
    Source("page.png", "Printed page, unevenly lit", "documents"),
    Source("text.png", "Handwriting on ruled paper", "documents"),
)


def photos() -> list[Photo]:
    """Every photograph of the demo, the whole pictures first and the sources by turns, so that any page of the table is varied.

    Raises:
        InvalidRequestError: `INVALID_CONFIGURATION`, where scikit-image or scikit-learn is not installed.
    """
    folders = _folders()
    present = [source for source in SOURCES if any((folder / source.file).is_file() for folder in folders)]
    return [photo for photo in chain(*zip_longest(*map(_photos_of, present))) if photo is not None]


def _photos_of(source: Source) -> list[Photo]:
    # The boxes as drawn come before their other framings: near-alike crops stand far from each other.
    choices = [(part, framing) for framing in range(len(FRAMINGS)) for part in range(len(source.parts))]
    crops = [
        Photo(f"{source.stem}-{n:02}.jpg", source.parts[part][0] + FRAMINGS[framing][0], source, part, framing)
        for n, (part, framing) in enumerate(choices, start=1)
    ]
    return [Photo(f"{source.stem}-00.jpg", source.title, source, None, 0), *crops]


def crop_box(photo: Photo) -> tuple[int, int, int, int]:
    """The pixels (left, top, right, bottom) of its source that `photo` shows."""
    width, height = _opened(photo.source.file).size
    if photo.part is None:
        return (0, 0, width, height)
    left, top, right, bottom = photo.source.parts[photo.part][1]
    _, ratio, zoom = FRAMINGS[photo.framing]
    box_width, box_height = (right - left) * width, (bottom - top) * height
    if ratio is not None:
        area = box_width * box_height * zoom**2
        box_width, box_height = sqrt(area * ratio), sqrt(area / ratio)
    shrink = min(1.0, width / box_width, height / box_height)
    box_width, box_height = box_width * shrink, box_height * shrink
    nudge = _random(photo, "crop").uniform(-0.03, 0.03, size=2)
    x = (left + right) / 2 * width + nudge[0] * box_width - box_width / 2
    y = (top + bottom) / 2 * height + nudge[1] * box_height - box_height / 2
    x, y = min(max(x, 0.0), width - box_width), min(max(y, 0.0), height - box_height)
    return (round(x), round(y), round(x + box_width), round(y + box_height))


def render(photo: Photo) -> bytes:
    """The JPEG of `photo`: small crops enlarged (2.5 times at most) towards 480 pixels, big ones reduced to 640 on the long side."""
    crop = _opened(photo.source.file).crop(crop_box(photo))
    long_side = max(crop.size)
    scale = min(LONG_SIDE / long_side, max(1.0, min(2.5, 480 / long_side)))
    size = (round(crop.width * scale), round(crop.height * scale))
    body = io.BytesIO()
    crop.resize(size, Image.Resampling.LANCZOS).save(body, "JPEG", quality=JPEG_QUALITY)
    return body.getvalue()


def invented(photo: Photo) -> tuple[datetime, float | None]:
    """What a picture cannot tell, seeded.

    Returns:
        When `photo` was taken: by day, 2021 to 2024, in UTC. And its rating: 1 to 5 in halves, one in eight has none.
    """
    random = _random(photo, "invented")
    taken_at = datetime(2021, 1, 1, 6, tzinfo=UTC) + timedelta(days=int(random.integers(4 * 365)), seconds=int(random.integers(16 * 3600)))
    rating = round(float(np.clip(random.normal(3.8, 0.8), 1, 5)) * 2) / 2
    return taken_at, None if random.random() < 1 / 8 else rating


def _random(photo: Photo, purpose: str) -> np.random.Generator:
    return np.random.default_rng([SEED, zlib.crc32(f"{photo.name} {purpose}".encode())])


@cache
def _opened(file: str) -> Image.Image:
    path = next(folder / file for folder in _folders() if (folder / file).is_file())
    with Image.open(path) as image:
        return image.convert("RGB")


def _folders() -> list[Path]:
    """Where the two packages keep their pictures."""
    found = []
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise error(
                "INVALID_CONFIGURATION",
                "The demo's photographs come with scikit-image and scikit-learn, which are not installed.",
                hint="pip install 'pxt-flight[demo]', or show pictures of your own with --images.",
            )
        found.append(Path(spec.origin).parent / folder)
    return found
