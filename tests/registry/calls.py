"""The calls that are tried over every wire: the examples of the reference, and others of the same operations."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pxt_flight.reference.example_calls import EXAMPLES, Example


def _also(action: str, **changed: Any) -> Example:
    """An example with other arguments; None leaves one out."""
    arguments = {name: value for name, value in (EXAMPLES[action].arguments | changed).items() if value is not None}
    return replace(EXAMPLES[action], arguments=arguments)


# By their names: the action, and what is asked of it.
CALLS: Mapping[str, tuple[str, Example]] = {
    **{action: (action, example) for action, example in EXAMPLES.items()},
    "create_table of no rows": ("pixeltable.create_table", _also("pixeltable.create_table", rows=None)),
    "get_row unless known": ("table.get_row", _also("table.get_row", if_none_match='"other"')),
    "update_row if there": ("table.update_row", _also("table.update_row", if_match="*")),
}
# What a key of other tables is told, by action, where the call names nothing that must be there.
HIDDEN: Mapping[str, str] = {"pixeltable.create_table": "TABLE_NOT_FOUND", "pixeltable.delete_all_tables": "permission_denied"}
