"""Two tables alike, of which one is filled by `Table.insert` and the other by a tier; and what must be equal of them, to the byte."""

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse
from uuid import UUID

import numpy as np
import pyarrow as pa

_FILE = re.compile(r'file://[^\s",()]+')


class Passing:
    """Checks nothing: the values are right."""

    rejected = None

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def check(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield batch

    def finish(self) -> None:
        pass


def staged(target: Any, rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of Python as they are staged."""
    columns = [column for column in target.columns if not column.is_computed and any(column.name in row for row in rows)]
    arrays = [pa.array([_staged(row.get(column.name), column.kind) for row in rows], column.staged) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([(column.name, column.staged) for column in columns]))


def _staged(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if kind.name == "Json":
        return json.dumps(value)
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, np.ndarray):
        if kind.shape and all(kind.shape) and kind.element not in (None, "str"):
            return value.ravel().tolist()
        file = io.BytesIO()
        np.save(file, value)
        return file.getvalue()
    return value


def uploaded(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Any:
    """Batches that wait."""
    from pxt_flight.engine.upload import Reception

    reception = Reception(Passing(schema), None, 1 << 40)
    for batch in batches:
        reception.add(batch)
    return reception.finish()


def write(path: str, rows: Sequence[dict[str, Any]], *, tier: str, size: int = 1 << 16, **options: Any) -> Any:
    """Insert rows by a tier, in batches of a size.

    Args:
        path: of the table.
        rows: as `Table.insert` takes them.
        tier: `bulk`, `stream` or `rows`; `plain stream` for one that leaves the writing itself to Pixeltable.
        size: rows of a batch.
        options: of `ingest.insert`.
    """
    from pxt_flight.engine import target

    table = target.describe(path)
    batch = staged(table, rows)
    with uploaded((batch.slice(i, size) for i in range(0, len(rows), size)), batch.schema) as upload:
        return write_upload(path, upload, tier=tier, **options)


def write_upload(path: str, upload: Any, *, tier: str, chosen: Any = None, **options: Any) -> Any:
    """Insert what waits by a tier."""
    import pixeltable

    from pxt_flight.engine import ingest, target
    from pxt_flight.engine.seam import writes

    off = {"bulk": {}, "stream": {"bulk_off": "test"}, "plain stream": {"bulk_off": "test", "copy_off": "test"}}
    tiers = chosen or ingest.WriteTiers(**off.get(tier, {"bulk_off": "test", "stream_off": "test"}))
    table = target.describe(path)
    opened = pixeltable.get_table(path)
    return writes.in_write(opened, lambda: ingest.insert(table, opened, upload, tiers=tiers, **options), deadline=time.monotonic() + 30)


@dataclass(frozen=True)
class Twins:
    """A table with its views, twice."""

    postgres: Any
    left: Sequence[Any]
    right: Sequence[Any]

    def both(self, change: Callable[[Any], Any]) -> None:
        """Change both tables in the same way."""
        for table in (self.left[0], self.right[0]):
            change(table)

    def assert_equal(self) -> None:
        """All of both is the same: rows in the store, what Pixeltable gives, the history."""
        for left, right in zip(self.left, self.right, strict=True):
            (rows, *rest), (others, *others_rest) = state(self.postgres, left), state(self.postgres, right)
            assert sorted(set(rows) - set(others)) == sorted(set(others) - set(rows))
            assert (len(rows), rest) == (len(others), others_rest)
            assert collected(left) == collected(right)


def state(postgres: Any, table: Any) -> tuple[Any, ...]:
    """What the store holds of a table: rows, next row id, version, history."""
    metadata = table.get_metadata()
    key = UUID(str(metadata["id"]))
    stored = f"{'view' if metadata['kind'] != 'table' else 'tbl'}_{key.hex}"
    rows = sorted(_FILE.sub(_content, row) for (row,) in postgres.execute(f"select t::text from {stored} t").fetchall())
    found = postgres.execute(f"select md->>'next_row_id', md->>'current_version' from tables where id = '{key}'").fetchone()
    history = [{name: value for name, value in version.items() if name != "created_at"} for version in table.get_versions()]
    return rows, found, history


def collected(table: Any) -> list[str]:
    """The rows that Pixeltable gives, media as the bytes of their files."""
    media = [name for name, column in table.get_metadata()["columns"].items() if re.match("Image|Video|Audio|Document", column["type_"])]
    columns = {name: getattr(table, name).localpath if name in media else getattr(table, name) for name in table.columns()}
    return sorted(
        repr([Path(value).read_bytes() if name in media and value else _plain(value) for name, value in row.items()])
        for row in table.select(**columns).collect()
    )


def _plain(value: Any) -> Any:
    return (value.dtype, value.tolist()) if isinstance(value, np.ndarray) else value


def _content(found: re.Match[str]) -> str:
    return hashlib.sha256(Path(unquote(urlparse(found[0]).path)).read_bytes()).hexdigest()
