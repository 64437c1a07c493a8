"""Thumbnails of videos, sounds and documents, and of files that are none or that mean harm."""

import io
import random
import threading
import time
from fractions import Fraction

import av
import pytest
from clips import pdf, write_sound, write_video
from PIL import Image

from pxt_flight.engine.thumbnails import audio, container, document, thumbnail, video
from pxt_flight.engine.thumbnails.bounds import RefusedError
from pxt_flight.errors import InvalidRequestError


def shown(path, kind, size=64):
    made = thumbnail(path, kind, size)
    picture = Image.open(io.BytesIO(made))
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    return picture.convert("RGB")


def colour(picture, across, down):
    """The colour at a place, from 0 to 1."""
    red, green, blue = picture.getpixel((int(picture.width * across), int(picture.height * down)))
    assert green < 90
    return "red" if red > 150 > blue else "blue" if blue > 150 > red else "black" if max(red, blue) < 90 else "?"


# Video


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mp4", "mpeg4"),
        ("a.mov", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.webm", "libvpx-vp9"),
        ("a.mkv", "libx264"),
        ("a.avi", "mjpeg"),
        ("a.gif", "gif"),
    ],
)
def test_the_first_frame_of_a_video(tmp_path, name, codec):
    if codec == "gif":
        corner = Image.new("RGB", (64, 48), "red")
        corner.paste("blue", (0, 24, 32, 48))
        corner.paste("black", (32, 24, 64, 48))
        corner.save(tmp_path / name)
    else:
        write_video(tmp_path / name, codec=codec)
    picture = shown(tmp_path / name, "Video", 32)
    assert picture.size == (32, 24)
    assert [colour(picture, *place) for place in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8))] == ["red", "red", "blue", "black"]


@pytest.mark.parametrize(
    ("rotation", "size", "corners"),
    [
        (0, (64, 48), ["red", "red", "blue", "black"]),
        (90, (48, 64), ["red", "black", "red", "blue"]),
        (180, (64, 48), ["black", "blue", "red", "red"]),
        (-90, (48, 64), ["blue", "red", "black", "red"]),
    ],
)
def test_a_video_is_turned_as_it_says(tmp_path, rotation, size, corners):
    """Counterclockwise, as FFmpeg tells it."""
    picture = shown(write_video(tmp_path / "turned.mp4", rotation=rotation), "Video")
    assert picture.size == size
    assert [colour(picture, *place) for place in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8))] == corners


def test_pixels_that_are_not_square(tmp_path):
    write_video(tmp_path / "wide.mkv", sample_aspect_ratio=2)
    assert shown(tmp_path / "wide.mkv", "Video", 64).size == (64, 24)
    assert shown(tmp_path / "wide.mkv", "Video", 256).size == (128, 48)


def test_what_lacks_the_stream_of_its_kind_has_no_picture(tmp_path):
    assert thumbnail(write_sound(tmp_path / "sound.mp4", codec="aac"), "Video", 64) is None
    assert thumbnail(write_video(tmp_path / "silent.mp4"), "Audio", 64) is None


# Sound


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.wav", "pcm_s16le", 44_100, "mono"),
        ("a.wav", "pcm_f32le", 8_000, "stereo"),
        ("a.wav", "pcm_u8", 96_000, "mono"),
        ("a.mp3", "libmp3lame", 44_100, "stereo"),
        ("a.flac", "flac", 44_100, "mono"),
        ("a.m4a", "aac", 44_100, "stereo"),
        ("a.ogg", "libopus", 48_000, "mono"),
        ("a.webm", "libopus", 48_000, "5.1"),
    ],
)
def test_bars_of_a_sound(tmp_path, name, codec, rate, layout):
    picture = shown(write_sound(tmp_path / name, codec=codec, rate=rate, layout=layout), "Audio", 256)
    assert picture.size == (256, 128)
    inked = [sum(picture.crop((x, 0, x + 1, 128)).convert("L").point(lambda value: value < 180).get_flattened_data()) for x in range(256)]
    assert max(inked[:120]) < 20 < 60 < max(inked[136:])
    assert picture.getpixel((1, 1))[0] > 220


