"""Changes of rows that are there: by a condition, by their names, and back to an earlier version."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pxt_flight.engine import affected
from pxt_flight.engine.affected import Affected
from pxt_flight.engine.mutate import Changes
from pxt_flight.engine.target import ROW_ID, Target
from pxt_flight.engine.written import Asked, WriteKind, Written
from pxt_flight.errors import error
from pxt_flight.operations.call import Call
from pxt_flight.operations.conditions import Where, condition
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.references import OfTable, path_of
from pxt_flight.operations.writes import Rows, RowsWritten, received
from pxt_flight.public_api import public_api

_SHARED = (
    "TABLE_NOT_FOUND",
    "COLUMN_NOT_FOUND",
    "INVALID_ARGUMENT",
    "UNSUPPORTED_OPERATION",
    "CONSTRAINT_VIOLATION",
    "row_id_unsupported",
    "too_many_affected",
    "idempotency_key_reused",
    "table_busy",
    "disk_full",
)
OF_CONDITIONS = (
    *_SHARED,
    "predicate_required",
    "sql_syntax",
    "sql_not_allowed",
    "sql_unsupported",
    "INVALID_EXPRESSION",
    "TYPE_MISMATCH",
    "timeout",
)
_OF_ROWS = (*_SHARED, "ROW_NOT_FOUND", "MISSING_REQUIRED", "TYPE_MISMATCH", "upload_incomplete", "upload_too_large")


@public_api(category="rows", http_method="PATCH", path="/api/v1/tables/{table_path}/rows", permission="write", raises=OF_CONDITIONS)
def update(
    call: Call,
    table_path: OfTable,
    set: dict[str, Any] | None = None,  # noqa: A002  # SQL's own word
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    expressions: dict[str, str] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
    include_deleted: bool = False,
) -> Written:
    """Change the rows of a table that a condition means, as one version, or none of them.

    Args:
        call: who asks.
        table_path: its path.
        set: the columns that get one value, and that value.
        where: the condition, as in a SELECT over the table, subqueries included, or a filter in JSON.
        parameters: the values of `$1`, `$2`, ... in `where` and `expressions`.
        expressions: the columns that get what an expression in SQL gives: `{"score": "score + 1"}`.
        max_affected: change nothing where it would be more rows; default any number.
        dry_run: change nothing, and tell how many rows it would be.
        all_rows: must be true where there is no condition.
        idempotency_key: a name of the client's for this update: asked again under it, it is not done again.
        include_deleted: change rows that are deleted softly, too; they stay deleted.

    Returns:
        What was done.
    """
    if not set and not expressions:
        raise error("INVALID_ARGUMENT", "Nothing is to be changed.", hint="Name columns in set or in expressions.")
    wanted = {"set": set or {}, "expressions": expressions or {}}
    return change_where(
        call,
        "update",
        table_path,
        where,
        parameters,
        wanted=wanted,
        max_affected=max_affected,
        dry_run=dry_run,
        all_rows=all_rows,
        idempotency_key=idempotency_key,
        include_deleted=include_deleted,
    )


@public_api(
    category="rows",
    http_method="DELETE",
    path="/api/v1/tables/{table_path}/rows",
    permission="delete",
    raises=(*OF_CONDITIONS, "INVALID_STATE"),
)
def delete(
    call: Call,
    table_path: OfTable,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
    soft: bool = False,
    include_deleted: bool = False,
) -> Written:
    """Delete the rows of a table that a condition means, as one version, or none of them.

    Args:
        call: who asks.
        table_path: its path.
        where: the condition, as in a SELECT over the table, subqueries included, or a filter in JSON.
        parameters: the values of `$1`, `$2`, ... in it.
        max_affected: delete nothing where it would be more rows; default any number.
        dry_run: delete nothing, and tell how many rows it would be.
        all_rows: must be true where there is no condition.
        idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.
        soft: hide the rows, so that `Table.restore` brings them back; the table must be enabled for it.
        include_deleted: delete rows for good that are deleted softly, too.

    Returns:
        What was done.
    """
    if soft and include_deleted:
        raise error("INVALID_ARGUMENT", "Rows that are deleted softly cannot be once more.", where={"argument": "include_deleted"})
    return change_where(
        call,
        "soft_delete" if soft else "delete",
        table_path,
        where,
        parameters,
        max_affected=max_affected,
        dry_run=dry_run,
        all_rows=all_rows,
        idempotency_key=idempotency_key,
        include_deleted=include_deleted,
    )


@public_api(category="rows", permission="write", raises=_OF_ROWS, response_model=RowsWritten)
def update_rows(
    call: Call,
    rows: Rows,
    table_path: OfTable,
    if_missing: str = "error",
    max_affected: int | None = None,
    idempotency_key: str | None = None,
) -> tuple[Written, pa.Table | None]:
    """Change rows of a table that are named one by one, as one version, or none of them.

    Args:
        call: who asks.
        rows: the new values, and the primary key or `_rowid` beside them.
        table_path: its path.
        if_missing: what becomes of rows that the table does not have: `error`, `ignore` or `insert`; the last makes a version of its own.
        max_affected: change nothing where it would be more rows; default any number.
        idempotency_key: a name of the client's for this update: asked again under it, it is not done again.

    Returns:
        What was done, and nothing.
    """
    kind: WriteKind = "upsert" if if_missing == "insert" else "update"
    return _named(call, kind, rows, table_path, if_missing, max_affected, idempotency_key)


@public_api(category="rows", permission="delete", raises=_OF_ROWS, response_model=RowsWritten)
def delete_rows(
    call: Call,
    rows: Rows,
    table_path: OfTable,
    if_missing: str = "error",
    max_affected: int | None = None,
    idempotency_key: str | None = None,
) -> tuple[Written, pa.Table | None]:
    """Delete rows of a table that are named one by one, as one version, or none of them.

    Args:
        call: who asks.
        rows: the primary key or `_rowid` of each.
        table_path: its path.
        if_missing: what becomes of rows that the table does not have: `error` or `ignore`.
        max_affected: delete nothing where it would be more rows; default any number.
        idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.

    Returns:
        What was done, and nothing.
    """
    return _named(call, "delete", rows, table_path, if_missing, max_affected, idempotency_key)


@public_api(
    category="versions",
    path="/api/v1/tables/{table_path}/revert",
    permission="delete",
    raises=("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "idempotency_key_reused", "table_busy"),
)
def revert(call: Call, table_path: OfTable, version: int | None = None, idempotency_key: str | None = None) -> Written:
    """Take back the last change of a table, or all after a version; what is taken back is gone.

    Args:
        call: who asks.
        table_path: its path.
        version: the one to go back to; default the one before the last.
        idempotency_key: a name of the client's for this: asked again under it, it is not done again.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.revert", path)
    asked = asked_for(call, "revert", idempotency_key, {"table": path, "version": version})
    return call.writer.revert(call.writer.target(path), version, asked)


