"""What a stored media file may be served as: a content type by its first bytes, never by its name or by what somebody says of it.

The list is an allow-list. Whatever could run in a browser (HTML, SVG, XML) or is not known is `application/octet-stream`, which a
browser saves and does not show. Whoever serves must also send `X-Content-Type-Options: nosniff`.
"""

import re

HEAD_BYTES = 4096
"""Bytes of a file that are enough to tell its type."""

UNKNOWN = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xd8\xff", "Image", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "Image", "image/png"),
    (b"GIF87a", "Image", "image/gif"),
    (b"GIF89a", "Image", "image/gif"),
    (b"II*\0", "Image", "image/tiff"),
    (b"MM\0*", "Image", "image/tiff"),
    (b"fLaC", "Audio", "audio/flac"),
    (b"ID3", "Audio", "audio/mpeg"),
    (b"OggS", "Audio", "audio/ogg"),
    (b"OggS", "Video", "video/ogg"),
    (b"%PDF-", "Document", "application/pdf"),
)
_RIFF = {(b"WEBP", "Image"): "image/webp", (b"WAVE", "Audio"): "audio/wav", (b"AVI ", "Video"): "video/x-msvideo"}
# ISO/IEC 14496-12, `ftyp`: the major brand, and the compatible ones after it.
_BRANDS = {
    "image/avif": {b"avif", b"avis"},
    "image/heic": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"},
}
# BITMAPFILEHEADER and the size of the header after it: "BM" alone is also how a text may begin.
_BITMAP = re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
# A frame of MPEG audio (11 bits of sync, version, layer III, bit rate, sampling rate), and one of AAC in ADTS.
_MP3 = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]", re.DOTALL)
_ADTS = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_BOM = b"\xef\xbb\xbf"


def content_type(head: bytes, kind: str) -> str:
    """The content type to serve a file with.

    Args:
        head: its first bytes, `HEAD_BYTES` of them or the whole file.
        kind: what its column holds: `Image`, `Video`, `Audio` or `Document`. A type of another kind is not served.
    """
    for start, of_kind, name in _STARTS:
        if kind == of_kind and head.startswith(start):
            return name
    if head[:4] == b"RIFF":
        return _RIFF.get((head[8:12], kind), UNKNOWN)
    if head[4:8] == b"ftyp":
        return _iso_type(head, kind)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _matroska_type(head, kind)
    if kind == "Image":
        return "image/bmp" if _BITMAP.match(head) else UNKNOWN
    if kind == "Audio":
        return "audio/mpeg" if _MP3.match(head) else "audio/aac" if _ADTS.match(head) else UNKNOWN
    return TEXT if kind == "Document" and _is_plain_text(head) else UNKNOWN


def _iso_type(head: bytes, kind: str) -> str:
    if kind == "Audio":
        return "audio/mp4"
    if kind == "Video":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    box = head[: int.from_bytes(head[:4], "big")]
    brands = {box[8:12]} | {box[i : i + 4] for i in range(16, len(box), 4)}
    return next((name for name, own in _BRANDS.items() if kind == "Image" and brands & own), UNKNOWN)


def _matroska_type(head: bytes, kind: str) -> str:
    """WebM is Matroska whose header, among its first elements, names it."""
    if kind not in ("Audio", "Video"):
        return UNKNOWN
    return f"{kind.lower()}/" + ("webm" if b"\x42\x82\x84webm" in head[:64] else "x-matroska")


def _is_plain_text(head: bytes) -> bool:
    """Whether it is UTF-8 that no browser could take for markup, whatever it was told."""
    head = head.removeprefix(_BOM)
    if not head or _CONTROL.search(head) or head.lstrip().startswith(b"<"):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as fault:
        return len(head) >= HEAD_BYTES - len(_BOM) and fault.reason == "unexpected end of data"
    return True
