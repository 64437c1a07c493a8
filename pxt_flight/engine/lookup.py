"""One media cell by its row, as a URL names it."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from pxt_flight.engine.seam.probe import NotSqlError
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import PxtFlightError, error

_KEPT = 256  # columns
_FRESH = 60.0  # seconds: a table may get another name, by which rights are given


class Cell(NamedTuple):
    """A media cell that is stored.

    Attributes:
        kind: its Pixeltable type, `Image`.
        table: path of its table.
        reference: where it is stored, for `media.opened`; nobody's to see.
    """

    kind: str
    table: str
    reference: str


class Lookups:
    """Finds media cells.

    Args:
        seam: `seam.plan`.
        store: Pixeltable's own login.
        run: runs work on an engine thread.
    """

    def __init__(self, seam: ModuleType, store: Store, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._seam = seam
        self._store = store
        self._run = run
        self._known: dict[MediaColumn, tuple[float, Any]] = {}

    def cell(self, column: MediaColumn, row_id: Sequence[int], version: int) -> Cell:
        """The cell of a row; see `Engine.cell`."""
        numbers = (*row_id, version)
        if max(numbers) >= 1 << 63:
            raise _not_found()
        lookup = self._known_or_planned(column)
        found = self._read(lookup, numbers)
        if found is None and lookup is not None and lookup.is_of_base:
            # The version of a view does not tell that of its base, which may have moved on alone: the row may be one of the live view.
            # A live plan is one as of the version that was live then, so it is made anew.
            found = self._read(self._plan(column._replace(version=None)), numbers)
        if found is None:
            raise _not_found()
        return found

    def _known_or_planned(self, column: MediaColumn) -> Any:
        until, lookup = self._known.get(column, (0.0, None))
        if until > time.monotonic():
            return lookup
        lookup = self._plan(column)
        while len(self._known) >= _KEPT:
            with suppress(KeyError, StopIteration):  # another thread was quicker
                del self._known[next(iter(self._known))]
        self._known[column] = (time.monotonic() + _FRESH, lookup)
        return lookup

    def _plan(self, column: MediaColumn) -> Any:
        def plan() -> Any:
            try:
                return self._seam.in_transaction(lambda: self._seam.compile_lookup(column))
            except NotSqlError:
                raise error("media_not_found", "The media cell is computed while it is read.", hint="Ask for media=bytes.") from None

        return self._run(plan)

    def _read(self, lookup: Any, numbers: Sequence[int]) -> Cell | None:
        if lookup is None or len(numbers) != lookup.width + 1:
            return None
        reference = self._store.value(lookup.statement, numbers)
        return None if reference is None else Cell(lookup.kind, lookup.table, reference)


def _not_found() -> PxtFlightError:
    return error("media_not_found", "There is no such media cell.", hint="Run the query again: its row may be gone, or the cell is empty.")
