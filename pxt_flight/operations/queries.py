"""Queries: SQL in, record batches out."""

from pxt_flight.engine.scan import Pin, Request, Scan, Stream, table_of
from pxt_flight.operations.call import Call
from pxt_flight.public_api import public_api

Parameter = str | int | float | bool | None


@public_api(
    permission="read",
    raises=(
        "sql_syntax",
        "sql_not_allowed",
        "sql_unsupported",
        "TABLE_NOT_FOUND",
        "COLUMN_NOT_FOUND",
        "TYPE_MISMATCH",
        "INVALID_EXPRESSION",
        "INVALID_ARGUMENT",
        "type_unsupported",
        "media_unreadable",
        "timeout",
    ),
)
def query(call: Call, sql: str, parameters: list[Parameter] | None = None, media: str = "thumbnail:256") -> Stream:
    """Run one SELECT over one table and stream its rows as Arrow record batches.

    Args:
        call: who asks.
        sql: PostgreSQL's SELECT: columns, WHERE, GROUP BY, ORDER BY, LIMIT, aggregates; placeholders `$1` or `?`.
        parameters: the values of the placeholders, in order.
        media: how images are sent: `thumbnail:N` (JPEG of at most N pixels) or `bytes` (the stored file; any media type).
    """
    return read_query(call, Request(sql, tuple(parameters or ()), media))


def check_query(call: Call, request: Request) -> None:
    """Refuse a query that is no SELECT, or on a table that this key may not read, without planning it: parameters come later."""
    call.require("query", table_of(request))


def plan_query(call: Call, request: Request) -> Scan:
    """The schema of a query and the version it will read; permission comes before anything of the table is looked at."""
    call.require("query", table_of(request))
    return call.engine.plan(request)


def read_query(call: Call, request: Request, pin: Pin | None = None) -> Stream:
    """The rows of a query as of what `plan_query` found; default the live one."""
    call.require("query", table_of(request))
    return call.engine.stream(request, pin)
