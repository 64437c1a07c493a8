"""Functions in Python for computed columns; imported only when Pixeltable's home is known."""

import pixeltable as pxt


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
