"""A table as a write finds it: its columns, and the Arrow types in which their values wait on disk to be written."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from uuid import UUID

import pyarrow as pa

from pxt_flight.engine.catalog import current, get_table
from pxt_flight.engine.kept import Kept
from pxt_flight.engine.soft_delete import deletion_columns
from pxt_flight.engine.store import Shapes, Store, shapes
from pxt_flight.engine.types import ARROW_TYPES, ELEMENTS, ColumnType, parse_type
from pxt_flight.errors import PxtFlightError, error

_KEPT = 256  # tables
ROW_ID = "_rowid"
"""The name under which row ids travel beside the columns."""


@dataclass(frozen=True)
class TargetColumn:
    """A column.

    Attributes:
        name: its name.
        kind: its Pixeltable type.
        declaration: that type as Pixeltable prints it: `Image['RGB'] | None`.
        is_computed: whether nobody may write it: Pixeltable computes it, or it says when a row was deleted softly.
        is_deletion: whether it is the latter.
    """

    name: str
    kind: ColumnType
    declaration: str
    is_computed: bool
    is_deletion: bool = False

    @property
    def staged(self) -> pa.DataType:
        """See `staged_type`."""
        return staged_type(self.kind)


def written_by_deletion(column: TargetColumn, table: str) -> PxtFlightError:
    """The error of a value for the column that says when a row was deleted softly."""
    return error(
        "UNSUPPORTED_OPERATION",
        f"Column {column.name} says when a row was deleted.",
        hint="Delete rows with soft=true, which sets it, and restore them, which empties it.",
        where={"table": table, "column": column.name},
    )


@dataclass(frozen=True)
class Target:
    """A table that can be written.

    Attributes:
        path: with slashes.
        table_id: of the store.
        version: the live one; 0 where the table has none.
        columns: all that the table has by itself, in order.
        primary_key: the names of its key columns.
        is_versioned: whether it keeps versions, and so has row ids.
        shapes: while these are the same, so are its path and columns; nothing where that is not known.
    """

    path: str
    table_id: UUID
    version: int
    columns: tuple[TargetColumn, ...]
    primary_key: tuple[str, ...]
    is_versioned: bool
    shapes: Shapes = field(default=frozenset(), compare=False, repr=False)

    @property
    def deletion(self) -> TargetColumn | None:
        """The column that says when a row was deleted softly; None where none is."""
        return next((column for column in self.columns if column.is_deletion), None)

    def column(self, name: str) -> TargetColumn | None:
        """The column of a name, in whatever case; None where there is none."""
        return next((column for column in self.columns if column.name == name.lower()), None)


def staged_type(kind: ColumnType) -> pa.DataType:
    """The Arrow type in which checked values of a column are staged.

    Scalars as they are read (`types.ARROW_TYPES`), UUIDs as their 16 bytes; Json as its text, which jsonb takes; arrays of a known shape
    flat, as fixed-size lists in C order, other arrays as `.npy` files; media as the bytes of the file.
    """
    if kind.name == "UUID":
        return pa.binary(16)
    if kind.name in ARROW_TYPES:
        return ARROW_TYPES[kind.name]
    element = ELEMENTS.get(kind.element or "")
    if kind.name == "Array" and kind.element != "str" and element is not None and kind.shape and all(kind.shape):
        return pa.list_(pa.field("item", element, nullable=False), prod(size for size in kind.shape if size))
    return pa.binary()


class Targets:
    """The tables that writes ask for, kept for as long as nothing but rows of theirs is written.

    Args:
        store: that they are in.
        run: does work on a thread that speaks to Pixeltable.
        may_keep: whether it is the Pixeltable that we know; else each is found anew.
    """

    def __init__(self, store: Callable[[], Store], run: Callable[[Callable[[], Target]], Target], may_keep: Callable[[], bool]) -> None:
        self._store = store
        self._run = run
        self._may_keep = may_keep
        self._kept = Kept[str, Target](_KEPT)

    def of(self, path: str) -> Target:
        """The table of a path as it is now; errors as of `describe`."""
        known = self._kept.get(path) if self._may_keep() else None
        if known is None:
            return self._described(path)
        states = self._store().states([key for key, _ in known.shapes])
        if shapes(states) != known.shapes:
            return self._described(path)
        return replace(known, version=states[str(known.table_id)].version or 0) if known.is_versioned else known

    def _described(self, path: str) -> Target:
        if not self._may_keep():
            return self._run(lambda: describe(path))
        return self._kept.put(path, self._run(lambda: _shaped(path)))


def is_unchanged(table: Target) -> bool:
    """Whether a table stands where it was found, with the same columns. Needs `in_write`."""
    if table.shapes:
        from pxt_flight.engine.seam import plan

        if shapes(plan.states([key for key, _ in table.shapes])) == table.shapes:
            return True
    now = describe(table.path)
    return (now.table_id, now.columns) == (table.table_id, table.columns)


def _shaped(path: str) -> Target:
    """`describe`, and what tells that it still holds."""
    # Imported here only: where Pixeltable's private parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import plan

    def found(_table: object) -> Target:
        table = describe(path)
        ids = [str(table.table_id)]
        return replace(table, shapes=shapes(plan.states(ids + plan.directories(ids))))

    return current(path, found)


def describe(path: str) -> Target:
    """The table of a path, as Pixeltable has it now. Runs on a thread that speaks to Pixeltable.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, for a view, a snapshot or an old version.
    """
    table = get_table(path)
    metadata = table.get_metadata()
    if metadata["kind"] != "table" or ":" in path:
        base = metadata["base"]
        raise error(
            "UNSUPPORTED_OPERATION",
            f"{path} is a {metadata['kind'] if ':' not in path else 'version'}, which takes no writes.",
            hint=f"Write to {base or path.partition(':')[0]}." if base or ":" in path else None,
            where={"table": path},
        )
    deletion = deletion_columns(metadata["columns"])
    columns = tuple(
        TargetColumn(
            name, parse_type(column["type_"]), column["type_"], column["computed_with"] is not None or name in deletion, name in deletion
        )
        for name, column in metadata["columns"].items()
    )
    version = metadata["version"] if metadata["is_data_versioned"] else 0
    return Target(path, metadata["id"], version, columns, tuple(metadata["primary_key"] or ()), metadata["is_data_versioned"])
