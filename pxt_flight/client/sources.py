"""Anything that holds rows -> chunks of columns, each as Arrow or as values of Python."""

import dataclasses
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from pxt_flight.client.data_files import files_of, is_data_file, open_data_file
from pxt_flight.client.result import Result
from pxt_flight.errors import PxtFlightError, error

# Of one chunk. Values of Python are weighed only as far as `_weight` goes.
MAX_ROWS = 65_536
MAX_BYTES = 8 << 20
_PYTHON_ROWS = 8192
_TAKEN = (
    "A data frame, anything of Arrow's, rows as dicts, dataclasses or pydantic models, an iterator of rows or of record batches, the path "
    "of a .parquet, .csv, .jsonl or .arrow file, or of media files with column=."
)

Column: TypeAlias = "pa.Array | Sequence[Any]"


class Chunk(NamedTuple):
    """Some rows.

    Attributes:
        columns: a column of Arrow's, or a list of values, of each name.
        rows: how many there are.
        ragged: the first of them that lacks a column which another one has; None where there is none.
    """

    columns: dict[str, Column]
    rows: int
    ragged: int | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows that shall be sent.

    Attributes:
        schema: those of their columns that are of Arrow; None where there is none.
        chunks: begins to read them. Only of a source that `is_repeatable` it may be called again.
        rows: how many there are, None where that is not known.
        is_repeatable: whether the same rows can be read again.
    """

    schema: pa.Schema | None
    chunks: Callable[[], Iterator[Chunk]]
    rows: int | None
    is_repeatable: bool


def open_source(source: Any, column: str | None, values: Mapping[str, Any], declared: pa.Schema | None) -> Source:
    """Find out what a source is. Nothing is read of a file or an iterator beyond its beginning.

    Args:
        source: see `Table.insert`; None for one row of `values`.
        column: the column for media files, or for the arrays of an array of numpy's.
        values: columns that have the same value in each row.
        declared: the columns of the table, by which the text of data files is read; None where there is no table yet.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it holds no rows, or no file fits.
    """
    if source is None:
        if not values:
            raise error("INVALID_ARGUMENT", "There are no rows to write.", hint=_TAKEN)
        return _of_rows([values])
    found = _in_column(source, column) if column is not None else _found(source, declared)
    if twice := [name for name, count in Counter(found.schema.names if found.schema else ()).items() if count > 1]:
        raise error("INVALID_ARGUMENT", f"There are two columns {twice[0]}.", where={"column": twice[0]})
    return _with_constants(found, values) if values else found


def _found(source: Any, declared: pa.Schema | None) -> Source:
    if isinstance(source, str | os.PathLike):
        return _of_data_file(source, declared)
    if isinstance(source, Result):
        return _of_result(source)
    if (found := _of_known(source)) is not None:
        return found
    if hasattr(source, "__arrow_c_stream__"):
        return _of_reader(pa.RecordBatchReader.from_stream(source))
    if hasattr(source, "__arrow_c_array__"):
        return _of_table(pa.Table.from_batches([pa.record_batch(source)]))
    if isinstance(source, Mapping) or _is_record(source):
        return _of_rows([source])
    if isinstance(source, list | tuple):
        return _of_items(source)
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray | memoryview):
        return _of_items(iter(source))
    raise error("INVALID_ARGUMENT", f"{type(source).__name__} holds no rows.", hint=_TAKEN)


def _of_known(source: Any) -> Source | None:
    """What is better read in its own way than by the protocol of Arrow. No library is imported for it."""
    pandas, polars, numpy = (sys.modules.get(name) for name in ("pandas", "polars", "numpy"))
    if isinstance(source, pa.Table | pa.RecordBatch):
        return _of_table(source if isinstance(source, pa.Table) else pa.Table.from_batches([source]))
    if pandas is not None and isinstance(source, pandas.DataFrame):
        return _of_pandas(source)
    if polars is not None and isinstance(source, polars.LazyFrame):
        source = source.collect()
    if polars is not None and isinstance(source, polars.DataFrame):
        return _of_table(pa.table(source))
    if numpy is not None and isinstance(source, numpy.ndarray) and source.dtype.names:
        return _of_table(pa.table({name: pa.array(source[name]) for name in source.dtype.names}))
    return None


def _of_table(table: pa.Table) -> Source:
    def chunks() -> Iterator[Chunk]:
        return (_chunk(batch) for batch in table.to_batches(max_chunksize=MAX_ROWS))

    return Source(table.schema, chunks, table.num_rows, is_repeatable=True)


def _of_reader(reader: pa.RecordBatchReader) -> Source:
    return Source(reader.schema, lambda: map(_chunk, reader), None, is_repeatable=False)


def _of_result(result: Result) -> Source:
    """A result of ours, its media as files: a link of the server's is good for minutes, and for people."""
    with_files = result.with_files()
    return Source(with_files.schema, lambda: map(_chunk, with_files), None, is_repeatable=False)


def _of_data_file(path: str | os.PathLike[str], declared: pa.Schema | None) -> Source:
    if not is_data_file(path):
        raise error(
            "INVALID_ARGUMENT",
            f"{os.path.basename(os.fspath(path)) or 'The path'} is no file of rows.",  # noqa: PTH119  # a pattern, or a URL
            hint="Files of rows end with .parquet, .csv, .jsonl, .ndjson, .json, .arrow or .feather. For media files name their column=.",
        )
    file = open_data_file(path, declared)
    if (lines := file.lines) is not None:
        return Source(None, lambda: _row_chunks(lines()), None, is_repeatable=True)
    return Source(file.schema, lambda: map(_chunk, file.batches()), file.rows, is_repeatable=True)


