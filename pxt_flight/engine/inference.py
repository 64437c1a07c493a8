"""An Arrow schema -> the columns of the table that would hold its rows.

| Arrow | Pixeltable |
|---|---|
| integers, decimals without a fraction | Int |
| floats, other decimals | Float: of a decimal 15 digits are sure to be kept |
| booleans | Bool |
| texts, times of the day, null | String |
| timestamps; dates | Timestamp; Date |
| UUIDs; bytes | UUID; Binary |
| tensors, fixed-size lists of numbers or booleans | Array of that shape |
| other lists, structs, maps, arrow.json | Json |

A dictionary is what its values are. The metadata `pxt:type` of a field says otherwise: `Image`, `Json`, `Array[(3, None), float32]`.
A column may hold NULL where the Arrow field may and it is none of the primary key; one of Arrow's type null always may.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pixeltable as pxt
import pyarrow as pa

from pxt_flight.engine.casting.json_cells import JsonCell
from pxt_flight.engine.casting.storage import is_bytes, is_row_major, is_text, plain_type
from pxt_flight.engine.seam.store import check_column_name
from pxt_flight.engine.target import TargetColumn
from pxt_flight.engine.types import ARROW_TYPES, BLOB_TYPES, ELEMENTS, MEDIA_TYPES, ColumnType, parse_type
from pxt_flight.errors import error

_NAMES = frozenset(ARROW_TYPES) | MEDIA_TYPES | BLOB_TYPES
_TYPES = pa.types
_BY_TEST: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (_TYPES.is_boolean, "Bool"),
    (_TYPES.is_integer, "Int"),
    (lambda kind: _TYPES.is_decimal(kind) and kind.scale == 0, "Int"),
    (lambda kind: _TYPES.is_floating(kind) or _TYPES.is_decimal(kind), "Float"),
    (lambda kind: is_text(kind) or _TYPES.is_time(kind) or _TYPES.is_null(kind), "String"),
    (_TYPES.is_timestamp, "Timestamp"),
    (_TYPES.is_date, "Date"),
    (is_bytes, "Binary"),
    (lambda kind: _TYPES.is_nested(kind) and not _TYPES.is_union(kind), "Json"),
)


def infer(schema: pa.Schema, *, primary_key: Sequence[str] = ()) -> tuple[TargetColumn, ...]:
    """The columns that rows of a schema make.

    Args:
        schema: of the rows.
        primary_key: the names of the key columns, in whatever case.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, a name that no column may have, or that two have, or there is no column;
            `type_unsupported`, a type that no column holds.
        NotFoundError: `COLUMN_NOT_FOUND`, of the primary key.
    """
    keys = {name.lower() for name in primary_key}
    if not len(schema):
        raise error("INVALID_ARGUMENT", "The rows have no columns.")
    seen: dict[str, str] = {}
    for name in schema.names:
        check_column_name(name)
        if name.lower() in seen:
            raise error(
                "INVALID_ARGUMENT",
                f"Columns {seen[name.lower()]} and {name} are one to Pixeltable, which folds names to lower case.",
                hint="Rename one of them.",
                where={"column": name},
            )
        seen[name.lower()] = name
    for key in sorted(keys - seen.keys()):
        raise error("COLUMN_NOT_FOUND", f"The rows have no column {key} of the primary key.", where={"column": key})
    fields = [field.with_type(field.type.like) if isinstance(field.type, JsonCell) else field for field in schema]
    kinds = {field.name.lower(): _kind(field, is_key=field.name.lower() in keys) for field in fields}
    return tuple(TargetColumn(name, kind, declaration(kind), is_computed=False) for name, kind in kinds.items())


def declaration(kind: ColumnType) -> str:
    """A type as Pixeltable prints it: `Array[(3, None), float32] | None`."""
    arguments = ", ".join(part for part in (None if kind.shape is None else str(kind.shape), kind.element) if part is not None)
    return kind.name + (f"[{arguments}]" if arguments else "") + (" | None" if kind.nullable else "")


def pixeltable_types(columns: Sequence[TargetColumn]) -> dict[str, Any]:
    """Columns as `pixeltable.create_table` takes them."""
    return {column.name: pixeltable_type(column.kind) for column in columns}


def pixeltable_type(kind: ColumnType) -> Any:
    """A type as Pixeltable takes it."""
    declared: Any = getattr(pxt, kind.name)
    if kind.element is not None:
        element = np.dtype(kind.element).type
        declared = pxt.Array[element] if kind.shape is None else pxt.Array[kind.shape, element]
    return declared | None if kind.nullable else declared


def _kind(field: pa.Field, *, is_key: bool) -> ColumnType:
    bare = plain_type(field.type)
    nullable = (field.nullable or _TYPES.is_null(bare)) and not is_key
    declared = (field.metadata or {}).get(b"pxt:type", b"").decode(errors="replace")
    inferred = _inferred(field.type, bare, nullable=nullable)
    if declared:
        return _declared(declared, field.name, inferred, nullable=nullable)
    if inferred is None:
        raise error(
            "type_unsupported",
            f"Column {field.name} is of type {field.type}, which no column of Pixeltable holds.",
            hint="Cast it, a duration to a number of seconds for example, or leave it out.",
            where={"column": field.name},
        )
    return inferred


def _declared(text: str, name: str, inferred: ColumnType | None, *, nullable: bool) -> ColumnType:
    """What metadata says. `Array` alone, as results have it, leaves shape and element to the Arrow type."""
    try:
        kind = parse_type(text)
    except (ValueError, SyntaxError):
        kind = ColumnType("", nullable)
    if kind.name not in _NAMES or kind.element not in (None, *ELEMENTS):
        hint = f"One of {', '.join(sorted(_NAMES))}."
        raise error("INVALID_ARGUMENT", f"Column {name} has the unknown pxt:type {text}.", hint=hint, where={"column": name})
    if kind.name == "Array" and kind.element is None and inferred is not None and inferred.name == "Array":
        return inferred
    return ColumnType(kind.name, nullable, kind.element, kind.shape)


def _inferred(kind: pa.DataType, bare: pa.DataType, *, nullable: bool) -> ColumnType | None:
    if isinstance(kind, pa.UuidType | pa.JsonType):
        return ColumnType("UUID" if isinstance(kind, pa.UuidType) else "Json", nullable)
    shape, element = _shape(bare)
    if shape and element is not None:
        return ColumnType("Array", nullable, element, shape)
    return next((ColumnType(name, nullable) for test, name in _BY_TEST if test(bare)), None)


def _shape(kind: pa.DataType) -> tuple[tuple[int, ...], str | None]:
    """The shape of a type of tensors or fixed-size lists, and numpy's name of their numbers; None where they are none."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return tuple(kind.shape) if is_row_major(kind) else (), _element(kind.value_type)
    if not _TYPES.is_fixed_size_list(kind):
        return (), _element(kind)
    inner, element = _shape(kind.value_type)
    return (kind.list_size, *inner), element if kind.list_size else None


def _element(kind: pa.DataType) -> str | None:
    return next((name for name, element in ELEMENTS.items() if element == kind and name != "str"), None)
