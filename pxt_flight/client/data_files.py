"""Files of rows on the client's machine, read batch by batch, and the files that a pattern means."""

import dataclasses
import glob
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pxt_flight.client.cells import pxt_type
from pxt_flight.errors import PxtFlightError, error

_ARROW = (".arrow", ".feather", ".ipc")
_LINES = (".jsonl", ".ndjson", ".json")
_SUFFIXES = (".parquet", ".csv", *_LINES, *_ARROW)
_IPC_FILE = b"ARROW1"
_BATCH_ROWS = 65_536
# Columns whose text means what the table says: the number 007 in a column of texts stays a text.
_AS_DECLARED = frozenset({"Int", "Float", "Bool", "String", "Date"})
_AS_TEXT = frozenset({"Json", "UUID", "Image", "Video", "Audio", "Document"})


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A file of rows.

    Attributes:
        schema: its columns; None for lines of JSON, whose values are those of Python.
        rows: how many, None where that is not told.
        batches: reads them, as often as it is called.
        lines: reads lines of JSON; None for all other files.
    """

    schema: pa.Schema | None = None
    rows: int | None = None
    batches: Callable[[], Iterator[pa.RecordBatch]] = lambda: iter(())
    lines: Callable[[], Iterator[Any]] | None = None


def is_data_file(path: str | os.PathLike[str]) -> bool:
    """Whether the name is one of a file of rows."""
    return "://" not in os.fspath(path) and Path(path).suffix.lower() in _SUFFIXES


def files_of(pattern: str | os.PathLike[str]) -> list[Path]:
    """The files that a path or a pattern means, sorted: `photos/*.jpg`, `photos/**/*.png`.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, there is none.
    """
    text = os.path.expanduser(os.fspath(pattern))  # noqa: PTH111  # pathlib's own patterns know no root
    found = [Path(text)] if Path(text).is_file() else [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
    files = [path for path in found if path.is_file()]
    if not files:
        raise error("INVALID_ARGUMENT", "No file fits the path.", hint="Paths are of this machine, relative to its working directory.")
    return files


def open_data_file(path: str | os.PathLike[str], declared: pa.Schema | None) -> DataFile:
    """Open a file of rows; the bytes of it that are in memory are few, however long it is.

    Args:
        path: of a file that `is_data_file`.
        declared: the columns of the table, by which a .csv file is read; None where there is none yet.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, there is no such file, or it is not what its name says.
    """
    file = Path(path).expanduser()
    suffix = file.suffix.lower()
    _readable(file)  # Arrow's own words would quote all of the path
    if suffix in _LINES:
        return DataFile(lines=lambda: _lines(file))
    try:
        if suffix == ".parquet":
            return _parquet(file)
        return _csv(file, declared) if suffix == ".csv" else _arrow(file)
    except (OSError, pa.ArrowException) as fault:
        raise _unreadable(file, fault) from None


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as fault:
        raise _unreadable(file, fault) from None


def _unreadable(file: Path, fault: Exception) -> PxtFlightError:
    reason = (fault.strerror if isinstance(fault, OSError) else None) or str(fault).splitlines()[0]
    return error("INVALID_ARGUMENT", f"{file.name} cannot be read: {reason}.")


def _guarded(file: Path, batches: Callable[[], Iterator[pa.RecordBatch]]) -> Callable[[], Iterator[pa.RecordBatch]]:
    def read() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches()
        except (OSError, pa.ArrowException) as fault:
            raise _unreadable(file, fault) from None

    return read


def _parquet(file: Path) -> DataFile:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        schema, rows = opened.schema_arrow.remove_metadata(), opened.metadata.num_rows

    def batches() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file) as reader:
            yield from reader.iter_batches(batch_size=_BATCH_ROWS)

    return DataFile(schema, rows, _guarded(file, batches))


def _csv(file: Path, declared: pa.Schema | None) -> DataFile:
    from pyarrow import csv

    kinds = {field.name: pxt_type(field) for field in declared or ()}
    types = {name: declared.field(name).type for name, kind in kinds.items() if declared is not None and kind in _AS_DECLARED}
    types |= {name: pa.string() for name, kind in kinds.items() if kind in _AS_TEXT}
    # Only an empty field without quotes is NULL; the word NA is a text like any other.
    options = csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False)

    def batches() -> Iterator[pa.RecordBatch]:
        with csv.open_csv(file, convert_options=options) as reader:
            yield from reader

    with csv.open_csv(file, convert_options=options) as reader:
        return DataFile(reader.schema, None, _guarded(file, batches))


def _arrow(file: Path) -> DataFile:
    def batches() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(file)) as source:
            if source.read(len(_IPC_FILE)) == _IPC_FILE:
                reader = pa.ipc.open_file(source)
                yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                source.seek(0)
                yield from pa.ipc.open_stream(source)

    with pa.memory_map(str(file)) as source:
        is_file = source.read(len(_IPC_FILE)) == _IPC_FILE
        source.seek(0)
        schema = (pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)).schema
    return DataFile(schema, None, _guarded(file, batches))


def _lines(file: Path) -> Iterator[Any]:
    """Objects of JSON, one on a line, by Python: Arrow would give to each object in a column the names of all others."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise error("INVALID_ARGUMENT", f"Line {number} of {file.name} is no object of JSON.", hint="Each line holds one row.")
            yield row
