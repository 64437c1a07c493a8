"""What becomes of a column: its staged values, and the rows that have none."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.casting.storage import binary_lengths

# Postgres takes fields below 1 GiB, with all that stands around them in a message.
MAX_VALUE = (1 << 30) - (1 << 16)


class Fault(NamedTuple):
    """Rows whose values cannot be written, and why.

    Attributes:
        rows: where they stand in the array, as numpy numbers.
        reason: what the value is or has, as the end of a sentence that its column begins.
        code: of the error.
    """

    rows: Any
    reason: str
    code: str = "TYPE_MISMATCH"


class Cast(NamedTuple):
    """A column, cast.

    Attributes:
        values: of the staged type; of rows at fault anything.
        faults: the rows at fault.
    """

    values: pa.Array
    faults: Sequence[Fault] = ()


Caster = Callable[[pa.Array], Cast]


def true_rows(mask: pa.Array) -> Any:
    """Arrow's answer as numpy's, NULL as false."""
    return pc.fill_null(mask, False).to_numpy(zero_copy_only=False)


def faults(*found: tuple[Any, str]) -> list[Fault]:
    """The faults of masks that hold for any row.

    Args:
        found: masks of numpy, each with the reason.
    """
    return [Fault(np.flatnonzero(mask), reason) for mask, reason in found if mask.any()]


def without(array: pa.Array, mask: Any) -> pa.Array:
    """The array with NULL in the rows of a mask of numpy."""
    return pc.if_else(pa.array(mask), pa.scalar(None, array.type), array) if mask.any() else array


def bounded(array: pa.Array, limit: int = MAX_VALUE) -> tuple[pa.Array, list[Fault]]:
    """Texts or bytes without those that are too long to be written.

    Args:
        array: of any type of texts or bytes.
        limit: bytes of the longest.
    """
    if array.nbytes <= limit:
        return array, []
    long = binary_lengths(array) > limit
    return without(array, long), faults((long, f"is larger than {limit >> 20} MiB"))
