"""One row of a table, by its row id or its primary key: read, replaced, changed and deleted."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from pxt_flight.engine import affected
from pxt_flight.engine import row as rows
from pxt_flight.engine.digest import Digest
from pxt_flight.engine.mutate import Changes
from pxt_flight.engine.row import RowName, RowTable
from pxt_flight.engine.scan import Pin, Request
from pxt_flight.engine.sources import ROW_ID, ROW_VERSION
from pxt_flight.engine.target import Target
from pxt_flight.engine.written import WriteKind, Written
from pxt_flight.errors import NotFoundError, PxtFlightError, StaleTicketError, error
from pxt_flight.operations.call import Call
from pxt_flight.operations.changes import asked_for
from pxt_flight.operations.json_rows import json_rows
from pxt_flight.operations.references import OfTable
from pxt_flight.operations.writes import Rows, received
from pxt_flight.public_api import public_api

_PATH = "/api/v1/tables/{table_path}/rows/{row_id}"
_NAMING = ("TABLE_NOT_FOUND", "ROW_NOT_FOUND", "row_id_unsupported", "INVALID_ARGUMENT", "TYPE_MISMATCH")
_READING = (*_NAMING, "UNSUPPORTED_OPERATION", "type_unsupported", "media_unreadable", "ticket_stale", "timeout")
_WRITING = (
    *_NAMING,
    "UNSUPPORTED_OPERATION",
    "CONSTRAINT_VIOLATION",
    "precondition_failed",
    "idempotency_key_reused",
    "table_busy",
    "disk_full",
)
_OF_VALUES = ("COLUMN_NOT_FOUND", "MISSING_REQUIRED", "media_unreadable")
_READINGS = 5  # of a row whose table is written meanwhile
RowId = Annotated[str | None, Field(description="The row id: `7`, of a view that makes several rows of one `7.3`.", examples=["7"])]
Key = Annotated[
    dict[str, Any] | None,
    Field(description="In place of the row id, a value for each column of the primary key.", examples=[{"id": 7}]),
]


@dataclass(frozen=True)
class FoundRow:
    """A row.

    Attributes:
        row: its values by column, in the forms of rows in JSON; null where it is one that the client has (`if_none_match`).
        row_id: its row id, `7` or `7.3`; null where the table has none.
        etag: names its version: another as soon as somebody writes the row.
    """

    row: dict[str, Any] | None
    row_id: str | None
    etag: str


@dataclass(frozen=True)
class RowWritten(Written):
    """What a write of one row did.

    Attributes:
        etag: names the row's new version; null where that is not known: of a row named by its key without `if_match`, of a table
            without versions, and of a write that had been done before.
    """

    etag: str | None = None


@public_api(category="rows", http_method="GET", path=_PATH, permission="read", raises=_READING)
def get_row(
    call: Call, table_path: OfTable, row_id: RowId = None, key: Key = None, media: str = "url", if_none_match: str | None = None
) -> FoundRow:
    """Read one row, by its row id or by its primary key.

    Over HTTP the key stands in the query, too: `GET /api/v1/tables/films/rows?key.id=7`. Columns that Pixeltable computes while they are
    read are left out.

    Args:
        call: who asks.
        table_path: the table, view or snapshot.
        row_id: of the row.
        key: in place of it, its primary key.
        media: how media values are sent: `url`, `thumbnail:N` or `bytes` (in base64).
        if_none_match: ETags, with commas between them, or `*`: of a row that is one of these only its ETag is answered; over HTTP the
            header of that name, and 304.

    Returns:
        The row, and its ETag, which over HTTP stands in the header too.
    """
    call.require("Table.get_row", table_path.partition(":")[0])
    table = call.engine.run(lambda: rows.describe(table_path))
    found = _read(call, table, _name(table, row_id, key), media)
    if if_none_match is not None and _matches(if_none_match.replace("W/", ""), found.etag):  # RFC 9110: compared weakly
        return FoundRow(None, found.row_id, found.etag)
    return found


@public_api(category="rows", http_method="PUT", path=_PATH, permission="write", raises=(*_WRITING, *_OF_VALUES))
def replace_row(
    call: Call,
    table_path: OfTable,
    row: dict[str, Any],
    row_id: RowId = None,
    key: Key = None,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> RowWritten:
    """Replace one row, by its row id or by its primary key: what is not given becomes NULL.

    Over HTTP the key stands in the query, too: `PUT /api/v1/tables/films/rows?key.id=7`.

    Args:
        call: who asks.
        table_path: the table.
        row: a value for each column that may not be NULL, and for others; computed columns make their own. Of the primary key only what
            it is already.
        row_id: of the row.
        key: in place of it, its primary key.
        if_match: ETags, with commas between them, or `*`: only a row that is one of these is replaced; over HTTP the header of that name.
        idempotency_key: a name of the client's for this write: asked again under it, it is not done again.

    Returns:
        What was done, and the new ETag, which over HTTP stands in the header too.
    """
    call.require("Table.replace_row", table_path)
    target = call.writer.target(table_path)
    given = {name.lower(): value for name, value in row.items()}
    if len(given) < len(row):
        raise error("INVALID_ARGUMENT", "A column is there twice.", hint="Pixeltable folds names to lower case.")
    same = {name: given.pop(name) for name in target.primary_key if name in given}
    return _written(call, "update", target, row_id, key, _all_values(target, given), if_match, idempotency_key, same)


@public_api(category="rows", http_method="PATCH", path=_PATH, permission="write", raises=(*_WRITING, *_OF_VALUES))
def update_row(
    call: Call,
    table_path: OfTable,
    set: dict[str, Any],  # noqa: A002  # SQL's own word
    row_id: RowId = None,
    key: Key = None,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> RowWritten:
    """Change some columns of one row, by its row id or by its primary key.

    Over HTTP the key stands in the query, too: `PATCH /api/v1/tables/films/rows?key.id=7`.

    Args:
        call: who asks.
        table_path: the table.
        set: the columns that change, and their new values.
        row_id: of the row.
        key: in place of it, its primary key.
        if_match: ETags, with commas between them, or `*`: only a row that is one of these is changed; over HTTP the header of that name.
        idempotency_key: a name of the client's for this write: asked again under it, it is not done again.

    Returns:
        What was done, and the new ETag, which over HTTP stands in the header too.
    """
    call.require("Table.update_row", table_path)
    if not set:
        raise error("INVALID_ARGUMENT", "Nothing is to be changed.", hint="Name columns in set.", where={"argument": "set"})
    target = call.writer.target(table_path)
    return _written(call, "update", target, row_id, key, set, if_match, idempotency_key, {})


@public_api(category="rows", http_method="DELETE", path=_PATH, permission="delete", raises=_WRITING, status=204)
def delete_row(
    call: Call,
    table_path: OfTable,
    row_id: RowId = None,
    key: Key = None,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> RowWritten:
    """Delete one row, by its row id or by its primary key. Earlier versions of the table still have it.

    Over HTTP the key stands in the query, too: `DELETE /api/v1/tables/films/rows?key.id=7`; the answer has no body.

    Args:
        call: who asks.
        table_path: the table.
        row_id: of the row.
        key: in place of it, its primary key.
        if_match: ETags, with commas between them, or `*`: only a row that is one of these is deleted; over HTTP the header of that name.
        idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.

    Returns:
        What was done.
    """
    call.require("Table.delete_row", table_path)
    return _written(call, "delete", call.writer.target(table_path), row_id, key, {}, if_match, idempotency_key, {})


def _name(table: RowTable, row_id: str | None, key: Mapping[str, Any] | None) -> RowName:
    if (row_id is None) == (key is None):
        raise error("INVALID_ARGUMENT", "Name the row by one of row_id and key.", where={"argument": "row_id"})
    return rows.by_id(table, row_id) if row_id is not None else rows.by_key(table, key or {})


def _read(call: Call, table: RowTable, name: RowName, media: str) -> FoundRow:
    """A row; of a view as of what is known of the tables that it shows."""
    for _ in range(_READINGS):
        try:
            batch, pin = _batch(call, table, rows.request(table, name, media), is_pinned=table.is_versioned and table.table_id is None)
            return _found(call, table, name, batch, pin)
        except StaleTicketError:
            continue
    raise error("ticket_stale", "The table is written faster than the row can be read.", hint="Read it again.")


def _batch(call: Call, table: RowTable, request: Request, *, is_pinned: bool) -> tuple[pa.RecordBatch, Pin | None]:
    """The one row that a request reads, and of which version of the table where that is asked for."""
    try:
        pins = call.engine.plan(request).pins if is_pinned else None
        with closing(call.engine.stream(request, pins, on_open=call.on_wait, url_of=call.links.url_of(call.principal))) as stream:
            found = pa.Table.from_batches(stream.batches, stream.schema)
    except PxtFlightError as fault:
        if ROW_ID in request.sql and fault.code in ("TYPE_MISMATCH", "INVALID_ARGUMENT") and "." in str(request.parameters[0]):
            raise rows.missing(table.path) from None  # `7.3` of a table whose row ids are numbers
        raise
    if not found.num_rows:
        raise rows.missing(table.path)
    return found.combine_chunks().to_batches()[0], None if pins is None else pins[0]


def _found(call: Call, table: RowTable, name: RowName, batch: pa.RecordBatch, pin: Pin | None) -> FoundRow:
    """The row of a batch, with its ETag: that of its version, of all that a view shows, or of its values."""
    values = json.loads(json_rows(batch.drop_columns([column for column in (ROW_ID, ROW_VERSION) if column in batch.schema.names])))
    if not table.is_versioned:
        stored, _ = _batch(call, table, rows.request(table, name, "bytes"), is_pinned=False)
        return FoundRow(values, None, _digest(stored))
    row_id = batch.column(ROW_ID)[0].as_py()
    if table.table_id is not None:
        version = batch.column(ROW_VERSION)[0].as_py()
        return FoundRow(values, str(row_id), rows.version_tag(call.engine.store, table.table_id, row_id, version))
    assert pin is not None
    return FoundRow(values, str(row_id), f'"{row_id}.{pin.stamp}"')


def _digest(batch: pa.RecordBatch) -> str:
    """The ETag of a row that has no version: of its values."""
    texts = pa.RecordBatch.from_pydict({"row": pa.array([json_rows(batch).decode()], pa.utf8())})
    digest = Digest(texts.schema)
    digest.update(texts)
    return f'"{digest.digest().hex()[:32]}"'


def _matches(tags: str, etag: str) -> bool:
    return "*" in (found := [tag.strip() for tag in tags.split(",")]) or etag in found


def _all_values(table: Target, given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each column that a client may write, NULL where none is given."""
    columns = [column for column in table.columns if not (column.is_computed or column.is_deletion or column.name in table.primary_key)]
    lacking = next((column.name for column in columns if column.name not in given and not column.kind.nullable), None)
    if lacking is not None:
        raise error(
            "MISSING_REQUIRED",
            f"Column {lacking} is required, and the row has none.",
            hint="PATCH changes some columns of a row.",
            where={"table": table.path, "column": lacking},
        )
    return {column.name: None for column in columns} | dict(given)


