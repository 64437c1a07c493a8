"""Is this the Pixeltable we know? The supported range, and the private parts that `plan` relies on."""

import importlib
import importlib.metadata
import os
import warnings

from pxt_flight.errors import error

# The range of pyproject.toml; a release within it may still move private parts, which `missing_parts` finds.
MINIMUM, BELOW = (0, 7, 21), (0, 8)

# module -> the names, dotted inside of it, that `plan` uses.
_PARTS: dict[str, tuple[str, ...]] = {
    "pixeltable": ("Query._create_query_plan",),
    "pixeltable.catalog": ("retry_loop",),
    "pixeltable.catalog.column": ("Column.qid",),
    "pixeltable.catalog.local_table": ("LocalTable._tbl_path",),
    "pixeltable.catalog.table_path": ("TableVersionPath.tbl_versions",),
    "pixeltable.catalog.table_version": (
        "TableVersion.created_at",
        "TableVersion.version",
    ),
    "pixeltable.exec": (
        "CachePrefetchNode",
        "CellReconstructionNode",
        "SqlScanNode._create_stmt",
    ),
    "pixeltable.exec.globals": ("INLINED_OBJECT_MD_KEY",),
    "pixeltable.exprs": ("ColumnRef",),
    "pixeltable.runtime": (
        "Runtime.in_xact",
        "get_runtime",
        "reset_runtime",
    ),
    "pixeltable.catalog.catalog": ("Catalog.get_table_by_id",),
    "pixeltable.catalog.schema_object": ("SchemaObject._path",),
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
                    part = getattr(part, attribute)
            except (ImportError, AttributeError):
                missing.append(f"{module}.{name}")
    return missing
