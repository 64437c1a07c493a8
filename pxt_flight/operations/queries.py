"""Queries: SQL in, record batches out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pxt_flight.engine.plans import Plan
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream
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
def query(
    call: Call,
    sql: str,
    parameters: list[Parameter] | None = None,
    media: str = "url",
    partitions: int | None = None,  # noqa: ARG001  # a stream is one
) -> Stream:
    """Run one SELECT and stream its rows as Arrow record batches.

    Args:
        call: who asks.
        sql: PostgreSQL's SELECT with joins, WITH, windows, set operations and subqueries; placeholders `$1` or `?`.
        parameters: the values of the placeholders, in order.
        media: how media values are sent: `url` (a link to the stored file, good for 15 minutes), `thumbnail:N` (a JPEG of at most
            N pixels) or `bytes` (the stored file).
        partitions: of a FlightInfo: at most so many tickets, 1 to 64, for parts of a scan that are read side by side; default 1.
    """
    return read_query(call, Request(sql, tuple(parameters or ()), media))


@public_api(
    permission="read", raises=("sql_syntax", "sql_not_allowed", "sql_unsupported", "TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "TYPE_MISMATCH")
)
def explain(call: Call, sql: str, parameters: list[Parameter] | None = None) -> dict[str, Any]:
    """Say how a query is read, without reading it.

    Args:
        call: who asks.
        sql: the SELECT.
        parameters: the values of its placeholders, in order.

    Returns:
        `tier` (copy, psycopg, cursor), `why`, `tables` (path and version of each), `pixeltable_plan` (a line for each scan) and
        `postgres_plan` (Postgres' EXPLAIN in the names of the tables; null where Pixeltable itself answers).
    """
    request = Request(sql, tuple(parameters or ()))
    _require_tables(call, request)
    return asdict(call.engine.explain(request))


def check_query(call: Call, request: Request) -> None:
    """Refuse a query that is no SELECT, or on a table that this key may not read, without planning it: parameters come later."""
    _require_tables(call, request)


def plan_query(call: Call, request: Request) -> Plan:
    """The schema of a query and the version it will read; permission comes before anything of the table is looked at."""
    _require_tables(call, request)
    return call.engine.plan(request)


def partition_query(call: Call, request: Request, plan: Plan, count: int) -> list[Request]:
    """What together reads a planned query, in at most `count` parts."""
    return call.engine.partitions(request, plan, count)


def read_query(call: Call, request: Request, pins: Sequence[Pin] | None = None, on_open: OnOpen | None = None) -> Stream:
    """The rows of a query as of what `plan_query` found; default the live one. `on_open` as in `Engine.stream`."""
    _require_tables(call, request)
    return call.engine.stream(request, pins, on_open=on_open, url_of=call.links.url_of(call.principal))


def _require_tables(call: Call, request: Request) -> None:
    """Every table that the statement names, wherever in it."""
    call.require("query")
    for table in call.engine.tables_of(request):
        call.require("query", table)
