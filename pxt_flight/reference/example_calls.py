"""The example of each operation, by its action: the calls that the reference shows, and that tests make over every wire."""

from dataclasses import dataclass, field
from typing import Any

# The examples find these, and nothing else; each table as the arguments that create it.
TABLES: dict[str, dict[str, Any]] = {
    "films": {
        "schema": {"id": "Int", "name": "String", "score": "Float | None", "year": "Int | None"},
        "primary_key": "id",
        "rows": [
            {"id": 1, "name": "Brazil", "score": 7.9, "year": 1985},
            {"id": 2, "name": "Alien", "score": 8.5, "year": 1979},
            {"id": 3, "name": "Stalker", "score": 8.1, "year": 1979},
        ],
    },
}
DIRECTORIES = ("archive",)
_FILMS = {"table_path": "films"}
_INDEX = ("table.add_index", _FILMS | {"column": "score", "name": "by_score"})
_FIRST = _FILMS | {"row_id": "0"}
_SOFT = ("table.enable_soft_delete", _FILMS)
_BAD_GONE = ("table.delete", _FILMS | {"where": "score < 8"})
_BAD_HIDDEN = ("table.delete", _FILMS | {"where": "score < 8", "soft": True})


@dataclass(frozen=True)
class Example:
    """A call.

    Attributes:
        arguments: of the operation, by name.
        before: what is called before it: actions with their arguments.
        code: of its answer, where that is an error.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    code: str = ""


EXAMPLES: dict[str, Example] = {
    "pixeltable.list_tables": Example({"dir_path": "/"}),
    "pixeltable.create_table": Example(
        {"path": "directors", "schema": {"id": "Int", "name": "String | None"}, "primary_key": "id", "rows": [{"id": 1, "name": "Terry"}]}
    ),
    "pixeltable.query": Example({"sql": "select name, score from films where score > $1 order by id", "parameters": [8]}),
    "pixeltable.delete_all_tables": Example(code="confirmation_required"),
    "pixeltable.export_to_parquet": Example({"table": "films", "path": "daily/films.parquet", "select": ["id", "name"], "overwrite": True}),
    "pixeltable.export_to_s3": Example(
        {"table": "films", "bucket": "somebody-elses", "key": "films.parquet"}, code="INVALID_CONFIGURATION"
    ),
    "pixeltable.capabilities": Example(),
    "pixeltable.health": Example(),
    "table.get_row": Example(_FIRST),
    "table.replace_row": Example(_FIRST | {"row": {"id": 1, "name": "Brazil", "score": 8.0, "year": 1985}}),
    "table.update_row": Example(_FIRST | {"set": {"score": 8.0}}),
    "table.delete_row": Example(_FIRST),
    "table.rows": Example(_FILMS | {"select": "id,name", "where": "score > 8", "order_by": "-score", "limit": 1}),
    "table.query": Example(_FILMS | {"where": {"score": {"gt": 5}}, "aggregate": ["count(*)", "avg(score)"], "group_by": ["year"]}),
    "pixeltable.explain": Example({"sql": "select name from films where score > $1", "parameters": [8]}),
    "pixeltable.execute": Example({"sql": "update films set score = score + 1 where name = $1", "parameters": ["Brazil"]}),
    "pixeltable.get_table": Example({"path": "films"}),
    "pixeltable.table_info": Example({"path": "films"}),
    "pixeltable.drop_table": Example({"path": "films"}),
    "pixeltable.move_table": Example({"path": "films", "new_path": "movies"}),
    "pixeltable.list_dirs": Example({"dir_path": "/"}),
    "pixeltable.get_dir_contents": Example({"path": "archive"}),
    "pixeltable.create_dir": Example({"path": "archive.old"}),
    "pixeltable.drop_dir": Example({"path": "archive"}),
    "table.insert": Example(_FILMS | {"rows": [{"id": 4, "name": "Heat", "score": 8.3}, {"id": 5, "name": "Ran", "year": 1985}]}),
    "table.update": Example(_FILMS | {"set": {"score": 8.0}, "where": "name = $1", "parameters": ["Brazil"]}),
    "table.delete": Example(_FILMS | {"where": "score < 8"}),
    "table.update_rows": Example(_FILMS | {"rows": [{"id": 1, "score": 8.0}, {"id": 2, "score": 8.6}]}),
    "table.delete_rows": Example(_FILMS | {"rows": [{"id": 3}]}),
    "table.enable_soft_delete": Example(_FILMS),
    "table.disable_soft_delete": Example(_FILMS | {"purge": True}, before=(_SOFT, _BAD_HIDDEN)),
    "table.restore": Example(_FILMS | {"where": "score > 7"}, before=(_SOFT, _BAD_HIDDEN)),
    "pixeltable.create_view": Example({"path": "good_films", "base": "films", "where": "score > 8", "columns": ["id", "name"]}),
    "pixeltable.create_snapshot": Example({"path": "films_of_today", "base": "films"}),
    "table.columns": Example(_FILMS),
    "table.add_column": Example(_FILMS | {"schema": {"seen": "Bool | None", "notes": {"type": "Json", "nullable": True}}}),
    "table.drop_column": Example(_FILMS | {"column": "year"}),
    "table.rename_column": Example(_FILMS | {"column": "score", "new_name": "rating"}),
    "table.alter_column": Example(_FILMS | {"column": "name", "type": "String | None"}),
    "table.indexes": Example(_FILMS, before=(_INDEX,)),
    "table.add_index": Example(_FILMS | {"column": "score", "name": "by_score"}),
    "table.drop_index": Example(_FILMS | {"index": "by_score"}, before=(_INDEX,)),
    "table.revert": Example(_FILMS, before=(_BAD_GONE,)),
    "table.versions": Example(_FILMS | {"limit": 2}, before=(_BAD_GONE,)),
    "table.writes": Example(_FILMS | {"limit": 2}, before=(_BAD_GONE,)),
}
