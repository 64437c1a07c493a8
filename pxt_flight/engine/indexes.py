"""Indexes of a table. Each change runs on a thread that may write, by `Writer.define`."""

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pixeltable as pxt
from pixeltable import functions
from pixeltable.exceptions import Error

from pxt_flight.engine import catalog
from pxt_flight.engine.definition import IndexInfo, index_info
from pxt_flight.engine.seam.store import check_column_name
from pxt_flight.errors import error

IfIndexExists = Literal["error", "ignore", "replace"]
Literals = Mapping[str, str | int | float | bool | None]
_NAME = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class Embedding:
    """What an embedding index is made with.

    Attributes:
        function: the name of a function of `pixeltable.functions`: `huggingface.clip`.
        arguments: the constants that it is given.
        metric: how near two of them are: the cosine of their angle, their inner product, or their distance.
        precision: in how many bits their numbers are kept.
    """

    function: str
    arguments: Literals = field(default_factory=dict)
    metric: Literal["cosine", "ip", "l2"] = "cosine"
    precision: Literal["fp16", "fp32"] = "fp16"


def add(path: str, column: str, name: str | None, embedding: Embedding | None, *, if_exists: IfIndexExists) -> IndexInfo:
    """Add an index of a column, and wait for it.

    Args:
        path: of the table or view.
        column: that is indexed.
        name: of the index; None for one that Pixeltable makes up.
        embedding: what an embedding index is made with; None for a B-tree.
        if_exists: what to do where there is one.

    Returns:
        The index.

    Raises:
        NotFoundError: `COLUMN_NOT_FOUND` or `FUNCTION_NOT_FOUND`.
        ConflictError: `INDEX_ALREADY_EXISTS`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, the column cannot be indexed, or a package for the function is missing.
    """
    if name is not None:
        check_column_name(name)
    table = catalog.current(path, lambda found: found)
    if column not in table.columns():
        raise error("COLUMN_NOT_FOUND", f"There is no column {column}.", where={"table": path, "column": column})
    before = table.get_metadata()["indexes"]
    if name in before and if_exists == "error":
        raise error("INDEX_ALREADY_EXISTS", f"There is an index {name} already.", where={"table": path, "index": name})
    if embedding is None:
        table.add_btree_index(column, idx_name=name, if_exists=if_exists)
    else:
        _embed(table, column, name, embedding, if_exists)
    after = catalog.get_table(path).get_metadata()["indexes"]
    kind = "btree" if embedding is None else "embedding"
    of_column = [index for index in after.values() if index["columns"] == [column] and index["index_type"] == kind]
    return index_info(after[name] if name in after else next((i for i in of_column if i["name"] not in before), of_column[-1]))


def drop(path: str, name: str) -> None:
    """Drop an index.

    Args:
        path: of the table or view.
        name: of the index.

    Raises:
        NotFoundError: `INDEX_NOT_FOUND`.
        InvalidRequestError: `UNSUPPORTED_OPERATION`, Pixeltable keeps it as long as its column.
    """
    table = catalog.current(path, lambda found: found)
    if name not in table.get_metadata()["indexes"]:
        raise error("INDEX_NOT_FOUND", f"There is no index {name}.", where={"table": path, "index": name})
    table.drop_index(idx_name=name)


def _embed(table: pxt.Table, column: str, name: str | None, embedding: Embedding, if_exists: IfIndexExists) -> None:
    where = {"argument": "function", "function": embedding.function}
    options: Any = {"metric": embedding.metric, "precision": embedding.precision, "if_exists": if_exists}
    try:
        table.add_embedding_index(column, idx_name=name, embedding=_function(embedding), **options)
    except ImportError as fault:
        package = (fault.name or "that it is made with").partition(".")[0]
        said = f"The server lacks the package {package}, which {embedding.function} needs."
        raise error("INVALID_CONFIGURATION", said, hint=f"pip install {package}, where the server runs.", where=where) from None
    except (OSError, ValueError):  # such as a model that is not there: the text may name the server's files
        said = f"{embedding.function} makes no embedding with these arguments."
        raise error("INVALID_CONFIGURATION", said, hint="Is there such a model, and can the server reach it?", where=where) from None


def _function(embedding: Embedding) -> pxt.Function:
    """The function of Pixeltable's that makes an embedding, with its constants; found among Pixeltable's own modules and nowhere else."""
    match = _NAME.fullmatch(embedding.function)
    modules = {module.name for module in pkgutil.iter_modules(functions.__path__)}
    found = getattr(importlib.import_module(f"{functions.__name__}.{match[1]}"), match[2], None) if match and match[1] in modules else None
    where = {"argument": "function", "function": embedding.function}
    if not isinstance(found, pxt.Function):
        hint = "One of pixeltable.functions, such as huggingface.clip or openai.embeddings."
        raise error("FUNCTION_NOT_FOUND", f"There is no function {embedding.function}.", hint=hint, where=where)
    if not embedding.arguments:
        return found
    try:
        return found.using(**embedding.arguments)
    except (Error, TypeError, KeyError):
        said = f"{embedding.function} does not take these arguments."
        raise error("INVALID_ARGUMENT", said, where={"argument": "arguments", "function": embedding.function}) from None
