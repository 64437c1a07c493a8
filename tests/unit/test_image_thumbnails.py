"""Thumbnails of every kind of picture, with the optional decoder of JPEG and without, and of files that are none."""

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from pxt_flight.engine.media import StoredFile, media_mode, read_cells
from pxt_flight.engine.thumbnails import image
from pxt_flight.errors import InvalidRequestError

SMALL = media_mode("thumbnail:32")


@pytest.fixture(params=["simplejpeg", "Pillow"], autouse=True)
def decoder(request, monkeypatch):
    assert image.simplejpeg is not None  # of the lock; else nothing would be compared
    if request.param == "Pillow":
        monkeypatch.setattr(image, "simplejpeg", None)
    return request.param


def thumbnail(path, mode=SMALL):
    (made,) = read_cells([StoredFile("Image", str(path))], "image", mode).to_pylist()
    opened = Image.open(io.BytesIO(made))
    opened.load()
    return opened


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
def test_a_thumbnail_every_mode(tmp_path, mode, suffix):
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


def test_postscript_is_never_run(tmp_path):
    """Pillow would hand it to Ghostscript."""
    two_halves("RGB").save(tmp_path / "picture.eps")
    with pytest.raises(InvalidRequestError, match="cannot be decoded"):
        thumbnail(tmp_path / "picture.eps")


def test_a_jpeg_of_endless_scans_is_refused(tmp_path):
    two_halves("RGB").save(tmp_path / "scans.jpg", progressive=True)
    data = (tmp_path / "scans.jpg").read_bytes()
    scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "scans.jpg").write_bytes(data[:-2] + scan * 300 + data[-2:])
    with pytest.raises(InvalidRequestError, match="takes too much to decode"):
        thumbnail(tmp_path / "scans.jpg")


def test_large_pictures_take_turns(tmp_path):
    size = (4000, 2500)
    assert size[0] * size[1] > image._LARGE
    Image.new("L", size, 90).save(tmp_path / "large.png")
    whole = (tmp_path / "large.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    files = [tmp_path / name for name in ("large.png", "cut.png") * 2]
    for path in files:
        if path.name == "cut.png":
            with pytest.raises(InvalidRequestError, match="cannot be decoded"):
                thumbnail(path)
        else:
            assert thumbnail(path).getpixel((5, 5)) == (90, 90, 90)
    assert not image._one_large.locked()


# The optional decoder


def scene(size):
    """Something with soft parts and edges, of any size."""
    picture = Image.linear_gradient("L").resize(size)
    picture.paste(200, (size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2))
    return Image.merge("RGB", (picture, ImageChops.invert(picture), Image.radial_gradient("L").resize(size)))


SAVED = {
    "baseline": {},
    "progressive": {"progressive": True},
    "whole colours": {"subsampling": "4:4:4"},
    "4:1:1": {"subsampling": "4:1:1"},
    "restarts": {"restart_marker_rows": 2},
    "optimized": {"optimize": True},
}


@pytest.mark.parametrize("decoder", ["simplejpeg"], indirect=True)
@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_it_shows_what_pillow_shows(tmp_path, monkeypatch, decoder, kind, mode):
    sizes = random.Random(f"{kind} {mode}")
    for _ in range(6):
        size = (sizes.randint(1, 900), sizes.randint(1, 700))
        wanted = media_mode(f"thumbnail:{sizes.randint(16, 300)}")
        scene(size).convert(mode).save(tmp_path / "scene.jpg", **SAVED[kind] | {"quality": 95})
        fast = thumbnail(tmp_path / "scene.jpg", wanted)
        with monkeypatch.context() as patch:
            patch.setattr(image, "simplejpeg", None)
            slow = thumbnail(tmp_path / "scene.jpg", wanted)
        assert (fast.size, fast.mode) == (slow.size, slow.mode)
        assert max(fast.size) == min(wanted.thumbnail, max(size))
        assert sum(ImageStat.Stat(ImageChops.difference(fast, slow)).mean) / 3 < 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(tmp_path, orientation):
    """As Pillow itself turns the whole picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene((640, 400)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "turned.jpg") as whole:
        expected = ImageOps.exif_transpose(whole).resize((64, 40) if orientation < 5 else (40, 64), Image.Resampling.BOX)
    made = thumbnail(tmp_path / "turned.jpg", media_mode("thumbnail:64"))
    assert made.size == expected.size
    assert sum(ImageStat.Stat(ImageChops.difference(made, expected)).mean) / 3 < 6
