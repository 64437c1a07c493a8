"""Functions in Python for computed columns; imported only when Pixeltable's home is known."""

import threading

import numpy as np
import pixeltable as pxt
from PIL import Image


@pxt.udf
def inverse(n: int) -> float:
    """Fails for 0."""
    return 1.0 / n


@pxt.udf
def backwards(s: str) -> str:
    """NULL for NULL: Pixeltable does not call a function whose argument is None and may not be."""
    return s[::-1]


@pxt.udf
def length(s: str) -> int:
    """The number of characters, not known to Postgres."""
    return len(s)


@pxt.udf
def not_a_number(n: int) -> float:
    """NaN, whatever it is given."""
    return float("nan")


@pxt.udf
def slowly(n: int) -> int:
    """Takes a millisecond."""
    threading.Event().wait(0.001)
    return n + 1


@pxt.udf
def measured(text: str) -> pxt.Array[(4,), pxt.Float]:
    """A text as numbers, the same whenever it is asked."""
    return np.array([len(text), text.count("a"), 1.0, 0.5], dtype=np.float32)


@pxt.udf
def described(text: str) -> pxt.Json:
    """An array and a picture inside of JSON."""
    return {"letters": np.frombuffer(text.encode(), np.uint8), "picture": Image.new("RGB", (len(text), 1), (3, 2, 1))}


@pxt.udf
def measured_picture(image: pxt.Image) -> pxt.Array[(4,), pxt.Float]:
    """A picture in the space of `measured`."""
    return np.array([image.width, 1.0, 1.0, 0.5], dtype=np.float32)


FAILURES = {
    1: "cannot open '/srv/my pictures/secret folder/cat 1.png'",
    2: "no object at s3://bucket-name/private/dog.png",
    3: "GET https://user:pw@host.example/private/owl.png?token=abc123&x=1 failed: 403",
    4: r"cannot find C:\Users\Ann Smith\My Pictures\cow.png",
    5: "~/private/pig.png is not ./../private/hen.png",
    6: "file:///srv/my%20pictures/private/fox.png: broken",
    7: "Error in /srv/private/a.py, line 3:\n  open('/srv/my pictures/private/bee.png')",
    8: "nothing to hide: 1/2 of a and/or b",
    9: "403 of https://user:pw@host.example:8443/private/bat.png, https://host.example:8443/private/x/ant.png and s3://bucket/private/elk.png",
}
"""What functions say when they fail, and what nobody may read of it."""


@pxt.udf
def failing(n: int) -> int:
    """Fails with a text of `FAILURES`."""
    raise ValueError(FAILURES[n])


@pxt.udf
def ones(n: int) -> pxt.Array[(200,), np.float32]:
    """Fails for even numbers."""
    return np.ones(200 // (n % 2), dtype=np.float32)


@pxt.udf
def direction(s: str) -> pxt.Array[(8,), np.float32]:
    """A direction for each text, the same at each call."""
    return np.array([np.cos(i + sum(map(ord, s))) for i in range(8)], dtype=np.float32)
