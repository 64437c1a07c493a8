"""Writes: rows that come, change and go."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from pxt_flight.engine.casting.media import Fetch
from pxt_flight.engine.creation import exists
from pxt_flight.engine.ddl import check_name
from pxt_flight.engine.inference import infer
from pxt_flight.engine.schemas import read_columns
from pxt_flight.engine.target import Target
from pxt_flight.engine.upload import Reception, Upload
from pxt_flight.engine.written import Asked, OnProgress, Written
from pxt_flight.errors import ConflictError, PxtFlightError, error
from pxt_flight.operations.call import Call
from pxt_flight.operations.declarations import Schema
from pxt_flight.operations.references import OfTable, TableRef, path_of
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
        fetch: the files that they name; None for those behind https URLs.
        lacking: the first row, counted from 0, without a column that others have, and that column; None where each has all.
    """

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    is_whole: Callable[[], bool]
    on_progress: OnProgress | None = None
    fetch: Fetch | None = None
    lacking: tuple[int, str] | None = None


@dataclass(frozen=True)
class RowsWritten(Written):
    """What a write of rows did, as JSON tells it.

    Attributes:
        row_ids: of the inserted rows, in the order sent; None where there are none, or more than 1000.
        rejected_rows: the first 1000 of the rows that were left out, with the reason in `pxt_error`.
    """

    row_ids: list[int] | None = None
    rejected_rows: list[dict[str, Any]] = field(default_factory=list)


@public_api(
    category="rows",
    path="/api/v1/tables/{table_path}/rows",
    permission="write",
    raises=ROW_ERRORS,
    response_model=RowsWritten,
    status=201,
)
def insert(
    call: Call, rows: Rows, table_path: OfTable, on_error: Literal["abort", "ignore"] = "abort", idempotency_key: str | None = None
) -> tuple[Written, pa.Table | None]:
    """Insert record batches into a table, as one version, or none of them.

    Args:
        call: who asks.
        rows: the rows.
        table_path: its path.
        on_error: `abort`, or `ignore` to leave out the rows that are at fault, and answer them; computed and media cells that fail are
            NULL then, with their error in `col__errormsg`.
        idempotency_key: a name of the client's for this insert, 1 to 200 printable characters: asked again under it within 24 hours, the
            insert is not done again.

    Returns:
        What was done, and the rows that were left out with the reason in `pxt_error`.
    """
    path = path_of(table_path)
    call.require("Table.insert", path)
    target = call.writer.target(path)
    write = partial(call.writer.insert, ignores_errors=on_error == "ignore")
    return _written(call, rows, target, on_error, Asked("insert", call.principal.key_id, idempotency_key), write)


@public_api(
    category="tables",
    path="/api/v1/tables",
    permission="schema",
    raises=(
        *ROW_ERRORS,
        "PATH_ALREADY_EXISTS",
        "DIRECTORY_NOT_FOUND",
        "INVALID_PATH",
        "INVALID_SCHEMA",
        "INVALID_COLUMN_NAME",
        "INVALID_TYPE",
        "type_unsupported",
    ),
    response_model=RowsWritten,
    status=201,
)
def create_table(
    call: Call,
    rows: Rows | None,
    path: TableRef,
    schema: Schema | None = None,
    if_exists: Literal["error", "ignore", "append", "replace"] = "error",
    primary_key: str | list[str] | None = None,
    on_error: Literal["abort", "ignore"] = "abort",
    comment: str = "",
    idempotency_key: str | None = None,
) -> tuple[Written, pa.Table | None]:
    """Make a table: empty, of declared columns, or of record batches, which nobody sees it without.

    Args:
        call: who asks.
        rows: the rows; without a schema the columns are theirs, nullable as they say.
        path: its path; the directory must be there.
        schema: its columns by name, in order: a type as Pixeltable prints it (`Int`, `String | None`, `Array[(3, None), float32]`), or
            `{"type", "nullable", "comment"}`.
        if_exists: what to do where there is one: `error`; `ignore`, which answers that; `append` the rows to it; or `replace` it, which
            drops its versions.
        primary_key: the name or names of its key columns; they take no NULL.
        on_error: as of `insert`.
        comment: what the table is for.
        idempotency_key: as of `insert`.

    Returns:
        As `insert`.
    """
    path = path_of(path)
    call.require("create_table", path)
    call.engine.run(partial(check_name, path))
    keys = [primary_key] if isinstance(primary_key, str) else primary_key or []
    declared = None if schema is None else read_columns(schema, keys)
    columns = declared.columns if declared else () if rows is None else infer(rows.schema, primary_key=keys)
    if not columns:
        raise error("MISSING_REQUIRED", "A table is made of a schema, of rows, or of both.", where={"argument": "schema"})
    if call.writer.exists(path):
        if if_exists == "append" and rows is not None:
            return insert(call, rows, path, on_error, idempotency_key)
        if if_exists in ("append", "ignore"):
            return _found(call, rows, path), None
        if if_exists == "error" and idempotency_key is None:  # with a key this may be the retry of what made it
            raise exists(path)
    # Asked again, the rows of `append` go to a table that is there.
    is_append = if_exists == "append" and rows is not None
    digest = b"" if is_append or not (declared or comment) else _digest(schema, keys, comment)
    asked = Asked("insert" if is_append else "create", call.principal.key_id, idempotency_key, digest, call.on_wait)
    create = partial(call.writer.create, declared=declared, comment=comment, is_replacing=if_exists == "replace")
    target = call.writer.planned(path, columns, keys)
    try:
        return (create(target, None, asked), None) if rows is None else _written(call, rows, target, on_error, asked, create)
    except ConflictError as fault:
        if fault.code != "PATH_ALREADY_EXISTS" or if_exists != "ignore":
            raise
        return _found(call, None, path), None  # it came meanwhile


def _found(call: Call, rows: Rows | None, path: str) -> Written:
    """What is answered for a table that is there already, and stays as it is."""
    for _ in () if rows is None else rows.batches:
        pass  # a client that is still sending would take an early answer for a failure
    try:
        return Written("create", path, call.writer.target(path).version)
    except PxtFlightError:  # a view, or a directory
        raise exists(path) from None


def _digest(schema: Schema | None, keys: Sequence[str], comment: str) -> bytes:
    columns = {name: said if isinstance(said, str) else asdict(said) for name, said in (schema or {}).items()}
    return hashlib.blake2b(json.dumps([list(columns.items()), list(keys), comment]).encode(), digest_size=32).digest()


def _written(
    call: Call,
    rows: Rows,
    target: Target,
    on_error: str,
    asked: Asked,
    write: Callable[[Target, Upload, Asked, OnProgress | None], Written],
) -> tuple[Written, pa.Table | None]:
    """Take rows, whole and checked, and write them."""
    with received(call.writer.receive(target, rows.schema, on_error=on_error, fetch=rows.fetch), rows) as upload:
        digest = hashlib.blake2b(asked.digest + upload.digest, digest_size=32).digest() if asked.digest else upload.digest
        asked = replace(asked, digest=digest, on_wait=call.on_wait)
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
