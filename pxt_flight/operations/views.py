"""Views, which follow their table, and snapshots, which stay as they are."""

from functools import partial

from pxt_flight.engine import ddl
from pxt_flight.engine.views import IfViewExists, Kind, create
from pxt_flight.operations.call import Call
from pxt_flight.operations.references import TableRef, path_of
from pxt_flight.operations.tables import SchemaChange, changed
from pxt_flight.public_api import public_api

_ERRORS = (
    "TABLE_NOT_FOUND",
    "DIRECTORY_NOT_FOUND",
    "PATH_ALREADY_EXISTS",
    "CONSTRAINT_VIOLATION",
    "INVALID_PATH",
    "UNSUPPORTED_OPERATION",
    "table_busy",
)


@public_api(
    category="views",
    path="/api/v1/views",
    permission="schema",
    raises=(
        *_ERRORS,
        "COLUMN_NOT_FOUND",
        "INVALID_ARGUMENT",
        "INVALID_EXPRESSION",
        "TYPE_MISMATCH",
        "sql_syntax",
        "sql_unsupported",
        "sql_not_allowed",
    ),
    status=201,
)
def create_view(
    call: Call,
    path: TableRef,
    base: TableRef,
    where: str | None = None,
    columns: list[str] | None = None,
    if_exists: IfViewExists = "error",
    comment: str = "",
) -> SchemaChange:
    """Make a view: rows and columns of a table, which follow that.

    Views with computed columns of their own, or with an iterator (frames of videos, chunks of documents), are made with Pixeltable.

    Args:
        call: who asks.
        path: where it shall be; the directory must be there.
        base: the path of the table, view or snapshot that it is of.
        where: the condition of its rows, in SQL: `score > 8 AND name LIKE 'A%'`; default all.
        columns: the names of its columns; default all.
        if_exists: what to do where there is a view: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand on it.
        comment: what it is for.

    Returns:
        What was done.
    """
    return _create(call, "view", path_of(path), path_of(base), where, columns, if_exists, comment)


@public_api(category="views", path="/api/v1/snapshots", permission="schema", raises=_ERRORS, status=201)
def create_snapshot(call: Call, path: TableRef, base: TableRef, if_exists: IfViewExists = "error", comment: str = "") -> SchemaChange:
    """Make a snapshot: a table or view as it is now, for good.

    Args:
        call: who asks.
        path: where it shall be; the directory must be there.
        base: the path of the table, view or snapshot that it is of.
        if_exists: what to do where there is a snapshot: `error`; `ignore`, if it is of the same base; or `replace`, unless others stand on
            it.
        comment: what it is for.

    Returns:
        What was done.
    """
    return _create(call, "snapshot", path_of(path), path_of(base), None, None, if_exists, comment)


def _create(
    call: Call, kind: Kind, path: str, base: str, where: str | None, columns: list[str] | None, if_exists: IfViewExists, comment: str
) -> SchemaChange:
    for named in (path, base.partition(":")[0]):
        call.require(f"create_{kind}", named)
    call.engine.run(partial(ddl.check_name, path))
    make = partial(create, kind, path, base, where=where, columns=columns, if_exists=if_exists, comment=comment)
    return changed(call, path, make, of=base.partition(":")[0])
