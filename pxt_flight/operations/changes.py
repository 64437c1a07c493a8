"""Changes of rows that are there: by a condition, by their names, and back to an earlier version."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pxt_flight.engine import affected
from pxt_flight.engine.mutate import Changes
from pxt_flight.engine.target import ROW_ID, Target
from pxt_flight.engine.written import Asked, WriteKind, Written
from pxt_flight.errors import error
from pxt_flight.operations.call import Call
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.writes import Rows, received
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
_OF_CONDITIONS = (
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


@public_api(permission="write", raises=_OF_CONDITIONS)
def update(
    call: Call,
    table: str,
    set: dict[str, Any] | None = None,  # noqa: A002  # SQL's own word
    where: str | None = None,
    parameters: list[Parameter] | None = None,
    expressions: dict[str, str] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """Change the rows of a table that a condition means, as one version, or none of them.

    Args:
        call: who asks.
        table: its path with slashes.
        set: the columns that get one value, and that value.
        where: the condition, as in a SELECT over the table, subqueries included.
        parameters: the values of `$1`, `$2`, ... in `where` and `expressions`.
        expressions: the columns that get what an expression in SQL gives: `{"score": "score + 1"}`.
        max_affected: change nothing where it would be more rows; default any number.
        dry_run: change nothing, and tell how many rows it would be.
        all_rows: must be true where there is no condition.
        idempotency_key: a name of the client's for this update: asked again under it, it is not done again.

    Returns:
        What was done.
    """
    if not set and not expressions:
        raise error("INVALID_ARGUMENT", "Nothing is to be changed.", hint="Name columns in set or in expressions.")
    wanted = {"set": set or {}, "expressions": expressions or {}}
    return _where(call, "update", table, where, parameters, wanted, max_affected, dry_run, all_rows, idempotency_key)


@public_api(permission="delete", raises=_OF_CONDITIONS)
def delete(
    call: Call,
    table: str,
    where: str | None = None,
    parameters: list[Parameter] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """Delete the rows of a table that a condition means, as one version, or none of them.

    Args:
        call: who asks.
        table: its path with slashes.
        where: the condition, as in a SELECT over the table, subqueries included.
        parameters: the values of `$1`, `$2`, ... in it.
        max_affected: delete nothing where it would be more rows; default any number.
        dry_run: delete nothing, and tell how many rows it would be.
        all_rows: must be true where there is no condition.
        idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.

    Returns:
        What was done.
    """
    return _where(call, "delete", table, where, parameters, {}, max_affected, dry_run, all_rows, idempotency_key)


@public_api(permission="write", raises=_OF_ROWS)
def update_rows(
    call: Call, rows: Rows, table: str, if_missing: str = "error", max_affected: int | None = None, idempotency_key: str | None = None
) -> tuple[Written, pa.Table | None]:
    """Change rows of a table that are named one by one, as one version, or none of them.

    Args:
        call: who asks.
        rows: the new values, and the primary key or `_rowid` beside them.
        table: its path with slashes.
        if_missing: what becomes of rows that the table does not have: `error`, `ignore` or `insert`; the last makes a version of its own.
        max_affected: change nothing where it would be more rows; default any number.
        idempotency_key: a name of the client's for this update: asked again under it, it is not done again.

    Returns:
        What was done, and nothing.
    """
    kind: WriteKind = "upsert" if if_missing == "insert" else "update"
    return _named(call, kind, rows, table, if_missing, max_affected, idempotency_key)


@public_api(permission="delete", raises=_OF_ROWS)
def delete_rows(
    call: Call, rows: Rows, table: str, if_missing: str = "error", max_affected: int | None = None, idempotency_key: str | None = None
) -> tuple[Written, pa.Table | None]:
    """Delete rows of a table that are named one by one, as one version, or none of them.

    Args:
        call: who asks.
        rows: the primary key or `_rowid` of each.
        table: its path with slashes.
        if_missing: what becomes of rows that the table does not have: `error` or `ignore`.
        max_affected: delete nothing where it would be more rows; default any number.
        idempotency_key: a name of the client's for this delete: asked again under it, it is not done again.

    Returns:
        What was done, and nothing.
    """
    return _named(call, "delete", rows, table, if_missing, max_affected, idempotency_key)


@public_api(permission="delete", raises=("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "idempotency_key_reused", "table_busy"))
def revert(call: Call, table: str, version: int | None = None, idempotency_key: str | None = None) -> dict[str, Any]:
    """Take back the last change of a table, or all after a version; what is taken back is gone.

    Args:
        call: who asks.
        table: its path with slashes.
        version: the one to go back to; default the one before the last.
        idempotency_key: a name of the client's for this: asked again under it, it is not done again.

    Returns:
        What was done.
    """
    path = _path(table)
    call.require("revert", path)
    asked = _asked(call, "revert", idempotency_key, {"table": path, "version": version})
    return call.writer.revert(call.writer.target(path), version, asked).to_json()


def _where(
    call: Call,
    kind: WriteKind,
    table: str,
    where: str | None,
    parameters: list[Parameter] | None,
    wanted: Mapping[str, Mapping[str, Any]],
    max_affected: int | None,
    dry_run: bool,
    all_rows: bool,
    idempotency_key: str | None,
) -> dict[str, Any]:
    path = _path(table)
    call.require(kind, path)
    if (where is None or not where.strip()) and not all_rows:
        raise error(
            "predicate_required", f"There is no condition: all rows of {path} would be affected.", hint="Pass all_rows=True for all rows."
        )
    if where is not None and all_rows:
        raise error("INVALID_ARGUMENT", "A condition and all_rows exclude each other.", where={"argument": "all_rows"})
    target = call.writer.target(path)
    named = affected.affected(
        target, where, values=wanted.get("set"), expressions=wanted.get("expressions"), parameters=tuple(parameters or ())
    )
    for read in call.engine.tables_of(named.request):
        call.require("query", read)
    body = {"table": path, "where": where, "parameters": parameters, **wanted, "max_affected": max_affected, "all_rows": all_rows}
    asked = _asked(call, kind, idempotency_key, body)
    return call.writer.change_where(target, named, asked, limit=max_affected, dry_run=dry_run).to_json()


def _named(
    call: Call, kind: WriteKind, rows: Rows, table: str, if_missing: str, max_affected: int | None, idempotency_key: str | None
) -> tuple[Written, pa.Table | None]:
    path = _path(table)
    call.require("delete_rows" if kind == "delete" else "update_rows", path)
    if if_missing not in ("error", "ignore", *(() if kind == "delete" else ("insert",))):
        raise error("INVALID_ARGUMENT", f"if_missing is none of what {kind} knows.", where={"argument": "if_missing"})
    target = call.writer.target(path)
    keys = _keys(target, rows.schema, kind, if_missing)
    with received(call.writer.receive_changes(target, rows.schema, keys), rows) as upload:
        body = {"table": path, "if_missing": if_missing, "max_affected": max_affected}
        asked = _asked(call, kind, idempotency_key, body, upload.digest)
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


def _asked(call: Call, kind: WriteKind, idempotency_key: str | None, body: Mapping[str, Any], rows: bytes = b"") -> Asked:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=repr).encode()
    digest = hashlib.blake2b(canonical + b"\0" + rows, digest_size=32).digest()
    return Asked(kind, call.principal.key_id, idempotency_key, digest, call.on_wait)


def _path(table: str) -> str:
    return table.strip("/").lower()
