"""The tier `cursor`: one table through Pixeltable's own query API, row by row: slow, and right whatever Pixeltable is inside.

What is planned here runs in the tier `exec` too, where the executor is known.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, islice
from operator import and_
from types import ModuleType
from typing import Any

import pyarrow as pa

from pxt_flight.engine import media
from pxt_flight.engine.bindings import Held, hold
from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.cell_values import to_arrow
from pxt_flight.engine.scan import Pin, Request, Tier, finished
from pxt_flight.engine.selection import MediaOf, Output, Selection, select
from pxt_flight.engine.soft_delete import SHOWN_BY, deletion_columns
from pxt_flight.engine.sql import Statement
from pxt_flight.engine.types import MediaColumn, arrow_field
from pxt_flight.errors import error

_ROWS = 1024  # of a batch
# A column that is not stored may be a number that Postgres knows; without the seam nothing tells.
_LOCAL = MediaOf(shown=lambda expression: expression.localpath, has_computed=False, is_sql=lambda _: False)


@dataclass(frozen=True)
class CursorPlan:
    """A request as Pixeltable runs it.

    Attributes:
        media: for each column, how a grant names it; None where it is not a media column of the table.
        tier: `exec` or `cursor`.
        why: what of it Postgres cannot do.
        refresh: bring what Pixeltable keeps of the table on this thread up to date.
        is_true: whether the plan is right in the transaction of this thread.
    """

    selection: Selection
    schema: pa.Schema
    mode: media.MediaMode
    media: tuple[MediaColumn | None, ...]
    held: Held
    tier: Tier
    why: str
    refresh: Callable[[], object]
    is_true: Callable[[], bool]

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What a ticket of it reads."""
        return self.held.pins


def plan_cursor(
    statement: Statement,
    request: Request,
    mode: media.MediaMode,
    versions: Mapping[str, int],
    *,
    seam: ModuleType | None,
    executor: ModuleType | None = None,
    why: str,
) -> CursorPlan:
    """Bind a statement to its table; runs on an engine thread.

    Args:
        statement: the parsed one.
        request: with the parameters.
        mode: how media values are sent.
        versions: the version of its table to read, by path; default the live one.
        seam: `seam.plan`, or None where this Pixeltable is not the one we know.
        executor: `seam.batches`, for the tier `exec`; default the tier `cursor`.
        why: what of it Postgres cannot do.

    Raises:
        PxtFlightError: the statement is at fault, or more than one table and Pixeltable's own expressions; nothing was read.
    """

    def bind() -> CursorPlan:
        path = _only_table(statement, why)
        table = get_table(f"{path}:{versions[path]}" if path in versions else path)
        metadata = table.get_metadata()
        shown = _LOCAL if executor is None else MediaOf(executor.unvalidated, True, executor.is_position)
        concealed = frozenset() if request.include_deleted else deletion_columns(metadata["columns"])
        columns = {name: column for name, column in metadata["columns"].items() if name not in concealed}
        living = None if request.include_deleted else seam.living(table) if seam else _living(table, concealed)
        selection = select(statement, table, columns, request.parameters, media=shown, living=living)
        for output in selection.outputs:
            _check_media(output, mode, is_cursor=executor is None)
        media_columns = tuple(_media_column(output, table, seam) for output in selection.outputs)
        schema = pa.schema([arrow_field(o.name, o.type, media=mode.name, nullable=o.nullable) for o in selection.outputs])
        held = hold({path: table}, {path: metadata}, versions, seam)
        if seam is None:
            return CursorPlan(selection, schema, mode, media_columns, held, "cursor", why, refresh=lambda: None, is_true=lambda: True)
        refresh = partial(seam.in_transaction, lambda: seam.moments([table]))
        is_true = partial(held.is_true, seam.fingerprint, seam.stored_moments, is_pinned=bool(versions))
        return CursorPlan(selection, schema, mode, media_columns, held, "exec" if executor else "cursor", why, refresh, is_true)

    # One transaction: a version that fits the schema, and one round trip where each column would else open its own.
    bound: CursorPlan = seam.in_transaction(bind) if seam else bind()
    return bound


def cursor_batches(plan: CursorPlan) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a plan. Iterate it on one engine thread: it holds Pixeltable's transaction."""
    references = [pa.field(field.name, pa.utf8()) if b"pxt:media" in field.metadata else field for field in plan.schema]
    plan.refresh()
    with plan.selection.query.cursor() as cursor:
        rows = iter(cursor)
        first = list(islice(rows, 1))  # its transaction begins here, and has ended where there is no row
        if not plan.is_true():
            raise error("ticket_stale", "The table was changed while the query began.", hint="Run the query again.")
        rows = chain(first, rows)
        while chunk := list(islice(rows, _ROWS)):
            columns = [to_arrow([row[f"c{i}"] for row in chunk], field) for i, field in enumerate(references)]
            yield from finished(plan.schema, columns, len(chunk), plan.mode, _LocalFiles())


class _LocalFiles:
    """Cells as `cursor()` gives them: it answers paths of local copies, and no row ids that a URL could name."""

    def paths(self, cells: pa.Array) -> list[str | None]:
        return list(cells.to_pylist())

    def urls(self, _cells: pa.Array) -> pa.Array:
        raise error("type_unsupported", "Pixeltable itself must answer this, without URLs.", hint="Ask for media=bytes or thumbnail:N.")


def _living(table: Any, concealed: frozenset[str]) -> Any | None:
    """The condition that leaves out rows that are deleted softly, by Pixeltable's public names alone.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`, a view does not show the column that says so.
    """
    base = table.get_base_table()
    while base is not None:
        if deletion_columns(base.get_metadata()["columns"]) and not concealed:
            raise error("UNSUPPORTED_OPERATION", "Rows below this view are deleted softly, which it does not show.", hint=SHOWN_BY)
        base = base.get_base_table()
    conditions = [table[name] == None for name in sorted(concealed)]  # noqa: E711  # Pixeltable's IS NULL
    return reduce(and_, conditions) if conditions else None


def _check_media(output: Output, mode: media.MediaMode, *, is_cursor: bool) -> None:
    """Refuse a media column that cannot be shown as asked, before anything is read."""
    if not output.type.is_media:
        return
    media.check_served(output.type.name, output.name, mode)
    if mode.is_url and (is_cursor or output.column is None):
        why = "is read without row ids here" if is_cursor else "is computed by the statement"
        raise error(
            "type_unsupported",
            f"Column {output.name} {why}: it has no URL.",
            hint="Ask for media=bytes or thumbnail:N.",
            where={"column": output.name},
        )


def _media_column(output: Output, table: Any, seam: ModuleType | None) -> MediaColumn | None:
    if seam is None or output.column is None or not output.type.is_media:
        return None
    column: MediaColumn = seam.media_column(table, output.column)
    return column


def _only_table(statement: Statement, why: str) -> str:
    if len(statement.tables) != 1:
        raise error(
            "sql_unsupported",
            f"Pixeltable itself must answer this, and it reads one table by itself: {why}.",
            hint="Leave that column out, or read its table alone.",
        )
    return statement.tables[0]
