"""One row of a table: what names it, the request that reads it, and what tells its versions apart."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from sqlglot import exp

from pxt_flight.engine import dialect
from pxt_flight.engine.catalog import get_table
from pxt_flight.engine.scan import Request
from pxt_flight.engine.sources import ROW_ID, ROW_VERSION, table_info
from pxt_flight.engine.store import Store
from pxt_flight.engine.types import ARROW_TYPES, ColumnType
from pxt_flight.errors import PxtFlightError, error

_BOOLS = {"true": True, "false": False}
# From the text of a key in a URL; what is no text already is for the checker.
_READ: dict[str, Callable[[str], Any]] = {
    "Int": int,
    "Float": float,
    "Bool": lambda text: _BOOLS[text.lower()],
    "String": str,
    "UUID": uuid.UUID,
    "Date": date.fromisoformat,
    "Timestamp": datetime.fromisoformat,
}


@dataclass(frozen=True)
class RowTable:
    """A table, view or snapshot, as one of its rows is read.

    Attributes:
        path: with slashes, and its version where one is named.
        columns: the types of those that the store has.
        primary_key: the names of its key columns.
        is_versioned: whether it keeps versions, and so has row ids.
        table_id: of the store, where the version of a row is all that its values depend on: not of a view, which shows other tables'.
    """

    path: str
    columns: Mapping[str, ColumnType]
    primary_key: tuple[str, ...]
    is_versioned: bool
    table_id: uuid.UUID | None


@dataclass(frozen=True)
class RowName:
    """What names one row: `_rowid`, or the columns of the primary key, each with its value."""

    values: Mapping[str, Any]

    def batch(self, table: RowTable) -> pa.RecordBatch:
        """The name as one row, for a write."""
        arrays = {}
        for name, value in self.values.items():
            kind = "Int" if name == ROW_ID else table.columns[name].name
            arrays[name] = pa.array([value.bytes], pa.binary(16)) if kind == "UUID" else pa.array([value], ARROW_TYPES[kind])
        return pa.RecordBatch.from_pydict(arrays)


def describe(path: str) -> RowTable:
    """The table of a path. Runs on a thread that speaks to Pixeltable.

    Raises:
        NotFoundError: `TABLE_NOT_FOUND`.
    """
    metadata = get_table(path).get_metadata()
    info = table_info(path, metadata, include_deleted=False)
    stored = {name: kind for name, kind in info.columns.items() if name not in info.unstored}
    is_base = metadata["kind"] == "table" and ":" not in path and metadata["is_data_versioned"]
    return RowTable(path, stored, tuple(metadata["primary_key"] or ()), metadata["is_data_versioned"], metadata["id"] if is_base else None)


def by_id(table: RowTable, row_id: str) -> RowName:
    """The row of an id: `7`, or `7.3` of a view that makes several rows of one.

    Raises:
        ConflictError: `row_id_unsupported`.
        NotFoundError: `ROW_NOT_FOUND`, it is no row id.
    """
    if not table.is_versioned:
        raise error("row_id_unsupported", f"{table.path} has no row ids.", hint="Name the row by its key.", where={"table": table.path})
    parts = row_id.split(".")
    if not all(part.isascii() and part.isdecimal() and int(part[:19]) < 1 << 63 and len(part) < 20 for part in parts):
        raise missing(table.path)
    return RowName({ROW_ID: row_id if len(parts) > 1 else int(row_id)})


def by_key(table: RowTable, key: Mapping[str, Any]) -> RowName:
    """The row of a primary key.

    Args:
        table: the table.
        key: a value for each column of the key, or a text of it.

    Raises:
        ConflictError: `row_id_unsupported`, the table has no primary key.
        InvalidRequestError: `INVALID_ARGUMENT`, these are not its columns; `TYPE_MISMATCH`.
    """
    where = {"table": table.path}
    if not table.primary_key:
        hint = "Name the row by its row id." if table.is_versioned else None
        raise error("row_id_unsupported", f"{table.path} has no primary key.", hint=hint, where=where)
    given = {name.lower(): value for name, value in key.items()}
    if given.keys() != set(table.primary_key) or len(given) != len(key):
        hint = "&".join(f"key.{name}=..." for name in table.primary_key)
        raise error("INVALID_ARGUMENT", f"The key of {table.path} is {', '.join(table.primary_key)}.", hint=hint, where=where)
    return RowName({name: key_value(table, name, given[name]) for name in table.primary_key})


def key_value(table: RowTable, name: str, value: Any) -> Any:
    """The value of a key column, as Python has it; errors as of `by_key`."""
    kind = table.columns[name].name
    try:
        found = _READ[kind](value if isinstance(value, str) else str(value))
        if kind == "Int" and not -(2**63) <= found < 2**63:
            raise ValueError
    except (KeyError, ValueError, OverflowError):
        raise error("TYPE_MISMATCH", f"Column {name} is {kind}.", where={"table": table.path, "column": name}) from None
    return found.astimezone() if isinstance(found, datetime) and found.tzinfo is None else found


def request(table: RowTable, name: RowName, media: str, columns: list[str] | None = None) -> Request:
    """What reads a row: first its row id, where the table has any, and its version, where that is told by its table; then its columns.

    Args:
        table: the table.
        name: of the row.
        media: how media values are sent.
        columns: default all that are stored.
    """
    names = [
        *([ROW_ID] if table.is_versioned else []),
        *([ROW_VERSION] if table.table_id else []),
        *(table.columns if columns is None else columns),
    ]
    tree = exp.Select(expressions=[_column(column) for column in names])
    tree.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(table.path, quoted=True))))
    for number, column in enumerate(name.values, 1):
        tree = tree.where(exp.EQ(this=_column(column), expression=exp.Parameter(this=exp.Literal.number(number))))
    # A row id as text: Postgres reads it as what it is in this table, a number or several with dots.
    values = [str(value) if column == ROW_ID else value for column, value in name.values.items()]
    return Request(dialect.generate(tree), tuple(values), media)


def version_tag(store: Store, table_id: uuid.UUID, row_id: object, version: int) -> str:
    """What tells this version of a row from every other, for an ETag: it is the same as long as nobody writes the row.

    Args:
        store: Pixeltable's own login.
        table_id: of the table.
        row_id: of the row.
        version: that in which the row was written. Its number may come again after a revert; when it was made does not.
    """
    with store.connection() as connection:
        moments = store.moments_in(connection, [(str(table_id), version, "")])
    made = next((moment[2] for moment in moments), "")
    return f'"{row_id}.{version}.{hashlib.blake2b(f"{table_id} {made}".encode(), digest_size=6).hexdigest()}"'


def missing(path: str) -> PxtFlightError:
    """The error of a row that a table does not have."""
    return error("ROW_NOT_FOUND", f"{path} has no such row.", where={"table": path})


def _column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))
