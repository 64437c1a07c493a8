"""Columns of a scan, typed as statements find them: what stands in a relation for a value of each Pixeltable type."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql
from pixeltable.exec.globals import INLINED_OBJECT_MD_KEY
from sqlalchemy.dialects import postgresql

from pxt_flight.engine.seam.probe import NotSqlError

OBJECT_KEY: str = INLINED_OBJECT_MD_KEY
"""The key under which Pixeltable notes where an object inside of Json is."""

# What each Pixeltable type is cast to, so that a statement finds the declared type whatever Pixeltable's planner makes of it.
SCALARS: dict[str, Any] = {
    "Int": sql.BigInteger,
    "Float": sql.Double,
    "Bool": sql.Boolean,
    "String": sql.Text,
    "Timestamp": sql.TIMESTAMP(timezone=True),
    "Date": sql.Date,
    "UUID": sql.Uuid,
}
# The types of embeddings -> what gives their bytes (pgvector 0.8).
_VECTORS = {"VECTOR": "vector_send", "HALFVEC": "halfvec_send"}
_NAME_BYTES = 63  # of an identifier of Postgres
# Stands in a relation where each run puts a number that nobody can know before: Postgres would take a user's text such as '(0,{7},1)' for
# a reference to any row, also one that a view leaves out.
RUN = '"pxt$run"'
# Likewise, in the place of a text that signs what stands for an object inside of Json.
SIGNED_BY = "pxt$secret"
# All but the file's name of a path, with or without a scheme, on any system, and the query of a URL: error texts quote what they failed on.
# Of a URL the user and the host with its port go, too.
# A folder's name may have spaces, so a text between two paths may be cut too: rather that than half a path.
_FOLDERS = (
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/\\'\"<>]*@)?(?:[^\s/\\'\"<>]*[/\\]+)?|[A-Za-z]:\\|~?[/\\])(?:[^/\\'\"<>|:*?\n]+[/\\]+)*(?=[^\s/\\'\"<>|:*?])"
    r"|[?][A-Za-z0-9_%.+-]+=[^\s'\"<>]*"
)


@dataclass(frozen=True)
class CellSource:
    """Where the cells of a media column are stored: what a cell reference's first number stands for.

    Attributes:
        kind: its Pixeltable type, `Image`.
        name: its name in the table.
        table: that of the store.
        column: that of the store.
        row_id: the columns of the row id there.
    """

    kind: str
    name: str
    table: str
    column: str
    row_id: tuple[str, ...]


def number_names(source: int, width: int) -> list[str]:
    """The names of the columns that hold a media cell's row id, of so many numbers, and version."""
    return [*(f"pxt${source}${i}" for i in range(width)), f"pxt${source}$version"]


def scalar(name: str, kind: str, column: Any) -> Any:
    """The SQL column cast to what its Pixeltable type promises."""
    if kind not in SCALARS:
        raise NotSqlError(f"column {name} is of type {kind}")
    return sql.cast(column, SCALARS[kind])


def json(column: Any, source: CellSource, number: int) -> Any:
    """Json, with a reference to the cell in the name of each image, array or bytes inside of it."""
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError(f"Json column {source.name} has no metadata")
    keys = (column.table.c[name] for name in source.row_id)
    place = sql.func.concat_ws(" ", sql.literal_column(str(number)), column.table.c.v_min, *keys)
    named = sql.func.pxt_flight.objects(column, OBJECT_KEY, SIGNED_BY, place)
    return sql.case((metadata.op("->")("file_urls").is_not(None), named), else_=column)


def error_property(column: Any, which: str) -> Any:
    """Type (`errortype`) or text (`errormsg`, without folders) of what went wrong when a cell was computed."""
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None:
        raise NotSqlError("a column has no errors")
    text = metadata.op("->>")(which)
    return sql.func.regexp_replace(text, _FOLDERS, "", "g") if which == "errormsg" else text


def row_id(columns: Sequence[Any]) -> Any:
    """The row id: the integer, or the numbers from the base to the component with dots between them."""
    return columns[0].expression if len(columns) == 1 else sql.func.concat_ws(".", *columns)


def row_version(columns: Sequence[Any]) -> Any:
    """The version of the table in which the row was written."""
    stored = columns[0].table.c
    if "v_min" not in stored:
        raise NotSqlError("the table is not versioned")
    return stored.v_min


def cell_source(name: str, kind: str, column: Any) -> CellSource:
    """Where the cells of a column are stored."""
    return CellSource(kind, name, column.table.name, column.name, row_id_columns(column))


def row_id_columns(column: Any) -> tuple[str, ...]:
    """The names of the row id's columns where a column is stored."""
    if "v_min" not in column.table.c:
        raise NotSqlError("the table is not versioned")
    return tuple(name for name in column.table.c.keys() if name == "rowid" or name.startswith("pos_"))  # noqa: SIM118


def cell(column: Any, source: CellSource, number: int) -> Any:
    """An opaque reference in place of the stored path: source, number of the run and row id, version."""
    reference = sql.func.row(sql.literal_column(str(number)), _reference(column, source), column.table.c.v_min)
    return sql.case((column.is_not(None), reference.op("::")(sql.literal_column("pxt_flight.cell"))))


def numbers(column: Any, source: CellSource, number: int) -> list[Any]:
    """The numbers of a cell reference, as columns of their own."""
    keys = [column.table.c[name] for name in (*source.row_id, "v_min")]
    labels = number_names(number, len(source.row_id))
    return [sql.case((column.is_not(None), key)).label(label) for key, label in zip(keys, labels, strict=True)]


def blob(column: Any, source: CellSource, number: int, name: str) -> Any:
    """An array or bytes: as they are where they are in the row, and a reference beside them."""
    metadata = column.table.c.get(f"{column.name}_cellmd")
    if metadata is None or len(name) > _NAME_BYTES:
        raise NotSqlError(f"column {source.name} is stored in a way that is not known")
    value = sql.func.row(sql.literal_column(str(number)), _reference(column, source), column.table.c.v_min, column, sql.null())
    is_there = sql.or_(column.is_not(None), metadata.op("->")("file_urls").is_not(None))
    return sql.case((is_there, value.op("::")(sql.literal_column(f'pxt_flight."{name}"'))))


def embedding(column: Any, name: str) -> Any:
    """The value of an embedding index, always in the row, as pgvector sends it: `blobs` reads that beside `.npy`."""
    send = _VECTORS.get(type(column.type).__name__)
    if send is None:
        raise NotSqlError("an embedding is stored in a way that is not known")
    vector = sql.func.row(sql.literal_column("0"), sql.null(), sql.null(), getattr(sql.func, send)(column), sql.null())
    return sql.case((column.is_not(None), vector.op("::")(sql.literal_column(f'pxt_flight."{name}"'))))


def _reference(column: Any, source: CellSource) -> Any:
    parts = [sql.literal_column(RUN), *(column.table.c[name] for name in source.row_id)]
    return sql.cast(postgresql.array(parts), sql.ARRAY(sql.BigInteger))
