"""Indexes of a table: what there is, added and dropped."""

from typing import Literal

from pxt_flight.engine import indexes as engine_indexes
from pxt_flight.engine.ddl import IfMissing
from pxt_flight.engine.definition import IndexInfo
from pxt_flight.engine.indexes import Embedding, IfIndexExists
from pxt_flight.errors import NotFoundError, error
from pxt_flight.operations.call import Call
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.references import OfTable, path_of
from pxt_flight.operations.tables import SchemaChange, changed, get_table
from pxt_flight.public_api import public_api

_PATH = "/api/v1/tables/{table_path}/indexes"
_ERRORS = ("TABLE_NOT_FOUND", "UNSUPPORTED_OPERATION", "table_busy")


@public_api(category="indexes", http_method="GET", path=_PATH, permission="read", raises=("TABLE_NOT_FOUND",))
def indexes(call: Call, table_path: OfTable) -> list[IndexInfo]:
    """List the indexes of a table.

    Args:
        call: who asks.
        table_path: its path.

    Returns:
        Of each `name`, `columns`, `kind`, and of an embedding index `metric`, `precision` and `function`.
    """
    call.require("Table.indexes", path_of(table_path).partition(":")[0])
    return get_table(call, table_path).indexes


@public_api(
    category="indexes",
    path=_PATH,
    permission="schema",
    raises=(
        *_ERRORS,
        "COLUMN_NOT_FOUND",
        "FUNCTION_NOT_FOUND",
        "INDEX_ALREADY_EXISTS",
        "INVALID_ARGUMENT",
        "INVALID_COLUMN_NAME",
        "INVALID_CONFIGURATION",
        "INVALID_EXPRESSION",
        "TYPE_MISMATCH",
        "MISSING_REQUIRED",
    ),
    status=201,
)
def add_index(
    call: Call,
    table_path: OfTable,
    column: str,
    kind: Literal["btree", "embedding"] = "btree",
    name: str | None = None,
    function: str | None = None,
    arguments: dict[str, Parameter] | None = None,
    metric: Literal["cosine", "ip", "l2"] = "cosine",
    precision: Literal["fp16", "fp32"] = "fp16",
    if_exists: IfIndexExists = "error",
) -> IndexInfo:
    """Add an index of a column: a B-tree to find values and order rows, or of embeddings to find what is similar.

    Args:
        call: who asks.
        table_path: its path.
        column: that is indexed: numbers, texts, times or media by a B-tree; texts or media by embeddings.
        kind: which of them.
        name: of the index; default one that Pixeltable makes up.
        function: what computes the embeddings: the name of a function of `pixeltable.functions`, such as `huggingface.clip`. The server
            must have the packages of it.
        arguments: the constants that the function is given: `{"model_id": "openai/clip-vit-base-patch32"}`.
        metric: how similar two embeddings are: `cosine`, `ip` (inner product) or `l2` (distance).
        precision: in which their numbers are kept.
        if_exists: what to do where there is one: `error`, `ignore`, or `replace`, of embeddings only.

    Returns:
        The index.
    """
    path = path_of(table_path)
    call.require("Table.add_index", path)
    if kind == "btree" and (function is not None or arguments or if_exists == "replace"):
        raise error("INVALID_ARGUMENT", "A B-tree has neither a function nor what could be replaced.", where={"argument": "kind"})
    if kind == "embedding" and function is None:
        # Pixeltable 0.7.21 indexes arrays without one, but cannot describe that table any more (`get_metadata` raises a KeyError).
        raise error("MISSING_REQUIRED", "An index of embeddings needs a function.", where={"argument": "function"})
    embedding = None if function is None else Embedding(function, arguments or {}, metric, precision)
    index_name = None if name is None else name.lower()
    return call.writer.define(
        lambda: engine_indexes.add(path, column.lower(), index_name, embedding, if_exists=if_exists), path, call.on_wait
    )


@public_api(category="indexes", http_method="DELETE", path=_PATH + "/{index}", permission="schema", raises=(*_ERRORS, "INDEX_NOT_FOUND"))
def drop_index(call: Call, table_path: OfTable, index: str, if_missing: IfMissing = "error") -> SchemaChange:
    """Drop an index.

    Args:
        call: who asks.
        table_path: path of its table.
        index: its name.
        if_missing: `error`, or `ignore` where there is none.

    Returns:
        What was done.
    """
    path = path_of(table_path)
    call.require("Table.drop_index", path)

    def drop() -> bool:
        try:
            engine_indexes.drop(path, index)
        except NotFoundError as fault:
            if fault.code == "INDEX_NOT_FOUND" and if_missing == "ignore":
                return False
            raise
        return True

    return changed(call, path, drop)