def _in_column(source: Any, column: str) -> Source:
    """Media files by their paths, or the parts of an array of numpy's, as the cells of one column."""
    if isinstance(source, str | os.PathLike):
        return _of_rows([{column: path} for path in files_of(source)])
    if hasattr(source, "__array__") and hasattr(source, "shape"):
        return Source(None, lambda: _row_chunks({column: part} for part in source), len(source), is_repeatable=True)
    if isinstance(source, Sequence) and not isinstance(source, bytes):
        return Source(None, lambda: _row_chunks({column: value} for value in source), len(source), is_repeatable=True)
    raise error("INVALID_ARGUMENT", "column= is for media files, a list or an array.", hint="Give rows that name their columns.")


def _of_rows(rows: Sequence[Any]) -> Source:
    return Source(None, lambda: _row_chunks(rows), len(rows), is_repeatable=True)


def _of_items(items: Sequence[Any] | Iterator[Any]) -> Source:
    """Rows, or record batches; the first one tells."""
    if isinstance(items, Sequence):
        first = items[0] if items else None
        again: Callable[[], Iterable[Any]] = lambda: items  # noqa: E731
    else:
        first = next(items, None)
        again = iter([itertools.chain([] if first is None else [first], items)]).__next__
    rows = len(items) if isinstance(items, Sequence) else None
    if hasattr(first, "__arrow_c_array__") or hasattr(first, "__arrow_c_stream__"):
        schema = pa.table(first).schema
        return Source(schema, lambda: _batch_chunks(again(), schema), None, is_repeatable=rows is not None)
    return Source(None, lambda: _row_chunks(again()), rows, is_repeatable=rows is not None)


def _batch_chunks(batches: Iterable[Any], schema: pa.Schema) -> Iterator[Chunk]:
    for number, batch in enumerate(batches):
        table = pa.table(batch)
        if table.schema.names != schema.names or table.schema.types != schema.types:
            raise error("INVALID_ARGUMENT", f"Batch {number} (from 0) has other columns, or types of them, than the first.")
        yield from map(_chunk, table.to_batches(max_chunksize=MAX_ROWS))


def _row_chunks(rows: Iterable[Any]) -> Iterator[Chunk]:
    waiting: list[Mapping[str, Any]] = []
    weight = 0
    for row in rows:
        waiting.append(_record(row))
        weight += sum(map(_weight, waiting[-1].values()))
        if len(waiting) == _PYTHON_ROWS or weight > MAX_BYTES:
            yield _pivoted(waiting)
            waiting, weight = [], 0
    if waiting:
        yield _pivoted(waiting)


def _pivoted(rows: Sequence[Mapping[str, Any]]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    ragged = next((i for i, row in enumerate(rows) if len(row) != len(names)), None)
    return Chunk({str(name): [row.get(name) for row in rows] for name in names}, len(rows), ragged)


def _is_record(value: Any) -> bool:
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or hasattr(type(value), "model_fields")


def _record(row: Any) -> Mapping[str, Any]:
    """A row by the names of its columns. Not asdict() or model_dump(): pictures and arrays in it stay what they are."""
    if isinstance(row, Mapping):
        return row
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if _is_record(row):
        return {name: getattr(row, name) for name in type(row).model_fields}
    raise error("INVALID_ARGUMENT", f"A row is a dict, a dataclass or a pydantic model, not {type(row).__name__}.", hint=_TAKEN)


def _weight(value: Any) -> int:
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    size = getattr(value, "nbytes", 0)
    return size if isinstance(size, int) else 0


def _of_pandas(frame: Any) -> Source:
    """Columns that pandas itself has types for go by Arrow, those of `object` by the values that are in them; the index stays behind."""
    by_value = {str(name) for name, kind in frame.dtypes.items() if kind.kind == "O" and kind.name == "object"}
    size = _PYTHON_ROWS if by_value else MAX_ROWS
    if not frame.columns.is_unique:
        raise error("INVALID_ARGUMENT", "Two columns of the frame have one name.")
    typed = frame[[name for name in frame.columns if str(name) not in by_value]]
    schema = pa.Schema.from_pandas(typed.head(0), preserve_index=False).remove_metadata()

    def chunks() -> Iterator[Chunk]:
        for start in range(0, max(len(frame), 1), size):
            part = frame.iloc[start : start + size]
            arrow = pa.RecordBatch.from_pandas(part[typed.columns], schema=schema, preserve_index=False)
            columns = {str(name): _values(part[name]) if str(name) in by_value else arrow[str(name)] for name in frame.columns}
            yield Chunk(columns, len(part))

    return Source(schema, chunks, len(frame), is_repeatable=True)


def _values(series: Any) -> list[Any]:
    values: list[Any] = series.where(series.notna(), None).tolist()
    return values


def _with_constants(source: Source, values: Mapping[str, Any]) -> Source:
    def chunks() -> Iterator[Chunk]:
        for chunk in source.chunks():
            if common := sorted(values.keys() & chunk.columns.keys()):
                raise _twice(common[0])
            yield chunk._replace(columns=chunk.columns | {name: [value] * chunk.rows for name, value in values.items()})

    return dataclasses.replace(source, chunks=chunks)


def _twice(column: str) -> PxtFlightError:
    return error("INVALID_ARGUMENT", f"Column {column} is given by the rows and by its name.", where={"column": column})


def _chunk(batch: pa.RecordBatch) -> Chunk:
    return Chunk(dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows)
