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
    "pixeltable.catalog.column": ("Column.custom_metadata", "Column.qid", "Column.validate_name"),
    "pixeltable.catalog.catalog": ("Catalog._acquire_write_lock", "Catalog.begin_xact", "Catalog.get_table_by_id"),
    "pixeltable.catalog.local_table": ("LocalTable._tbl_path", "LocalTable._tbl_version"),
    "pixeltable.catalog.schema_object": ("SchemaObject._path",),
    "pixeltable.catalog.table_path": ("TableVersionPath.get_column_md", "TableVersionPath.tbl_versions"),
    "pixeltable.catalog.table_version": (
        "TableVersion.cols_by_name",
        "TableVersion.created_at",
        "TableVersion.effective_version",
        "TableVersion.is_data_versioned",
        "TableVersion.mutable_views",
        "TableVersion.name",
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
    "pixeltable.env": ("Env.db_url", "Env.default_time_zone", "Env.engine", "Env.get"),
    "pixeltable.utils.http": ("fetch_url",),
}
# Those that writing needs besides; where one is missing, rows are written by `Table.insert`.
_PARTS_OF_WRITES: dict[str, tuple[str, ...]] = {
    "pixeltable.catalog": ("InsertableTable",),
    "pixeltable.catalog.catalog": ("Catalog._finalize_pending_ops",),
    "pixeltable.catalog.column": (
        "Column.col_type",
        "Column.destination",
        "Column.id",
        "Column.is_computed",
        "Column.is_stored",
        "Column.name",
        "Column.store_name",
    ),
    "pixeltable.catalog.local_table": ("LocalTable._tbl_version_path",),
    "pixeltable.catalog.insertable_table": ("InsertableTable.insert",),
    "pixeltable.catalog.table_path": ("TableVersionPath.tbl_version",),
    "pixeltable.catalog.table_version": (
        "TableVersion.IndexInfo.col",
        "TableVersion.IndexInfo.idx",
        "TableVersion.IndexInfo.undo_col",
        "TableVersion.IndexInfo.val_col",
        "TableVersion._insert",
        "TableVersion.cols_by_id",
        "TableVersion.idxs",
        "TableVersion.insert",
        "TableVersion.mutable_views",
        "TableVersion.next_row_id",
    ),
    "pixeltable.catalog.update_status": ("RowCountStats.ins_rows", "UpdateStatus.num_excs"),
    "pixeltable.env": ("Env.media_dir",),
    "pixeltable.exec": ("CachePrefetchNode", "ExecNode.ctx", "ExprEvalNode.set_input_order", "ObjectStoreSaveNode"),
    "pixeltable.exprs": ("RowBuilder.table_columns", "RowBuilder.unique_exprs"),
    "pixeltable.index.btree": ("BtreeIndex.MAX_STRING_LEN",),
    "pixeltable.io.data_sources": ("SqlDataSource.col_names", "SqlDataSource.conn", "SqlDataSource.select_stmt"),
    "pixeltable.plan": ("Planner.create_insert_plan",),
    "pixeltable.runtime": ("Runtime.begin_xact", "Runtime.report_progress"),
    "pixeltable.store": (
        "StoreBase._StoreBase__INSERT_BATCH_SIZE",
        "StoreBase._storage_name",
        "StoreBase.insert_rows",
        "StoreBase.sql_insert",
    ),
    "pixeltable.utils.local_store": ("TempStore._tmp_dir", "TempStore.save_media_object"),
    "pixeltable.utils.object_stores": (
        "ObjectOps.delete",
        "ObjectPath.PATTERN",
        "ObjectPath.parse_object_storage_addr",
        "ObjectPath.table_prefix",
        "StorageTarget.LOCAL_STORE",
    ),
}
# Those that dropping several tables as one needs besides; where one is missing, nothing is dropped so.
_PARTS_OF_DROPS: dict[str, tuple[str, ...]] = {
    "pixeltable.catalog.catalog": (
        "Catalog._drop_tbl",
        "Catalog._roll_forward",
        "Catalog._roll_forward_ids",
        "Catalog.get_table_by_id",
    ),
    "pixeltable.catalog.schema_object": ("SchemaObject._id",),
}
# Those that changes of rows that are there need besides; where one is missing, there are none.
_PARTS_OF_CHANGES: dict[str, tuple[str, ...]] = {
    "pixeltable.catalog.column": ("Column.cellmd_store_name", "Column.column_version_md", "Column.stores_cellmd"),
    "pixeltable.catalog.table_path": ("TableVersionPath.clear_cached_md",),
    "pixeltable.catalog.table_version": (
        "TableVersion._propagate_update_plan",
        "TableVersion._revert",
        "TableVersion._validate_update_spec",
        "TableVersion.bump_version",
        "TableVersion.path",
        "TableVersion.propagate_delete",
        "TableVersion.revert",
    ),
    "pixeltable.metadata.schema": ("Table.MAX_VERSION",),
    "pixeltable.plan": ("Planner.create_update_plan", "UpdatePlan.root", "UpdatePlan.updated_cols"),
    "pixeltable.store": ("StoreBase._raise_if_index_row_too_large", "StoreBase.sa_tbl"),
}
# Those that the list of Pixeltable's functions needs; where one is missing, it is empty.
_PARTS_OF_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "pixeltable.func": ("Function.self_path", "Function.signatures", "FunctionRegistry.get", "FunctionRegistry.list_functions"),
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
    return _missing(_PARTS)


def missing_parts_of_writes() -> list[str]:
    """Those that the faster ways of writing need besides."""
    return _missing(_PARTS_OF_WRITES)


def missing_parts_of_changes() -> list[str]:
    """Those that changes of rows that are there need besides."""
    return _missing(_PARTS_OF_WRITES) + _missing(_PARTS_OF_CHANGES)


def missing_parts_of_functions() -> list[str]:
    """Those that the list of Pixeltable's functions needs."""
    return _missing(_PARTS_OF_FUNCTIONS)


def missing_parts_of_drops() -> list[str]:
    """Those that dropping several tables as one needs besides."""
    return _missing(_PARTS) + _missing(_PARTS_OF_WRITES) + _missing(_PARTS_OF_DROPS)


def _missing(parts: dict[str, tuple[str, ...]]) -> list[str]:
    missing = []
    for module, names in parts.items():
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
