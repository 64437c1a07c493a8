"""Rows as a Parquet file, written as they are read."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from pxt_flight.engine import dialect
from pxt_flight.engine.scan import Pin, Request, Stream
from pxt_flight.engine.sinks import Sink, filled
from pxt_flight.engine.sql import expression

# A row group: what readers skip by its statistics, and what is in memory at once, some three times.
_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 1 << 20


@dataclass(frozen=True)
class Written:
    """What was written: rows, and bytes of the file."""

    rows: int
    size: int


def request_of(table: str, select: Sequence[str], where: str | None, parameters: Sequence[Any], **options: Any) -> Request:
    """What reads a table, or a part of it.

    Args:
        table: its path; with `:version` as of that.
        select: its columns; none for all.
        where: a condition in SQL.
        parameters: the values of its placeholders.
        options: of `Request`.

    Raises:
        InvalidRequestError: the condition is not one expression.
    """
    names = [exp.column(exp.to_identifier(name, quoted=True)) for name in select]
    tree = exp.Select(expressions=names or [exp.Star()])
    tree.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(table, quoted=True))))
    if where is not None:
        tree.set("where", exp.Where(this=exp.Paren(this=expression(where, "where"))))
    return Request(dialect.generate(tree), tuple(parameters), **options)


def version_of(table: str, pins: Sequence[Pin]) -> int | None:
    """The version of a table that is read; None where it has none."""
    path, _, version = table.partition(":")
    return int(version) if version else next((pin.version for pin in pins if pin.path == path), None)


def write_parquet(stream: Stream, make_sink: Callable[[], Sink]) -> Written:
    """Write all rows of a stream, and close it. Nothing is left of a file that is not whole.

    Args:
        stream: the rows.
        make_sink: opens what takes the bytes.

    Raises:
        PxtFlightError: of the stream, or of the sink.
    """
    rows = 0
    with closing(stream), filled(make_sink) as sink, _writer(sink, stream.schema) as writer:
        gathered: list[pa.RecordBatch] = []
        for batch in stream.batches:
            rows += batch.num_rows
            gathered.append(batch)
            if sum(one.nbytes for one in gathered) >= _GROUP_BYTES or sum(one.num_rows for one in gathered) >= _GROUP_ROWS:
                _write_group(writer, gathered)
        _write_group(writer, gathered)
    return Written(rows, sink.size)


def _write_group(writer: pq.ParquetWriter, gathered: list[pa.RecordBatch]) -> None:
    table = pa.Table.from_batches(gathered, writer.schema)
    if table.num_rows:
        writer.write_table(table, row_group_size=table.num_rows)
    gathered.clear()


class _Writable:
    """A sink as a file of Python's, which Arrow closes at will: what was not whole must not be shown by that."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self.write = sink.write

    def flush(self) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """The sink is finished, or aborted, by its owner."""


def _writer(sink: Sink, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(pa.PythonFile(_Writable(sink), mode="w"), schema, compression="zstd")
