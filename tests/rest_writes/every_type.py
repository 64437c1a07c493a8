"""A table with a column of each type, and rows for it in JSON."""

import io
from pathlib import Path
from typing import Any

from clips import pdf, write_sound, write_video
from PIL import Image

MEDIA = ("image", "video", "audio", "document")
VALUES: dict[str, Any] = {
    "string": 'a "text"\nof two lines, \u00e9\U0001f600',
    "int": -(2**63),
    "float": 0.1,
    "bool": True,
    "timestamp": "2026-01-31T12:00:00.123456Z",
    "date": "2026-01-31",
    "uuid": "12345678-1234-5678-1234-567812345678",
    "json": {"a": [1, None, "x", {"b": 1.5}]},
    "array": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]],
    "ragged": [[1, 2], [3, 4], [5, 6]],
    "flags": [True, False],
    "words": ["a", "bc"],
    "any_array": [1, 2, 3],
    "binary": "AAEC/w==",
}
"""As JSON has them, and as answers write them again."""


def schema(pxt: Any, *, nullable: bool) -> dict[str, Any]:
    import numpy as np

    kinds = {
        "string": pxt.String,
        "int": pxt.Int,
        "float": pxt.Float,
        "bool": pxt.Bool,
        "timestamp": pxt.Timestamp,
        "date": pxt.Date,
        "uuid": pxt.UUID,
        "json": pxt.Json,
        "array": pxt.Array[(2, 3), np.float32],
        "ragged": pxt.Array[(None, 2), np.int64],
        "flags": pxt.Array[(2,), np.bool_],
        "words": pxt.Array[(2,), np.str_],
        "any_array": pxt.Array,
        "binary": pxt.Binary,
        "image": pxt.Image,
        "video": pxt.Video,
        "audio": pxt.Audio,
        "document": pxt.Document,
    }
    return {"id": pxt.Int} | {name: kind | None if nullable else kind for name, kind in kinds.items()}


def files(folder: Path) -> dict[str, bytes]:
    """A file of each kind of media."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 10, 10)).save(out, "PNG")
    return {
        "image": out.getvalue(),
        "video": write_video(folder / "v.mp4").read_bytes(),
        "audio": write_sound(folder / "a.wav", seconds=0.2).read_bytes(),
        "document": pdf(b"1 0 0 rg 0 0 100 50 re f"),
    }
