"""A version of a table."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True)
class Version:
    """A version of a table, as Pixeltable tells of it.

    Attributes:
        version: its number.
        created_at: when it was made, in UTC.
        created_by: by whom, where Pixeltable was told.
        change: of what it is one.
        inserts: how many rows came.
        updates: how many changed.
        deletes: how many went.
        errors: how many computed cells failed.
        schema_change: what changed of the columns.
        note: why it cannot be read; None where it can.
    """

    version: int
    created_at: datetime
    created_by: str | None
    change: Literal["data", "schema"]
    inserts: int
    updates: int
    deletes: int
    errors: int
    schema_change: str | None
    note: str | None

    @classmethod
    def from_answer(cls, answer: dict[str, Any]) -> "Version":
        """The version that the server's JSON tells of; fields of a newer server are left out."""
        known = {field.name: answer[field.name] for field in fields(cls)}
        return cls(**known | {"created_at": datetime.fromisoformat(answer["created_at"])})
