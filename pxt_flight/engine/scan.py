"""What is asked, what answers: a request, and the stream of record batches of it.

By the fastest tier that is known to be right for a request:

- `copy`: a statement of Postgres, with each table as Pixeltable's own planned scan, run by ADBC over COPY as the restricted role.
- `psycopg`: the same statement row by row, where that role cannot be made.
- `exec`: the batches of Pixeltable's own executor: what only Pixeltable can compute, over one table.
- `cursor`: `Query.cursor()`, row by row in Python, where the executor is not the one that we know.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa

from pxt_flight.engine import media
from pxt_flight.engine.types import MediaColumn

# ADBC's client refuses messages above 16 MiB, tonic's above 4; 1K-row batches cost 1.5 times the plateau from 16K on.
TARGET_BYTES = 2 << 20
MAX_ROWS = 65_536

Tier = Literal["copy", "psycopg", "exec", "cursor"]
OnOpen = Callable[[Callable[[], None]], None]
"""Called, before a statement begins to run, with what stops it from any thread: the first rows may take as long as all of them."""


@dataclass(frozen=True)
class Request:
    """A query as a client asks for it.

    Attributes:
        sql: one SELECT.
        parameters: values for `$1`, `$2`, ...
        media: `url`, `bytes` or `thumbnail:N`.
        directory: path of the directory in which a table's name of one part is looked up first.
        row_ids: only the rows whose first row id is between these two, both included, of a scan that `partitions.is_scan` knows; default
            all rows.
        include_deleted: whether rows that were deleted softly are rows, too.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    media: str = "url"
    directory: str = ""
    row_ids: tuple[int, int] | None = None
    include_deleted: bool = False

    @property
    def values(self) -> tuple[Any, ...]:
        """What is bound to the statement."""
        return self.parameters + (self.row_ids or ())


class Pin(NamedTuple):
    """What a ticket reads of a table.

    Attributes:
        path: its name in the statement.
        version: the one to read; None where the name says it (`films:3`, a snapshot), or the table has no versions.
        table_id: as hex, for names may be given anew.
        stamp: differs where these are other rows, though table and version have the same numbers: of when that version of the table was
            made, and those that it reads of the tables below it.
    """

    path: str
    version: int | None
    table_id: str
    stamp: str


UrlOf = Callable[[MediaColumn], str]
"""From a media column to what the URLs of its cells begin with; `<rowid>.<v_min>` comes after it."""


@dataclass(eq=False)  # by identity: the server keeps those that run in a set
class Stream:
    """Batches of a request. Who reads it must `close` it, also in the middle; `cancel` makes it fail soon, from any thread."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    tier: Tier
    cancel: Callable[[], None]
    close: Callable[[], None]


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in slices of at most `TARGET_BYTES` and `MAX_ROWS`; one row is never cut."""
    parts = math.ceil(max(batch.nbytes / TARGET_BYTES, batch.num_rows / MAX_ROWS))
    if parts <= 1 or batch.num_rows <= 1:
        yield batch
        return
    rows = math.ceil(batch.num_rows / min(parts, batch.num_rows))
    for start in range(0, batch.num_rows, rows):
        yield from sliced(batch.slice(start, rows))


class Cells(Protocol):
    """The media cells of a stream, as references of its tier."""

    def paths(self, cells: Any) -> Sequence[str | media.StoredFile | None]:
        """The stored paths of references; NULL is None."""

    def urls(self, cells: Any) -> pa.Array:
        """The URLs of references, as `utf8`."""


def finished(schema: pa.Schema, columns: Sequence[Any], rows: int, mode: media.MediaMode, cells: Cells) -> Iterator[pa.RecordBatch]:
    """Columns of the store as the batches that go out.

    Args:
        schema: what was promised; all but media columns have its types already.
        columns: the values, media cells as references.
        rows: how many.
        mode: how media values are sent.
        cells: what the references stand for.
    """
    places = [i for i, field in enumerate(schema) if b"pxt:media" in (field.metadata or {})]
    if not places or not rows:
        emptied = [
            pa.array([], field.type) if i in places else column for i, (column, field) in enumerate(zip(columns, schema, strict=True))
        ]
        yield from sliced(pa.RecordBatch.from_arrays(emptied, schema=schema))
        return
    if mode.is_url:
        values = [cells.urls(column) if i in places else column for i, column in enumerate(columns)]
        yield from sliced(pa.RecordBatch.from_arrays(values, schema=schema))
        return
    references = {i: media.stored_files(cells.paths(columns[i]), schema.field(i)) for i in places}
    for start, length in media.chunks(list(references.values()), mode):
        part = [None if i in places else column.slice(start, length) for i, column in enumerate(columns)]
        for i in places:
            part[i] = media.read_cells(references[i][start : start + length], schema.field(i).name, mode)
        yield from sliced(pa.RecordBatch.from_arrays(part, schema=schema))
