"""A table by its name."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pxt_flight.client import display
from pxt_flight.client.preview import COUNTED, MEDIA, ROWS, Preview, first_rows
from pxt_flight.client.result import Result
from pxt_flight.client.version import Version
from pxt_flight.errors import PxtFlightError

if TYPE_CHECKING:
    import polars as pl

    from pxt_flight.client.lazyframe import Transfer


class Table:
    """A table of a server; nothing is asked of the server until rows or the schema are.

    A notebook shows its first 20 rows with thumbnails.
    """

    def __init__(self, name: str, run: Callable[..., Result], call: Callable[..., Any]) -> None:
        self.name = name
        self._run = run  # Database.sql
        self._call = call  # Transport.call

    def scan(
        self,
        columns: Sequence[str] | None = None,
        *,
        where: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        version: int | None = None,
        media: str | None = None,
    ) -> Result:
        """Read rows.

        Args:
            columns: names of the columns; default all.
            where: a SQL condition, `score > 8`.
            order_by: SQL sort keys, `score desc, id`.
            limit: at most so many rows.
            version: read the table as of this version; default the live one.
            media: how media values are sent: `url` (default; links that are good for 15 minutes), `thumbnail:N` (JPEG) or `bytes`.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        selected = "*" if columns is None else ", ".join(map(quoted, columns))
        # A line of its own for each clause: a comment at the end of one cannot swallow the next.
        clauses = [f"SELECT {selected}", f"FROM {self.source(version)}"]
        clauses += [f"WHERE {where}"] if where is not None else []
        clauses += [f"ORDER BY {order_by}"] if order_by is not None else []
        clauses += [f"LIMIT {int(limit)}"] if limit is not None else []
        return self._run("\n".join(clauses), media=media)

    def scan_polars(
        self, *, version: int | None = None, media: str | None = None, on_transfer: "Callable[[Transfer], object] | None" = None
    ) -> "pl.LazyFrame":
        """The table as a `polars.LazyFrame` that reads only what the query over it needs.

            db.table("films").scan_polars().filter(pl.col("score") > 8).select("name").collect()

        Its columns are asked for now, its rows at each `collect`. The server gets the columns that are used, the conditions that mean
        the same to it as to polars, and the number of a `head` that stands right on the table; polars applies everything again.

        Args:
            version: read the table as of this version, each time; default the live one, as it is at each `collect`.
            media: how media values are sent: `url` (default; links that are good for 15 minutes), `thumbnail:N` (JPEG) or `bytes`.
            on_transfer: called after each read with what came over the wire for it.

        Raises:
            PxtFlightError: what the server says, here and at `collect`; polars makes a ComputeError, with the same text, of one that
                comes in the middle of a stream.
        """
        from pxt_flight.client.lazyframe import scan  # polars is the caller's, not ours

        return scan(self, self._run, version=version, media=media, on_transfer=on_transfer)

    def versions(self, limit: int | None = None) -> list[Version]:
        """Its versions, newest first; `scan(version=...)` reads one, and so does `"name:version"` in SQL.

            pl.DataFrame(db.table("films").versions())

        Args:
            limit: at most so many; default all.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        return [Version.from_answer(answer) for answer in self._call("pixeltable.table_versions", table=self.name, limit=limit)]

    def source(self, version: int | None = None) -> str:
        """The table as SQL names it in FROM, as of a version; default the live one."""
        return quoted(self.name if version is None else f"{self.name}:{int(version)}")

    @property
    def schema(self) -> pa.Schema:
        """Its columns as Arrow fields, with Pixeltable's type in the metadata `pxt:type`."""
        return self.scan(limit=0, media="bytes").schema

    def __repr__(self) -> str:
        return f"Table({self.name!r})"

    def _repr_html_(self) -> str:
        return display.shown(self._preview, self.name)

    def _preview(self) -> Preview:
        rows = first_rows(lambda columns: self.scan(columns, limit=ROWS, media=MEDIA), lambda: self.schema)
        total = version = None
        with suppress(PxtFlightError):  # what can be told beside the rows
            counted = self._run(f"SELECT count(*) AS n FROM (SELECT 1 FROM {self.source()} LIMIT {COUNTED + 1}) AS first")  # noqa: S608  # quoted
            total = counted.to_arrow(progress=False)["n"][0].as_py()
            version = next((version for path, version in counted.explain().tables if path == self.name), None)
        return Preview(rows, total, self.name, version)


def quoted(name: str) -> str:
    """A name as SQL has it between quotes."""
    return '"' + name.replace('"', '""') + '"'
