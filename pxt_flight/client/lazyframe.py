"""A table as a polars LazyFrame: `db.table("films").scan_polars()` and `pf.scan_pxt("films")`."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from pxt_flight.client.predicate import Condition, pushable
from pxt_flight.client.result import Result
from pxt_flight.client.table import Table, quoted


class Transfer(NamedTuple):
    """What one read of a lazy frame brought over the wire.

    Attributes:
        rows: the rows that came, before polars applied what the server had not.
        bytes: their size as Arrow.
        columns: the columns that were asked for.
        sql: the statement that was run; values are not in it.
        complete: whether all of it was read; polars leaves a stream when it has enough.
    """

    rows: int
    bytes: int
    columns: tuple[str, ...]
    sql: str
    complete: bool


def scan(
    table: Table,
    run: Callable[..., Result],
    *,
    version: int | None,
    media: str | None,
    on_transfer: Callable[[Transfer], object] | None,
) -> pl.LazyFrame:
    """The LazyFrame of a table; `run` is `Database.sql`, the rest as in `Table.scan_polars`."""
    source = table.source(version)
    with run(f"SELECT * FROM {source} LIMIT 0", media=media) as result:  # noqa: S608  # quoted
        schema = result.schema

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        columns = _columns(schema, with_columns, predicate)
        # With both, polars means the first rows of the table, and then those of them that fit (`head(3).filter(...)`): a WHERE would
        # choose before the LIMIT does. It hands us no limit that stands after a filter.
        condition = pushable(predicate, schema) if predicate is not None and n_rows is None else Condition()
        sql = _statement(source, columns, condition, n_rows)
        frames = _frames(run(sql, condition.parameters, media=media), columns, sql, on_transfer)
        return _applied(frames, with_columns, predicate, batch_size)

    return register_io_source(read, schema=_frame(schema.empty_table()).schema)


def _columns(schema: pa.Schema, with_columns: list[str] | None, predicate: pl.Expr | None) -> tuple[str, ...]:
    """The columns to ask for: those of the projection and of the predicate, at least one, in the table's order."""
    if with_columns is None:
        return tuple(schema.names)
    wanted = {*with_columns, *(predicate.meta.root_names() if predicate is not None else ())}
    return tuple(name for name in schema.names if name in wanted) or (schema.names[0],)


def _statement(source: str, columns: tuple[str, ...], condition: Condition, limit: int | None) -> str:
    sql = f"SELECT {', '.join(map(quoted, columns))} FROM {source}"  # noqa: S608  # names are quoted, values are parameters
    sql += f" WHERE {condition.sql}" if condition.sql else ""
    return sql + (f" LIMIT {limit}" if limit is not None else "")


def _frames(result: Result, columns: tuple[str, ...], sql: str, on_transfer: Callable[[Transfer], object] | None) -> Iterator[pl.DataFrame]:
    rows = size = 0
    complete = False
    try:
        with result:
            for batch in result:
                rows += batch.num_rows
                size += batch.nbytes
                yield _frame(batch)
        complete = True
    finally:  # also where polars leaves early
        if on_transfer is not None:
            on_transfer(Transfer(rows, size, columns, sql, complete))


def _applied(
    frames: Iterator[pl.DataFrame], with_columns: list[str] | None, predicate: pl.Expr | None, batch_size: int | None
) -> Iterator[pl.DataFrame]:
    for frame in frames:
        # Always, whatever the server has applied: what is pushed may leave rows that polars would drop, never the other way round.
        kept = frame if predicate is None else frame.filter(predicate)
        kept = kept if with_columns is None else kept.select(with_columns)
        yield from kept.iter_slices(batch_size) if batch_size and kept.height > batch_size else (kept,)


def _frame(rows: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame
