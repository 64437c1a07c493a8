"""Media values: modes, bytes, thumbnails of every kind of picture, broken files, and batches of bounded size."""

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pxt_flight.engine import media
from pxt_flight.engine.media import CHUNK_BYTES, CHUNK_ROWS, check_served, chunks, local_path, media_mode, read_cells
from pxt_flight.errors import InvalidRequestError

BYTES, SMALL = media_mode("bytes"), media_mode("thumbnail:32")


def thumbnail(path, mode=SMALL):
    (made,) = read_cells([str(path)], "image", mode).to_pylist()
    opened = Image.open(io.BytesIO(made))
    opened.load()
    return opened


# Modes


@pytest.mark.parametrize(("name", "size"), [("bytes", None), ("thumbnail:16", 16), ("thumbnail:256", 256), ("thumbnail:1024", 1024)])
def test_modes(name, size):
    assert media_mode(name).thumbnail == size
    assert media_mode(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Bytes",
        "bytes ",
        "thumbnail",
        "thumbnail:",
        "thumbnail:15",
        "thumbnail:1025",
        "thumbnail:-32",
        "thumbnail:٣٢",
        "thumbnail:32\n",
    ],
)
def test_modes_that_are_none(name):
    with pytest.raises(InvalidRequestError) as caught:
        media_mode(name)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "thumbnail:N" in caught.value.hint


@pytest.mark.parametrize("kind", ["Video", "Audio", "Document"])
def test_only_images_have_thumbnails(kind):
    check_served(kind, "clip", BYTES)
    check_served("Image", "clip", SMALL)
    with pytest.raises(InvalidRequestError, match=f"Column clip is of type {kind}"):
        check_served(kind, "clip", SMALL)


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        (None, None),
        ("/a/b.png", "/a/b.png"),
        ("file:///a/b.png", "/a/b.png"),
        ("file:///a/with%20space/%C3%A9%23.png", "/a/with space/é#.png"),
    ],
)
def test_references(reference, path):
    assert local_path(reference) == (None if path is None else media.Path(path))


# Thumbnails


def two_halves(mode):
    """Left half dark, right half bright, 200 x 100, in that mode."""
    picture = Image.new("RGB", (200, 100), (10, 10, 10))
    picture.paste((240, 240, 240), (100, 0, 200, 100))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"),
        ("L", "png"),
        ("LA", "png"),
        ("P", "png"),
        ("P", "gif"),
        ("RGB", "png"),
        ("RGB", "jpg"),
        ("RGB", "webp"),
        ("RGBA", "png"),
        ("CMYK", "jpg"),
        ("CMYK", "tiff"),
        ("YCbCr", "tiff"),
        ("LAB", "tiff"),
        ("I", "tiff"),
        ("F", "tiff"),
        ("RGB", "bmp"),
    ],
)
def test_a_thumbnail_of_every_mode(tmp_path, mode, suffix):
    two_halves(mode).save(tmp_path / f"picture.{suffix}")
    made = thumbnail(tmp_path / f"picture.{suffix}")
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", (32, 16))
    grey = made.convert("L")
    assert grey.getpixel((4, 8)) < 70
    assert grey.getpixel((28, 8)) > 180


def test_sixteen_bits_are_shown_by_their_own_range(tmp_path):
    deep = Image.new("I;16", (64, 64), 1000)
    deep.paste(3000, (32, 0, 64, 64))
    deep.save(tmp_path / "deep.png")
    made = thumbnail(tmp_path / "deep.png").convert("L")
    assert made.getpixel((4, 16)) < 30
    assert made.getpixel((28, 16)) > 225
    Image.new("I;16", (64, 64), 1000).save(tmp_path / "flat.png")
    assert thumbnail(tmp_path / "flat.png").getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB"])
def test_transparency_is_white(tmp_path, mode):
    picture = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    if mode == "P":
        palette = Image.new("P", (64, 64), 0)
        palette.putpalette([200, 0, 0] * 256)
        palette.save(tmp_path / "clear.png", transparency=0)
    elif mode == "RGB":
        Image.new("RGB", (64, 64), (200, 0, 0)).save(tmp_path / "clear.png", transparency=(200, 0, 0))
    else:
        picture.convert("RGBA" if mode == "PA" else mode).save(tmp_path / "clear.png")
    assert min(thumbnail(tmp_path / "clear.png").getpixel((16, 16))) > 245


