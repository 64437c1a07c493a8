"""Cell references, which statements carry in place of media values, -> the stored paths behind them, or their URLs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.media import MediaMode, StoredFile, check_served
from pxt_flight.engine.scan import UrlOf
from pxt_flight.engine.seam.plan import CellSource
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import error


class _Group(NamedTuple):
    """The references of one source: its number, where they stand, the numbers of their row ids (a row each), their versions."""

    number: int
    places: Any
    row_ids: Any
    versions: Any


@dataclass(frozen=True)
class MediaCells:
    """The media cells of one stream, as references of a statement: arrays of source, version, run and the numbers of the row id.

    Attributes:
        sources: what the first numbers stand for.
        media: how grants name these; None where it cannot be told by which of several views a cell is shown.
        run: that of the statement.
        mode: how the cells will be shown.
        store: looks them up.
        url_of: what their URLs begin with; None where there are no URLs.
    """

    sources: Sequence[CellSource]
    media: Sequence[MediaColumn | None]
    run: int
    mode: MediaMode
    store: Store
    url_of: UrlOf | None = None

    def paths(self, cells: pa.Array) -> list[StoredFile | None]:
        """The stored paths of references; NULL stays None.

        Raises:
            InvalidRequestError: `type_unsupported`, a thumbnail of a kind that has none, or a reference that no table gave.
            StaleTicketError: a cell is gone.
        """
        found: list[StoredFile | None] = [None] * len(cells)
        for group in self._groups(cells):
            source = self.sources[group.number]
            check_served(source.kind, source.name, self.mode)
            stored = self.store.stored_paths(source, group.row_ids.T.tolist(), group.versions.tolist())
            for i, path in zip(group.places.tolist(), stored, strict=True):
                if path is None:
                    raise error("ticket_stale", "A media cell was removed while it was read.", hint="Run the query again.")
                found[i] = StoredFile(source.kind, path)
        return found

    def urls(self, cells: pa.Array) -> pa.Array:
        """The URLs of references, as `utf8`; NULL stays NULL.

        Raises:
            InvalidRequestError: `type_unsupported`, a reference that no table gave; `INVALID_ARGUMENT`, there are no URLs here.
        """
        parts, places = [], []
        for group in self._groups(cells):
            numbers = [pc.cast(pa.array(column), pa.utf8()) for column in (*group.row_ids.T, group.versions)]
            parts.append(pc.binary_join_element_wise(self._url(group.number), pc.binary_join_element_wise(*numbers, "."), ""))
            places.append(group.places)
        if not parts:
            return pa.nulls(len(cells), pa.utf8())
        if len(parts) == 1 and len(parts[0]) == len(cells):
            return parts[0]
        indices = np.full(len(cells), -1)
        indices[np.concatenate(places)] = np.arange(len(cells) - cells.null_count)
        return pa.concat_arrays(parts).take(pa.array(indices, mask=indices < 0))

    def _url(self, number: int) -> str:
        column = self.media[number]
        if self.url_of is not None and column is not None:
            return self.url_of(column)
        why = "There is no server here that a URL could name."
        if self.url_of is not None:
            why = f"Several views show the media of column {self.sources[number].name}, and not the table that stores it."
        raise error("type_unsupported", why, hint="Ask for media=bytes or thumbnail:N.")

    def _groups(self, cells: pa.Array) -> Iterator[_Group]:
        """The references by their sources: no Python object per row."""
        places = np.flatnonzero(cells.is_valid().to_numpy(zero_copy_only=False))
        numbers = cells.flatten().to_numpy()
        lengths = pc.list_value_length(cells).drop_null().to_numpy()
        starts = np.cumsum(lengths) - lengths
        # What Postgres reads from a text may be of any length.
        if len(lengths) and (lengths.min() < 4 or (numbers[starts + 2] != self.run).any()):
            raise error("type_unsupported", "A text stands where a media cell should.", hint="A cell can stand beside NULL only.")
        found = numbers[starts]
        for number in np.unique(found).tolist():
            width = 3 + len(self.sources[number].row_id)
            mask = found == number
            matrix = numbers.reshape(-1, width) if mask.all() else numbers[starts[mask, None] + np.arange(width)]
            yield _Group(number, places[mask], matrix[:, 3:], matrix[:, 1])
