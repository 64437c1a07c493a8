"""One table: a Pixeltable type <-> its Arrow field."""

import re
from dataclasses import dataclass

import pyarrow as pa

from pxt_flight.errors import error

# Float is float8 in the store: float64, where Pixeltable's own export narrows it to float32.
ARROW_TYPES: dict[str, pa.DataType] = {
    "Int": pa.int64(),
    "Float": pa.float64(),
    "Bool": pa.bool_(),
    "String": pa.utf8(),
    "Timestamp": pa.timestamp("us", tz="UTC"),
    "Date": pa.date32(),
    "UUID": pa.uuid(),
    "Json": pa.utf8(),
}
MEDIA_TYPES = frozenset({"Image", "Video", "Audio", "Document"})

_DECLARATION = re.compile(r"(?P<name>[A-Za-z]+)(\[.*\])?(?P<nullable> \| None)?", re.DOTALL)


@dataclass(frozen=True)
class ColumnType:
    """A Pixeltable type by its name (`Int`, `Image`) and whether NULL is allowed."""

    name: str
    nullable: bool

    @property
    def is_media(self) -> bool:
        """Whether a cell stands for a file: an image, a video, audio or a document."""
        return self.name in MEDIA_TYPES


def parse_type(declaration: str) -> ColumnType:
    """Read a type as Pixeltable prints it: `Int`, `Float | None`, `Image['RGB']`, `Array[(3,), float32] | None`."""
    match = _DECLARATION.fullmatch(declaration)
    if match is None:
        raise ValueError(f"not a Pixeltable type: {declaration}")
    return ColumnType(match["name"], match["nullable"] is not None)


def arrow_field(name: str, column: ColumnType, *, media: str, nullable: bool) -> pa.Field:
    """The Arrow field of a result column.

    Args:
        name: its name in the result.
        column: its Pixeltable type.
        media: how media values are sent, in the metadata `pxt:media`.
        nullable: whether the result may hold NULL.

    Raises:
        InvalidRequestError: `type_unsupported`, for a type that has no Arrow form here.
    """
    metadata = {"pxt:type": column.name}
    if column.is_media:
        return pa.field(name, pa.utf8() if media == "url" else pa.binary(), nullable, metadata | {"pxt:media": media})
    if column.name not in ARROW_TYPES:
        raise error(
            "type_unsupported",
            f"Column {name} is of type {column.name}, which is not served.",
            hint="Name the columns that you need instead of *.",
            where={"column": name},
        )
    return pa.field(name, ARROW_TYPES[column.name], nullable, metadata)
