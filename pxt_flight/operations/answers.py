"""Answers that have rows: as a stream of record batches, or as a page of JSON."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
from pydantic_core import to_json

from pxt_flight.engine.scan import Stream
from pxt_flight.operations.json_rows import json_columns, json_rows

PAGE_ROWS = 1000
"""The rows of a page at most: more than that are for Arrow."""


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Attributes:
        name: its name.
        type: Pixeltable's name of its type (`Int`, `Image`); where there is none, Arrow's (`time64[us]`).
    """

    name: str
    type: str


@dataclass(frozen=True)
class Page:
    """Rows that are read.

    Attributes:
        schema: their columns.
        batches: the rows.
        beside: what else stands in the JSON.
    """

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]
    beside: dict[str, Any] = field(default_factory=dict)

    def to_json(self, **beside: Any) -> bytes:
        """The page as an object with `rows` and `columns`, and what stands beside them."""
        rows = b",".join(written for batch in self.batches if (written := json_rows(batch)))
        others = to_json({"columns": json_columns(self.schema)} | self.beside | beside)
        return b'{"rows":[' + rows + b"]," + others[1:]


class Answer(Protocol):
    """What an operation answers that has rows; nothing of them is read before one of its forms is asked for."""

    def tag(self) -> str | None:
        """The same as an earlier one where the rows are the same; None where that is not known."""

    def stream(self) -> Stream:
        """All rows; who takes it closes it."""

    def page(self) -> Page:
        """The first rows, `PAGE_ROWS` at most."""


def first_rows(stream: Stream, count: int) -> tuple[list[pa.RecordBatch], bool]:
    """The first rows of a stream, which is closed, and whether there are more."""
    batches: list[pa.RecordBatch] = []
    missing = count
    with closing(stream):
        coming = iter(stream.batches)
        for batch in coming:
            if batch.num_rows > missing:
                # Of a page that is all: a stream that has been read to its end gives its connection back, and a new one takes 45 ms.
                next(coming, None)
                return [*batches, *([batch.slice(0, missing)] if missing else [])], True
            batches.append(batch)
            missing -= batch.num_rows
    return batches, False
