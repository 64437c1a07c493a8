"""Writes: rows that come, change and go."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pyarrow as pa

from pxt_flight.engine.creation import exists
from pxt_flight.engine.target import Target
from pxt_flight.engine.upload import Reception, Upload
from pxt_flight.engine.written import Asked, OnProgress, Written
from pxt_flight.errors import error
from pxt_flight.operations.call import Call
from pxt_flight.public_api import public_api

ROW_ERRORS = (
    "TABLE_NOT_FOUND",
    "COLUMN_NOT_FOUND",
    "MISSING_REQUIRED",
    "TYPE_MISMATCH",
    "INVALID_ARGUMENT",
    "UNSUPPORTED_OPERATION",
    "CONSTRAINT_VIOLATION",
    "idempotency_key_reused",
    "upload_incomplete",
    "upload_too_large",
    "table_busy",
    "disk_full",
)


@dataclass(frozen=True)
class Rows:
    """Rows as a wire brings them.

    Attributes:
        schema: their columns.
        batches: the rows, as they come.
        is_whole: asked after the last one whether the client meant to end there.
        on_progress: told how many are written; None where nobody listens.
    """

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    is_whole: Callable[[], bool]
    on_progress: OnProgress | None = None


@public_api(permission="write", raises=ROW_ERRORS)
def insert(
    call: Call, rows: Rows, table: str, on_error: Literal["abort", "ignore"] = "abort", idempotency_key: str | None = None
) -> tuple[Written, pa.Table | None]:
    """Insert record batches into a table, as one version, or none of them.

    Args:
        call: who asks.
        rows: the rows.
        table: its path with slashes.
        on_error: `abort`, or `ignore` to leave out the rows that are at fault, and answer them; computed and media cells that fail are
            NULL then, with their error in `col__errormsg`.
        idempotency_key: a name of the client's for this insert, 1 to 200 printable characters: asked again under it within 24 hours, the
            insert is not done again.

    Returns:
        What was done, and the rows that were left out with the reason in `pxt_error`.
    """
    path = table.strip("/").lower()
    call.require("insert", path)
    target = call.writer.target(path)
    write = partial(call.writer.insert, ignores_errors=on_error == "ignore")
    return _written(call, rows, target, on_error, Asked("insert", call.principal.key_id, idempotency_key), write)


@public_api(permission="schema", raises=(*ROW_ERRORS, "PATH_ALREADY_EXISTS", "DIRECTORY_NOT_FOUND"))
def create_table(
    call: Call,
    rows: Rows,
    table: str,
    if_exists: Literal["error", "append", "replace"] = "error",
    primary_key: list[str] | None = None,
    on_error: Literal["abort", "ignore"] = "abort",
    idempotency_key: str | None = None,
) -> tuple[Written, pa.Table | None]:
    """Make a table of record batches: its columns are theirs, nullable as they say, and nobody sees it without its rows.

    Args:
        call: who asks.
        rows: the rows; none make an empty table.
        table: its path with slashes; the directory must be there.
        if_exists: what to do where there is one: `error`, `append` the rows to it, or `replace` it, which drops its versions.
        primary_key: the names of its key columns; they take no NULL.
        on_error: as of `insert`.
        idempotency_key: as of `insert`.

    Returns:
        As `insert`.
    """
    path = table.strip("/").lower()
    call.require("create_table", path)
    is_there = call.writer.exists(path)
    if is_there and if_exists == "append":
        return insert(call, rows, path, on_error, idempotency_key)
    if is_there and if_exists == "error" and idempotency_key is None:  # with a key this may be the retry of what made it
        raise exists(path)
    target = call.writer.planned(path, rows.schema, primary_key or ())
    # Asked again, the rows of `append` go to a table that is there.
    asked = Asked("insert" if if_exists == "append" else "create", call.principal.key_id, idempotency_key)
    return _written(call, rows, target, on_error, asked, partial(call.writer.create, is_replacing=if_exists == "replace"))


def _written(
    call: Call,
    rows: Rows,
    target: Target,
    on_error: str,
    asked: Asked,
    write: Callable[[Target, Upload, Asked, OnProgress | None], Written],
) -> tuple[Written, pa.Table | None]:
    """Take rows, whole and checked, and write them."""
    with received(call.writer.receive(target, rows.schema, on_error=on_error), rows) as upload:
        asked = replace(asked, digest=upload.digest, on_wait=call.on_wait)
        return write(target, upload, asked, rows.on_progress), upload.rejected


@contextmanager
def received(reception: Reception, rows: Rows) -> Generator[Upload, None, None]:
    """The upload of rows that come, whole and checked, for as long as the block."""
    try:
        for batch in rows.batches:
            reception.add(batch)
        if not rows.is_whole():
            raise error("upload_incomplete", "The rows ended in the middle.", hint="Nothing was written; send them again.")
        with reception.finish() as upload:
            yield upload
    finally:
        reception.abort()