def change_where(
    call: Call,
    kind: WriteKind,
    table: str,
    where: Where | None,
    parameters: list[Parameter] | None,
    *,
    wanted: Mapping[str, Mapping[str, Any]] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
    include_deleted: bool = False,
) -> Written:
    """Change, delete or restore the rows that a condition means; arguments as of `update` and `delete`."""
    path = path_of(table)
    call.require("Table.delete" if kind == "soft_delete" else f"Table.{kind}", path)
    where = condition(where)
    if (where is None or not where.strip()) and not all_rows:
        raise error(
            "predicate_required", f"There is no condition: all rows of {path} would be affected.", hint="Pass all_rows=True for all rows."
        )
    if where is not None and all_rows:
        raise error("INVALID_ARGUMENT", "A condition and all_rows exclude each other.", where={"argument": "all_rows"})
    target = call.writer.target(path)
    named = _affected(target, kind, where, parameters, wanted or {}, include_deleted)
    for read in call.engine.tables_of(named.request):
        call.require("query", read)
    body = {"table": path, "where": where, "parameters": parameters, **(wanted or {}), "max_affected": max_affected, "all_rows": all_rows}
    asked = asked_for(call, kind, idempotency_key, body | ({"include_deleted": True} if include_deleted else {}))
    return call.writer.change_where(target, named, asked, limit=max_affected, dry_run=dry_run)


