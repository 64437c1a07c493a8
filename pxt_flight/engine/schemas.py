"""Columns as a request declares them -> the columns of a table.

A type is written as Pixeltable prints it, and read by a parser:
`Int`, `String | None`, `Image['RGB']`, `Array[(3, None), float32]`.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

import pixeltable as pxt

from pxt_flight.engine.inference import declaration, pixeltable_type
from pxt_flight.engine.seam.store import check_column_name
from pxt_flight.engine.target import TargetColumn
from pxt_flight.engine.types import ARROW_TYPES, BLOB_TYPES, ELEMENTS, MEDIA_TYPES, ColumnType, parse_type
from pxt_flight.errors import PxtFlightError, error

MAX_COLUMNS = 1600
"""As many as a table of Postgres may have."""
_NAMES = frozenset(ARROW_TYPES) | MEDIA_TYPES | BLOB_TYPES
_PARTS = re.compile(r"(?P<name>\w+)\s*(?:\[(?P<arguments>.*)\])?\s*(?P<nullable>\|\s*None)?", re.DOTALL)
_AFTER_SHAPE = re.compile(r"\)\s*,\s*")
_LARGEST_SIZE = 1 << 31


@dataclass(frozen=True)
class ColumnSpec:
    """A column as a request declares it.

    Attributes:
        type: Pixeltable's type: `Int`, `String | None`, `Image['RGB']`, `Array[(3, None), float32]`.
        nullable: whether it may hold NULL; default what the type says.
        comment: what it is for.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    type: str
    nullable: bool | None = None
    comment: str | None = None


@dataclass(frozen=True)
class Columns:
    """Declared columns, read.

    Attributes:
        columns: as rows are held against them.
        specs: as Pixeltable takes them.
    """

    columns: tuple[TargetColumn, ...]
    specs: Mapping[str, dict[str, Any]]


def read_columns(schema: Mapping[str, str | ColumnSpec], primary_key: Sequence[str] = ()) -> Columns:
    """Read declared columns.

    Args:
        schema: the columns by name, in order.
        primary_key: the names of the key columns, in whatever case; they hold no NULL.

    Raises:
        InvalidRequestError: `INVALID_SCHEMA`, `INVALID_COLUMN_NAME` or `INVALID_TYPE`.
        NotFoundError: `COLUMN_NOT_FOUND`, of the primary key.
    """
    _check_names(schema, primary_key)
    columns, specs = [], {}
    for name, said in schema.items():
        spec = ColumnSpec(said) if isinstance(said, str) else said
        kind, declared = _read(name, spec)
        if kind.nullable and name.lower() in {key.lower() for key in primary_key}:
            hint = f"Declare it {declaration(ColumnType(kind.name, nullable=False, element=kind.element, shape=kind.shape))}."
            raise error("INVALID_SCHEMA", f"Column {name} of the primary key may hold NULL.", hint=hint, where={"column": name})
        columns.append(TargetColumn(name.lower(), kind, declaration(kind), is_computed=False))
        specs[name.lower()] = {"type": declared} | ({"comment": spec.comment} if spec.comment else {})
    return Columns(tuple(columns), specs)


def read_type(text: str, column: str) -> tuple[ColumnType, Any]:
    """A type by its declaration: as ours, and as Pixeltable takes it.

    Args:
        text: the declaration.
        column: whose it is, for the error.

    Raises:
        InvalidRequestError: `INVALID_TYPE`.
    """
    return _read(column, ColumnSpec(text))


def _check_names(schema: Mapping[str, Any], primary_key: Sequence[str]) -> None:
    if not schema or len(schema) > MAX_COLUMNS:
        raise error("INVALID_SCHEMA", f"A table has 1 to {MAX_COLUMNS} columns.", where={"argument": "schema"})
    folded: dict[str, str] = {}
    for name in schema:
        check_column_name(name)
        if name.lower() in folded:
            said = f"Columns {folded[name.lower()]} and {name} are one to Pixeltable, which folds names to lower case."
            raise error("INVALID_SCHEMA", said, where={"column": name})
        folded[name.lower()] = name
    missing = next((key for key in primary_key if key.lower() not in folded), None)
    if missing is not None:
        raise error("COLUMN_NOT_FOUND", f"The schema has no column {missing} of the primary key.", where={"column": missing})


def _read(name: str, spec: ColumnSpec) -> tuple[ColumnType, Any]:
    match = _PARTS.fullmatch(spec.type.strip())
    if match is None or match["name"] not in _NAMES:
        raise _invalid(name, spec.type, match["name"] if match else "")
    nullable = match["nullable"] is not None if spec.nullable is None else spec.nullable
    if match["nullable"] is not None and not nullable:
        raise error("INVALID_TYPE", f"Column {name} is said to be nullable, and not.", where={"column": name})
    arguments = (match["arguments"] or "").strip()
    try:
        if match["name"] == "Image" and arguments:
            declared = _image(arguments)
            return ColumnType("Image", nullable), declared | None if nullable else declared
        kind = parse_type(match["name"] + (f"[{_AFTER_SHAPE.sub('), ', arguments)}]" if arguments else ""))
        kind = ColumnType(kind.name, nullable, kind.element, kind.shape)
        if (
            bool(arguments) != (kind.element is not None)
            or kind.element not in (None, *ELEMENTS)
            or not _is_shape((None,) if kind.shape is None else kind.shape)
        ):
            raise ValueError
        return kind, pixeltable_type(kind)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _invalid(name, spec.type, match["name"]) from None


def _image(arguments: str) -> Any:
    """The type of pictures of a size, of a mode, or both."""
    parts = ast.literal_eval(f"({arguments},)")
    sizes = [part for part in parts if isinstance(part, tuple)]
    modes = [part for part in parts if isinstance(part, str)]
    if len(parts) != len(sizes) + len(modes) or any(len(size) != 2 or None in size or not _is_shape(size) for size in sizes):
        raise ValueError
    return pxt.Image[tuple(parts) if len(parts) > 1 else parts[0]]


def _is_shape(sizes: Sequence[Any]) -> bool:
    return bool(sizes) and all(size is None or (type(size) is int and 0 < size < _LARGEST_SIZE) for size in sizes)


def _invalid(column: str, text: str, name: str) -> PxtFlightError:
    close = get_close_matches(name.capitalize(), _NAMES, n=1) if name not in _NAMES else []
    hint = f"Did you mean {close[0]}?" if close else f"One of {', '.join(sorted(_NAMES))}; such as Array[(3, None), float32], Int | None."
    return error("INVALID_TYPE", f"Column {column} is of no type of Pixeltable: {text}.", hint=hint, where={"column": column})
