"""Rows that are at fault: counted and told of, or set aside for the client."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pxt_flight.engine.casting.cast import Fault
from pxt_flight.errors import PxtFlightError, error

ERROR_COLUMN = "pxt_error"
"""The reason, in the rows that were left out."""
MAX_ROWS, MAX_BYTES = 10_000, 32 << 20
"""Of rows that are set aside."""
_FIRST = 5
# Kinds of fault that are told apart; a URL may fail for many reasons.
_MAX_KINDS = 100


class Rejection:
    """The rows of one upload that are at fault.

    Args:
        table: where they were to go.
        schema: of the rows as they are sent.
        keeps: whether they are set aside, and the others written.
    """

    def __init__(self, table: str, schema: pa.Schema, *, keeps: bool) -> None:
        self._table = table
        self._keeps = keeps
        self._schema = schema.append(pa.field(ERROR_COLUMN, pa.utf8(), nullable=False))
        self._kept: list[pa.RecordBatch] = []
        self._bytes = 0
        self._found: dict[tuple[str, str, str], tuple[list[int], int]] = {}
        self.rows = 0

    def add(self, batch: pa.RecordBatch, start: int, faults: Sequence[tuple[str, Fault]]) -> Any:
        """Take note of the faults of a batch.

        Args:
            batch: the rows as they were sent.
            start: the number of the first of them.
            faults: each with its column.

        Returns:
            A mask of numpy: which rows are at fault.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, more rows are at fault than are set aside.
        """
        mask = np.zeros(batch.num_rows, bool)
        for column, fault in faults:
            mask[fault.rows] = True
            self._count(column, fault, start)
        self.rows += int(mask.sum())
        if self._keeps:
            self._keep(batch, np.flatnonzero(mask), faults)
        return mask

    def error(self) -> PxtFlightError | None:
        """What the rows are at fault for: the first kind of fault that was found, and where and how often."""
        if not self._found:
            return None
        (column, code, reason), (first, count) = next(iter(self._found.items()))
        rows = ", ".join(map(str, first)) + (f" and {count - len(first)} more" if count > len(first) else "")
        others = sorted({name for name, *_ in self._found} - {column})
        return error(
            code,
            f"Column {column} {reason}: row{'s' if count > 1 else ''} {rows}, counted from 0.",
            hint=f"Rows are at fault in other columns too: {', '.join(others)}." if others else "Nothing was written.",
            where={"table": self._table, "column": column, "rows": first, "count": count},
        )

    def table(self) -> pa.Table | None:
        """The rows that were set aside, as they were sent, with the reason in `pxt_error`; None where there are none."""
        return pa.Table.from_batches(self._kept, self._schema) if self._kept else None

    def _count(self, column: str, fault: Fault, start: int) -> None:
        kind = (column, fault.code, fault.reason)
        if kind not in self._found and len(self._found) >= _MAX_KINDS:
            return
        first, count = self._found.get(kind, ([], 0))
        numbers = [start + int(row) for row in fault.rows[: _FIRST - len(first)]]
        self._found[kind] = ([*first, *numbers], count + len(fault.rows))

    def _keep(self, batch: pa.RecordBatch, rows: Any, faults: Sequence[tuple[str, Fault]]) -> None:
        reasons: dict[int, list[str]] = {row: [] for row in rows.tolist()}
        if self.rows <= MAX_ROWS:
            for column, fault in faults:
                for row in fault.rows.tolist():
                    reasons[row].append(f"{column} {fault.reason}")
            kept = [_taken(column, rows) for column in batch.columns]
            texts = pa.array(["; ".join(found) for found in reasons.values()], pa.utf8())
            self._kept.append(pa.RecordBatch.from_arrays([*kept, texts], schema=self._schema))
            self._bytes += self._kept[-1].nbytes
        if self.rows > MAX_ROWS or self._bytes > MAX_BYTES:
            raise error(
                "INVALID_ARGUMENT",
                f"Too many rows are at fault: more than {MAX_ROWS} of them, or {MAX_BYTES >> 20} MiB.",
                hint='Nothing was written; send them with on_error="abort" to learn what is wrong.',
                where={"table": self._table},
            )


def _taken(column: pa.Array, rows: Any) -> pa.Array:
    try:
        return column.take(pa.array(rows))
    except pa.ArrowNotImplementedError:  # of views and runs
        return pa.concat_arrays([column.slice(row, 1) for row in rows.tolist()])
