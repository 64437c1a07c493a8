"""`docs/coverage.md`: what of Pixeltable's own public API is served, by what, and why the rest is not.

The names are found in the installed Pixeltable; a name that stands in none of the tables below is a fault, so that a new release of
Pixeltable is looked at.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pxt_flight.public_api import Operation
from pxt_flight.reference.markdown import code, page, table
from pxt_flight.reference.pages import FOLDER, GENERATED, anchor, heading

PATH = "docs/coverage.md"
_INTRODUCTION = """\
# Pixeltable's API, from afar

Every public name of Pixeltable {version}: of the package, of tables and queries, of `io`; its functions have
[pages of their own](reference/index.md#functions-of-pixeltable). A name is served by an operation of the
[reference](reference/index.md), by [SQL](sql.md), by the client, or it is not, and says why.
"""

# By operations, of these names.
OPERATIONS: dict[str, str] = {
    "create_dir": "create_dir",
    "create_snapshot": "create_snapshot",
    "create_table": "create_table",
    "create_view": "create_view",
    "drop_dir": "drop_dir",
    "drop_table": "drop_table",
    "get_dir_contents": "get_dir_contents",
    "get_table": "get_table",
    "list_dirs": "list_dirs",
    "list_tables": "list_tables",
    "move": "move_table",
    "ls": "get_dir_contents",
    "Table.add_btree_index": "Table.add_index",
    "Table.add_column": "Table.add_column",
    "Table.add_columns": "Table.add_column",
    "Table.add_embedding_index": "Table.add_index",
    "Table.alter_column": "Table.alter_column",
    "Table.batch_update": "Table.update_rows",
    "Table.columns": "Table.columns",
    "Table.delete": "Table.delete",
    "Table.describe": "get_table",
    "Table.drop_column": "Table.drop_column",
    "Table.drop_embedding_index": "Table.drop_index",
    "Table.drop_index": "Table.drop_index",
    "Table.get_base_table": "get_table",
    "Table.get_metadata": "get_table",
    "Table.get_versions": "Table.versions",
    "Table.history": "Table.versions",
    "Table.insert": "Table.insert",
    "Table.list_views": "get_table",
    "Table.rename_column": "Table.rename_column",
    "Table.revert": "Table.revert",
    "Table.update": "Table.update",
    "Query.delete": "Table.delete",
    "Query.update": "Table.update",
}
# By SQL, in these words.
SQL: dict[str, str] = {
    "Table.collect": "SELECT * FROM films",
    "Table.count": "SELECT count(*) FROM films",
    "Table.distinct": "SELECT DISTINCT name FROM films",
    "Table.group_by": "GROUP BY",
    "Table.head": "ORDER BY _rowid LIMIT n",
    "Table.join": "JOIN, LEFT JOIN, FULL JOIN, CROSS JOIN",
    "Table.limit": "LIMIT n OFFSET m",
    "Table.order_by": "ORDER BY",
    "Table.select": "SELECT",
    "Table.tail": "ORDER BY _rowid DESC LIMIT n",
    "Table.where": "WHERE",
    "Query.collect": "SELECT",
    "Query.count": "SELECT count(*)",
    "Query.distinct": "SELECT DISTINCT",
    "Query.group_by": "GROUP BY",
    "Query.head": "ORDER BY _rowid LIMIT n",
    "Query.join": "JOIN",
    "Query.limit": "LIMIT n OFFSET m",
    "Query.order_by": "ORDER BY",
    "Query.select": "SELECT",
    "Query.tail": "ORDER BY _rowid DESC LIMIT n",
    "Query.where": "WHERE",
    "Query": "a statement",
    "Column.errortype, Column.errormsg": "col__errortype, col__errormsg",
    "Column.similarity": "similarity(col, 'text')",
    "functions.count, functions.sum, functions.mean, functions.min, functions.max": "count, sum, avg, min, max, also OVER (...)",
}
# By the client, in these words.
CLIENT: dict[str, str] = {
    "Table": "db.table(name)",
    "InsertableTable": "db.table(name)",
    "View": "db.table(name)",
    "Table.show": "films in a notebook",
    "Table.cursor": "for batch in films.scan()",
    "Query.show": "a result in a notebook",
    "Query.cursor": "for batch in db.sql(...)",
    "Query.schema": "db.sql(...).schema",
    "Query.describe": "db.sql(...).explain()",
    "ResultSet": "Result",
    "ResultCursor": "Result.to_reader()",
    "Row": "a row of a record batch",
    "RowBatch": "a record batch",
    "UpdateStatus": "Written",
    "TableMetadata": "db.get_table(path)",
    "ColumnMetadata": "db.get_table(path)",
    "IndexMetadata": "db.get_table(path)",
    "VersionMetadata": "films.versions()",
    "DirContents": "db.get_dir_contents(path)",
    "TableKind": "db.get_table(path)",
    "Column.fileurl, Column.localpath": 'films.scan(media="url")',
    "CellError": "col__errortype, col__errormsg",
    "Error": "PxtFlightError",
    "ErrorCode": "PxtFlightError.code",
    "NotFoundError": "NotFoundError",
    "AlreadyExistsError": "ConflictError",
    "ConcurrencyError": "UnavailableError",
    "RequestError": "InvalidRequestError",
    "UserError": "InvalidRequestError",
    "ServiceUnavailableError": "UnavailableError",
    "ExternalServiceError": "ServerError",
    "AuthorizationError": "PermissionDeniedError",
    "io.export_parquet": "films.scan().to_polars().write_parquet(path)",
    "io.export_csv": "films.scan().to_polars().write_csv(path)",
    "io.export_json": "films.scan().to_polars().write_ndjson(path)",
    "io.import_csv": 'films.insert("films.csv")',
    "io.import_json": 'films.insert("films.jsonl")',
    "io.import_parquet": 'films.insert("films.parquet")',
    "io.import_pandas": "films.insert(frame)",
    "io.import_rows": "films.insert(rows)",
    "io.import_excel": "films.insert(pl.read_excel(path))",
    "io.import_huggingface_dataset": "films.insert(dataset.to_polars())",
    "io.import_sql": "films.insert(pl.read_database(...))",
    "io.export_sql": "films.scan().to_polars().write_database(...)",
    "Table.to_pytorch_dataset": "films.scan().to_reader()",
    "Query.to_pytorch_dataset": "db.sql(...).to_reader()",
    **dict.fromkeys(
        "Array Audio Binary Bool Date Document Float Image Int Json String Timestamp UUID Video Required array".split(),
        "columns have these types by name: [types](types.md)",
    ),
}
_COMPUTES = "It computes for as long as all rows of a table take, which no single call should last."
_AGENTS = "Agents and their tools run where the models are called: beside Pixeltable."
_PROJECT = "Files of a Pixeltable project, which are deployed with it and not called from afar."
_FUNCTIONS = "Functions are defined in Python beside Pixeltable; code that clients send is not run."
_SERVER = "It sets up the process that Pixeltable runs in: the server's own."
_ELSEWHERE = "It writes to another system, which the client reaches better: everything it needs comes as Arrow."
# Not at all, for these reasons.
NOT_SERVED: dict[str, str] = {
    "get_dir_tree": "A tree is what `get_dir_contents` of each directory, or `list_tables` and `list_dirs`, make.",
    "DirectoryNode": "A node of that tree.",
    "TableNode": "A node of that tree.",
    "TreeNode": "A node of that tree.",
    "list_functions": "The functions are [pages of this reference](reference/index.md#functions-of-pixeltable).",
    "Table.compute": "It runs computed columns over rows that are not stored: a model call that nobody can look up afterwards.",
    "Table.sample": "Postgres' own TABLESAMPLE knows no versions; `ORDER BY random() LIMIT n` is served.",
    "Query.sample": "As of `Table.sample`.",
    "Table.to_coco_dataset": _ELSEWHERE,
    "Query.to_coco_dataset": _ELSEWHERE,
    "io.export_iceberg": _ELSEWHERE,
    "io.export_images_as_fo_dataset": _ELSEWHERE,
    "io.export_lancedb": _ELSEWHERE,
    **dict.fromkeys(
        "Table.add_computed_column Table.alter_computed_column Table.recompute_columns Query.recompute_columns".split(), _COMPUTES
    ),
    **dict.fromkeys("Tool ToolChoice Tools mcp_udfs tool tools".split(), _AGENTS),
    **dict.fromkeys("BtreeIndex Column EmbeddingIndex ConfigVar model_base".split(), _PROJECT),
    **dict.fromkeys("Aggregator Function PxtIterator expr_udf iterator query retrieval_udf uda udf".split(), _FUNCTIONS),
    **dict.fromkeys("PixeltableWarning URI home init".split(), _SERVER),
    **dict.fromkeys(
        "Query.as_dict Query.from_dict Query.has_select_list Query.parameters Query.referenced_tbl_ids".split(),
        "A part of a query in the making; a query from afar is a statement of SQL.",
    ),
    "iterators": "A view over an iterator is made beside Pixeltable; it is read from afar like any other.",
}
# What is no name of a module or class, and users know.
BEYOND = (
    "Column.errortype, Column.errormsg",
    "Column.fileurl, Column.localpath",
    "Column.similarity",
    "functions.count, functions.sum, functions.mean, functions.min, functions.max",
    "iterators",
)


@dataclass(frozen=True)
class Row:
    """What becomes of a name.

    Attributes:
        name: of Pixeltable's.
        served: by what, as Markdown; empty where it is not.
        reason: why it is not.
    """

    name: str
    served: str
    reason: str


def rows(names: Iterable[str], operations: Iterable[Operation]) -> list[Row]:
    """What becomes of each name.

    Args:
        names: of Pixeltable's public API.
        operations: that are served.

    Raises:
        KeyError: a name of which nothing is known here.
    """
    served = {operation.name: operation for operation in operations if operation.endpoint}
    return [_row(name, served) for name in (*names, *BEYOND)]


def render(names: Iterable[str], operations: Iterable[Operation], version: str) -> dict[str, str]:
    """The page, by its path.

    Args:
        names: of Pixeltable's public API.
        operations: that are served.
        version: Pixeltable's.
    """
    found = rows(names, operations)
    yes = table(("Pixeltable", "Served by"), ((code(row.name), row.served) for row in found if row.served))
    no = table(("Pixeltable", "Why not"), ((code(row.name), row.reason) for row in found if not row.served))
    return {PATH: page(GENERATED, _INTRODUCTION.format(version=version), "## Served", yes, "## Not served", no)}


def _row(name: str, served: dict[str, Operation]) -> Row:
    if name in OPERATIONS and (operation := served.get(OPERATIONS[name])):
        link = f"{FOLDER.removeprefix('docs/')}/{operation.category}.md#{anchor(heading(operation))}"
        return Row(name, f"operation [`{operation.name}`]({link})", "")
    if name in SQL:
        return Row(name, f"SQL: {code(SQL[name])}", "")
    if name in CLIENT:
        return Row(name, f"client: {CLIENT[name] if ']' in CLIENT[name] else code(CLIENT[name])}", "")
    return Row(name, "", NOT_SERVED[name] if name not in OPERATIONS else "No operation does it.")