@pytest.mark.parametrize(("orientation", "size"), [(1, (32, 16)), (3, (32, 16)), (6, (16, 32)), (8, (16, 32))])
def test_exif_orientation_is_applied(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    two_halves("RGB").save(tmp_path / "turned.jpg", exif=exif)
    made = thumbnail(tmp_path / "turned.jpg")
    assert made.size == size
    dark = {1: (2, 8), 3: (29, 8), 6: (8, 2), 8: (8, 29)}[orientation]
    assert made.convert("L").getpixel(dark) < 70
    assert 0x0112 not in made.getexif()


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=50)
    red, green, blue = thumbnail(tmp_path / "moving.gif").getpixel((16, 16))
    assert red > 240
    assert max(green, blue) < 15


def test_a_small_picture_is_not_enlarged(tmp_path):
    Image.new("RGB", (8, 4), "teal").save(tmp_path / "small.png")
    assert thumbnail(tmp_path / "small.png").size == (8, 4)


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000), (1, 1)])
def test_extreme_shapes(tmp_path, size):
    Image.new("RGB", size, "teal").save(tmp_path / "thin.png")
    assert max(thumbnail(tmp_path / "thin.png").size) <= 32


# Files that are no pictures


def bomb(path):
    """A PNG that says that it has 400 million pixels, in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def cut(path):
    two_halves("RGB").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-200])


BROKEN = {
    "missing": (lambda path: None, "is gone"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be decoded"),
    "text": (lambda path: path.write_text("no picture"), "cannot be decoded"),
    "cut short": (cut, "cannot be decoded"),
    "folder": (lambda path: path.mkdir(), "cannot be decoded"),
    "bomb": (bomb, "has more than 50 million pixels|cannot be decoded"),
    "svg": (lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "cannot be decoded"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_picture(tmp_path, kind):
    make, reason = BROKEN[kind]
    make(tmp_path / "broken.png")
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        thumbnail(tmp_path / "broken.png")
    assert (caught.value.code, caught.value.where) == ("media_unreadable", {"column": "image"})
    assert "broken" not in str(caught.value)


# Bytes


def test_bytes_are_the_stored_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x00\xff" * 10)
    read = read_cells([str(tmp_path / "a.bin"), None, (tmp_path / "a.bin").as_uri()], "clip", BYTES)
    assert read.to_pylist() == [b"\x00\xff" * 10, None, b"\x00\xff" * 10]


@pytest.mark.parametrize("name", ["missing", "."])
def test_bytes_of_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(InvalidRequestError, match="A file of column clip is gone or cannot be read") as caught:
        read_cells([str(tmp_path / name)], "clip", BYTES)
    assert str(tmp_path) not in str(caught.value)


def test_null_stays_null():
    assert read_cells([None, None], "image", SMALL).to_pylist() == [None, None]


# Batches


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 500))
def test_thumbnails_come_in_batches_of_so_many_rows(rows):
    ranges = list(chunks([[None] * rows], SMALL))
    assert [start for start, _ in ranges] == list(range(0, rows, CHUNK_ROWS))
    assert sum(length for _, length in ranges) == rows
    assert max(length for _, length in ranges) <= CHUNK_ROWS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of some sizes, by size; sparse, so they cost nothing."""
    folder = tmp_path_factory.mktemp("files")
    sizes = [0, 1, CHUNK_BYTES // 3, CHUNK_BYTES // 2, CHUNK_BYTES, CHUNK_BYTES * 3]
    for size in sizes:
        with (folder / str(size)).open("wb") as file:
            file.truncate(size)
    return {size: str(folder / str(size)) for size in sizes} | {-1: None, -2: str(folder / "missing")}


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_bytes_come_in_batches_of_bounded_size(files, data):
    sizes = data.draw(st.lists(st.lists(st.sampled_from(sorted(files)), min_size=2, max_size=2), min_size=1, max_size=30))
    columns = [[files[row[i]] for row in sizes] for i in range(2)]
    ranges = list(chunks(columns, BYTES))
    assert [row for start, length in ranges for row in range(start, start + length)] == list(range(len(sizes)))
    totals = [sum(max(size, 0) for row in sizes[start : start + length] for size in row) for start, length in ranges]
    assert all(total <= CHUNK_BYTES or length == 1 for total, (_, length) in zip(totals, ranges, strict=True))
