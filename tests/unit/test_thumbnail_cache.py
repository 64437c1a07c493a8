"""Thumbnails that are kept: by content, bounded, shared by processes, and never in the way."""

import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from clips import pdf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pxt_flight.engine.media import StoredFile, media_mode, read_cells, thumbnail
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.errors import InvalidRequestError

TREE = Path(__file__).parents[2]
ROOMY = 1 << 30
KEYS = st.tuples(st.text(max_size=20), st.integers(0, 9), st.sampled_from(["Image", "Video"]))


@pytest.fixture
def cache(tmp_path):
    return ThumbnailCache(tmp_path / "kept", ROOMY)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def total(folder):
    return sum(path.stat().st_size for path in files(folder))


# The folder


@settings(max_examples=60, deadline=None)
@given(written=st.lists(st.tuples(KEYS, st.binary(max_size=300)), max_size=12), asked=KEYS)
def test_what_was_put_is_got(written, asked):
    with tempfile.TemporaryDirectory() as folder:
        cache, expected = ThumbnailCache(Path(folder) / "kept", ROOMY), {}
        for key, value in written:
            cache.put(key, value)
            expected[key] = value
        for key in [*expected, asked]:
            assert cache.get(key) == expected.get(key)
            assert ThumbnailCache(Path(folder) / "kept", ROOMY).get(key) == expected.get(key)


@settings(max_examples=100, deadline=None)
@given(value=st.binary(max_size=50), data=st.data())
def test_a_damaged_file_is_not_there(value, data):
    with tempfile.TemporaryDirectory() as folder:
        cache = ThumbnailCache(Path(folder), ROOMY)
        cache.put(("key",), value)
        (file,) = files(Path(folder))
        whole = file.read_bytes()
        damaged = bytearray(whole)
        if data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        else:
            del damaged[data.draw(st.integers(0, len(whole) - 1)) :]
        file.write_bytes(damaged)
        assert cache.get(("key",)) is None
        cache.put(("key",), value)
        assert cache.get(("key",)) == value


def test_only_the_owner_may_look(cache, tmp_path):
    before = os.umask(0)
    try:
        cache.put(("key",), b"x")
    finally:
        os.umask(before)
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert "key" not in str(file)


def test_the_folder_may_be_deleted_at_any_time(cache, tmp_path):
    for delete in (tmp_path / "kept", None):
        cache.put(("key",), b"x")
        shutil.rmtree(delete or files(tmp_path)[0].parent)
        assert cache.get(("key",)) is None
        cache.put(("key",), b"y")
        assert cache.get(("key",)) == b"y"


def test_a_folder_that_cannot_be_written(tmp_path, caplog):
    (tmp_path / "kept").write_text("a file")
    cache = ThumbnailCache(tmp_path / "kept", ROOMY)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            cache.put(("key",), b"x")
            assert cache.get(("key",)) is None
    assert [record.message.split(":")[0] for record in caplog.records] == ["Thumbnails are not kept"]
    assert str(tmp_path) not in caplog.text
    assert (tmp_path / "kept").read_text() == "a file"


def test_what_cannot_be_put_in_its_place_leaves_nothing(cache, tmp_path):
    cache.put(("key",), b"x")
    (place,) = files(tmp_path)
    place.unlink()
    (place / "in the way").mkdir(parents=True)
    cache.put(("key",), b"y")
    assert cache.get(("key",)) is None
    assert not files(tmp_path)


def test_nothing_is_kept_where_it_is_off(tmp_path):
    cache = ThumbnailCache(tmp_path / "kept", 0)
    cache.put(("key",), b"x")
    assert cache.get(("key",)) is None
    assert not (tmp_path / "kept").exists()


# The limit


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), max_size=80), limit=st.integers(1, 20_000))
def test_the_limit_is_kept(sizes, limit):
    with tempfile.TemporaryDirectory() as folder:
        cache = ThumbnailCache(Path(folder), limit)
        for number, size in enumerate(sizes):
            cache.put((number,), bytes(size))
            assert total(Path(folder)) <= limit + limit / 16


def test_the_least_recently_used_go(cache, tmp_path):
    for number in range(40):
        cache.put((number,), bytes(1000))
    now, used = time.time(), {3, 17, 39}
    for file in files(tmp_path):
        os.utime(file, (now - 9000, now - 9000))
    for number in used:
        assert cache.get((number,)) == bytes(1000)
    small = ThumbnailCache(tmp_path / "kept", 10_000)  # another process with another limit
    small.put(("new",), b"x")
    assert total(tmp_path) <= 10_000
    assert all(small.get((number,)) for number in used)
    assert small.get(("new",)) == b"x"


