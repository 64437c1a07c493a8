"""What this server is and can do, for clients that serve more than one."""

from dataclasses import dataclass
from importlib import metadata

import pyarrow as pa

import pxt_flight
from pxt_flight.config import JSON_BYTES
from pxt_flight.engine.media import MAX_THUMBNAIL
from pxt_flight.operations.answers import PAGE_ROWS
from pxt_flight.operations.call import Call
from pxt_flight.operations.json_source import MAX_ROWS
from pxt_flight.public_api import Operation, operations, public_api


@dataclass(frozen=True)
class Bounds:
    """How much at once.

    Attributes:
        page_rows: rows that one answer may hold as JSON.
        insert_rows: rows that one request may bring as JSON.
        json_body_bytes: bytes of a body of JSON.
        upload_bytes: bytes of the rows of one write as Arrow, or with files.
        query_rows: rows that one query may answer as Arrow.
        query_bytes: bytes of Arrow data that it may answer.
        query_seconds: seconds that it may take.
        thumbnail_pixels: of the long side of a thumbnail.
    """

    page_rows: int
    insert_rows: int
    json_body_bytes: int
    upload_bytes: int
    query_rows: int
    query_bytes: int
    query_seconds: float
    thumbnail_pixels: int


@dataclass(frozen=True)
class Capabilities:
    """What a server is and can do.

    Attributes:
        version: of pxt-flight.
        pixeltable_version: of Pixeltable.
        api_versions: of the operations.
        arrow_version: of Arrow.
        reads_slower_because: why queries are not read the fast way; null where they are.
        writes_slower_because: why rows are not written the fast way; null where they are.
        limits: how much at once.
        media: how media values may be sent.
        features: what some servers have and others do not, and whether this one does.
        permissions: what the key may do.
        operations: the names of those that it may call, by category.
    """

    version: str
    pixeltable_version: str
    api_versions: list[str]
    arrow_version: str
    reads_slower_because: str | None
    writes_slower_because: str | None
    limits: Bounds
    media: list[str]
    features: dict[str, bool]
    permissions: list[str]
    operations: dict[str, list[str]]


@public_api(category="server", http_method="GET", path="/api/v1/capabilities", permission="read")
def capabilities(call: Call) -> Capabilities:
    """Say what this server is and can do, and what this key may.

    Args:
        call: who asks.

    Returns:
        Versions, limits, `features` and, by category, the names of the `operations` that the key may call.
    """
    call.require("capabilities")
    served = [operation for operation in operations() if operation.endpoint]
    return Capabilities(
        version=pxt_flight.__version__,
        pixeltable_version=metadata.version("pixeltable"),
        api_versions=sorted({operation.version for operation in served}),
        arrow_version=pa.__version__,
        reads_slower_because=call.engine.slow_because,
        writes_slower_because=call.writer.tiers.because,
        limits=_bounds(call),
        media=["url", "bytes", "thumbnail:N"],
        features=_features(served),
        permissions=sorted(call.principal.permissions),
        operations=_by_category([operation for operation in served if call.principal.may(operation)]),
    )


def _bounds(call: Call) -> Bounds:
    query, upload = call.engine.limits, call.writer.limits.size
    return Bounds(PAGE_ROWS, MAX_ROWS, JSON_BYTES, upload, query.rows, query.size, query.seconds, MAX_THUMBNAIL)


def _features(served: list[Operation]) -> dict[str, bool]:
    """By what is served: an operation that is not there cannot be called, whatever a flag says."""
    categories = {operation.category for operation in served}
    return {"exports": "exports" in categories, "functions": "functions" in categories, "udf_upload": False, "jobs": "jobs" in categories}


def _by_category(served: list[Operation]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for operation in served:
        found.setdefault(operation.category, []).append(operation.name)
    return {category: sorted(set(names)) for category, names in sorted(found.items())}
