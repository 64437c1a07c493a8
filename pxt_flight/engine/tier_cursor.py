"""The tier `cursor`: one table through Pixeltable's own query API, row by row: slow, and right for what only Pixeltable computes."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from types import ModuleType
from typing import Any

import pyarrow as pa

from pxt_flight.engine import media
from pxt_flight.engine.bindings import Held, hold
from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.cell_values import to_arrow
from pxt_flight.engine.scan import Pin, Request, finished
from pxt_flight.engine.selection import Selection, select
from pxt_flight.engine.sql import Statement
from pxt_flight.engine.types import arrow_field
from pxt_flight.errors import error

_ROWS = 1024  # of a batch


@dataclass(frozen=True)
class CursorPlan:
    """A request as Pixeltable runs it.

    Attributes:
        why: what of it Postgres cannot do.
        refresh: bring what Pixeltable keeps of the table on this thread up to date.
        is_true: whether the plan is right in the transaction of this thread.
    """

    selection: Selection
    schema: pa.Schema
    mode: media.MediaMode
    held: Held
    why: str
    refresh: Callable[[], object]
    is_true: Callable[[], bool]

    @property
    def pins(self) -> tuple[Pin, ...]:
        """What a ticket of it reads."""
        return self.held.pins


def plan_cursor(
    statement: Statement, request: Request, mode: media.MediaMode, versions: Mapping[str, int], *, seam: ModuleType | None, why: str
) -> CursorPlan:
    """Bind a statement to its table; runs on an engine thread.

    Args:
        statement: the parsed one.
        request: with the parameters.
        mode: how media values are sent.
        versions: the version of its table to read, by path; default the live one.
        seam: `seam.plan`, or None where this Pixeltable is not the one we know.
        why: what of it Postgres cannot do.

    Raises:
        PxtFlightError: the statement is at fault, or more than one table and Pixeltable's own expressions; nothing was read.
    """

    def bind() -> CursorPlan:
        path = _only_table(statement, why)
        table = get_table(f"{path}:{versions[path]}" if path in versions else path)
        metadata = table.get_metadata()
        selection = select(statement, table, metadata["columns"], request.parameters)
        for output in selection.outputs:
            if output.type.is_media:
                media.check_served(output.type.name, output.name, mode)
        schema = pa.schema([arrow_field(o.name, o.type, media=mode.name, nullable=o.nullable) for o in selection.outputs])
        held = hold({path: table}, {path: metadata}, versions, seam)
        if seam is None:
            return CursorPlan(selection, schema, mode, held, why, refresh=lambda: None, is_true=lambda: True)
        refresh = partial(seam.in_transaction, lambda: seam.moments([table]))
        is_true = partial(held.is_true, seam.fingerprint, seam.stored_moments, is_pinned=bool(versions))
        return CursorPlan(selection, schema, mode, held, why, refresh, is_true)

    # One transaction: a version that fits the schema, and one round trip where each column would else open its own.
    bound: CursorPlan = seam.in_transaction(bind) if seam else bind()
    return bound


def cursor_batches(plan: CursorPlan) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a plan. Iterate it on one engine thread: it holds Pixeltable's transaction."""
    converters = [_converter(field) for field in plan.schema]
    plan.refresh()
    with plan.selection.query.cursor() as cursor:
        rows = iter(cursor)
        first = list(islice(rows, 1))  # its transaction begins here, and has ended where there is no row
        if not plan.is_true():
            raise error("ticket_stale", "The table was changed while the query began.", hint="Run the query again.")
        rows = chain(first, rows)
        while chunk := list(islice(rows, _ROWS)):
            values = [[row[f"c{i}"] for row in chunk] for i in range(len(converters))]
            columns = [convert(column) for convert, column in zip(converters, values, strict=True)]
            yield from finished(plan.schema, columns, len(chunk), plan.mode, _LocalFiles())


class _LocalFiles:
    """Cells as `cursor()` gives them: it answers paths of local copies, and no row ids that a URL could name."""

    def paths(self, cells: pa.Array) -> list[str | None]:
        return list(cells.to_pylist())

    def urls(self, _cells: pa.Array) -> pa.Array:
        raise error("type_unsupported", "Pixeltable itself must answer this, without URLs.", hint="Ask for media=bytes or thumbnail:N.")


def _only_table(statement: Statement, why: str) -> str:
    if len(statement.tables) != 1:
        raise error(
            "sql_unsupported",
            f"Pixeltable itself must answer this, and it reads one table by itself: {why}.",
            hint="Leave that column out, or read its table alone.",
        )
    return statement.tables[0]


def _converter(promised: pa.Field) -> Callable[[list[Any]], pa.Array]:
    """From a column of Python values, as `cursor()` gives them, to Arrow; a media column arrives as paths."""
    if b"pxt:media" in promised.metadata:
        return lambda values: pa.array(values, pa.utf8())
    return lambda values: to_arrow(values, promised)
