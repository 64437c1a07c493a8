"""Rows into a table by Pixeltable's own insert, and what the other ways (`inserts`) share with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pixeltable as pxt
from pixeltable.exec import ExprEvalNode
from pixeltable.utils.local_store import TempStore


class Inserted(NamedTuple):
    """What an insert did.

    Attributes:
        version: that it made; 0 where the table has none.
        first_row_id: of the first row; None where the table has none.
        errors: cells that could not be computed, those of views included.
    """

    version: int
    first_row_id: int | None
    errors: int


def insert(table: pxt.Table, rows: list[dict[str, Any]], *, ignore_errors: bool) -> Inserted:
    """Insert rows by `Table.insert`. Needs `in_write`.

    Args:
        table: where to.
        rows: all of them.
        ignore_errors: whether a cell that cannot be computed is NULL, with its error beside it.
    """
    version = table._tbl_version.get()
    first = version.next_row_id if version.is_data_versioned else None
    with in_order(version.store_tbl):
        status = table.insert(rows, on_error="ignore" if ignore_errors else "abort")
    return inserted(table, status, first)


def live(table: pxt.Table) -> int:
    """The version of a table that has versions, else 0. Needs `in_write`."""
    version = table._tbl_version.get()
    return int(version.version) if version.is_data_versioned else 0


def file_of(table: pxt.Table, column: str, content: bytes, *, suffix: str, version: int) -> str:
    """Keep bytes as a file among those that Pixeltable moves to its own place with the row that names it.

    Args:
        table: of the row.
        column: a media column.
        content: of the file.
        suffix: of its name: documents are known by it.
        version: that is being made: should that fail, the file is told by it.
    """
    of_table = table._tbl_version.get()
    path, _ = TempStore.save_media_object(content, of_table.id, of_table.cols_by_name[column].id, version, format=None)
    return str(path.rename(path.with_name(path.name + suffix)) if suffix else path)


def inserted(table: pxt.Table, status: Any, first: int | None) -> Inserted:
    """What Pixeltable says that an insert did."""
    return Inserted(live(table), first, status.num_excs)


@contextmanager
def in_order(store: Any) -> Iterator[None]:
    """Let rows be written in the order in which they came, for they are told by the number of the first.

    Pixeltable writes a row as soon as it is computed (0.7.21, `maintain_input_order=False`).
    """
    insert_rows = store.insert_rows

    def ordered(plan: Any, **options: Any) -> Any:
        for node in nodes_of(plan):
            if type(node) is ExprEvalNode:
                node.set_input_order(True)
        return insert_rows(plan, **options)

    with instead(store, "insert_rows", ordered):
        yield


@contextmanager
def instead(owner: Any, name: str, part: Any) -> Iterator[None]:
    """An attribute of one object, replaced for a while."""
    before = vars(owner).get(name)
    setattr(owner, name, part)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def nodes_of(plan: Any) -> Iterator[Any]:
    """The nodes of a plan, the topmost first."""
    while plan is not None:
        yield plan
        plan = plan.input
