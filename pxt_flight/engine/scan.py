"""A query -> a stream of record batches, by the fastest tier that is known to be right for it.

- `copy`: Pixeltable's own planned statement, run by ADBC over COPY in the exported snapshot of the transaction that planned it.
- `cursor`: `Query.cursor()`, row by row in Python: right for everything, slow. Whatever `copy` does not know ends here.
"""

import json
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import ModuleType
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from pxt_flight.engine import media, sql
from pxt_flight.engine.adbc import ConnectionPool, SnapshotReader
from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.selection import Selection, select
from pxt_flight.engine.types import arrow_field
from pxt_flight.errors import PxtFlightError, error

# ADBC's client refuses messages above 16 MiB, tonic's above 4; 1K-row batches cost 1.5 times the plateau from 16K on.
TARGET_BYTES = 2 << 20
MAX_ROWS = 65_536
CURSOR_ROWS = 1024

Tier = Literal["copy", "cursor"]


@dataclass(frozen=True)
class Request:
    """A query as a client asks for it.

    Attributes:
        sql: one SELECT.
        parameters: values for `$1`, `$2`, ...
        media: `bytes` or `thumbnail:N`.
        directory: the directory, with slashes, in which a one-part table name is looked up first.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    media: str = "thumbnail:256"
    directory: str = ""


class Pin(NamedTuple):
    """What a ticket reads: a version of a table, and which table that was, for names may be given anew."""

    version: int
    table_id: str | None = None


@dataclass(frozen=True)
class Scan:
    """A request bound to a table at a version: what it reads and what it answers."""

    selection: Selection
    schema: pa.Schema
    mode: media.MediaMode
    table: str
    table_id: str
    version: int
    has_versions: bool

    @property
    def pin(self) -> Pin:
        """What it reads."""
        return Pin(self.version, self.table_id)


@dataclass(eq=False)  # by identity: the server keeps those that run in a set
class Stream:
    """Batches of a scan. Who reads it must `close` it, also in the middle; `cancel` makes it fail soon, from any thread."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    tier: Tier
    cancel: Callable[[], None]
    close: Callable[[], None]


def table_of(request: Request) -> str:
    """The path of the table that a request names, without a version; whether it exists is not asked.

    Raises:
        InvalidRequestError: the SQL is at fault.
    """
    return sql.parse(request.sql).table.split(":")[0]


def bind(request: Request, seam: ModuleType | None, *, version: int | None = None) -> Scan:
    """Parse and bind a request.

    Args:
        request: what the client asks for.
        seam: `seam.plan`, or None where this Pixeltable is not the one we know.
        version: read the table as of this version; default the live one, or the one that the statement names.

    Raises:
        PxtFlightError: the request is at fault; nothing was read.
    """
    statement = sql.parse(request.sql)
    mode = media.media_mode(request.media)
    if seam is None:
        return _bind(request, statement, mode, None, version)
    # One transaction: a version that fits the schema, and one round trip where each column would else open its own.
    bound: Scan = seam.in_transaction(lambda: _bind(request, statement, mode, seam, version))
    return bound


def open_copy(scan: Scan, seam: ModuleType, pool: ConnectionPool) -> Stream | None:
    """Start a scan in the `copy` tier, or answer None where it is not known to be right, or its table has moved on.

    Raises:
        PxtFlightError: Postgres could not run it.
    """
    query = scan.selection.query
    with seam.transaction(query):
        if scan.has_versions and seam.versions(query)[scan.table_id] != scan.version:
            return None
        compiled = seam.compile_query(query)
        if compiled is None:
            return None
        snapshot = pool.join_snapshot(seam.export_snapshot())
    # Pixeltable's transaction is over: a slow client holds a snapshot, but no lock of the catalog.
    try:
        if compiled.undecodable is not None and snapshot.exists(compiled.undecodable):
            snapshot.close()
            return None
        reader = snapshot.read(compiled.statement)
        if not _is_expected(reader.schema, scan.schema, flags=len(compiled.flagged)):
            snapshot.close(finished=False)
            return None
    except BaseException:
        snapshot.close(finished=False)
        raise
    batches = _copy_batches(scan, snapshot, reader, compiled.flagged)
    return Stream(scan.schema, batches, "copy", snapshot.cancel, close=lambda: snapshot.close(finished=False))