def _written(
    call: Call,
    kind: WriteKind,
    target: Target,
    row_id: str | None,
    key: Mapping[str, Any] | None,
    values: Mapping[str, Any],
    if_match: str | None,
    idempotency_key: str | None,
    same: Mapping[str, Any],
) -> RowWritten:
    """Change or delete a row.

    Args:
        call: who asks.
        kind: of write.
        target: the table.
        row_id, key: name the row.
        values: that it gets.
        if_match: see `replace_row`.
        idempotency_key: see `replace_row`.
        same: of its primary key, what the caller believes it to be.
    """
    table_id = target.table_id if target.is_versioned else None
    kinds = {column.name: column.kind for column in target.columns}
    table = RowTable(target.path, kinds, target.primary_key, target.is_versioned, table_id)
    name = _name(table, row_id, key)
    if isinstance(name.values.get(ROW_ID), str):
        raise rows.missing(target.path)
    affected.check_columns(target, list(values))
    constants = affected.constants(target, values) if values else None
    body = {"table": target.path, "row_id": row_id, "key": key, "values": values, "if_match": if_match, "same": same}
    asked = asked_for(call, kind, idempotency_key, body)
    check = _Check(call, table, name, if_match, same)
    batch = name.batch(table)
    with received(
        call.writer.receive_changes(target, batch.schema, tuple(name.values)), Rows(batch.schema, [batch], lambda: True)
    ) as upload:
        changes = Changes(upload, tuple(name.values), constants, if_missing="error")
        try:
            written = call.writer.change_row(target, changes, asked, check.pin if check.is_needed else None)
        except NotFoundError as fault:
            raise (rows.missing(target.path) if fault.code == "ROW_NOT_FOUND" else fault) from None
    known = name.values.get(ROW_ID, check.row_id)
    is_told = kind == "update" and target.is_versioned and known is not None and not written.repeated
    etag = rows.version_tag(call.engine.store, target.table_id, known, written.version) if is_told else None
    return RowWritten(**asdict(written), etag=etag)


