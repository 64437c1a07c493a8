"""Staged values -> the values of Python that Pixeltable takes for them."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from pxt_flight.engine.copybinary import elements, parts
from pxt_flight.engine.target import TargetColumn

FileOf = Callable[[str, bytes, str], str]
"""Keeps the bytes of a file for a column, under a name with some suffix; answers its path."""

_ROWS = 1024
_BYTES = 8 << 20


def rows(batch: pa.RecordBatch, columns: Sequence[TargetColumn], file_of: FileOf) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch, few of them in memory at a time.

    Args:
        batch: its columns are the staged ones.
        columns: what they are.
        file_of: keeps media that Pixeltable takes as files only.
    """
    for part in parts(batch, rows=_ROWS, size=_BYTES):
        yield from zip(*(_values(part.column(i), column, file_of) for i, column in enumerate(columns)), strict=True)


def _values(array: pa.Array, column: TargetColumn, file_of: FileOf) -> Iterator[Any]:
    if column.kind.name == "Array" and pa.types.is_fixed_size_list(array.type):
        return _arrays(array, column)
    convert = _converter(column, file_of)
    values = array.to_pylist()
    return iter(values) if convert is None else (None if value is None else convert(value) for value in values)


def _converter(column: TargetColumn, file_of: FileOf) -> Callable[[Any], Any] | None:
    name = column.name
    match column.kind.name:
        case "Json":
            return json.loads
        case "UUID":
            return lambda value: UUID(bytes=value)
        case "Array":
            return lambda value: np.load(io.BytesIO(value), allow_pickle=False)
        case "Document":
            return lambda value: file_of(name, value, _document_suffix(value))
        case "Video" | "Audio":
            return lambda value: file_of(name, value, "")
    return None  # pictures too: Pixeltable keeps their bytes in a file by itself


def _arrays(array: pa.Array, column: TargetColumn) -> Iterator[Any]:
    """Arrays of a known shape. Each is a copy: a view would hold all of the batch."""
    for values, is_null in zip(elements(array), array.is_null().to_pylist(), strict=True):
        yield None if is_null else values.reshape(column.kind.shape).copy()


def _document_suffix(content: bytes) -> str:
    """The suffix by which Pixeltable tells what a document is; of text it tells nothing else."""
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"%pdf-"):
        return ".pdf"
    if head.startswith(b"pk\x03\x04"):
        return next((suffix for folder, suffix in _OFFICE if folder in content), "")
    if head.startswith((b"<!doctype html", b"<html")):
        return ".html"
    return ".xml" if head.startswith(b"<?xml") else ".txt"


# The folder in which Office Open XML (ECMA-376) has its main part.
_OFFICE = ((b"word/", ".docx"), (b"ppt/", ".pptx"), (b"xl/", ".xlsx"))
