"""The tier `exec`: one table through Pixeltable's own executor, batch by batch: what only Pixeltable can compute."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from types import ModuleType
from typing import Any

import pyarrow as pa
import sqlalchemy as sql

from pxt_flight.engine import media
from pxt_flight.engine.cell_values import image_bytes, to_arrow
from pxt_flight.engine.faults import translated
from pxt_flight.engine.scan import MediaColumn, OnOpen, UrlOf, sliced
from pxt_flight.engine.tier_cursor import CursorPlan
from pxt_flight.errors import error

Show = Callable[[Sequence[Any]], pa.Array]


def exec_batches(
    plan: CursorPlan, executor: ModuleType, *, seconds: float, on_open: OnOpen | None = None, url_of: UrlOf | None = None
) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a plan. Iterate it on one engine thread: it holds Pixeltable's transaction.

    Args:
        plan: for the versions that are to be read; where it needs an index, for the live ones.
        executor: `seam.batches`.
        seconds: that Postgres may spend on a statement.
        on_open: told how to stop the statement before it begins to run.
        url_of: what the URLs of media cells begin with.

    Raises:
        PxtFlightError: a function failed, the time is over, or the live table has moved on.
    """
    outputs = plan.selection.outputs
    expected = {pin.table_id: pin.version for pin in plan.pins} if plan.selection.needs_index else None
    originals = [output.expression for output in outputs]
    shown = [_shown(plan, i, url_of) for i in range(len(outputs))]
    try:
        run = executor.batches(
            plan.selection.query, expected=expected, validated=originals, in_store=plan.mode.is_url, seconds=seconds, on_open=on_open
        )
        # Closed here also where a value of it is at fault: the error that then travels would keep its transaction open.
        with closing(run):
            for values in run:
                yield from _finished(plan, values, shown)
    except executor.Moved:
        raise error(
            "ticket_stale", "The table was changed, and an index holds its newest rows only.", hint="Run the query again."
        ) from None
    except sql.exc.DBAPIError as fault:
        said = getattr(fault.orig, "diag", None)
        raise translated(getattr(fault.orig, "sqlstate", None) or "", (said and said.message_primary) or "") from fault


def _finished(plan: CursorPlan, values: list[list[Any]], shown: Sequence[Show | None]) -> Iterator[pa.RecordBatch]:
    """Values as the batches that go out, media in parts of bounded size."""
    plain = {i: to_arrow(values[i], plan.schema.field(i)) for i, show in enumerate(shown) if show is None}
    files = [[cell and cell.file for cell in column] for column, show in zip(values, shown, strict=True) if show]
    has_contents = bool(files) and not plan.mode.is_url
    for start, length in media.chunks(files, plan.mode) if has_contents else [(0, len(values[0]))]:
        part = [
            plain[i].slice(start, length) if show is None else show(column[start : start + length])
            for i, (column, show) in enumerate(zip(values, shown, strict=True))
        ]
        yield from sliced(pa.RecordBatch.from_arrays(part, schema=plan.schema))


def _shown(plan: CursorPlan, number: int, url_of: UrlOf | None) -> Show | None:
    """What makes an array of the media cells of a column; None where it holds none."""
    field, column = plan.schema.field(number), plan.media[number]
    if not plan.selection.outputs[number].type.is_media:
        return None
    if not plan.mode.is_url:
        return lambda cells: _contents(cells, field.name, plan.mode)
    if url_of is None or column is None:
        raise error("INVALID_ARGUMENT", "There is no server here that a URL could name.", hint="Ask for media=bytes or thumbnail:N.")
    beginning = url_of(column)
    return lambda cells: pa.array([cell and f"{beginning}{_place(cell, column)}" for cell in cells], pa.utf8())


def _place(cell: Any, column: MediaColumn) -> str:
    if column.version is None:
        raise error("type_unsupported", "The rows of an operational table have no URLs.", hint="Ask for media=bytes or thumbnail:N.")
    return ".".join(map(str, (*cell.row_id, cell.v_min)))


def _contents(cells: Sequence[Any], column: str, mode: media.MediaMode) -> pa.Array:
    """Media cells as bytes or thumbnails: of a file what it holds, of a computed picture a file of it."""
    files = media.read_cells([cell and cell.file for cell in cells], column, mode)
    if all(cell is None or cell.image is None for cell in cells):
        return files
    made = [cell and cell.image and _made(cell.image, mode) for cell in cells]
    return pa.array([found if found is not None else file for found, file in zip(made, files.to_pylist(), strict=True)], pa.binary())


def _made(image: Any, mode: media.MediaMode) -> bytes:
    return image_bytes(image) if mode.thumbnail is None else media.thumbnail_of(image, mode.thumbnail)