class _Check:
    """Whether a row is what its writer believes it to be.

    Args:
        call: who asks.
        table: the table.
        name: of the row.
        if_match: the ETags that it may have; None for any.
        same: values of its primary key.
    """

    row_id: str | None = None

    def __init__(self, call: Call, table: RowTable, name: RowName, if_match: str | None, same: Mapping[str, Any]) -> None:
        self._call = call
        self._table = table
        self._name = name
        self._if_match = if_match
        self._same = {column: rows.key_value(table, column, value) for column, value in same.items()}
        self._check_key(name.values)
        self.is_needed = if_match is not None or not self._same.keys() <= name.values.keys()

    def pin(self) -> Pin:
        """What of the table was read to know it.

        Raises:
            NotFoundError: `ROW_NOT_FOUND`.
            ConflictError: `precondition_failed`.
            InvalidRequestError: `UNSUPPORTED_OPERATION`, the row has another key.
        """
        columns = list(self._table.primary_key) if self._table.is_versioned else None
        batch, pin = _batch(self._call, self._table, rows.request(self._table, self._name, "bytes", columns), is_pinned=True)
        assert pin is not None
        found = _found(self._call, self._table, self._name, batch, pin)
        self.row_id = found.row_id
        self._check_key({column: batch.column(column)[0].as_py() for column in self._same})
        if self._if_match is not None and not _matches(self._if_match, found.etag):
            hint = "Read it again, and decide anew."
            raise error("precondition_failed", "The row is another version by now.", hint=hint, where={"table": self._table.path})
        return pin

    def _check_key(self, values: Mapping[str, Any]) -> None:
        """Compare values of the row with those that its writer believes it to have."""
        if any(values[column] != value for column, value in self._same.items() if column in values):
            raise error(
                "UNSUPPORTED_OPERATION",
                "The primary key of a row does not change.",
                hint="Delete the row, and insert it anew.",
                where={"table": self._table.path},
            )
