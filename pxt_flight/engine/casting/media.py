"""Media: the bytes of files as they are, and URLs, which are fetched now. A path would name a file of the server."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from pxt_flight.engine.casting.cast import Cast, Caster, Fault
from pxt_flight.engine.casting.scalars import octets_of
from pxt_flight.engine.casting.storage import is_bytes, is_text
from pxt_flight.errors import PxtFlightError

Fetch = Callable[[Sequence[str]], list[bytes | PxtFlightError]]
"""The bodies behind URLs, or why there is none."""
ROWS = 8
"""That are fetched at once: each may hold 64 MiB."""


def media(kind: pa.DataType, fetch: Fetch) -> Caster | None:
    """Files as bytes or `https` URLs; None for any other type."""
    if is_bytes(kind):
        return octets_of
    return (lambda array: _fetched(array, fetch)) if is_text(kind) else None


def _fetched(array: pa.Array, fetch: Fetch) -> Cast:
    urls = array.to_pylist()
    rows = [row for row, url in enumerate(urls) if url is not None]
    values: list[bytes | None] = [None] * len(urls)
    wrong: dict[tuple[str, str], list[int]] = {}
    for row, found in zip(rows, fetch([urls[row] for row in rows]), strict=True):
        if isinstance(found, bytes):
            values[row] = found
        else:
            wrong.setdefault((found.message, found.code), []).append(row)
    return Cast(pa.array(values, pa.binary()), [Fault(np.array(at), reason, code) for (reason, code), at in wrong.items()])
