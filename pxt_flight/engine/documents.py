"""Json cells with objects inside: images, arrays and bytes that Pixeltable keeps in files beside the Json.

Postgres gets the Json with a reference to the cell in the key of each object (`pxt_flight.objects`), which stays with the object wherever
an expression takes it. Here the references become values again, for those alone that are signed, and objects of that very cell.
"""

import hmac
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from pxt_flight.engine.blobs import Blobs, ChunkFiles, is_blob, loaded, unreadable
from pxt_flight.engine.cell_values import json_text
from pxt_flight.engine.runs import secret_of
from pxt_flight.engine.seam.columns import OBJECT_KEY, CellSource
from pxt_flight.engine.store import BlobPlace, Store
from pxt_flight.errors import error

Converter = Callable[[pa.Array], pa.Array]
_MARK = "pxt$object "
_MARKED = f'"{_MARK}'
_SIGNED = 32  # digits


@dataclass(frozen=True)
class Documents:
    """The Json of one stream.

    Attributes:
        sources: what the first numbers of references stand for.
        run: that of the statement.
        store: looks the cells up.
    """

    sources: Sequence[CellSource]
    run: int
    store: Store

    def converter(self, field: pa.Field) -> Callable[[pa.Array], pa.Array]:
        """From Json texts to those in which each object is a value: an image a data URL, an array a list, bytes in base64.

        The converter raises:
            InvalidRequestError: `media_unreadable`, a file of an object is gone.
            StaleTicketError: a cell is gone.
        """

        def convert(column: pa.Array) -> pa.Array:
            texts = column.storage if isinstance(column, pa.ExtensionArray) else column
            if _may_hold_objects(texts):
                marked = pc.fill_null(pc.match_substring(texts, _MARKED), False)
                values = [json.loads(text) for text in texts.filter(marked).to_pylist()]
                texts = pc.replace_with_mask(texts, marked, pa.array(self._texts(values, field.name), texts.type))
            return texts.cast(field.type)

        return convert

    def _texts(self, values: list[Any], column: str) -> list[str]:
        references = list(dict.fromkeys(reference for value in values for reference, _ in _objects(value)))
        cells = dict(zip(references, self._cells(references), strict=True))
        with ExitStack() as stack:
            files = ChunkFiles(stack)

            def put(value: Any) -> Any:
                if isinstance(value, list):
                    return [put(part) for part in value]
                if not isinstance(value, dict):
                    return value
                for reference, place in _objects(value, deep=False):
                    stored = cells[reference]
                    if stored is not None and place in stored[0]:
                        return _read(place, stored[1], files)
                return {key: put(part) for key, part in value.items()}

            try:
                return [json_text(put(value), column) for value in values]
            except (OSError, ValueError, EOFError):
                raise unreadable(column) from None

    def _cells(self, references: Sequence[str]) -> list[tuple[list[Any], Sequence[str]] | None]:
        """For each reference the objects that its cell really holds, and their files; None of what is not signed."""
        found: list[tuple[list[Any], Sequence[str]] | None] = [None] * len(references)
        numbers = [self._numbers(reference) for reference in references]
        for source in {numbers[0] for numbers in numbers if numbers}:
            rows = [i for i, place in enumerate(numbers) if place and place[0] == source]
            row_ids = list(zip(*(numbers[i][2:] for i in rows), strict=True))
            stored = self.store.documents(self.sources[source], row_ids, [numbers[i][1] for i in rows])
            for i, document in zip(rows, stored, strict=True):
                if document is None:
                    raise error("ticket_stale", "A cell was removed while it was read.", hint="Run the query again.")
                found[i] = ([place for _, place in _objects(document[0], OBJECT_KEY)], document[1])
        return found

    def _numbers(self, reference: str) -> list[int]:
        """Source, version and row id of a reference; nothing of one that is not signed."""
        place, _, signature = reference.rpartition(" ")
        expected = sha256(f"{secret_of(self.run)} {place}".encode()).hexdigest()[:_SIGNED]
        return [int(part) for part in place.split(" ")] if hmac.compare_digest(signature.encode(), expected.encode()) else []


def stored_values(schema: pa.Schema, sources: Sequence[CellSource], run: int, store: Store) -> list[Converter | None]:
    """For each promised field what makes its values of what the statement yields; None where that is the value.

    Args:
        schema: the fields.
        sources: what the first numbers of references stand for.
        run: that of the statement.
        store: looks up what is not in the row.
    """
    blobs, documents = Blobs(sources, run, store), Documents(sources, run, store)
    has_documents = any(source.kind == "Json" for source in sources)
    return [
        blobs.converter(field) if is_blob(field) else documents.converter(field) if has_documents and _is_json(field) else None
        for field in schema
    ]


def _may_hold_objects(texts: pa.Array) -> bool:
    """Whether the mark stands anywhere in a batch: to look at all of it at once takes a tenth of the time of looking at each text."""
    data = texts.buffers()[2]
    return data is not None and _MARKED.encode() in data.to_pybytes()


def _is_json(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"pxt:type") == b"Json"


def _objects(value: Any, mark: str = _MARK, *, deep: bool = True) -> Iterator[tuple[str, Any]]:
    """The objects in a value: what follows the mark in their key, and where they are."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key.startswith(mark) and isinstance(part, dict):
                yield key.removeprefix(mark), part
            elif deep:
                yield from _objects(part, mark)
    elif isinstance(value, list) and deep:
        for part in value:
            yield from _objects(part, mark)


def _read(place: dict[str, Any], urls: Sequence[str], files: ChunkFiles) -> Any:
    """An object by Pixeltable's own note of it, which came from the store."""
    kind, url = place["type"], urls[place["url_idx"]]
    if kind == "IMAGE":
        image = Image.open(io.BytesIO(files.piece(BlobPlace(url, place["img_start"], place["img_end"], None))))
        image.load()
        return image
    note = place["array_md" if kind == "ARRAY" else "binary_md"]
    shape = tuple(note["shape"]) if note.get("is_bool") else None
    piece = files.piece(BlobPlace(url, note["start"], note["end"], shape))
    return loaded(piece) if kind == "ARRAY" else bytes(piece)
