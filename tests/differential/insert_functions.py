"""Functions of computed columns and component views; Pixeltable finds them by the name of this module, which imports it."""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import pixeltable as pxt


class Word(TypedDict):
    """A component of a text."""

    word: str
    size: int


@pxt.iterator
def words(text: str | None) -> Iterator[Word]:
    """The words of a text."""
    for word in (text or "").split()[:5]:
        yield {"word": word, "size": len(word)}


@pxt.udf
def turned(text: str | None) -> str | None:
    """A text from its end on."""
    return None if text is None else text[::-1]


@pxt.udf
def packed(text: str, number: float | None) -> pxt.Json:
    """Both in a document."""
    return {"text": text, "number": None if number is None else repr(number), "list": [1, None, True]}


@pxt.udf
def strict(number: int) -> int:
    """Fails for 13."""
    if number == 13:
        raise ValueError("thirteen")
    return number % 7


@pxt.udf
def shade(number: int) -> pxt.Image:
    """A picture of one colour."""
    from PIL import Image

    return Image.new("RGB", (4, 4), (number % 256, 0, 0))


@pxt.udf
def direction(text: str) -> pxt.Array[(2,), np.float32]:
    """An embedding."""
    return np.array([len(text), 1], np.float32)
