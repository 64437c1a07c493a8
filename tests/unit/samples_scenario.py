"""A life of the demo's tables, run by `test_samples.py` in a process of its own: `python samples_scenario.py FOLDER`.

The steps run in the order of `STEPS`, each from what the steps before left; what they find goes to FOLDER/found.json.
"""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

import pixeltable as pxt
from PIL import Image

from pxt_flight.engine import samples
from pxt_flight.engine.picture import measure
from pxt_flight.engine.sample_readings import readings
from pxt_flight.engine.samples import create_samples
from pxt_flight.errors import PxtFlightError

FOLDER = Path(sys.argv[1])
MEDIA = FOLDER / "media"
OWN = FOLDER / "pictures"


def create(**options):
    return vars(create_samples(MEDIA, **{"readings": 500} | options))


def failure(**options):
    try:
        return create(**options)
    except PxtFlightError as problem:
        return problem


def state(*names):
    metadata = [pxt.get_table(name).get_metadata() for name in names]
    return [(str(table["id"]), table["version"]) for table in metadata]


def rows(name):
    table = pxt.get_table(name)
    return [dict(row) for row in table.order_by(table.id).collect()]


def first():
    result = create()
    columns = [column for name in ("photos", "readings") for column in pxt.get_table(name).get_metadata()["columns"].values()]
    return {
        "result": result,
        "readings": rows("readings") == readings(500).to_pylist(),
        "nullable": [column["name"] for column in columns if "None" in column["type_"]],
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in MEDIA.iterdir()},
    }


def photos():
    table = pxt.get_table("photos")
    stored = table.select(*(getattr(table, name) for name in table.columns()), file=table.image.localpath).order_by(table.id).collect()
    differing = []
    for row in stored:
        row["image"].load()
        picture = measure(Path(row["file"]))
        measured = (*row["image"].size, picture.brightness, picture.sharpness, picture.colours[0])
        if measured != tuple(row[name] for name in ("width", "height", "brightness", "sharpness", "dominant")):
            differing.append(row["title"])
    return {"opened": len(stored), "differing": differing, "columns": table.columns(), "tags": stored[0]["tags"]}


def second():
    said, before = [], state("photos", "readings")
    result = create(report=said.append)
    return {"same": state("photos", "readings") == before, "said": said, "result": result}


def touched():
    table = pxt.get_table("photos")
    table.add_computed_column(area=table.width * table.height)
    table.delete(where=table.id > 290)
    before = state("photos")
    (MEDIA / "astronaut-00.jpg").unlink()
    create()
    table = pxt.get_table("photos")
    same = state("photos") == before
    return {"same": same, "columns": len(table.columns()), "rows": table.count(), "file": (MEDIA / "astronaut-00.jpg").is_file()}


def interrupted():
    def interrupt(line):
        if line == "photos: inserting":
            raise KeyboardInterrupt

    pxt.drop_table("photos")
    with contextlib.suppress(KeyboardInterrupt):
        create(report=interrupt)
    return {"rows": pxt.get_table("photos").count(), "after": create()["photos"]}


def viewed():
    pxt.create_view("warm", pxt.get_table("readings"))
    before = state("photos", "readings")
    problem = failure(readings=600)
    same = state("photos", "readings") == before
    pxt.drop_table("warm")
    return {"code": problem.code, "table": problem.where["table"], "same": same}


def own():
    make_own_folder()
    before = state("readings")
    result = create(images=OWN)
    stored = rows("photos")
    return {
        "result": result,
        "rows": [{"title": row["title"], "taken_at": row["taken_at"].isoformat(), "tags": row["tags"]} for row in stored],
        "sizes": [row["image"].size for row in stored],
        "readings_kept": state("readings") == before,
    }


def own_again():
    before = state("photos", "readings")
    return {"result": create(images=OWN), "same": state("photos", "readings") == before}


def own_changed():
    save_jpeg(OWN / "new.jpg")
    return create(images=OWN)


def limited():
    save_jpeg(OWN / "newer.jpg")
    samples.MAX_PICTURES, most = 3, samples.MAX_PICTURES
    said = []
    result = create(images=OWN, report=said.append)
    samples.MAX_PICTURES = most
    return {"most": most, "said": said[0], "result": result, "titles": [row["title"] for row in rows("photos")]}


def wrong():
    (FOLDER / "hollow").mkdir()
    (FOLDER / "hollow" / "broken.png").write_bytes(b"")
    cases = {
        "missing_folder": {"images": FOLDER / "nowhere"},
        "empty_folder": {"images": FOLDER / "hollow"},
        "no_readings": {"readings": 0},
    }
    before = state("photos", "readings")
    return {case: [failure(**options).code, state("photos", "readings") == before] for case, options in cases.items()}


def other_table():
    pxt.drop_table("photos")
    theirs = pxt.create_table("photos", {"a": pxt.Int})
    theirs.insert([{"a": 1}])
    before = state("photos", "readings")
    problem = failure(readings=600)
    same = state("photos", "readings") == before
    pxt.drop_table("photos")
    return {"code": problem.code, "table": problem.where["table"], "same": same}


def other_directory():
    pxt.create_dir("photos")
    before = state("readings")
    problem = failure(readings=600)
    return {"code": problem.code, "table": problem.where["table"], "same": state("readings") == before and pxt.list_dirs() == ["photos"]}


def save_jpeg(path, *, taken=None):
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    Image.new("RGB", (64, 48), (10, 120, 200)).save(path, "JPEG", exif=exif)


def make_own_folder():
    """Five pictures of several kinds, two broken ones, two whose names Pixeltable cannot keep, a link and something else."""
    (OWN / "deep" / "er").mkdir(parents=True)
    save_jpeg(OWN / "a#b 50%?.JPG", taken="2019:07:21 04:18:05")
    picture = Image.new("RGB", (64, 48), (90, 10, 20))
    picture.save(OWN / "deep" / "drawing.png")
    picture.save(OWN / "deep" / "er" / "été\u202f1.webp")
    picture.convert("P").save(OWN / "moving.gif", save_all=True, append_images=[Image.new("P", (64, 48), 3)])
    picture.save(OWN / "scan.tif")
    picture.save(OWN / "deep" / "%41.png")
    picture.save(OWN / "deep" / os.fsdecode(b"latin-\xe9.png"))
    (OWN / "broken.jpg").write_bytes(b"this is not a JPEG")
    body = (OWN / "deep" / "drawing.png").read_bytes()
    (OWN / "deep" / "truncated.png").write_bytes(body[: len(body) // 2])
    (OWN / "notes.txt").write_text("no picture")
    picture.save(FOLDER / "elsewhere.png")
    (OWN / "link.png").symlink_to(FOLDER / "elsewhere.png")


STEPS = (first, photos, second, touched, interrupted, viewed, own, own_again, own_changed, limited, wrong, other_table, other_directory)

if __name__ == "__main__":
    found = {step.__name__: step() for step in STEPS}
    (FOLDER / "found.json").write_text(json.dumps(found))
