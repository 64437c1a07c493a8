"""How much one query may take."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from pxt_flight.engine.scan import Stream
from pxt_flight.errors import error


@dataclass(frozen=True)
class Limits:
    """Of one query.

    Attributes:
        seconds: that Postgres may spend on its statement.
        rows: that it may answer.
        size: bytes that it may answer.
    """

    seconds: float = 300.0
    rows: int = 1_000_000_000
    size: int = 1 << 40


def limited(stream: Stream, limits: Limits) -> Stream:
    """The stream, ended by an error where it exceeds the limits: what is cut off must not look complete."""
    return replace(stream, batches=_counted(stream.batches, limits))


def _counted(batches: Iterator[pa.RecordBatch], limits: Limits) -> Iterator[pa.RecordBatch]:
    rows = size = 0
    try:
        for batch in batches:
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows > limits.rows or size > limits.size:
                exceeded = f"{limits.rows} rows" if rows > limits.rows else f"{limits.size} bytes"
                raise error("result_too_large", f"The result is larger than the {exceeded} that this server allows.", hint="Add a LIMIT.")
            yield batch
    finally:
        getattr(batches, "close", lambda: None)()
