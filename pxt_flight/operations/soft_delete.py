"""Soft delete: rows that are hidden, and can be restored."""

from dataclasses import dataclass

from pxt_flight.engine import affected, deletion
from pxt_flight.engine.target import ROW_ID, Target
from pxt_flight.engine.written import Written
from pxt_flight.errors import error
from pxt_flight.operations.call import Call
from pxt_flight.operations.changes import OF_CONDITIONS, asked_for, change_where
from pxt_flight.operations.conditions import Where
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.references import OfTable, path_of
from pxt_flight.public_api import public_api

_PATH = "/api/v1/tables/{table_path}/soft-delete"
_ATTEMPTS = 5  # rows may be deleted softly between two of them
_MAX_ROW_IDS = 10_000


@dataclass(frozen=True)
class SoftDelete:
    """Whether rows of a table may be deleted softly.

    Attributes:
        table: its path.
        enabled: whether they may.
        column: the name of the column that says when a row was deleted; None where there is none.
        purged: how many rows were deleted for good.
    """

    table: str
    enabled: bool
    column: str | None
    purged: int = 0


@public_api(
    category="rows", path=_PATH, permission="schema", raises=("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "INVALID_STATE", "table_busy")
)
def enable_soft_delete(call: Call, table_path: OfTable) -> SoftDelete:
    """Let rows of a table be deleted softly: it gets a column `deleted_at`, which ordinary reads do not show. Asked again, nothing happens.

    Args:
        call: who asks.
        table_path: its path.

    Returns:
        The table as it is now.
    """
    path = path_of(table_path)
    call.require("Table.enable_soft_delete", path)
    call.writer.target(path)  # a table, and no view
    call.writer.define(lambda: deletion.enable(path), path, call.on_wait)
    column = call.writer.target(path).deletion
    return SoftDelete(path, enabled=column is not None, column=None if column is None else column.name)


@public_api(
    category="rows",
    http_method="DELETE",
    path=_PATH,
    permission="schema",
    raises=("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "INVALID_STATE", "permission_denied", "table_busy"),
)
def disable_soft_delete(call: Call, table_path: OfTable, purge: bool = False) -> SoftDelete:
    """Let no more rows of a table be deleted softly: its column goes. Refused while rows are hidden, for they would be shown again.

    Args:
        call: who asks.
        table_path: its path.
        purge: delete these rows for good, as `Table.delete` does, which takes its permission.

    Returns:
        The table as it is now, and how many rows were deleted for good.
    """
    path = path_of(table_path)
    call.require("Table.disable_soft_delete", path)
    if purge:
        call.require("Table.delete", path)
    purged = 0
    for _ in range(_ATTEMPTS):
        target = call.writer.target(path)
        if call.writer.define(lambda: deletion.disable(path), path, call.on_wait):
            return SoftDelete(path, enabled=False, column=None, purged=purged)
        if not purge:
            raise error(
                "INVALID_STATE", f"Rows of {path} are deleted softly.", hint="Restore them, or pass purge=true to delete them for good."
            )
        purged += _purge(call, target)
    raise error("table_busy", "Others go on deleting rows softly.", hint="Try again.")


@public_api(category="rows", path="/api/v1/tables/{table_path}/restore", permission="delete", raises=(*OF_CONDITIONS, "INVALID_STATE"))
def restore(
    call: Call,
    table_path: OfTable,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    row_ids: list[int] | None = None,
    max_affected: int | None = None,
    dry_run: bool = False,
    all_rows: bool = False,
    idempotency_key: str | None = None,
) -> Written:
    """Show rows of a table again that were deleted softly, as one version, or none of them. Rows that are not deleted stay as they are.

    Args:
        call: who asks.
        table_path: its path.
        where: the condition, as in a SELECT with `include_deleted`, so it may ask for `deleted_at`; or a filter in JSON.
        parameters: the values of `$1`, `$2`, ... in it.
        row_ids: the row ids instead of a condition, at most 10,000.
        max_affected: restore nothing where it would be more rows; default any number.
        dry_run: restore nothing, and tell how many rows it would be.
        all_rows: must be true where there is neither.
        idempotency_key: a name of the client's for this: asked again under it, it is not done again.

    Returns:
        What was done: `updated` rows are shown again.
    """
    if row_ids is not None:
        if where is not None or parameters or all_rows:
            raise error("INVALID_ARGUMENT", "Row ids stand alone: no condition beside them.", where={"argument": "row_ids"})
        if not 1 <= len(row_ids) <= _MAX_ROW_IDS or not all(0 <= number < 1 << 63 for number in row_ids):
            raise error("INVALID_ARGUMENT", f"row_ids are 1 to {_MAX_ROW_IDS} whole numbers from 0.", where={"argument": "row_ids"})
        where = f"{ROW_ID} IN ({', '.join(map(str, row_ids))})"
    asked = {"max_affected": max_affected, "dry_run": dry_run, "all_rows": all_rows, "idempotency_key": idempotency_key}
    return change_where(call, "restore", table_path, where, parameters, include_deleted=True, **asked)  # type: ignore[arg-type]  # as declared


def _purge(call: Call, target: Target) -> int:
    """Delete for good the rows that are deleted softly; answers how many there were."""
    if target.deletion is None:
        return 0
    wanted = affected.deleted_softly(target, affected.affected(target, None, include_deleted=True))
    return call.writer.change_where(target, wanted, asked_for(call, "delete", None, {"table": target.path})).deleted
