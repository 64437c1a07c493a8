"""One table: a Pixeltable type <-> its Arrow field.

| Pixeltable | Arrow |
|---|---|
| Int, Float, Bool, String, Date | int64, float64, bool, utf8, date32 |
| Timestamp | timestamp[us, UTC] |
| UUID | arrow.uuid |
| Json | utf8, or arrow.json where that is asked for |
| Binary | binary |
| Array[(3, 4), float32] | arrow.fixed_shape_tensor |
| Array[(3,), bool], or of strings | fixed-size lists: tensors are of numbers |
| Array[(None, 4), float32] | lists of lists |
| Array, Array[float32] | binary, a `.npy` file each: the number of dimensions is not known |
| an embedding | arrow.fixed_shape_tensor of float32 |
| Image, Video, Audio, Document | utf8 for URLs, binary for bytes and thumbnails |
"""

import ast
import re
from dataclasses import dataclass
from typing import NamedTuple

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
BLOB_TYPES = frozenset({"Array", "Binary"})
"""Those that are stored as bytes, in the row or in a file beside those of other rows."""
ENCODING = b"pxt:encoding"
"""In the metadata of a `binary` field: how its bytes are to be read."""
NPY = b"npy"

ELEMENTS: dict[str, pa.DataType] = {
    name: pa.type_for_alias(name) for name in "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 str".split()
}
"""The elements of arrays: numpy's names -> Arrow."""
_NO_TENSOR = ("bool", "str")
_DECLARATION = re.compile(r"(?P<name>[A-Za-z]+)(\[(?P<arguments>.*)\])?(?P<nullable> \| None)?", re.DOTALL)
_BLOB_NAME = re.compile(r"Array\[(?P<element>[a-z0-9]*);(?P<shape>\?|[0-9,]*)\]")
_ARRAY = re.compile(r"(?:(?P<shape>\([0-9None, ]*\)), )?(?P<element>[a-z0-9]+)")


@dataclass(frozen=True)
class ColumnType:
    """A Pixeltable type.

    Attributes:
        name: `Int`, `Image`.
        nullable: whether NULL is allowed.
        element: of an array: numpy's name of the type of its elements, None where they may be of any.
        shape: of an array: its dimensions, None for one of any length; None where their number is not known.
    """

    name: str
    nullable: bool
    element: str | None = None
    shape: tuple[int | None, ...] | None = None

    @property
    def is_media(self) -> bool:
        """Whether a cell stands for a file: an image, a video, audio or a document."""
        return self.name in MEDIA_TYPES

    @property
    def is_blob(self) -> bool:
        """Whether a cell is stored as bytes."""
        return self.name in BLOB_TYPES


class MediaColumn(NamedTuple):
    """A media column as a grant names it.

    Attributes:
        table_id: of the table or view that the statement names, as hex.
        version: of that table; None where it has no versions.
        column_id: a number of the column, below 2**32; a new name does not change it.
    """

    table_id: str
    version: int | None
    column_id: int


def parse_type(declaration: str) -> ColumnType:
    """Read a type as Pixeltable prints it: `Int`, `Float | None`, `Image['RGB']`, `Array[(3, None), float32] | None`."""
    match = _DECLARATION.fullmatch(declaration)
    if match is None:
        raise ValueError(f"not a Pixeltable type: {declaration}")
    column = ColumnType(match["name"], match["nullable"] is not None)
    array = _ARRAY.fullmatch(match["arguments"] or "") if column.name == "Array" else None
    if array is None:
        return column
    return ColumnType(column.name, column.nullable, array["element"], None if array["shape"] is None else ast.literal_eval(array["shape"]))


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
    metadata = {b"pxt:type": column.name.encode()}
    if column.is_media:
        nullable = nullable or (media.startswith("thumbnail") and column.name != "Image")  # there may be nothing to look at
        return pa.field(name, pa.utf8() if media == "url" else pa.binary(), nullable, metadata | {b"pxt:media": media.encode()})
    if column.name == "Binary":
        return pa.field(name, pa.binary(), nullable, metadata)
    if column.name == "Array":
        array = _array_type(column)
        return pa.field(name, array or pa.binary(), nullable, metadata if array else metadata | {ENCODING: NPY})
    if column.name not in ARROW_TYPES:
        raise error(
            "type_unsupported",
            f"Column {name} is of type {column.name}, which is not served.",
            hint="Name the columns that you need instead of *.",
            where={"column": name},
        )
    return pa.field(name, ARROW_TYPES[column.name], nullable, metadata)


def blob_name(column: ColumnType) -> str:
    """The name of the type of Postgres for blobs of a column: so it knows by itself, through joins and unions, what an array is."""
    if column.name != "Array":
        return column.name
    # Without spaces and parentheses: a name has 63 bytes at most.
    return f"Array[{column.element or ''};{','.join(str(size or '') for size in column.shape) if column.shape is not None else '?'}]"


def blob_of(name: str) -> ColumnType | None:
    """The column whose blobs are of a type of Postgres; None where that is no type of ours."""
    if name == "Binary":
        return ColumnType("Binary", nullable=True)
    match = _BLOB_NAME.fullmatch(name)
    if match is None:
        return None
    sizes = match["shape"]
    shape = None if sizes == "?" else tuple(int(size) if size else None for size in sizes.split(","))
    return ColumnType("Array", True, match["element"] or None, shape)


def _array_type(column: ColumnType) -> pa.DataType | None:
    """The type of arrays that Arrow can hold as such; None where their dimensions or elements are not known."""
    element = ELEMENTS.get(column.element or "")
    if element is None or not column.shape:
        return None
    if all(column.shape) and column.element not in _NO_TENSOR:
        return pa.fixed_shape_tensor(element, column.shape)
    # Lists within lists of a fixed size have no place for a NULL in between, and a list of lists is what every client knows.
    is_fixed = all(column.shape)
    for size in reversed(column.shape):
        element = pa.list_(element, size) if is_fixed else pa.list_(element)
    return element
