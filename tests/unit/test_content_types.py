"""Content types by the first bytes: an allow-list, in which nothing can run in a browser."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pxt_flight.engine.content_types import HEAD_BYTES, TEXT, UNKNOWN, content_type

KINDS = ("Image", "Video", "Audio", "Document")
SERVED = {
    *("image/" + name for name in ("jpeg", "png", "gif", "webp", "avif", "heic", "bmp", "tiff")),
    *("video/" + name for name in ("mp4", "quicktime", "webm", "x-matroska", "x-msvideo", "ogg")),
    *("audio/" + name for name in ("mpeg", "wav", "flac", "ogg", "mp4", "aac", "webm", "x-matroska")),
    *("application/pdf", TEXT, UNKNOWN),
}
EBML = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08"


def ftyp(major, *others):
    body = major + b"\0\0\0\0" + b"".join(others)
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08moov"


FILES = [
    ("Video", ftyp(b"isom", b"mp42"), "video/mp4"),
    ("Video", ftyp(b"qt  "), "video/quicktime"),
    ("Audio", ftyp(b"M4A ", b"mp42"), "audio/mp4"),
    ("Image", ftyp(b"isom", b"mp42"), UNKNOWN),
    ("Image", ftyp(b"avif", b"mif1"), "image/avif"),
    ("Image", ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
    ("Image", ftyp(b"heix"), "image/heic"),
    ("Document", ftyp(b"isom"), UNKNOWN),
    ("Video", EBML + b"\x42\x82\x84webm", "video/webm"),
    ("Audio", EBML + b"\x42\x82\x84webm", "audio/webm"),
    ("Video", EBML + b"\x42\x82\x88matroska", "video/x-matroska"),
    ("Image", EBML + b"\x42\x82\x84webm", UNKNOWN),
    ("Video", b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
    ("Audio", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
    ("Audio", b"RIFF\0\0\0\0AVI LIST", UNKNOWN),
    ("Audio", b"ID3\x04\0\0", "audio/mpeg"),
    ("Audio", b"\xff\xfb\x90\x64", "audio/mpeg"),
    ("Audio", b"\xff\xf1\x50\x80", "audio/aac"),
    ("Audio", b"\xff\xfe<\0h\0t\0m\0l\0", UNKNOWN),
    ("Audio", b"fLaC\0\0\0\x22", "audio/flac"),
    ("Audio", b"OggS\0\x02", "audio/ogg"),
    ("Video", b"OggS\0\x02", "video/ogg"),
    ("Document", b"%PDF-1.7\n", "application/pdf"),
    ("Image", b"%PDF-1.7\n", UNKNOWN),
    ("Image", b"BM, as a text may begin", UNKNOWN),
    ("Document", b"PK\x03\x04", UNKNOWN),
    ("Document", b"plain words, 5 < 6\n", TEXT),
    ("Document", "# Überschrift\n".encode(), TEXT),
    ("Document", b"\xef\xbb\xbfwith a mark", TEXT),
    ("Document", "latin: é".encode("latin-1"), UNKNOWN),
    ("Document", "é".encode()[:1], UNKNOWN),
    ("Document", b"nul \0", UNKNOWN),
    ("Document", b"", UNKNOWN),
]


@pytest.mark.parametrize(("kind", "head", "expected"), FILES)
def test_types(kind, head, expected):
    assert content_type(head, kind) == expected


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_images_as_pillow_writes_them(name):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, name)
    assert content_type(out.getvalue()[:HEAD_BYTES], "Image") == f"image/{name.lower()}"
    assert content_type(out.getvalue()[:HEAD_BYTES], "Document") == UNKNOWN


MARKUP = [
    "<html>",
    "<!DOCTYPE html>",
    "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "<?xml version='1.0'?>",
    "<script>x()</script>",
    "<!-- -->",
]


@pytest.mark.parametrize("markup", MARKUP)
@pytest.mark.parametrize("before", ["", "\n\t \f\r", "\ufeff", "\ufeff \n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", KINDS)
def test_markup_is_never_served_as_such(markup, before, encoding, kind):
    assert content_type((before + markup).encode(encoding), kind) == UNKNOWN


def test_a_text_may_be_cut_in_the_middle_of_a_character():
    text = ("é" * HEAD_BYTES).encode()
    assert content_type(b"x" + text[: HEAD_BYTES - 1], "Document") == TEXT
    assert content_type(b"x" + text[: HEAD_BYTES - 2] + b"\xff", "Document") == UNKNOWN


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from([b"", *(head for _, head, _ in FILES)]),
    cut=st.integers(0, 64),
    rest=st.binary(max_size=64),
    kind=st.sampled_from(KINDS),
)
def test_any_bytes_have_a_type_of_their_kind(start, cut, rest, kind):
    found = content_type(start[:cut] + rest, kind)
    assert found in SERVED
    families = {"Document": {TEXT, "application/pdf"}}.get(kind, {name for name in SERVED if name.startswith(kind.lower())})
    assert found in families | {UNKNOWN}
