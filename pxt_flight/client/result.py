"""The answer of a query: its schema at once, its rows when they are asked for."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.client import display
from pxt_flight.client.background import Pull
from pxt_flight.client.explanation import Explanation
from pxt_flight.client.preview import ROWS, Preview, Read, first_kept_rows, first_rows
from pxt_flight.client.progress import Progress
from pxt_flight.client.values import media_mode, type_name
from pxt_flight.errors import error

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Result:
    """Rows that a server streams, as Arrow.

    Anything that speaks the Arrow PyCapsule protocol takes it as it is: `pl.DataFrame(result)`, `pa.table(result)`,
    `duckdb.sql("from result")`. The rows are read once; `to_arrow`, `to_polars` and `to_pandas` keep them, so they may be called
    again and in any order, while `to_reader` and `for batch in result` hand them out without keeping any.

    It is a context manager: what is left of the stream is cancelled at its end, on the server too.

        with db.sql("select id, score from films") as result:
            for batch in result:
                ...

    A pull that lasts longer than a second shows a progress bar where a person looks on (a terminal or a notebook); `progress=` or the
    environment variable PXT_FLIGHT_PROGRESS (0 or 1) says otherwise.

    A notebook shows its first 20 rows with thumbnails, by a query of their own that ends there: the stream stays whole.

    Attributes:
        schema: the columns, known before any row has come.
    """

    def __init__(self, reader: fl.FlightStreamReader, uri: str, *, explain: Callable[[], Explanation], again: Read) -> None:
        self._reader: fl.FlightStreamReader | None = reader
        self._pull: Pull | None = None
        self._table: pa.Table | None = None
        self._uri = uri
        self._explain = explain
        self._again = again  # for its display
        self.schema: pa.Schema = reader.schema

    def to_arrow(self, *, progress: bool | None = None) -> pa.Table:
        """All rows as a `pyarrow.Table`.

        Args:
            progress: whether to show a progress bar once a pull lasts longer than a second; default where a person looks on.

        Raises:
            PxtFlightError: the server failed, or was lost, in the middle.
        """
        if self._table is None:
            # All of them are kept anyway, so any number may be read ahead.
            self._table = pa.Table.from_batches(self._batches(progress, ahead=None), self.schema)
        return self._table

    def to_polars(self, *, progress: bool | None = None) -> "pl.DataFrame":
        """All rows as a `polars.DataFrame`; `progress` as in `to_arrow`."""
        import polars as pl  # the caller's library, not ours: the client needs none of them

        frame = pl.from_arrow(self.to_arrow(progress=progress))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_pandas(self, types_mapper: Callable[[pa.DataType], Any] | None = None, *, progress: bool | None = None) -> "pd.DataFrame":
        """All rows as a `pandas.DataFrame`.

        Args:
            types_mapper: as in `pyarrow.Table.to_pandas`, for example `pandas.ArrowDtype`.
            progress: as in `to_arrow`.
        """
        return self.to_arrow(progress=progress).to_pandas(types_mapper=types_mapper)

    def to_reader(self, *, progress: bool = False) -> pa.RecordBatchReader:
        """The rows as a stream of record batches of 1-2 MiB, for results larger than memory. It can be taken once.

        Args:
            progress: whether to show a progress bar while it is read.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, it was taken already.
        """
        if self._table is not None:
            return self._table.to_reader()
        return pa.RecordBatchReader.from_batches(self.schema, self._batches(progress))

    def explain(self) -> Explanation:
        """How the server reads this query, and why; it can be asked before or after the rows are read."""
        return self._explain()

    def with_files(self) -> "Result":
        """The same result with the files themselves in place of links to them; itself where there are none.

        Rows that are sent to a table travel so: a link is good for minutes.

        Raises:
            PxtFlightError: what the server says.
        """
        if not any(media_mode(field) == "url" for field in self.schema):
            return self
        self.close()
        return self._again(None, "bytes")

    def close(self) -> None:
        """Leave what has not been read: the server stops the query. Rows that are kept stay."""
        if self._pull is not None:
            self._pull.close()
        elif self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The record batches of 1-2 MiB, as they come; leaving the loop early cancels the stream."""
        return iter(self._table.to_batches()) if self._table is not None else self._batches(progress=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        rows = "not read yet" if self._table is None else f"{self._table.num_rows} rows"
        columns = [f"{field.name}: {field.type if media_mode(field) is None else type_name(field)}" for field in self.schema]
        more = [f"and {len(columns) - ROWS} more"] if len(columns) > ROWS else []
        return f"Result({rows}; {', '.join(columns[:ROWS] + more)})"

    def _repr_html_(self) -> str:
        return display.shown(self._preview)

    def _preview(self) -> Preview:
        if self._table is not None:
            return Preview(first_kept_rows(self._table, self._again), self._table.num_rows)
        rows = first_rows(self._again, lambda: self.schema)
        return Preview(rows, rows.num_rows if rows.num_rows < ROWS else None)

    def _batches(self, progress: bool | None, **options: Any) -> Iterator[pa.RecordBatch]:
        # The stream is taken here, at the call, and read by the generator when it is iterated.
        pull = self._pull = self._take(**options)

        def batches() -> Iterator[pa.RecordBatch]:
            with Progress(progress) as bar:
                for batch in pull.batches(bar.draw):
                    bar.add(batch)
                    yield batch

        return batches()

    def _take(self, **options: Any) -> Pull:
        if self._reader is None:
            raise error("INVALID_ARGUMENT", "The rows of this result were streamed already, or left.", hint="Run the query again.")
        reader, self._reader = self._reader, None
        return Pull(reader, self._uri, **options)
