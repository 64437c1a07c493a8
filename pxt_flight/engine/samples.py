"""The demo's two tables: `photos`, real photographs or the user's own, and `readings`, generated sensor readings."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pixeltable as pxt
import pyarrow.parquet as pq

from pxt_flight.engine.picture import Picture, measure
from pxt_flight.engine.sample_photos import Photo, crop_box, invented, photos, render
from pxt_flight.engine.sample_readings import readings as generate
from pxt_flight.errors import PxtFlightError, error

# Part of every fingerprint: a new number makes the tables of an older release anew.
EDITION = 1
# The key in a table's custom metadata that says the table is ours; its value tells what the table was made from.
MARK = "pxt_flight_samples"

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"})
MAX_PICTURES = 2000
# Pillow decodes, resizes and encodes outside the interpreter's lock.
THREADS = 4

Row = dict[str, Any]
Report = Callable[[str], None]

PHOTOS_SCHEMA: dict[str, Any] = {
    "id": pxt.Int,
    "title": pxt.String,
    "source": pxt.String,
    "image": pxt.Image,
    "width": pxt.Int,
    "height": pxt.Int,
    "brightness": pxt.Float,
    "sharpness": pxt.Float,
    "dominant": pxt.String,
    "taken_at": pxt.Timestamp,
    "tags": pxt.Json,
    "rating": pxt.Float | None,
}
READINGS_SCHEMA: dict[str, Any] = {
    "id": pxt.Int,
    "station": pxt.String,
    "at": pxt.Timestamp,
    "temperature": pxt.Float | None,
    "humidity": pxt.Float,
    "status": pxt.String,
}


@dataclass(frozen=True)
class Samples:
    """What the demo's tables hold.

    Attributes:
        photos: rows of the table `photos`.
        readings: rows of the table `readings`.
        skipped: files of the user's folder that cannot be decoded, or whose name Pixeltable cannot keep; 0 for the shipped photographs.
    """

    photos: int
    readings: int
    skipped: int


def _silent(_line: str) -> None:
    """Tell nobody."""


def create_samples(media_dir: Path, *, images: Path | None = None, readings: int = 100_000, report: Report = _silent) -> Samples:
    """Make the tables `photos` and `readings` in the Pixeltable that this process has open.

    What exists and was made from the same arguments is left alone, with everything that its user added to it; made from others, or
    empty because a process was killed before its one insert, it is made anew. An insert is one transaction: no table is ever half full.

    Args:
        media_dir: folder for the JPEGs of the shipped photographs; the table refers to them, so they must stay.
        images: folder whose pictures become `photos` instead; at most 2,000, links are not followed, the files stay where they are.
        readings: rows of `readings`.
        report: told in a line what is being done.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`: the folder does not exist or holds no picture, or `readings` is below 1.
            `UNSUPPORTED_OPERATION`: a table of ours has to be replaced but has views, or the name belongs to something that is
            not ours; nothing is changed then. `INVALID_CONFIGURATION`: the packages with the photographs are not installed.
    """
    if readings < 1:
        raise error("INVALID_ARGUMENT", "The number of readings must be at least 1.", where={"argument": "readings"})
    _check_ours("photos")
    _check_ours("readings")
    skipped = _create_photos(media_dir.absolute(), report) if images is None else _create_own_photos(images, report)
    _create_readings(readings, report)
    return Samples(photos=pxt.get_table("photos").count(), readings=pxt.get_table("readings").count(), skipped=skipped)


def _create_photos(media_dir: Path, report: Report) -> int:
    """The table `photos` from the shipped photographs; answers how many were skipped: none."""
    chosen = photos()
    fingerprint = _fingerprint([media_dir, *chosen])
    kept = _is_made("photos", fingerprint)
    media_dir.mkdir(parents=True, exist_ok=True)
    wanted = [photo for photo in chosen if not (kept and (media_dir / photo.name).is_file())]
    if wanted:
        report(f"photos: writing {len(wanted)} pictures")
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda photo: _write(media_dir / photo.name, render(photo)), wanted))
        if kept:
            return 0
        rows = list(pool.map(lambda photo: _photo_row(photo, media_dir / photo.name), chosen))
    _replace("photos", PHOTOS_SCHEMA, _numbered(rows), fingerprint=fingerprint, skipped=0, report=report)
    return 0


def _photo_row(photo: Photo, path: Path) -> Row:
    taken_at, rating = invented(photo)
    row = _measured_row(path, measure(path))
    tags = {"subject": photo.source.subject, "colours": row["tags"]["colours"], "crop": list(crop_box(photo))}
    return row | {"title": photo.title, "source": photo.source.stem, "taken_at": taken_at, "tags": tags, "rating": rating}


def _create_own_photos(images: Path, report: Report) -> int:
    """The table `photos` from the user's folder `images`; answers how many files could not be used."""
    if not images.is_dir():
        raise error(
            "INVALID_ARGUMENT", "The folder of pictures does not exist.", hint="Name an existing folder.", where={"argument": "images"}
        )
    paths = _pictures_below(images.resolve())
    stats = [path.stat() for path in paths]
    fingerprint = _fingerprint([*paths, *((stat.st_size, stat.st_mtime_ns) for stat in stats)])
    if _is_made("photos", fingerprint):
        return int(_made_from("photos")["skipped"])
    limit = f"the first {MAX_PICTURES:,} of " if len(paths) > MAX_PICTURES else ""
    report(f"photos: measuring {limit}{len(paths):,} pictures")
    rows, skipped = _measured_rows(paths)
    if not rows:
        raise error(
            "INVALID_ARGUMENT",
            "The folder of pictures holds none that can be decoded.",
            hint=f"Known are {', '.join(sorted(PICTURE_SUFFIXES))}.",
            where={"argument": "images"},
        )
    report(f"photos: {len(rows)} pictures found, {skipped} skipped that cannot be used")
    _replace("photos", PHOTOS_SCHEMA, _numbered(rows), fingerprint=fingerprint, skipped=skipped, report=report)
    return skipped


def _pictures_below(folder: Path) -> list[Path]:
    """Every file below `folder` that looks like a picture by its name, in the order of the paths; links are not followed."""
    found = [Path(parent, name) for parent, _, names in os.walk(folder, followlinks=False) for name in names]
    return sorted(path for path in found if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file() and not path.is_symlink())


def _measured_rows(paths: Sequence[Path]) -> tuple[list[Row], int]:
    """Rows of the first 2,000 of `paths` that can be used, and how many before those could not."""
    rows: list[Row] = []
    skipped = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(paths), MAX_PICTURES):
            for row in pool.map(_own_row, paths[start : start + MAX_PICTURES]):
                if len(rows) == MAX_PICTURES:
                    return rows, skipped
                if row is None:
                    skipped += 1
                else:
                    rows.append(row)
    return rows, skipped


def _own_row(path: Path) -> Row | None:
    try:
        return _measured_row(path, measure(path)) if _is_storable(path) else None
    except Exception:  # noqa: BLE001  on a broken file Pillow's decoders raise nearly anything: OSError, SyntaxError, struct.error, ...
        return None


def _is_storable(path: Path) -> bool:
    """Whether Pixeltable finds `path` again: it cannot store what is not UTF-8, and 0.7.21 decodes `%41` to `A` once too often."""
    name = str(path)
    return name == unquote(name) == name.encode(errors="ignore").decode()


def _measured_row(path: Path, picture: Picture) -> Row:
    return {
        "title": path.name,
        "source": path.stem,
        "image": str(path),
        "width": picture.width,
        "height": picture.height,
        "brightness": picture.brightness,
        "sharpness": picture.sharpness,
        "dominant": picture.colours[0],
        "taken_at": picture.taken_at,
        "tags": {"subject": path.parent.name, "colours": picture.colours, "crop": [0, 0, picture.width, picture.height]},
        "rating": None,
    }


def _numbered(rows: Iterable[Row]) -> list[Row]:
    return [{"id": number} | row for number, row in enumerate(rows, start=1)]


def _create_readings(rows: int, report: Report) -> None:
    fingerprint = _fingerprint([rows])
    if _is_made("readings", fingerprint):
        return
    # Of the sources that Table.insert takes a Parquet file is the cheapest (measured: 100,000 rows in 5.3 s; dicts 6.0, pandas 6.8).
    with TemporaryDirectory(prefix="pxt_flight_") as folder:
        path = Path(folder, "readings.parquet")
        pq.write_table(generate(rows), path)
        _replace("readings", READINGS_SCHEMA, str(path), fingerprint=fingerprint, skipped=0, report=report)


def _replace(name: str, schema: dict[str, Any], source: Any, *, fingerprint: str, skipped: int, report: Report) -> None:
    """Make the table `name` anew and fill it by one insert."""
    _drop(name)
    made_from = {"fingerprint": fingerprint, "skipped": skipped}
    table = pxt.create_table(name, schema, primary_key="id", comment="Made by pxt-flight's demo.", custom_metadata={MARK: made_from})
    report(f"{name}: inserting")
    table.insert(source)
    report(f"{name}: {table.count():,} rows")


def _drop(name: str) -> None:
    table = _existing(name)
    if table is None:
        return
    if table.list_views():
        raise error(
            "UNSUPPORTED_OPERATION",
            f"The demo's table '{name}' must be made anew, but there are views of it.",
            hint="Drop the views, or start the demo as it was started before.",
            where={"table": name},
        )
    pxt.drop_table(name)


def _check_ours(name: str) -> None:
    """Refuse to go on where `name` is something that the demo did not make."""
    if _existing(name) is not None and not _made_from(name):
        raise _not_ours(name)


def _not_ours(name: str) -> Exception:
    return error(
        "UNSUPPORTED_OPERATION",
        f"'{name}' exists already and was not made by the demo; it is left untouched.",
        hint="Start the demo in another home, or move what has this name.",
        where={"table": name},
    )


def _existing(name: str) -> Any:
    """The table `name`, or None."""
    try:
        return pxt.get_table(name, if_not_exists="ignore")
    except pxt.exceptions.RequestError:  # a directory has this name
        raise _not_ours(name) from None


def _is_made(name: str, fingerprint: str) -> bool:
    table = _existing(name)
    return table is not None and _made_from(name).get("fingerprint") == fingerprint and table.count() > 0


def _made_from(name: str) -> dict[str, Any]:
    """What our mark on the existing table `name` says; empty where it has none."""
    custom = _existing(name).get_metadata()["custom_metadata"]
    mark = custom.get(MARK) if isinstance(custom, dict) else None
    return mark if isinstance(mark, dict) else {}


def _fingerprint(parts: Sequence[object]) -> str:
    return hashlib.sha256(repr((EDITION, *parts)).encode(errors="backslashreplace")).hexdigest()


def _write(path: Path, body: bytes) -> None:
    """Write `path` in one step: a killed process leaves no torn picture, and a reader never sees half of one."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(body)
    partial.replace(path)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """`python -m pxt_flight.engine.samples MEDIA_DIR [IMAGES]`: make the tables in the home of PIXELTABLE_HOME, then leave.

    A process of its own: Pixeltable keeps its connections as long as its process lives, and nobody stops a Postgres in use.
    """
    media_dir, *images = sys.argv[1:]
    try:
        pxt.init()
        create_samples(Path(media_dir), images=Path(images[0]) if images else None, report=_say)
    except PxtFlightError as fault:
        sys.stderr.write(fault.to_json().decode())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