@pytest.mark.parametrize("samples", [1, 5, 40])
def test_very_short_sounds(tmp_path, samples):
    assert shown(write_sound(tmp_path / "click.wav", seconds=samples / 8000, rate=8000), "Audio", 256).size == (256, 128)


@pytest.mark.parametrize("size", [16, 17, 1024])
def test_bars_of_every_size(tmp_path, size):
    picture = shown(write_sound(tmp_path / "sound.wav"), "Audio", size)
    assert picture.size == (size, size // 2)
    assert picture.convert("L").getextrema()[0] < 150


def test_only_the_beginning_of_a_long_sound_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "MAX_SOUND", 0.5)
    path = write_sound(tmp_path / "long.wav", seconds=20)
    with container.opened(path) as opened:
        parts = list(audio._sound(opened, opened.streams.audio[0]))
    assert sum(map(len, parts)) == 4000


def test_a_sound_of_nothing(tmp_path):
    path = write_sound(tmp_path / "empty.wav", seconds=0.01)
    path.write_bytes(path.read_bytes()[:78])
    with pytest.raises(InvalidRequestError, match="decoded"):
        thumbnail(path, "Audio", 64)


# Documents


RED_CORNER = b"1 0 0 rg 0 0 100 50 re f"


def test_the_first_page_of_a_pdf(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf(RED_CORNER, pages=3))
    picture = shown(tmp_path / "a.pdf", "Document", 64)
    assert picture.size == (64, 32)
    assert min(picture.getpixel((50, 5))) > 240
    assert colour(picture, 0.2, 0.8) == "red"


@pytest.mark.parametrize(
    ("box", "size"), [("0 0 1000000 500000", (64, 32)), ("0 0 2 1", (64, 32)), ("0 0 5 14400", (1, 64)), ("0 0 0 0", None)]
)
def test_pages_of_any_size(tmp_path, box, size):
    (tmp_path / "a.pdf").write_bytes(pdf(RED_CORNER, box=box))
    picture = shown(tmp_path / "a.pdf", "Document", 64)
    assert picture.size == size or (size is None and max(picture.size) <= 64)  # PDFium takes a page without a size as Letter


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"<html><body>x</body></html>"),
        ("a.md", b"# Title"),
        ("a.txt", b""),
        ("a.xml", b"<?xml version='1.0'?><x/>"),
        ("a.docx", b"PK\x03\x04"),
        ("a.pdf", b"not what its name says"),
    ],
)
def test_other_documents_have_no_picture(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert thumbnail(tmp_path / name, "Document", 64) is None


def test_many_threads_and_one_pdfium(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf(RED_CORNER))
    made = []
    threads = [threading.Thread(target=lambda: made.append(thumbnail(tmp_path / "a.pdf", "Document", 64))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 8
    assert len(set(made)) == 1


def test_a_page_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "MAX_SECONDS", 0.05)
    lines = b"".join(b"%d 0 m 0 %d l S\n" % (i % 200, i % 100) for i in range(200_000))
    (tmp_path / "slow.pdf").write_bytes(pdf(lines))
    with pytest.raises(InvalidRequestError, match="takes too much to decode"):
        thumbnail(tmp_path / "slow.pdf", "Document", 1024)
    assert not document._pdfium.locked()


# Files that are none, or mean harm


def zeros(path):
    path.write_bytes(bytes(5000))


def noise(path):
    path.write_bytes(random.Random(1).randbytes(5000))


def cut_mp4(path):
    write_video(path.with_suffix(".mp4"))
    whole = path.with_suffix(".mp4").read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def playlist(path):
    """HLS, which names another file; FFmpeg would open it."""
    write_video(path.with_name("secret.ts"), codec="mpeg2video")
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path.with_name('secret.ts')}\n#EXT-X-ENDLIST\n")


def concatenated(path):
    write_video(path.with_name("secret.mp4"))
    path.write_text(f"ffconcat version 1.0\nfile {path.with_name('secret.mp4')}\n")


def subtitles(path):
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")


def broken_pdf(path):
    path.write_bytes(b"%PDF-1.7\n" + bytes(200))


def pageless(path):
    path.write_bytes(pdf(b"", pages=0))


BROKEN = {
    "gone": (lambda path: None, ("Video", "Audio", "Document"), "is gone"),
    "empty": (lambda path: path.write_bytes(b""), ("Video", "Audio"), "cannot be decoded"),
    "zeros": (zeros, ("Video", "Audio"), "cannot be decoded"),
    "noise": (noise, ("Video", "Audio"), "decoded"),
    "folder": (lambda path: path.mkdir(), ("Video", "Audio", "Document"), "cannot be decoded"),
    "cut": (cut_mp4, ("Video", "Audio"), "cannot be decoded"),
    "playlist": (playlist, ("Video", "Audio"), "cannot be decoded"),
    "concat": (concatenated, ("Video", "Audio"), "cannot be decoded"),
    "subtitles": (subtitles, ("Video", "Audio"), "cannot be decoded"),
    "broken PDF": (broken_pdf, ("Document", "Video", "Audio"), "cannot be decoded"),
    "no pages": (pageless, ("Document",), "cannot be decoded"),
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, (_, kinds, _) in BROKEN.items() for kind in kinds])
def test_a_file_that_shows_nothing(tmp_path, name, kind, capfd):
    make, _, reason = BROKEN[name]
    make(tmp_path / "broken")
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        thumbnail(tmp_path / "broken", kind, 64, column="clip")
    assert (caught.value.code, caught.value.where) == ("media_unreadable", {"column": "clip"})
    assert str(tmp_path) not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # FFmpeg's own words would name the path


