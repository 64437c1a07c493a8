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
from pxt_flight.engine.media import StoredFile
from pxt_flight.engine.scan import UrlOf, sliced
from pxt_flight.engine.thumbnails import thumbnail_of
from pxt_flight.engine.tier_cursor import CursorPlan
from pxt_flight.errors import error

Show = Callable[[Sequence[Any]], pa.Array]


def exec_batches(plan: CursorPlan, executor: ModuleType, url_of: UrlOf | None = None) -> Generator[pa.RecordBatch, None, None]:
    """The batches of a plan. Iterate it on one engine thread: it holds Pixeltable's transaction.

    Args:
        plan: as of versions; where it needs an index, of the live tables.
        executor: `seam.batches`.
        url_of: what the URLs of media cells begin with.

    Raises:
        PxtFlightError: a function failed, a statement took too long, or the table has moved on.
    """
    outputs = plan.selection.outputs
    originals = [output.expression for output in outputs]
    shown = [_shown(plan, i, url_of) for i in range(len(outputs))]
    plan.refresh()
    try:
        run = executor.batches(plan.selection.query, is_true=plan.is_true, validated=originals, in_store=plan.mode.is_url)
        # Closed here also where a value of it is at fault: the error that then travels would keep its transaction open.
        with closing(run):
            for values in run:
                yield from _finished(plan, values, shown)
    except executor.Moved:
        raise error("ticket_stale", "The table was changed while the query began.", hint="Run the query again.") from None
    except sql.exc.DBAPIError as fault:
        said = getattr(fault.orig, "diag", None)
        raise translated(getattr(fault.orig, "sqlstate", None) or "", (said and said.message_primary) or "") from fault


def _finished(plan: CursorPlan, values: list[list[Any]], shown: Sequence[Show | None]) -> Iterator[pa.RecordBatch]:
    """Values as the batches that go out, media in parts of bounded size."""
    plain = {i: to_arrow(values[i], plan.schema.field(i)) for i, show in enumerate(shown) if show is None}
    files = [_files(column, plan, i) for i, (column, show) in enumerate(zip(values, shown, strict=True)) if show]
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
        return lambda cells: _contents(cells, _files(cells, plan, number), field.name, plan.mode)
    if url_of is None or column is None:
        raise error("INVALID_ARGUMENT", "There is no server here that a URL could name.", hint="Ask for media=bytes or thumbnail:N.")
    beginning = url_of(column)
    return lambda cells: pa.array([cell and f"{beginning}{_place(cell)}" for cell in cells], pa.utf8())


def _place(cell: Any) -> str:
    if cell.v_min is None:
        raise error("type_unsupported", "The rows of an operational table have no URLs.", hint="Ask for media=bytes or thumbnail:N.")
    return ".".join(map(str, (*cell.row_id, cell.v_min)))


def _files(cells: Sequence[Any], plan: CursorPlan, number: int) -> list[StoredFile | None]:
    """The files of media cells; None of one that is NULL, or a picture without a file."""
    kind = plan.selection.outputs[number].type.name
    return [StoredFile(kind, cell.file) if cell is not None and cell.file is not None else None for cell in cells]


def _contents(cells: Sequence[Any], files: Sequence[StoredFile | None], column: str, mode: media.MediaMode) -> pa.Array:
    """Media cells as bytes or thumbnails: of a file what it holds, of a computed picture a file of it."""
    stored = media.read_cells(files, column, mode)
    if all(cell is None or cell.image is None for cell in cells):
        return stored
    made = [None if cell is None or cell.image is None else _made(cell.image, mode) for cell in cells]
    return pa.array([found if found is not None else file for found, file in zip(made, stored.to_pylist(), strict=True)], pa.binary())


def _made(image: Any, mode: media.MediaMode) -> bytes:
    return image_bytes(image) if mode.thumbnail is None else thumbnail_of(image, mode.thumbnail)
