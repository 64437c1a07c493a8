"""Exports: a table as a Parquet file, in a folder of the server's or in a bucket of S3."""

from collections.abc import Callable
from dataclasses import dataclass

from pxt_flight.engine.export import request_of, version_of, write_parquet
from pxt_flight.engine.sinks import Sink
from pxt_flight.operations.call import Call
from pxt_flight.operations.conditions import Where, condition
from pxt_flight.operations.queries import Parameter
from pxt_flight.operations.references import TableRef
from pxt_flight.public_api import public_api

_RAISES = (
    "TABLE_NOT_FOUND",
    "COLUMN_NOT_FOUND",
    "TYPE_MISMATCH",
    "INVALID_ARGUMENT",
    "INVALID_EXPRESSION",
    "INVALID_CONFIGURATION",
    "PATH_ALREADY_EXISTS",
    "sql_syntax",
    "sql_not_allowed",
    "sql_unsupported",
    "type_unsupported",
    "media_unreadable",
    "result_too_large",
    "ticket_stale",
    "disk_full",
    "timeout",
)
_RAISES_S3 = (*_RAISES, "MISSING_CREDENTIALS", "STORAGE_NOT_FOUND", "STORE_UNAVAILABLE")


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        path: its name in the folder for exports, or `s3://bucket/key`.
        rows: how many.
        bytes: of the file.
        version: of the table that was read; null where it has none.
    """

    path: str
    rows: int
    bytes: int
    version: int | None


@public_api(category="exports", permission="write", rate_limit="100/hour", raises=_RAISES, status=201)
def export_to_parquet(
    call: Call,
    table: TableRef,
    path: str,
    select: list[str] | None = None,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    media: str = "bytes",
    overwrite: bool = False,
    include_deleted: bool = False,
) -> Exported:
    """Write a table, or a part of it, as a Parquet file into the server's folder for exports.

    The rows are of one version, and the file is there as a whole or not at all. The setting `export_dir` names the folder; there is none
    by default.

    Args:
        call: who asks.
        table: its path; `films:3` is an earlier version.
        path: the name of the file in that folder: `daily/films.parquet`.
        select: the columns; default all.
        where: which rows; default all.
        parameters: the values of `$1`, `$2`, ... in `where`.
        media: how media values are written: `bytes` (the stored file), `thumbnail:N` (a JPEG of at most N pixels) or `url` (a link that is
            good for 15 minutes).
        overwrite: whether a file of that name makes room.
        include_deleted: whether rows that are deleted softly are written, too.

    Returns:
        `path` as it was sent, `rows`, `bytes` of the file, and the `version` of the table that was read.
    """

    def sink() -> Sink:
        return call.destinations.file(path, is_replacing=overwrite)

    options = {"media": media, "include_deleted": include_deleted}
    return _exported(call, "export_to_parquet", (table, select, where, parameters), options, path, sink)


@public_api(category="exports", permission="write", rate_limit="100/hour", raises=_RAISES_S3, status=201)
def export_to_s3(
    call: Call,
    table: TableRef,
    bucket: str,
    key: str,
    select: list[str] | None = None,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    media: str = "bytes",
    overwrite: bool = False,
    include_deleted: bool = False,
) -> Exported:
    """Write a table, or a part of it, as a Parquet file into a bucket of S3.

    As `export_to_parquet`. The setting `export_buckets` names the buckets; there is none by default. The server's own account is used.

    Args:
        call: who asks.
        table: its path; `films:3` is an earlier version.
        bucket: one of those of the setting.
        key: the name of the object: `daily/films.parquet`.
        select: the columns; default all.
        where: which rows; default all.
        parameters: the values of `$1`, `$2`, ... in `where`.
        media: as of `export_to_parquet`.
        overwrite: whether an object of that name makes room.
        include_deleted: whether rows that are deleted softly are written, too.

    Returns:
        `path` (`s3://bucket/key`), `rows`, `bytes` of the file, and the `version` of the table that was read.
    """

    def sink() -> Sink:
        return call.destinations.object(bucket, key, is_replacing=overwrite)

    options = {"media": media, "include_deleted": include_deleted}
    return _exported(call, "export_to_s3", (table, select, where, parameters), options, f"s3://{bucket}/{key}", sink)


def _exported(
    call: Call,
    name: str,
    asked: tuple[str, list[str] | None, Where | None, list[Parameter] | None],
    options: dict[str, object],
    place: str,
    sink: Callable[[], Sink],
) -> Exported:
    table, select, where, parameters = asked
    call.require(name, table.partition(":")[0])
    request = request_of(table, select or (), condition(where), parameters or (), **options)
    for other in call.engine.tables_of(request):  # a condition may ask others
        call.require(name, other)
    with call.destinations.slot():
        pins = call.engine.plan(request).pins
        url_of = call.links.url_of(call.principal, include_deleted=request.include_deleted)
        stream = call.engine.stream(request, pins, on_open=call.on_wait, url_of=url_of)
        written = write_parquet(stream, sink)
    return Exported(place, written.rows, written.size, version_of(table, pins))
