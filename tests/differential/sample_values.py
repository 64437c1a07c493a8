"""Values that have broken readers before, by Pixeltable type."""

import datetime as dt
import math
import uuid
from pathlib import Path
from typing import Any

from PIL import Image

_LEAP_DAY = dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC)

INTEGERS = [0, 1, -1, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]
FLOATS = [0.0, -0.0, 0.1, 1 / 3, 1e-308, 5e-324, 1.7976931348623157e308, 2.0**62, math.nan, math.inf, -math.inf]
TEXTS = [
    "",
    " ",
    "%",
    "50%",
    "%%",
    "100% of %s and %(x)s",
    "it's",
    "''",
    '"quoted"',
    "back\\slash",
    "\\%",
    "\\",
    "new\nline\r\n",
    "tab\t",
    "\\N",
    "\\.",
    "$1",
    "$$",
    ":x",
    "::",
    "?",
    "a_b",
    "aXb",
    "Zebra",
    "zebra",
    "é",
    "e\u0301",
    "🙂",
    "👩‍👩‍👧",
    "𠜎𠜱",
    "\u202eright to left",
    "NULL",
    "--",
    "/* */",
    ";",
    "x" * 5000,
]
TIMESTAMPS = [
    _LEAP_DAY,
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
    dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.datetime(2024, 3, 10, 2, 30, 0, 1, tzinfo=dt.timezone(dt.timedelta(hours=-11))),
    # A day from the ends of Python's years: near them no zone but UTC could show them.
    dt.datetime(1, 1, 2, tzinfo=dt.UTC),
    dt.datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=dt.UTC),
]
DATES = [dt.date(2024, 2, 29), dt.date(1970, 1, 1), dt.date(1969, 12, 31), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1582, 10, 10)]
UUIDS = [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID("12345678-9abc-4def-8123-456789abcdef")]
DOCUMENTS: list[Any] = [
    [],
    {},
    [None],
    {"a": [1, None, "é🙂", {"b": []}], "": {"deep": {"er": True}}},
    10**30,
    {"big": 10**30, "small": 1e-7, "float": 1.5, "minus": -0.25, "one": 1.0},
    '50% of it\'s \\ "text"\n',
    "",
    0,
    False,
    [[[[[1]]]]],
]

SCALARS: dict[str, list[Any]] = {
    "Int": INTEGERS,
    "Float": FLOATS,
    "Bool": [True, False],
    "String": TEXTS,
    "Timestamp": TIMESTAMPS,
    "Date": DATES,
    "UUID": UUIDS,
}


def pictures(folder: Path) -> list[str]:
    """Image files of several formats, modes and shapes, in a folder."""
    made = {
        "wide.jpg": Image.new("RGB", (640, 200), "teal"),
        "tall.png": Image.new("RGB", (50, 900), "orange"),
        "small.png": Image.new("RGB", (8, 6), "black"),
        "grey.png": Image.new("L", (300, 300), 77),
        "deep.png": Image.new("I;16", (120, 90), 40_000),
        "transparent.png": Image.new("RGBA", (200, 100), (255, 0, 0, 60)),
        "palette.png": Image.new("P", (90, 180), 3),
        "50% of it's odd 🙂.png": Image.new("RGB", (70, 70), "white"),
    }
    for name, picture in made.items():
        picture.save(folder / name)
    return [str(folder / name) for name in made]
