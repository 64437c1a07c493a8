"""Is this the Pixeltable we know? The supported range, and the private parts that `plan` relies on."""

import importlib
import importlib.metadata
import inspect
import os
import warnings
from typing import Any

from pxt_flight.errors import error

# The range of pyproject.toml; a release within it may still move private parts, which `missing_parts` finds.
MINIMUM, BELOW = (0, 7, 21), (0, 8)

# module -> the names, dotted inside of it, that the modules beside this one use.
_PARTS: dict[str, tuple[str, ...]] = {
    "pixeltable": (
        "Query._create_query_plan",
        "Query._from_clause",
        "Query.referenced_tbl_ids",
    ),
    "pixeltable.catalog": ("ColumnVersionMd.is_iterator_col", "ColumnVersionMd.is_stored", "retry_loop"),
    "pixeltable.catalog.column": ("Column.qid",),
    "pixeltable.catalog.catalog": ("Catalog.begin_xact", "Catalog.get_table_by_id"),
    "pixeltable.catalog.local_table": ("LocalTable._tbl_path",),
    "pixeltable.catalog.schema_object": ("SchemaObject._path",),
    "pixeltable.catalog.table_path": ("TableVersionPath.tbl_versions",),
    "pixeltable.catalog.table_version": (
        "TableVersion.created_at",
        "TableVersion.is_data_versioned",
        "TableVersion.store_tbl",
        "TableVersion.version",
    ),
    "pixeltable.exceptions": ("ExprEvalError", "raise_from_expr_eval_err"),
    "pixeltable.exec": (
        "AggregationNode",
        "CachePrefetchNode.file_col_info",
        "CellReconstructionNode",
        "ExecContext.batch_size",
        "ExecNode._open",
        "ExecNode.input",
        "ExecNode.row_builder",
        "ExecPlan._acquire",
        "ExecPlan._bind_params",
        "ExecPlan.ctx",
        "ExecPlan.exec_root",
        "ExecPlan.select_list_exprs",
        "ExprEvalNode.BATCH_SIZE",
        "ExprEvalNode.MAX_BUFFERED_ROWS",
        "ExprEvalNode.eval_ctx",
        "ExprEvalNode.input_iter",
        "FilterNode",
        "SqlAggregationNode",
        "SqlScanNode._create_stmt",
    ),
    "pixeltable.exec.data_row_batch": ("DataRowBatch.rows",),
    "pixeltable.exec.expr_eval.evaluators": ("FnCallEvaluator.batch_size",),
    "pixeltable.exec.expr_eval.globals": ("ExprEvalCtx.slot_evaluators",),
    "pixeltable.exec.globals": ("INLINED_OBJECT_MD_KEY",),
    "pixeltable.exprs": (
        "ColumnRef.col",
        "ColumnRef.col_md",
        "ColumnRef.needs_iterator_evaluation",
        "ColumnRef.perform_validation",
        "DataRow.file_paths",
        "DataRow.file_urls",
        "DataRow.pk",
        "Expr.components",
        "Expr.slot_idx",
        "RowBuilder.unique_exprs",
        "RowidRef",
    ),
    "pixeltable.runtime": (
        "Runtime.catalog",
        "Runtime.conn",
        "Runtime.event_loop",
        "Runtime.in_xact",
        "get_runtime",
        "reset_runtime",
    ),
    "pixeltable.store": ("StoreBase.rowid_columns",),
    "pixeltable.env": ("Env.db_url", "Env.engine", "Env.get"),
    "pixeltable.utils.http": ("fetch_url",),
}


class NotSqlError(Exception):
    """Pixeltable computes this in Python; the text says what."""


def check_version(version: str | None = None) -> None:
    """Refuse a Pixeltable outside of the supported range.

    Args:
        version: the version to judge; default the installed one.

    Raises:
        ConnectError: `pixeltable_unsupported`.
    """
    version = version or importlib.metadata.version("pixeltable")
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if not MINIMUM <= numbers < BELOW:
        raise error(
            "pixeltable_unsupported",
            f"Pixeltable {version} is not supported.",
            hint="Install a supported one: pip install 'pixeltable>=0.7.21,<0.8'.",
        )


def prepare_import() -> None:
    """Have Pixeltable imported quietly; call it before the engine is imported, for an unknown Pixeltable may fail in any way at that.

    Raises:
        ConnectError: `pixeltable_unsupported`.
    """
    check_version()
    os.environ.setdefault("PIXELTABLE_VERBOSITY", "0")
    # Of a library of Pixeltable's, at each import; nothing to a user of ours.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")


def missing_parts() -> list[str]:
    """The private names that this Pixeltable does not have; empty where all are in their place."""
    missing = []
    for module, names in _PARTS.items():
        for name in names:
            try:
                part = importlib.import_module(module)
                for attribute in name.split("."):
                    part = _part(part, attribute)
            except (ImportError, AttributeError):
                missing.append(f"{module}.{name}")
    return missing


def _part(whole: Any, name: str) -> Any:
    """An attribute, also one that only instances have and the class declares."""
    declared = (inspect.get_annotations(kind) for kind in getattr(whole, "__mro__", ()))
    return None if any(name in names for names in declared) else getattr(whole, name)
