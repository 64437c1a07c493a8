"""One media cell by its row, as a URL names it."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from pxt_flight.engine.cell_values import image_bytes
from pxt_flight.engine.kept import Kept
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import PxtFlightError, error

_KEPT = 256  # columns
_FRESH = 60.0  # seconds: a table may get another name, by which rights are given


class Cell(NamedTuple):
    """A media cell.

    Attributes:
        kind: its Pixeltable type, `Image`.
        table: path of its table.
        reference: where it is stored, for `media.opened`; nobody's to see. Empty where there is `content`.
        content: of a picture that was computed just now, and is stored nowhere.
    """

    kind: str
    table: str
    reference: str
    content: bytes | None = None


class Lookups:
    """Finds media cells.

    Args:
        plan: `seam.plan`.
        seam: `seam.lookup`.
        store: Pixeltable's own login.
        run: runs work on an engine thread.
    """

    def __init__(self, plan: ModuleType, seam: ModuleType, store: Store, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._plan = plan
        self._seam = seam
        self._store = store
        self._run = run
        self._known = Kept[tuple[MediaColumn, bool], tuple[float, Any]](_KEPT)

    def cell(
        self,
        column: MediaColumn,
        row_id: tuple[int, ...],
        version: int,
        may_read: Callable[[str], bool],
        *,
        include_deleted: bool = False,
    ) -> Cell:
        """The cell of a row; see `Engine.cell`."""
        if max((*row_id, version)) >= 1 << 63:
            raise _not_found()
        lookup = self._known_or_planned(column, include_deleted)
        if lookup is None or not may_read(lookup.path):
            raise _not_found()
        if lookup.deleted is not None and self._store.value(lookup.deleted, [row_id[0]]) is not None:
            raise _not_found()
        found = self._read(lookup, row_id, version)
        if found is None and lookup.is_of_base:
            # The version of a view does not tell that of its base, which may have moved on alone: the row may be one of the live view.
            # A live plan is one as of the version that was live then, so it is made anew.
            found = self._read(self._planned(column._replace(version=None), include_deleted), row_id, version)
        if found is None:
            raise _not_found()
        return found

    def _known_or_planned(self, column: MediaColumn, include_deleted: bool) -> Any:
        key = (column, include_deleted)
        until, lookup = self._known.get(key) or (0.0, None)
        if until > time.monotonic():
            return lookup
        lookup = self._planned(column, include_deleted)
        self._known.put(key, (time.monotonic() + _FRESH, lookup))
        return lookup

    def _planned(self, column: MediaColumn, include_deleted: bool) -> Any:
        return self._run(lambda: self._plan.in_transaction(lambda: self._seam.compile_lookup(column, include_deleted=include_deleted)))

    def _read(self, lookup: Any, row_id: tuple[int, ...], version: int) -> Cell | None:
        if lookup is None:
            return None
        if lookup.statement is None:
            return self._computed(lookup, row_id, version)
        if len(row_id) != lookup.width:
            return None
        reference = self._store.value(lookup.statement, [*row_id, version])
        return None if reference is None else Cell(lookup.kind, lookup.path, reference)

    def _computed(self, lookup: Any, row_id: tuple[int, ...], version: int) -> Cell | None:
        value = self._run(lambda: self._seam.compute(lookup, row_id, version))
        if value is None or isinstance(value, str):
            return None if value is None else Cell(lookup.kind, lookup.path, value)
        return Cell(lookup.kind, lookup.path, "", image_bytes(value))


def _not_found() -> PxtFlightError:
    return error("media_not_found", "There is no such media cell.", hint="Run the query again: its row may be gone, or the cell is empty.")
