"""One example of each operation: arguments with which it succeeds on a table of films (`id` the key, `name`, `score`; ten rows).

In a text `{table}` is the path of the table, `{folder}` that of an empty directory; where one stands, the operation names something that
must be there. `{new}` is a path at which there is nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string()), ("score", pa.float64())])
FILMS = pa.Table.from_pylist([{"id": i, "name": f"film {i}", "score": i / 2} for i in range(10)], SCHEMA)
MORE = pa.Table.from_pylist([{"id": 10, "name": "film 10", "score": 5.0}], SCHEMA)


@dataclass(frozen=True)
class Example:
    """A call of an operation that succeeds.

    Attributes:
        arguments: those of its request.
        rows: those beside them, of an operation that takes rows.
        before: operations to run before it, by name, with their arguments.
        operation: the name of the operation, where the example is named otherwise: there are several then.
        hidden: the code for a key of other tables, where it names none that must be there.
        is_change: whether it changes the store, where its permission is more than to read.
        answer: the code that it answers here in place of a success, and `because`: why.
    """

    arguments: Mapping[str, Any]
    rows: pa.Table | None = None
    before: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    operation: str = ""
    hidden: str = ""
    is_change: bool = True
    answer: str = ""
    because: str = ""

    @property
    def missing(self) -> str | None:
        """The code where what it names is not there; None where it names nothing."""
        text = str(self.arguments)
        return "TABLE_NOT_FOUND" if "{table}" in text else "DIRECTORY_NOT_FOUND" if "{folder}" in text else None

    @property
    def refused(self) -> str | None:
        """The code for a key of other tables; None where it is answered without them."""
        return self.missing or self.hidden or ("TABLE_NOT_FOUND" if "{new}" in str(self.arguments) else None)


ENABLED = ("Table.enable_soft_delete", {"table_path": "{table}"})
SOFTLY = ("Table.delete", {"table_path": "{table}", "where": "id = 1", "soft": True})
PLAIN = ("Table.add_column", {"table_path": "{table}", "schema": {"plain": "String | None"}})
NEEDED = (
    ("Table.delete", {"table_path": "{table}", "all_rows": True}),  # which no row can lack
    ("Table.add_column", {"table_path": "{table}", "schema": {"plain": "String"}}),
)
INDEX = ("Table.add_index", {"table_path": "{table}", "column": "plain", "name": "of_plain"})
EXAMPLES: dict[str, Example] = {
    "capabilities": Example({}),
    "health": Example({}, is_change=False),
    "list_tables": Example({"dir_path": "/"}),
    "Table.versions": Example({"table_path": "{table}", "limit": 2}),
    "Table.writes": Example({"table_path": "{table}", "limit": 2}),
    "query": Example({"sql": "SELECT id, name FROM {table} WHERE score > $1 ORDER BY id", "parameters": [1.0]}),
    "Table.rows": Example({"table_path": "{table}", "select": "id,name", "where": '{"score": {"gt": 1}}', "order_by": "-id", "limit": 3}),
    "Table.query": Example({"table_path": "{table}", "group_by": ["name"], "aggregate": ["sum(score)"], "where": {"id": {"lt": 4}}}),
    "explain": Example({"sql": "SELECT id FROM {table} WHERE score > $1", "parameters": [1.0]}),
    "execute": Example({"sql": "UPDATE {table} SET score = $1 WHERE id = 1", "parameters": [9.5]}),
    "get_table": Example({"path": "{table}"}),
    "table_info": Example({"path": "{table}"}),
    "create_table": Example({"path": "{new}", "schema": {"id": "Int", "name": "String | None"}, "primary_key": "id"}),
    "create_table of rows": Example({"path": "{new}", "primary_key": ["id"]}, FILMS, operation="create_table"),
    "move_table": Example({"path": "{table}", "new_path": "{new}"}),
    "drop_table": Example({"path": "{table}"}),
    "list_dirs": Example({"dir_path": "/"}),
    "get_dir_contents": Example({"path": "{folder}"}),
    "create_dir": Example({"path": "{new}"}, hidden="DIRECTORY_NOT_FOUND"),
    "drop_dir": Example({"path": "{folder}"}),
    "Table.enable_soft_delete": Example({"table_path": "{table}"}),
    "Table.disable_soft_delete": Example({"table_path": "{table}"}, before=(ENABLED,)),
    "Table.restore": Example({"table_path": "{table}", "row_ids": [1]}, before=(ENABLED, SOFTLY)),
    "Table.insert": Example({"table_path": "{table}"}, MORE),
    "Table.update": Example({"table_path": "{table}", "set": {"score": 9.5}, "where": "id = 1"}),
    "Table.delete": Example({"table_path": "{table}", "where": "id = 1"}),
    "Table.update_rows": Example({"table_path": "{table}"}, FILMS.slice(0, 2).set_column(2, "score", pa.array([9.0, 9.5]))),
    "Table.delete_rows": Example({"table_path": "{table}"}, FILMS.slice(0, 2).select(["id"])),
    "Table.get_row": Example({"table_path": "{table}", "row_id": "1"}),
    "Table.get_row unless known": Example({"table_path": "{table}", "row_id": "1", "if_none_match": '"other"'}, operation="Table.get_row"),
    "Table.replace_row": Example({"table_path": "{table}", "row_id": "1", "row": {"id": 1, "name": "new", "score": None}}),
    "Table.update_row": Example({"table_path": "{table}", "row_id": "1", "set": {"score": 9.5}, "if_match": "*"}),
    "Table.delete_row": Example({"table_path": "{table}", "row_id": "1"}),
    "Table.revert": Example(
        {"table_path": "{table}"}, before=(("Table.update", {"table_path": "{table}", "set": {"score": 9.5}, "all_rows": True}),)
    ),
    "Table.columns": Example({"table_path": "{table}"}),
    "Table.add_column": Example({"table_path": "{table}", "schema": {"seen": "Bool | None"}}),
    "Table.drop_column": Example({"table_path": "{table}", "column": "score"}),
    "Table.rename_column": Example({"table_path": "{table}", "column": "score", "new_name": "points"}),
    "Table.alter_column": Example({"table_path": "{table}", "column": "plain", "type": "String | None"}, before=NEEDED),
    "Table.indexes": Example({"table_path": "{table}"}),
    "Table.add_index": Example({"table_path": "{table}", "column": "plain"}, before=(PLAIN,)),
    "Table.drop_index": Example({"table_path": "{table}", "index": "of_plain"}, before=(PLAIN, INDEX)),
    "create_view": Example({"path": "{new}", "base": "{table}", "where": "score > 1"}),
    "create_snapshot": Example({"path": "{new}", "base": "{table}"}),
    "export_to_parquet": Example({"table": "{table}", "path": "{new}.parquet"}, is_change=False),
    "export_to_s3": Example(
        {"table": "{table}", "bucket": "films", "key": "{new}.parquet"},
        is_change=False,
        answer="INVALID_CONFIGURATION",
        because="there is no bucket here; tests/edge has one",
    ),
    "delete_all_tables": Example(
        {},
        hidden="permission_denied",
        is_change=False,
        answer="confirmation_required",
        because="it would drop what all tests here share; tests/edge confirms it",
    ),
}
