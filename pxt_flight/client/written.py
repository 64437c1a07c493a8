"""What a write did: the answer of `Table.insert` and its kin."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import pyarrow as pa

# What the server counts, in the order in which it is told.
_COUNTS = ("inserted", "updated", "deleted", "rejected_rows", "errors")


@dataclass(frozen=True, repr=False)
class Written:
    """What a write did. Printing it tells it in one line.

    Attributes:
        kind: of write: `insert`, `update`, `upsert`, `delete`, `create`, `replace` or `revert`.
        table: the path of the table.
        version: the newest version that it made; the live one where it changed nothing, 0 where the table has no versions.
        inserted: rows that came.
        updated: rows that changed.
        deleted: rows that went.
        rejected_rows: rows that were sent and left out, with `on_error="ignore"`.
        errors: computed or media cells that failed.
        first_row_id: the row id of the first inserted row, None where there is none.
        tier: how rows were inserted: `bulk`, `stream` or `rows`; None where none were.
        repeated: whether it had been done before, under this idempotency key, and was not done again.
        rejected: the rows that were left out, as they were sent, with the reason in `pxt_error`; None where there are none.
    """

    kind: str
    table: str
    version: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rejected_rows: int = 0
    errors: int = 0
    first_row_id: int | None = None
    tier: str | None = None
    repeated: bool = False
    rejected: pa.Table | None = field(default=None, compare=False)

    @classmethod
    def from_answer(cls, answer: dict[str, Any], rejected: pa.Table | None = None) -> "Written":
        """What the server's JSON tells; fields of a newer server are left out."""
        known = {field.name: answer[field.name] for field in fields(cls) if field.name in answer and field.name != "rejected"}
        return replace(cls(**known), rejected_rows=answer.get("rejected", 0), rejected=rejected)

    @property
    def row_ids(self) -> range:
        """The row ids of the inserted rows, in the order in which they were sent; empty where they are not known."""
        return range(0) if self.first_row_id is None else range(self.first_row_id, self.first_row_id + self.inserted)

    def __repr__(self) -> str:
        counts = [f"{name}={getattr(self, name):,}" for name in _COUNTS if getattr(self, name)]
        rest = [f"tier={self.tier!r}"] if self.tier else []
        rest += ["repeated=True"] if self.repeated else []
        return f"Written({', '.join([f'{self.kind} {self.table!r}', f'version={self.version}', *counts, *rest])})"
