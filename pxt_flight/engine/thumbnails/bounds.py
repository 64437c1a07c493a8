"""What one file may cost, whatever it says of itself."""

MAX_PIXELS = 50_000_000  # decoded at most; a bomb of 48 KB can hold 400 million
MAX_SECONDS = 10.0  # of looking for something to show; a file that is well made takes a hundredth of it


class RefusedError(Exception):
    """A file that costs too much, or has nothing to show; the text goes on after "A file of column x ..."."""


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture that is too large, before it is decoded.

    Raises:
        RefusedError: it has more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise RefusedError(f"has more than {MAX_PIXELS // 1_000_000} million pixels")
