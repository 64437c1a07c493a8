"""Cell references, which statements carry in place of media values, -> the stored paths behind them."""

import secrets
from collections.abc import Callable, Sequence

import pyarrow as pa

from pxt_flight.engine.media import Cell, MediaMode, check_served
from pxt_flight.engine.seam.plan import CellSource
from pxt_flight.engine.store import Store
from pxt_flight.errors import error


def new_run() -> int:
    """A number that a statement cannot hold before it runs: what Postgres reads from a text as a reference lacks it."""
    return secrets.randbits(62)


def cell_paths(sources: Sequence[CellSource], run: int, mode: MediaMode, store: Store) -> Callable[[pa.Array], list[Cell | None]]:
    """From an array of cell references of a statement to the stored paths.

    Args:
        sources: what the first numbers of the references stand for.
        run: that of the statement.
        mode: how the cells will be shown.
        store: looks them up.

    Raises:
        InvalidRequestError: `type_unsupported`, a thumbnail of a kind that has none, or a reference that no table gave.
        StaleTicketError: a cell is gone.
    """

    def paths(cells: pa.Array) -> list[Cell | None]:
        found: list[Cell | None] = [None] * len(cells)
        references = cells.to_pylist()
        if any(reference is not None and reference[2:3] != [run] for reference in references):
            raise error("type_unsupported", "A text stands where a media cell should.", hint="A cell can stand beside NULL only.")
        for number, source in enumerate(sources):
            rows = [i for i, reference in enumerate(references) if reference is not None and reference[0] == number]
            if not rows:
                continue
            check_served(source.kind, source.name, mode)
            stored = store.stored_paths(source, [references[i][3:] for i in rows], [references[i][1] for i in rows])
            for i, path in zip(rows, stored, strict=True):
                if path is None:
                    raise error("ticket_stale", "A media cell was removed while it was read.", hint="Run the query again.")
                found[i] = Cell(source.kind, path)
        return found

    return paths