def _affected(
    table: Target, kind: WriteKind, where: str | None, parameters: list[Parameter] | None, wanted: Mapping[str, Any], include_deleted: bool
) -> Affected:
    """The rows that a condition means."""
    if kind in ("soft_delete", "restore") and table.deletion is None:
        raise error(
            "INVALID_STATE",
            f"Rows of {table.path} cannot be deleted softly.",
            hint="Enable it first: Table.enable_soft_delete, POST /api/v1/tables/.../soft-delete.",
            where={"table": table.path},
        )
    found = affected.affected(
        table,
        where,
        values=wanted.get("set"),
        expressions=wanted.get("expressions"),
        parameters=tuple(parameters or ()),
        include_deleted=include_deleted,
    )
    return affected.deleted_softly(table, found) if kind == "restore" else found


def _named(
    call: Call, kind: WriteKind, rows: Rows, table: str, if_missing: str, max_affected: int | None, idempotency_key: str | None
) -> tuple[Written, pa.Table | None]:
    path = path_of(table)
    call.require("Table.delete_rows" if kind == "delete" else "Table.update_rows", path)
    if if_missing not in ("error", "ignore", *(() if kind == "delete" else ("insert",))):
        raise error("INVALID_ARGUMENT", f"if_missing is none of what {kind} knows.", where={"argument": "if_missing"})
    target = call.writer.target(path)
    keys = _keys(target, rows.schema, kind, if_missing)
    if rows.lacking is not None:  # NULL, or left as it is?
        place = {"table": path, "column": rows.lacking[1], "rows": [rows.lacking[0]]}
        said = f"Row {rows.lacking[0]}, counted from 0, lacks column {rows.lacking[1]}, which others have."
        raise error("INVALID_ARGUMENT", said, hint="Send null to set it to NULL, or send such rows by themselves.", where=place)
    with received(call.writer.receive_changes(target, rows.schema, keys, fetch=rows.fetch), rows) as upload:
        body = {"table": path, "if_missing": if_missing, "max_affected": max_affected}
        asked = asked_for(call, kind, idempotency_key, body, upload.digest)
        changes = Changes(upload, keys, limit=max_affected, if_missing=if_missing)
        return call.writer.change(target, changes, asked), None


def _keys(table: Target, schema: pa.Schema, kind: WriteKind, if_missing: str) -> tuple[str, ...]:
    """By which columns rows are named; the others are checked to be such as may change.

    Raises:
        PxtFlightError: none are, or the others may not.
    """
    names = [name.lower() for name in schema.names]
    where = {"table": table.path}
    if ROW_ID in names:
        if not table.is_versioned:
            raise error("row_id_unsupported", f"{table.path} has no row ids.", hint="Name rows by the primary key.", where=where)
        if if_missing == "insert":
            raise error("INVALID_ARGUMENT", "A row that is not there has no row id.", hint="Name rows by the primary key.", where=where)
        keys: tuple[str, ...] = (ROW_ID,)
    elif table.primary_key and set(table.primary_key) <= set(names):
        keys = table.primary_key
    else:
        said = ", ".join(table.primary_key) if table.primary_key else ROW_ID
        raise error("INVALID_ARGUMENT", f"The rows are not named: send {said}.", where=where)
    others = [name for name in schema.names if name.lower() not in keys]
    if others and kind == "delete":
        raise error("INVALID_ARGUMENT", f"Rows that go have no values: leave {others[0]} out.", where=where | {"column": others[0]})
    affected.check_columns(table, others)
    return keys


def asked_for(call: Call, kind: WriteKind, idempotency_key: str | None, body: Mapping[str, Any], rows: bytes = b"") -> Asked:
    """Who asks for a write, and what tells it from another.

    Args:
        call: who asks.
        kind: of write.
        idempotency_key: the client's name for it.
        body: its arguments.
        rows: a digest of its rows.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=repr).encode()
    digest = hashlib.blake2b(canonical + b"\0" + rows, digest_size=32).digest()
    return Asked(kind, call.principal.key_id, idempotency_key, digest, call.on_wait)
