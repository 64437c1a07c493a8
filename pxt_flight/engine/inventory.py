"""All tables of the store, as one thing that may go."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pixeltable as pxt

from pxt_flight.engine.catalog import get_table, list_tables
from pxt_flight.engine.seam import probe
from pxt_flight.errors import error


@dataclass(frozen=True)
class Inventory:
    """The tables, views and snapshots that there are, without what is being filled.

    Attributes:
        paths: theirs, sorted.
        digest: differs where they are others, or one of them is of another version.
    """

    paths: tuple[str, ...]
    digest: bytes


def take() -> Inventory:
    """The tables of now; on a thread that speaks to Pixeltable.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`, this Pixeltable is not one whose tables can be dropped as one.
    """
    if probe.missing_parts_of_drops():
        raise error("UNSUPPORTED_OPERATION", "This server's Pixeltable is not one whose tables it can drop as one.")
    # Imported here only: where parts are missing, the import itself would fail.
    from pxt_flight.engine.seam import plan

    return plan.in_transaction(lambda: _inventory(_tables()))


def drop(expected: Inventory, *, patience: float) -> bool:
    """Drop them all, as one, unless they are not those any more; on a thread that may write. Answers whether it did.

    Args:
        expected: what `take` answered.
        patience: seconds that writes of others may be waited for.

    Raises:
        UnavailableError: `table_busy`.
    """
    from pxt_flight.engine.seam import drops

    is_same = True

    def find() -> list[pxt.Table]:
        nonlocal is_same
        tables = _tables()
        is_same = _inventory(tables).digest == expected.digest
        return tables if is_same else []

    drops.drop_all(find, patience=patience)
    return is_same


def _tables() -> list[pxt.Table]:
    """The tables, bases before what stands on them: that is the order in which Pixeltable locks them."""
    tables = [get_table(path) for path in list_tables()]
    return sorted(tables, key=lambda table: len(_moments(table)))


def _inventory(tables: list[pxt.Table]) -> Inventory:
    found = sorted((table.get_metadata()["id"].hex, sorted(_moments(table))) for table in tables)
    paths = sorted(_path(table) for table in tables)
    return Inventory(tuple(paths), hashlib.blake2b(repr(found).encode(), digest_size=16).digest())


def _moments(table: pxt.Table) -> frozenset[Any]:
    from pxt_flight.engine.seam import plan

    return plan.moments([table])[0]


def _path(table: pxt.Table) -> str:
    return str(table.get_metadata()["path"]).replace(".", "/")
