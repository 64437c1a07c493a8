"""Cell references, which statements carry in place of media values, -> the stored paths behind them, or their URLs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.media import MediaMode, StoredFile, check_served
from pxt_flight.engine.passing import PassedCells
from pxt_flight.engine.scan import UrlOf
from pxt_flight.engine.seam.columns import CellSource
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import MediaColumn
from pxt_flight.errors import PxtFlightError, error

# A cell in Postgres' binary form: what is not of its row id, and each number of that with its size.
_FIXED, _ELEMENT = 60, np.dtype([("size", ">i4"), ("value", ">i8")])


class _Group(NamedTuple):
    """The references of one source: its number, where they stand, the numbers of their row ids (a row each), their versions."""

    number: int
    places: Any
    row_ids: Any
    versions: Any


@dataclass(frozen=True)
class MediaCells:
    """The media cells of one stream, as a statement gives them: `record_send` of source, run and numbers of the row id, and version.

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

    def paths(self, cells: pa.Array | PassedCells) -> list[StoredFile | None]:
        """The stored paths of references; NULL stays None.

        Raises:
            InvalidRequestError: `type_unsupported`, a thumbnail of a kind that has none, or a reference that no table gave.
            StaleTicketError: a cell is gone.
        """
        rows = len(cells.versions) if isinstance(cells, PassedCells) else len(cells)
        found: list[StoredFile | None] = [None] * rows
        for group in self._groups(cells):
            source = self.sources[group.number]
            check_served(source.kind, source.name, self.mode)
            stored = self.store.stored_paths(source, group.row_ids.T.tolist(), group.versions.tolist())
            for i, path in zip(group.places.tolist(), stored, strict=True):
                if path is None:
                    raise error("ticket_stale", "A media cell was removed while it was read.", hint="Run the query again.")
                found[i] = StoredFile(source.kind, path)
        return found

    def urls(self, cells: pa.Array | PassedCells) -> pa.Array:
        """The URLs of references, as `utf8`; NULL stays NULL.

        Raises:
            InvalidRequestError: `type_unsupported`, a reference that no table gave; `INVALID_ARGUMENT`, there are no URLs here.
        """
        if isinstance(cells, PassedCells):
            numbers = [pc.cast(column, pa.utf8()) for column in (*cells.row_ids, cells.versions)]
            return pc.binary_join_element_wise(self._url(cells.source), pc.binary_join_element_wise(*numbers, "."), "")
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

    def _groups(self, cells: pa.Array | PassedCells) -> Iterator[_Group]:
        """The references by their sources: no Python object per row."""
        if isinstance(cells, PassedCells):
            places = np.flatnonzero(cells.versions.is_valid().to_numpy(zero_copy_only=False))
            row_ids = np.stack([column.drop_null().to_numpy() for column in cells.row_ids], axis=1)
            yield _Group(cells.source, places, row_ids, cells.versions.drop_null().to_numpy())
            return
        if cells.null_count == len(cells):
            return
        places = np.flatnonzero(cells.is_valid().to_numpy(zero_copy_only=False))
        _, bounds, data = cells.buffers()
        starts, ends = (np.frombuffer(bounds, np.int32)[cells.offset + i : cells.offset + i + len(cells)][places] for i in (0, 1))
        octets = np.frombuffer(data or b"", np.uint8)
        lengths = ends - starts
        for length in np.unique(lengths).tolist():
            same = lengths == length
            count, rest = divmod(length - _FIXED, _ELEMENT.itemsize)
            if count < 2 or rest:  # what Postgres reads from a text may be of any form
                raise _forged()
            kind = _reference(count)
            first = starts[same]
            is_dense = len(first) * length == first[-1] + length - first[0]
            taken = octets[first[0] : first[-1] + length] if is_dense else octets[first[:, None] + np.arange(length)].reshape(-1)
            yield from self._sources(taken.view(kind), places[same])

    def _sources(self, references: Any, places: Any) -> Iterator[_Group]:
        """References of one form, by their sources."""
        elements = references["row_id"]
        sizes = ((elements["size"], 8), (references["source_size"], 4), (references["v_min_size"], 8))
        if any((size != wanted).any() for size, wanted in sizes) or (elements["value"][:, 0] != self.run).any():
            raise _forged()
        for number in np.unique(references["source"]).tolist():
            mask = references["source"] == number
            if elements.shape[1] != 1 + len(self.sources[number].row_id):
                raise _forged()
            row_ids = elements["value"][mask][:, 1:].astype(np.int64)
            yield _Group(number, places[mask], row_ids, references["v_min"][mask].astype(np.int64))


@cache
def _reference(count: int) -> np.dtype[Any]:
    """A cell as `record_send` writes it: three fields, each with its type and size; within the second an array of so many numbers."""
    return np.dtype(
        {
            "names": ["source_size", "source", "row_id", "v_min_size", "v_min"],
            "formats": [">i4", ">i4", (_ELEMENT, (count,)), ">i4", ">i8"],
            "offsets": [8, 12, 44, 48 + _ELEMENT.itemsize * count, 52 + _ELEMENT.itemsize * count],
            "itemsize": _FIXED + _ELEMENT.itemsize * count,
        }
    )


def _forged() -> PxtFlightError:
    return error("type_unsupported", "A text stands where a media cell should.", hint="A cell can stand beside NULL only.")