def test_what_a_killed_process_left_goes_too(cache, tmp_path):
    cache.put(("key",), b"x")
    rest = files(tmp_path)[0].with_suffix(".99999.1")
    rest.write_bytes(bytes(50_000))
    os.utime(rest, (1, 1))
    small = ThumbnailCache(tmp_path / "kept", 10_000)
    small.put(("new",), b"x")
    assert not rest.exists()
    assert small.get(("key",)) == b"x"


WORKER = """
import random, sys
from pathlib import Path
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
cache, chance = ThumbnailCache(Path(sys.argv[1]), 30_000), random.Random(sys.argv[2])
found = 0
for _ in range(500):
    key = chance.randrange(40)
    value = bytes([key]) * (key * 100)
    got = cache.get((key,))
    if got is None:
        cache.put((key,), value)
    else:
        assert got == value, (key, len(got))
        found += 1
print(found)
"""


def test_processes_share_a_folder(tmp_path):
    command = [sys.executable, "-c", WORKER, str(tmp_path / "kept")]
    environment = os.environ | {"PYTHONPATH": str(TREE)}
    workers = [subprocess.Popen([*command, str(i)], env=environment, stdout=subprocess.PIPE, text=True) for i in range(3)]
    answers = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert all(int(answer) > 30 for answer in answers)
    assert total(tmp_path) <= 30_000 * (1 + 3 / 16)
    assert all("." not in file.name for file in files(tmp_path))


# What it keeps


@pytest.fixture
def small(cache):
    return media_mode("thumbnail:32", cache=cache)


def write(path, colour, at=None):
    Image.new("RGB", (40, 20), colour).save(path, "BMP")  # of one size, whatever the colour
    if at is not None:
        os.utime(path, ns=(at, at))


def colours(references, mode, kind="Image"):
    made = read_cells([reference and StoredFile(kind, str(reference)) for reference in references], "image", mode).to_pylist()
    return [thumbnail and Image.open(io.BytesIO(thumbnail)).getpixel((5, 5)) for thumbnail in made]


def is_near(found, wanted):
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 8


def test_a_file_is_decoded_once(tmp_path, small):
    write(tmp_path / "a.bmp", (200, 0, 0), at=10**18)
    first = colours([tmp_path / "a.bmp", None], small)
    assert is_near(first[0], (200, 0, 0))
    write(tmp_path / "a.bmp", (0, 0, 200), at=10**18)  # nobody can see that it changed
    assert colours([tmp_path / "a.bmp", None], small) == first
    assert is_near(colours([tmp_path / "a.bmp"], media_mode("thumbnail:32"))[0], (0, 0, 200))
    assert is_near(colours([tmp_path / "a.bmp"], media_mode("thumbnail:31", cache=small.cache))[0], (0, 0, 200))
    write(tmp_path / "a.bmp", (0, 200, 0), at=10**18 + 1)
    assert is_near(colours([tmp_path / "a.bmp"], small)[0], (0, 200, 0))


def test_what_stands_there_twice_is_made_once(tmp_path, small):
    write(tmp_path / "a.bmp", (200, 0, 0))
    cells = [StoredFile("Image", str(tmp_path / "a.bmp"))] * 50
    made = read_cells(cells, "image", media_mode("thumbnail:32")).to_pylist()
    assert len(set(made)) == 1
    assert read_cells(cells, "image", small).to_pylist() == made
    assert len(files(tmp_path / "kept")) == 1


def test_a_kept_picture_of_a_file_that_is_gone(tmp_path, small):
    write(tmp_path / "a.bmp", (200, 0, 0))
    colours([tmp_path / "a.bmp"], small)
    (tmp_path / "a.bmp").unlink()
    with pytest.raises(InvalidRequestError, match="A file of column image is gone"):
        colours([tmp_path / "a.bmp"], small)


def test_failures_are_not_kept(tmp_path, small):
    (tmp_path / "a.bmp").write_bytes(b"broken")
    os.utime(tmp_path / "a.bmp", ns=(5, 5))
    with pytest.raises(InvalidRequestError, match="cannot be decoded"):
        colours([tmp_path / "a.bmp"], small)
    assert not files(tmp_path / "kept")


def test_one_cell_and_many_are_kept_alike(tmp_path, small):
    (tmp_path / "a.pdf").write_bytes(pdf(b""))
    (tmp_path / "a.txt").write_text("no picture")
    cells = [StoredFile("Document", str(tmp_path / name)) for name in ("a.pdf", "a.txt")]
    one = [thumbnail(cell, 32, small.cache) for cell in cells]
    kept = files(tmp_path / "kept")
    assert read_cells(cells, "doc", small).to_pylist() == one == [thumbnail(cell, 32) for cell in cells]
    assert one[1] is None
    assert files(tmp_path / "kept") == kept
    assert len(kept) == 2
