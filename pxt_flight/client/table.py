"""A table by its name."""

from collections.abc import Callable, Sequence

import pyarrow as pa

from pxt_flight.client.result import Result


class Table:
    """A table of a server; nothing is asked of the server until rows or the schema are."""

    def __init__(self, name: str, run: Callable[..., Result]) -> None:
        self.name = name
        self._run = run  # Database.sql

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
            media: how images are sent: `thumbnail:N` (default, N = 256 pixels) or `bytes`.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        selected = "*" if columns is None else ", ".join(map(quoted, columns))
        source = quoted(self.name if version is None else f"{self.name}:{version}")
        # A line of its own for each clause: a comment at the end of one cannot swallow the next.
        clauses = [f"SELECT {selected}", f"FROM {source}"]
        clauses += [f"WHERE {where}"] if where is not None else []
        clauses += [f"ORDER BY {order_by}"] if order_by is not None else []
        clauses += [f"LIMIT {int(limit)}"] if limit is not None else []
        return self._run("\n".join(clauses), media=media)

    @property
    def schema(self) -> pa.Schema:
        """Its columns as Arrow fields, with Pixeltable's type in the metadata `pxt:type`."""
        return self.scan(limit=0, media="bytes").schema

    def __repr__(self) -> str:
        return f"Table({self.name!r})"


def quoted(name: str) -> str:
    """A name as SQL has it between quotes."""
    return '"' + name.replace('"', '""') + '"'
