"""What a table is: its columns, its key, what it stands on and what stands on it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pixeltable as pxt

from pxt_flight.engine.catalog import current, get_table, shown
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.engine.types import parse_type

Sees = Callable[[str], bool]
"""Whether a caller may know of a table by its path."""
# An absolute path, a URL, or one of another system: constants of an expression that say where files are.
_PLACE = re.compile(r"://|(?<!\w)[/~\\]\w|[A-Za-z]:\\")


@dataclass(frozen=True)
class ColumnInfo:
    """A column of a table.

    Attributes:
        name: its name.
        type: its type as Pixeltable prints it: `Image['RGB'] | None`.
        nullable: whether it may hold NULL.
        is_primary_key: whether it is of the primary key.
        is_computed: whether Pixeltable computes it.
        computed_with: the expression that it is computed with; None where it is not, or where that names a file.
        is_stored: whether its values are stored, or computed when they are read.
        media: what a cell is, image, video, audio or document; None where it is no file.
        comment: what it is for.
    """

    name: str
    type: str
    nullable: bool
    is_primary_key: bool
    is_computed: bool
    computed_with: str | None
    is_stored: bool
    media: Literal["image", "video", "audio", "document"] | None
    comment: str | None


@dataclass(frozen=True)
class IndexInfo:
    """An index of a table.

    Attributes:
        name: its name.
        columns: those that it is of.
        kind: `btree` or `embedding`.
        metric: of an embedding index: cosine, ip or l2.
        precision: of an embedding index: fp16 or fp32.
        function: what computes the embedding; None where that names a file.
    """

    name: str
    columns: list[str]
    kind: str
    metric: str | None
    precision: str | None
    function: str | None


@dataclass(frozen=True)
class TableInfo:
    """What a table is, without its rows.

    Attributes:
        path: with slashes; of an earlier version `films:3`.
        kind: what it is.
        version: its number; 0 where it keeps none.
        is_versioned: whether it keeps versions.
        columns: in order, without the one that says when a row was deleted softly.
        soft_delete: whether rows may be deleted softly, here or in the table that it stands on.
        primary_key: the names of its key columns.
        base: the path of the table that a view or snapshot stands on; None where it is none, or that may not be seen.
        where: the condition of a view; None where there is none, or where it names a file.
        views: the paths of the views and snapshots that stand on it, directly or not, as far as they may be seen.
        indexes: what finds rows faster.
        comment: what it is for.
    """

    path: str
    kind: Literal["table", "view", "snapshot"]
    version: int
    is_versioned: bool
    columns: list[ColumnInfo]
    soft_delete: bool
    primary_key: list[str]
    base: str | None
    where: str | None
    views: list[str]
    indexes: list[IndexInfo]
    comment: str | None


def describe(path: str, sees: Sees) -> TableInfo:
    """Describe a table, view or snapshot, or a version of one. Runs on a thread that speaks to Pixeltable.

    Args:
        path: of it, with its version where it is an earlier one.
        sees: which other tables the caller may know of.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    return current(path, lambda table: _described(path, table, sees))


def version(path: str) -> int:
    """The number of the live version of a table; 0 where it keeps none. Runs on a thread that speaks to Pixeltable."""
    metadata = get_table(path).get_metadata()
    return int(metadata["version"]) if metadata["is_data_versioned"] else 0


def dependents(table: pxt.Table) -> list[str]:
    """The paths of the views and snapshots that stand on a table, sorted."""
    return shown(table.list_views())


def _described(path: str, table: pxt.Table, sees: Sees) -> TableInfo:
    metadata = table.get_metadata()
    concealed = deletion_columns(metadata["columns"])
    columns = [_column(column) for name, column in metadata["columns"].items() if name not in concealed]
    base = metadata["base"]
    is_earlier = ":" in path
    return TableInfo(
        path=path,
        kind=metadata["kind"],
        version=metadata["version"] if metadata["is_data_versioned"] else 0,
        is_versioned=metadata["is_data_versioned"],
        columns=columns,
        soft_delete=bool(concealed),
        primary_key=list(metadata["primary_key"] or ()),
        base=base if base is not None and sees(base.partition(":")[0]) else None,
        where=_harmless(metadata["view_filter"]),
        views=[] if is_earlier else [view for view in dependents(table) if sees(view)],
        indexes=[index_info(index) for index in metadata["indexes"].values() if not concealed.intersection(index["columns"])],
        comment=metadata["comment"],
    )


def _column(column: Any) -> ColumnInfo:
    kind = parse_type(column["type_"])
    media: Any = kind.name.lower() if kind.is_media else None
    return ColumnInfo(
        name=column["name"],
        type=column["type_"],
        nullable=kind.nullable,
        is_primary_key=column["is_primary_key"],
        is_computed=column["is_computed"],
        computed_with=_harmless(column["computed_with"]),
        is_stored=column["is_stored"],
        media=media,
        comment=column["comment"],
    )


def index_info(index: Any) -> IndexInfo:
    """An index, as `get_metadata()` describes it."""
    parameters = index["parameters"] or {}
    function = _harmless(parameters.get("embedding"))
    return IndexInfo(
        index["name"], list(index["columns"]), index["index_type"], parameters.get("metric"), parameters.get("precision"), function
    )


def _harmless(expression: str | None) -> str | None:
    """An expression as Pixeltable prints it; None where a constant of it says where files are."""
    return None if expression is None or _PLACE.search(expression) else expression
