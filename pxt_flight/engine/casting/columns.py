"""A column of a table and the Arrow type in which its values are sent -> what casts them."""

from collections.abc import Callable
from datetime import tzinfo

import pyarrow as pa

from pxt_flight.engine.casting.arrays import arrays
from pxt_flight.engine.casting.cast import Cast, Caster
from pxt_flight.engine.casting.documents import has_json, json_values
from pxt_flight.engine.casting.json_cells import JsonCell, json_cells
from pxt_flight.engine.casting.media import Fetch, media
from pxt_flight.engine.casting.scalars import booleans, floats, integers, octets, texts, uuids
from pxt_flight.engine.casting.storage import plain, plain_type
from pxt_flight.engine.casting.times import dates, timestamps
from pxt_flight.engine.target import staged_type
from pxt_flight.engine.types import ColumnType

_BY_NAME: dict[str, Callable[[pa.DataType], Caster | None]] = {
    "Int": integers,
    "Float": floats,
    "Bool": booleans,
    "String": texts,
    "Date": dates,
    "UUID": uuids,
    "Binary": octets,
}
_TAKEN = {
    "Int": "whole numbers",
    "Float": "numbers",
    "Bool": "booleans",
    "String": "texts",
    "Timestamp": "timestamps, or texts in ISO 8601",
    "Date": "dates, or texts in ISO 8601",
    "UUID": "UUIDs, 16 bytes or texts",
    "Json": "texts of JSON, structs, lists, maps, numbers, booleans and times",
    "Binary": "bytes",
    "Array": "tensors of its very element, lists of its shape, or npy files as bytes",
}
_MEDIA = "the bytes of files, or https URLs"


def caster(column: ColumnType, kind: pa.DataType, *, zone: tzinfo, fetch: Fetch) -> Caster | None:
    """What casts values of an Arrow type to the staged type of a column.

    Args:
        column: the type of the column.
        kind: the type that was sent.
        zone: of times without one.
        fetch: of media.

    Returns:
        It takes validated arrays; None where no value of the type can fit.
    """
    if isinstance(kind, JsonCell):
        cells = json_cells(column, lambda like: caster(column, like, zone=zone, fetch=fetch), fetch)
        return None if cells is None else lambda array: cells(array.storage)
    bare = plain_type(kind)
    if pa.types.is_null(bare):
        return lambda array: Cast(pa.nulls(len(array), staged_type(column)))
    if column.name == "Json" and has_json(kind):
        return json_values(kind)
    found = _caster(column, bare, zone, fetch)
    return None if found is None else lambda array: found(plain(array))


def _caster(column: ColumnType, kind: pa.DataType, zone: tzinfo, fetch: Fetch) -> Caster | None:
    if column.is_media:
        return media(kind, fetch)
    if column.name == "Array":
        return arrays(column, kind)
    if column.name == "Timestamp":
        return timestamps(kind, zone)
    return _BY_NAME[column.name](kind) if column.name in _BY_NAME else None


def taken(column: ColumnType) -> str:
    """What a column takes, in words."""
    return _MEDIA if column.is_media else _TAKEN.get(column.name, "nothing from a client")
