"""The answer of a query: its schema at once, its rows when they are asked for."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.client.transport import translated
from pxt_flight.errors import error

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Result:
    """Rows that a server streams, as Arrow.

    Anything that speaks the Arrow PyCapsule protocol takes it as it is: `pl.DataFrame(result)`, `pa.table(result)`,
    `duckdb.sql("from result")`. The rows are read once; `to_arrow`, `to_polars` and `to_pandas` keep them, so they may be called
    again and in any order, while `to_reader` hands them out without keeping any.
    """

    def __init__(self, reader: fl.FlightStreamReader, uri: str) -> None:
        self._reader: fl.FlightStreamReader | None = reader
        self._table: pa.Table | None = None
        self._uri = uri
        self.schema: pa.Schema = reader.schema

    def to_arrow(self) -> pa.Table:
        """All rows as a `pyarrow.Table`.

        Raises:
            PxtFlightError: the server failed, or was lost, in the middle.
        """
        if self._table is None:
            reader = self._take()
            with translated(self._uri, connected=True):
                self._table = reader.read_all()
        return self._table

    def to_polars(self) -> "pl.DataFrame":
        """All rows as a `polars.DataFrame`."""
        import polars as pl  # the caller's library, not ours: the client needs none of them

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_pandas(self, types_mapper: Callable[[pa.DataType], Any] | None = None) -> "pd.DataFrame":
        """All rows as a `pandas.DataFrame`.

        Args:
            types_mapper: as in `pyarrow.Table.to_pandas`, for example `pandas.ArrowDtype`.
        """
        return self.to_arrow().to_pandas(types_mapper=types_mapper)

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream of record batches of 1-2 MiB, for results larger than memory. It can be taken once.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, it was taken already.
        """
        if self._table is not None:
            return self._table.to_reader()
        return pa.RecordBatchReader.from_batches(self.schema, self._batches(self._take()))

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        rows = "not read yet" if self._table is None else f"{self._table.num_rows} rows"
        columns = ", ".join(f"{field.name}: {field.type}" for field in self.schema)
        return f"Result({rows}; {columns})"

    def _batches(self, reader: fl.FlightStreamReader) -> Iterator[pa.RecordBatch]:
        # Not reader.to_reader(): it drops the JSON of an error that comes in the middle of a stream.
        with translated(self._uri, connected=True):
            for chunk in reader:
                yield chunk.data

    def _take(self) -> fl.FlightStreamReader:
        if self._reader is None:
            raise error("INVALID_ARGUMENT", "The rows of this result were streamed already.", hint="Run the query again.")
        reader, self._reader = self._reader, None
        return reader
