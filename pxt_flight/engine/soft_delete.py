"""Which column of a table tells that a row is deleted softly: the one that bears our mark in Pixeltable's own metadata.

The mark goes where the column goes: with the table when it is moved, with the column when it is renamed, and to every process. A user's own
column of that name bears none, and hides nothing.
"""

from collections.abc import Mapping
from typing import Any

COLUMN = "deleted_at"
"""The name under which it is made; it is known by its mark alone."""
MARK = {"pxt_flight": "soft_delete"}
"""Its `custom_metadata`."""
SHOWN_BY = "Rows deleted softly, and when, are read with include_deleted."


def deletion_columns(columns: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The names of the columns that say when a row was deleted softly.

    Args:
        columns: of a table, as `get_metadata()` describes them.
    """
    return frozenset(name for name, column in columns.items() if column["custom_metadata"] == MARK)