def cursor_batches(scan: Scan) -> Generator[pa.RecordBatch, None, None]:
    """A scan in the `cursor` tier. Iterate it on one engine thread: it holds Pixeltable's transaction."""
    converters = [_converter(field) for field in scan.schema]
    with scan.selection.cursor_query.cursor() as cursor:
        rows = iter(cursor)
        while chunk := list(islice(rows, CURSOR_ROWS)):
            values = [[row[f"c{i}"] for row in chunk] for i in range(len(converters))]
            stored = [convert(column) for convert, column in zip(converters, values, strict=True)]
            yield from _finished(scan, stored, len(chunk))


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in slices of at most `TARGET_BYTES` and `MAX_ROWS`; one row is never cut."""
    parts = math.ceil(max(batch.nbytes / TARGET_BYTES, batch.num_rows / MAX_ROWS))
    if parts <= 1 or batch.num_rows <= 1:
        yield batch
        return
    rows = math.ceil(batch.num_rows / min(parts, batch.num_rows))
    for start in range(0, batch.num_rows, rows):
        yield from sliced(batch.slice(start, rows))


def _bind(request: Request, statement: sql.Statement, mode: media.MediaMode, seam: ModuleType | None, version: int | None) -> Scan:
    table = get_table(statement.table if version is None else f"{statement.table.split(':')[0]}:{version}")
    metadata = table.get_metadata()
    selection = select(statement, table, metadata["columns"], request.parameters)
    for output in selection.outputs:
        if output.type.is_media:
            media.check_served(output.type.name, output.name, mode)
    schema = pa.schema([arrow_field(o.name, o.type, media=mode.name, nullable=o.nullable) for o in selection.outputs])
    has_versions = bool(metadata["is_data_versioned"] and not metadata["is_snapshot"])
    scan = Scan(selection, schema, mode, statement.table, metadata["id"].hex, metadata["version"], has_versions)
    if seam is None or not has_versions:
        return scan
    return replace(scan, version=seam.versions(selection.query)[scan.table_id])


def _is_expected(actual: pa.Schema, promised: pa.Schema, *, flags: int) -> bool:
    """An opaque or otherwise unexpected type means that Pixeltable must decode it."""
    wanted = [pa.utf8() if b"pxt:media" in field.metadata else field.type for field in promised]
    return list(actual.types) == wanted + [pa.bool_()] * flags


def _copy_batches(scan: Scan, snapshot: SnapshotReader, reader: pa.RecordBatchReader, flagged: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
    finished = False
    width = len(scan.schema)
    try:
        for batch in snapshot.batches(reader):
            for place, flags in zip(flagged, batch.columns[width:], strict=True):
                if flags.null_count < len(flags):
                    raise _not_json(scan.schema.field(place).name)
            yield from _finished(scan, batch.columns[:width], batch.num_rows)
        finished = True
    finally:
        snapshot.close(finished=finished)


def _finished(scan: Scan, columns: Sequence[pa.Array], rows: int) -> Iterator[pa.RecordBatch]:
    """Stored columns as the batches that go out: media references resolved, names and types as promised."""
    places = [i for i, field in enumerate(scan.schema) if b"pxt:media" in field.metadata]
    if not places or not rows:
        yield from sliced(
            pa.RecordBatch.from_arrays([_promised(c, f) for c, f in zip(columns, scan.schema, strict=True)], schema=scan.schema)
        )
        return
    references = {i: columns[i].to_pylist() for i in places}
    for start, length in media.chunks(list(references.values()), scan.mode):
        part = [column.slice(start, length) for column in columns]
        for i in places:
            part[i] = media.read_cells(references[i][start : start + length], scan.schema.field(i).name, scan.mode)
        yield from sliced(pa.RecordBatch.from_arrays(part, schema=scan.schema))


def _promised(column: pa.Array, promised: pa.Field) -> pa.Array:
    return column if column.type == promised.type else column.cast(promised.type)


def _converter(promised: pa.Field) -> Callable[[list[Any]], pa.Array]:
    """From a column of Python values, as `cursor()` gives them, to Arrow; a media column arrives as paths."""
    if b"pxt:media" in promised.metadata:
        return lambda values: pa.array(values, pa.utf8())
    if promised.metadata[b"pxt:type"] == b"Json":
        return lambda values: pa.array([None if value is None else _json(value, promised.name) for value in values], pa.utf8())
    if promised.metadata[b"pxt:type"] == b"UUID":
        return lambda values: pa.array([None if value is None else value.bytes for value in values], pa.uuid())
    return lambda values: _array(values, promised.type)


def _array(values: list[Any], arrow_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, arrow_type)
    except OverflowError:  # a sum of integers, which Python has of any size
        raise error("INVALID_ARGUMENT", "A value of the query is out of range.") from None


def _json(value: Any, column: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise _not_json(column) from None


def _not_json(column: str) -> PxtFlightError:
    return error(
        "type_unsupported",
        f"Json column {column} holds images, arrays or bytes, which are not served.",
        hint="Leave the column out.",
        where={"column": column},
    )
