"""The demo's tables, on a real Pixeltable.

Pixeltable has one home per process, so `samples_scenario.py` runs in a process of its own and writes down what it found.
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pyarrow.compute as pc
import pytest
from PIL import Image

from pxt_flight.engine.picture import measure
from pxt_flight.engine.sample_photos import SOURCES, crop_box, invented, photos, render
from pxt_flight.engine.sample_readings import STATIONS, readings

ROOT = Path(__file__).parents[2]
SCENARIO = Path(__file__).with_name("samples_scenario.py")


class TestPhotos:
    def test_about_three_hundred_of_every_source_with_names_and_captions_of_their_own(self):
        chosen = photos()
        assert len(chosen) == 300
        assert {photo.source.file for photo in chosen} == {source.file for source in SOURCES}
        assert len({photo.name for photo in chosen}) == len({photo.title for photo in chosen}) == 300

    def test_the_first_rows_are_the_whole_pictures(self):
        assert [photo.source for photo in photos()[: len(SOURCES)]] == list(SOURCES)
        assert all(photo.part is None for photo in photos()[: len(SOURCES)])

    def test_every_crop_lies_inside_its_source_and_shows_something(self):
        for photo in photos():
            with Image.open(io.BytesIO(render(photo))) as image:
                left, top, right, bottom = crop_box(photo)
                assert 0 <= left < right
                assert 0 <= top < bottom
                assert 320 <= max(image.size) <= 640
                # A part of a blank wall has a deviation of 1 or 2; the faintest chosen crop (retina) has 8.
                assert np.asarray(image.convert("L"), dtype=float).std() > 6, photo.title

    def test_the_same_seed_gives_the_same_bytes_and_values(self):
        for photo, again in zip(photos()[::17], photos()[::17], strict=True):
            assert render(photo) == render(again)
            assert crop_box(photo) == crop_box(again)
            assert invented(photo) == invented(again)

    def test_some_ratings_are_missing_and_times_are_by_day(self):
        times, ratings = zip(*map(invented, photos()), strict=True)
        assert 20 < ratings.count(None) < 60
        assert all(1 <= rating <= 5 for rating in ratings if rating is not None)
        assert all(2021 <= time.year <= 2024 and 6 <= time.hour <= 21 and time.tzinfo is UTC for time in times)


class TestReadings:
    def test_the_same_rows_give_the_same_table(self):
        assert readings(5000).equals(readings(5000))

    def test_columns(self):
        table = readings(10_000)
        assert table.column_names == ["id", "station", "at", "temperature", "humidity", "status"]
        assert table["id"].to_pylist() == list(range(1, 10_001))
        assert set(table["station"].to_pylist()) == set(STATIONS)
        assert len(set(STATIONS)) == 40
        assert table["at"][0].as_py() == datetime(2024, 1, 1, tzinfo=UTC)
        assert set(table["status"].to_pylist()) == {"ok", "calibrating", "offline"}
        assert [name for name in table.column_names if table[name].null_count] == ["temperature"]
        offline = table.filter(pc.equal(table["status"], "offline"))
        assert offline["temperature"].null_count == len(offline) > 0

    def test_july_is_warmer_than_january_and_noon_than_midnight(self):
        table = readings(100_000)
        at, temperature = table["at"], table["temperature"]

        def mean(which):
            return pc.mean(pc.filter(temperature, which)).as_py()

        assert mean(pc.equal(pc.month(at), 7)) > mean(pc.equal(pc.month(at), 1)) + 10
        assert mean(pc.equal(pc.hour(at), 14)) > mean(pc.equal(pc.hour(at), 2)) + 3


class TestMeasure:
    def test_a_known_picture(self, tmp_path):
        image = Image.new("RGB", (40, 30), (200, 0, 0))
        image.paste((0, 0, 255), (0, 0, 10, 30))
        image.save(tmp_path / "flag.png")
        picture = measure(tmp_path / "flag.png")
        # ITU-R 601-2 luma, as Pillow has it: 0.299 R + 0.587 G + 0.114 B.
        assert picture.brightness == pytest.approx(0.75 * 0.299 * 200 + 0.25 * 0.114 * 255, abs=1)
        assert (picture.width, picture.height) == (40, 30)
        assert picture.colours == ["#c80000", "#0000ff"]

    def test_blur_lowers_sharpness_and_a_plain_picture_has_none(self, tmp_path):
        noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80), dtype=np.uint8))
        noise.save(tmp_path / "sharp.png")
        noise.resize((20, 15)).resize((80, 60)).save(tmp_path / "blurred.png")
        Image.new("L", (80, 60), 128).save(tmp_path / "plain.png")
        sharp, blurred, plain = (measure(tmp_path / f"{name}.png").sharpness for name in ("sharp", "blurred", "plain"))
        assert sharp > 10 * blurred > plain == 0

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
    def test_every_mode_has_figures(self, mode, tmp_path):
        path = tmp_path / ("picture.tif" if mode in ("CMYK", "I;16", "F") else "picture.png")
        Image.new(mode, (2, 5)).save(path)
        assert (measure(path).width, measure(path).height, len(measure(path).colours)) == (2, 5, 1)

    def test_transparent_is_white(self, tmp_path):
        Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
        assert measure(tmp_path / "clear.png").brightness == 255

    @pytest.mark.parametrize(
        ("taken", "offset", "expected"),
        [
            ("2019:07:21 04:18:05", None, datetime(2019, 7, 21, 4, 18, 5, tzinfo=UTC)),
            ("2019:07:21 04:18:05", "+02:00", datetime(2019, 7, 21, 2, 18, 5, tzinfo=UTC)),
            ("0000:00:00 00:00:00", None, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
            (None, None, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
        ],
    )
    def test_taken_at_is_the_camera_time_else_the_file_time(self, taken, offset, expected, tmp_path):
        exif = Image.Exif()
        exif.get_ifd(0x8769).update({tag: value for tag, value in ((0x9003, taken), (0x9011, offset)) if value})
        Image.new("RGB", (64, 48)).save(tmp_path / "photo.jpg", exif=exif)
        os.utime(tmp_path / "photo.jpg", (1_000_000_000, 1_000_000_000))
        assert measure(tmp_path / "photo.jpg").taken_at == expected


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the scenario found."""
    folder = tmp_path_factory.mktemp("samples")
    environment = os.environ | {"PIXELTABLE_HOME": str(folder / "home"), "PIXELTABLE_VERBOSITY": "0", "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, str(SCENARIO), str(folder)], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
    finally:
        stop_postgres(folder / "home")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


def stop_postgres(home):
    """End the Postgres of `home`, which outlives the process that started it, and wait until it is gone."""
    with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
        postmaster = psutil.Process(int((home / "pgdata" / "postmaster.pid").read_text().split()[0]))
        postmaster.send_signal(signal.SIGINT)
        postmaster.wait(30)


class TestCreateSamples:
    def test_makes_both_tables(self, found):
        assert found["first"]["result"] == {"photos": 300, "readings": 500, "skipped": 0}
        assert found["first"]["readings"]

    def test_only_the_nullable_columns_are(self, found):
        assert found["first"]["nullable"] == ["rating", "temperature"]

    def test_files_are_the_same_bytes_in_every_process(self, found):
        assert found["first"]["files"] == {photo.name: hashlib.sha256(render(photo)).hexdigest() for photo in photos()}

    def test_every_picture_opens_and_has_the_measured_figures(self, found):
        assert found["photos"]["opened"] == 300
        assert found["photos"]["differing"] == []
        assert found["photos"]["columns"] == [
            *("id", "title", "source", "image", "width", "height"),
            *("brightness", "sharpness", "dominant", "taken_at", "tags", "rating"),
        ]
        assert found["photos"]["tags"]["subject"] == "people"
        assert found["photos"]["tags"]["crop"] == [0, 0, 512, 512]
        assert len(found["photos"]["tags"]["colours"]) == 4

    def test_a_second_call_changes_nothing_and_says_nothing(self, found):
        assert found["second"] == {"same": True, "said": [], "result": found["first"]["result"]}

    def test_what_the_user_changed_stays_and_a_lost_file_returns(self, found):
        assert found["touched"] == {"same": True, "columns": 13, "rows": 290, "file": True}

    def test_a_table_whose_insert_was_interrupted_is_made_anew(self, found):
        assert found["interrupted"] == {"rows": 0, "after": 300}

    def test_a_table_with_views_is_not_replaced(self, found):
        assert found["viewed"] == {"code": "UNSUPPORTED_OPERATION", "table": "readings", "same": True}

    def test_the_users_folder(self, found):
        own = found["own"]
        assert own["result"] == {"photos": 5, "readings": 500, "skipped": 4}
        assert [row["title"] for row in own["rows"]] == ["a#b 50%?.JPG", "drawing.png", "été\u202f1.webp", "moving.gif", "scan.tif"]
        assert own["rows"][0]["taken_at"] == "2019-07-21T04:18:05+00:00"
        assert own["rows"][0]["tags"]["subject"] == "pictures"
        assert own["sizes"] == [[64, 48]] * 5
        assert own["readings_kept"]

    def test_the_users_folder_again(self, found):
        assert found["own_again"] == {"same": True, "result": found["own"]["result"]}

    def test_the_users_folder_with_a_picture_more(self, found):
        assert found["own_changed"] == {"photos": 6, "readings": 500, "skipped": 4}

    def test_of_a_big_folder_the_first_pictures_are_taken(self, found):
        limited = found["limited"]
        assert limited["most"] == 2000
        assert limited["said"] == "photos: measuring the first 3 of 11 pictures"
        assert limited["result"] == {"photos": 3, "readings": 500, "skipped": 2}
        assert limited["titles"] == ["a#b 50%?.JPG", "drawing.png", "été\u202f1.webp"]

    @pytest.mark.parametrize("case", ["missing_folder", "empty_folder", "no_readings"])
    def test_a_wrong_argument_changes_nothing(self, found, case):
        assert found["wrong"][case] == ["INVALID_ARGUMENT", True]

    @pytest.mark.parametrize("case", ["other_table", "other_directory"])
    def test_what_is_not_ours_is_left_alone(self, found, case):
        assert found[case] == {"code": "UNSUPPORTED_OPERATION", "table": "photos", "same": True}
