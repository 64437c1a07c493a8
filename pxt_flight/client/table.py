"""A table by its name."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from pxt_flight.client import display
from pxt_flight.client.operations import TableOperations
from pxt_flight.client.preview import COUNTED, MEDIA, ROWS, Preview, first_rows
from pxt_flight.client.result import Result
from pxt_flight.client.softdeletes import SoftDeletes
from pxt_flight.client.sources import open_source
from pxt_flight.client.version import Version
from pxt_flight.client.writes import Progress, Writes
from pxt_flight.client.written import Written
from pxt_flight.errors import NotFoundError, PxtFlightError

if TYPE_CHECKING:
    import polars as pl

    from pxt_flight.client.lazyframe import Transfer

Filter = Mapping[str, Any]
"""A condition as the server's filters in JSON have it: `{"score": {"gt": 8}}`."""


class Table(SoftDeletes, TableOperations):
    """A table of a server; nothing is asked of the server until rows or the schema are.

    A notebook shows its first 20 rows with thumbnails.
    """

    def __init__(
        self, name: str, run: Callable[..., Result], call: Callable[..., Any], writes: Writes, read: Callable[[dict[str, Any]], Result]
    ) -> None:
        self.name = name
        self._run = run  # Database.sql
        self._read = read  # Database.read_rows
        self._call = call  # Transport.call
        self._writes = writes

    def scan(
        self,
        columns: Sequence[str] | None = None,
        *,
        where: str | Filter | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        version: int | None = None,
        media: str | None = None,
        include_deleted: bool = False,
    ) -> Result:
        """Read rows.

        Args:
            columns: names of the columns; default all.
            where: a SQL condition, `score > 8`, or a filter: `{"score": {"gt": 8}, "meta.lab": "l3"}`.
            order_by: SQL sort keys, `score desc, id`.
            limit: at most so many rows.
            version: read the table as of this version; default the live one.
            media: how media values are sent: `url` (default; links that are good for 15 minutes), `thumbnail:N` (JPEG) or `bytes`.
            include_deleted: read the rows that are deleted softly, too, and the column that says when.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        if where is not None and not isinstance(where, str):
            named = {"select": None if columns is None else list(columns), "where": dict(where), "order_by": order_by, "limit": limit}
            more = {"version": version, "include_deleted": include_deleted} | ({} if media is None else {"media": media})
            return self._read({"table_path": self.name} | named | more)
        selected = "*" if columns is None else ", ".join(map(quoted, columns))
        # A line of its own for each clause: a comment at the end of one cannot swallow the next.
        clauses = [f"SELECT {selected}", f"FROM {self.source(version)}"]
        clauses += [f"WHERE {where}"] if where is not None else []
        clauses += [f"ORDER BY {order_by}"] if order_by is not None else []
        clauses += [f"LIMIT {int(limit)}"] if limit is not None else []
        return self._run("\n".join(clauses), media=media, include_deleted=include_deleted)

    def scan_polars(
        self,
        *,
        version: int | None = None,
        media: str | None = None,
        include_deleted: bool = False,
        on_transfer: "Callable[[Transfer], object] | None" = None,
    ) -> "pl.LazyFrame":
        """The table as a `polars.LazyFrame` that reads only what the query over it needs.

            db.table("films").scan_polars().filter(pl.col("score") > 8).select("name").collect()

        Its columns are asked for at once, its rows at each `collect`. The server gets the columns that are used, the conditions that mean
        the same to it as to polars, and the number of a `head` that stands right on the table; polars applies everything again.

        Args:
            version: read the table as of this version, each time; default the live one, as it is at each `collect`.
            media: how media values are sent: `url` (default; links that are good for 15 minutes), `thumbnail:N` (JPEG) or `bytes`.
            include_deleted: as of `scan`.
            on_transfer: called after each read with what came over the wire for it.

        Raises:
            PxtFlightError: what the server says, here and at `collect`; polars makes a ComputeError, with the same text, of one that
                comes in the middle of a stream.
        """
        from pxt_flight.client.lazyframe import scan  # polars is the caller's, not ours

        run = partial(self._run, include_deleted=include_deleted)
        return scan(self, run, version=version, media=media, on_transfer=on_transfer)

    def versions(self, limit: int | None = None) -> list[Version]:
        """Its versions, newest first; `scan(version=...)` reads one, and so does `"name:version"` in SQL.

            pl.DataFrame(db.table("films").versions())

        Args:
            limit: at most so many; default all.

        Raises:
            PxtFlightError: what the server says, with its code and hint.
        """
        return [Version.from_answer(answer) for answer in self._call("table.versions", table_path=self.name, limit=limit)]

    def insert(
        self,
        source: Any = None,
        *,
        column: str | None = None,
        on_error: Literal["abort", "ignore"] = "abort",
        idempotency_key: str | None = None,
        progress: Progress = None,
        **values: Any,
    ) -> Written:
        """Insert rows, as one version of the table, or none of them.

            films.insert(name="Brazil", score=8.1)                        # one row
            films.insert([{"name": "Brazil", "poster": Path("b.jpg")}])   # dicts, dataclasses, pydantic models; or an iterator of them
            films.insert(pl.read_parquet("films.parquet"))                # polars, pandas, DuckDB, pyarrow, or db.sql(...)
            films.insert("films.parquet")                                 # .parquet, .csv, .jsonl, .arrow on this machine, as a stream
            photos.insert("photos/*.jpg", column="image", album="Rome")   # media files; the keywords are of every row

        Rows go in batches of 8 MiB at most, however many there are. A lost connection writes nothing twice: the rows are sent once more
        under the same key, or, of an iterator, the server is asked what became of them. Ctrl-C leaves nothing written as long as rows
        are sent; in the moments after, an error note tells the key by which to ask.

        Values of Python are made what their columns are. A media column takes bytes, paths of this machine, https URLs (the server fetches
        them; not mixed with files in one call), Pillow's images (as JPEG where they came so, else PNG) and arrays of numpy's of the shape
        (height, width, 3) of uint8; a Json column what JSON holds; an array column arrays and lists; times without a time zone are for
        the server to place. Columns that the table computes are left out.

        Args:
            source: the rows; None for one row of `values`.
            column: the name of the column for media files, or for each part of a list or an array.
            on_error: `abort`, or `ignore` to leave out the rows that are at fault; they come back as `Written.rejected`.
            idempotency_key: a name for this write: asked again under it, it is not done again. Default a new one.
            progress: a bar, where a write lasts longer than a second; default where a person looks on. Or what is called with the number of
                rows and of all of them (None where that is not known), of those that are sent and then of those that are written.
            values: columns that have one value in every row.

        Raises:
            InvalidRequestError: `TYPE_MISMATCH` with `row` and `column` in `where`, and the like; nothing was written.
            NotFoundError: `TABLE_NOT_FOUND`, `COLUMN_NOT_FOUND`.
            ConflictError: `CONSTRAINT_VIOLATION`, a key is there already.
            UnavailableError: of a lost connection; the hint says whether anything was written.
        """
        declared = self.schema
        rows = open_source(source, column, values, declared)
        options: dict[str, Any] = {"idempotency_key": idempotency_key, "progress": progress}
        return self._writes.rows("table.insert", rows, declared, table_path=self.name, on_error=on_error, **options)

    def update(
        self,
        set: Mapping[str, Any] | None = None,  # noqa: A002  # SQL's word
        where: str | Filter | None = None,
        parameters: Sequence[Any] = (),
        *,
        expressions: Mapping[str, str] | None = None,
        max_affected: int | None = None,
        dry_run: bool = False,
        all_rows: bool = False,
        idempotency_key: str | None = None,
        include_deleted: bool = False,
    ) -> Written:
        """Change the rows that a condition names, as one version.

            films.update({"score": 9}, where="name = $1", parameters=["Brazil"])
            films.update(where="score < 1", expressions={"score": "score * 10"}, max_affected=50)

        Args:
            set: the new values by column.
            where: a SQL condition, with placeholders `$1`, `$2`, ..., or a filter: `{"name": "Brazil", "score": {"lt": 8}}`.
            parameters: the values of the placeholders, here and in `expressions`.
            expressions: new values as SQL expressions over the row, by column.
            max_affected: change nothing where more rows than these would change.
            dry_run: count the rows, and change none.
            all_rows: without a condition: change all of them.
            idempotency_key: a name for this write: asked again under it, it is not done again. Default a new one.
            include_deleted: change rows that are deleted softly, too; they stay deleted.

        Raises:
            InvalidRequestError: `predicate_required`, neither a condition nor `all_rows`.
            ConflictError: `too_many_affected`.
            PxtFlightError: what the server says; nothing was changed.
        """
        return self._writes.call(
            "table.update",
            table_path=self.name,
            set=dict(set or {}),
            where=where,
            parameters=list(parameters),
            expressions=dict(expressions or {}),
            max_affected=max_affected,
            dry_run=dry_run,
            all_rows=all_rows,
            idempotency_key=idempotency_key,
            include_deleted=include_deleted,
        )

    def update_rows(
        self,
        source: Any,
        *,
        if_missing: Literal["error", "ignore", "insert"] = "error",
        max_affected: int | None = None,
        idempotency_key: str | None = None,
        progress: Progress = None,
    ) -> Written:
        """Change rows that their keys name, as one version: each row gives its key, or its `_rowid`, and the columns that change.

            films.update_rows([{"id": 7, "score": 9.0}, {"id": 8, "score": 2.5}])
            films.update_rows(db.sql("select _rowid, upper(name) as name from films"))

        Args:
            source: rows, as `insert` takes them; all with the same columns.
            if_missing: what a key that is not there means: `error`, `ignore`, or `insert` (see `upsert`).
            max_affected: change nothing where more rows than these would change.
            idempotency_key: as of `insert`.
            progress: as of `insert`.

        Raises:
            NotFoundError: `ROW_NOT_FOUND`, a key is not there.
            PxtFlightError: what the server says; nothing was changed.
        """
        declared = self.schema
        options: dict[str, Any] = {"idempotency_key": idempotency_key, "progress": progress, "whole_rows": True}
        rows = open_source(source, None, {}, declared)
        return self._writes.rows(
            "table.update_rows", rows, declared, table_path=self.name, if_missing=if_missing, max_affected=max_affected, **options
        )

    def upsert(self, source: Any, *, idempotency_key: str | None = None, progress: Progress = None) -> Written:
        """Change the rows whose keys are there, and insert the others, all or nothing; of the table's versions each of the two makes one.

            films.upsert(pl.DataFrame({"id": [7, 99], "name": ["Brazil", "Alien"]}))

        Args:
            source: rows with the primary key, as `insert` takes them; all with the same columns.
            idempotency_key: as of `insert`.
            progress: as of `insert`.

        Raises:
            PxtFlightError: what the server says; nothing was written.
        """
        return self.update_rows(source, if_missing="insert", idempotency_key=idempotency_key, progress=progress)

    def delete(
        self,
        where: str | Filter | None = None,
        parameters: Sequence[Any] = (),
        *,
        max_affected: int | None = None,
        dry_run: bool = False,
        all_rows: bool = False,
        idempotency_key: str | None = None,
        soft: bool = False,
        include_deleted: bool = False,
    ) -> Written:
        """Delete the rows that a condition names, as one version.

            films.delete("score < $1", [1], max_affected=10)
            films.delete("score < 1", soft=True)  # hidden, and `restore` brings them back

        Args:
            where: as of `update`, like the rest.
            parameters: the values of the placeholders, in order.
            max_affected: delete nothing where more rows than these would go.
            dry_run: count the rows, and delete none.
            all_rows: without a condition: delete all of them.
            idempotency_key: as of `insert`.
            soft: hide the rows, where `enable_soft_delete` was called for the table.
            include_deleted: delete rows for good that are deleted softly, too.

        Raises:
            InvalidRequestError: `predicate_required`, neither a condition nor `all_rows`.
            ConflictError: `too_many_affected`.
            PxtFlightError: what the server says; nothing was deleted.
        """
        return self._writes.call(
            "table.delete",
            table_path=self.name,
            where=where,
            parameters=list(parameters),
            max_affected=max_affected,
            dry_run=dry_run,
            all_rows=all_rows,
            idempotency_key=idempotency_key,
            soft=soft,
            include_deleted=include_deleted,
        )

    def delete_rows(
        self,
        source: Any,
        *,
        if_missing: Literal["error", "ignore"] = "error",
        max_affected: int | None = None,
        idempotency_key: str | None = None,
        progress: Progress = None,
    ) -> Written:
        """Delete the rows that their keys, or their `_rowid`, name, as one version.

            films.delete_rows([{"id": 7}, {"id": 8}])

        Args:
            source: rows of keys, as `insert` takes them.
            if_missing: what a key that is not there means: `error` or `ignore`.
            max_affected: delete nothing where more rows than these would go.
            idempotency_key: as of `insert`.
            progress: as of `insert`.

        Raises:
            NotFoundError: `ROW_NOT_FOUND`, a key is not there.
            PxtFlightError: what the server says; nothing was deleted.
        """
        declared = self.schema
        options: dict[str, Any] = {"idempotency_key": idempotency_key, "progress": progress, "whole_rows": True}
        options |= {"if_missing": if_missing, "max_affected": max_affected}
        return self._writes.rows("table.delete_rows", open_source(source, None, {}, declared), declared, table_path=self.name, **options)

    def revert(self, version: int | None = None, *, idempotency_key: str | None = None) -> Written:
        """Undo the newest version, for good; or all that are newer than `version`.

        Args:
            version: the one to go back to; default the one before the newest.
            idempotency_key: as of `insert`.

        Raises:
            PxtFlightError: what the server says; nothing was undone.
        """
        return self._writes.call("table.revert", table_path=self.name, version=version, idempotency_key=idempotency_key)

    def writes(self, limit: int | None = None) -> list[dict[str, Any]]:
        """What was written through the server, newest first: by which key, when, how many rows.

            pl.DataFrame(films.writes())

        Args:
            limit: at most so many; default all.

        Raises:
            PxtFlightError: what the server says.
        """
        return self._writes.latest(self.name, limit)

    def source(self, version: int | None = None) -> str:
        """The table as SQL names it in FROM, as of a version; default the live one."""
        return quoted(self.name if version is None else f"{self.name}:{int(version)}")

    @property
    def schema(self) -> pa.Schema:
        """Its columns as Arrow fields, with Pixeltable's type in the metadata `pxt:type`."""
        return self.scan(limit=0, media="bytes").schema

    def schema_if_there(self) -> pa.Schema | None:
        """Its columns, as `schema`; None where there is no such table."""
        try:
            return self.schema
        except NotFoundError:
            return None

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