def broken_film(path, packets):
    """A film of which no packet can be decoded."""
    with av.open(path, "w") as out:
        stream = out.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(packets):
            packet = av.Packet(b"\xff" * 100)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 24)
            out.mux(packet)


def test_an_hour_of_film_without_a_frame(tmp_path):
    broken_film(tmp_path / "film.mkv", 24 * 3600)
    before = time.process_time()
    with pytest.raises(InvalidRequestError, match="has no frame that can be decoded"):
        thumbnail(tmp_path / "film.mkv", "Video", 64)
    assert time.process_time() - before < 5


def test_time_runs_out(tmp_path, monkeypatch):
    path = write_video(tmp_path / "film.mp4")
    with container.opened(path) as film:
        monkeypatch.setattr(container, "MAX_SECONDS", 0.0)
        with pytest.raises(RefusedError, match="takes too much to decode"):
            next(container.frames(film, film.streams.video[0]))


def test_a_video_of_too_many_pixels(tmp_path, monkeypatch):
    path = write_video(tmp_path / "film.mp4", size=(640, 480))
    with monkeypatch.context() as patch:
        patch.setattr("pxt_flight.engine.thumbnails.bounds.MAX_PIXELS", 10_000)
        with pytest.raises(InvalidRequestError, match="million pixels"):
            thumbnail(path, "Video", 64)
    monkeypatch.setitem(container._DECODING, "max_pixels", "10000")  # where the decoder itself refuses
    with pytest.raises(InvalidRequestError, match="no frame that can be decoded"):
        thumbnail(path, "Video", 64)


def test_names_that_look_like_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "concat:a").mkdir()
    path = write_video(tmp_path / "film.mp4").rename(tmp_path / "concat:a" / "pipe:0 %20?#é.mp4")
    assert shown(path, "Video", 32).size == (32, 24)
    assert video.picture(path.relative_to(tmp_path), 32).size == (32, 24)
