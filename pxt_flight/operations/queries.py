"""Queries: SQL in, record batches out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pxt_flight.engine.explanation import Explanation
from pxt_flight.engine.plans import Plan
from pxt_flight.engine.scan import OnOpen, Pin, Request, Stream
from pxt_flight.operations.answers import PAGE_ROWS, Answer, Column, Page, first_rows
from pxt_flight.operations.call import Call
from pxt_flight.public_api import ArrowBody, public_api

Parameter = str | int | float | bool | None


QUERY_ERRORS = (
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
)


@dataclass(frozen=True)
class QueryRows:
    """The first rows of a query.

    Attributes:
        rows: at most 1000 of them, by the names of the columns.
        columns: the columns.
        truncated: whether the query has more.
        hint: how to get them; null where these are all.
    """

    rows: list[dict[str, Any]]
    columns: list[Column]
    truncated: bool
    hint: str | None


@public_api(
    category="queries",
    path="/api/v1/query",
    permission="read",
    raises=QUERY_ERRORS,
    response_model=QueryRows,
)
def query(
    call: Call,
    sql: str,
    parameters: list[Parameter] | None = None,
    media: str = "url",
    partitions: int | None = None,  # noqa: ARG001  # a stream is one
    include_deleted: bool = False,
) -> Annotated[Answer, ArrowBody()]:
    """Run one SELECT, and answer its rows: all as an Arrow stream, or the first 1000 as JSON.

    Args:
        call: who asks.
        sql: PostgreSQL's SELECT with joins, WITH, windows, set operations and subqueries; placeholders `$1` or `?`.
        parameters: the values of the placeholders, in order.
        media: how media values are sent: `url` (a link to the stored file, good for 15 minutes), `thumbnail:N` (a JPEG of at most
            N pixels) or `bytes` (the stored file).
        partitions: of a FlightInfo: at most so many tickets, 1 to 64, for parts of a scan that are read side by side; default 1.
        include_deleted: read the rows that are deleted softly, too, and the column that says when.
    """
    return SqlAnswer(call, Request(sql, tuple(parameters or ()), media, include_deleted=include_deleted))


@dataclass(frozen=True)
class SqlAnswer:
    """The rows of a query, read when they are asked for.

    Attributes:
        call: who asks.
        request: the query.
    """

    call: Call
    request: Request

    def tag(self) -> None:
        """See `Answer`: a statement may ask for the time, and a cache asks by GET."""

    def stream(self) -> Stream:
        """See `Answer`."""
        return read_query(self.call, self.request, on_open=self.call.on_wait)

    def page(self) -> Page:
        """See `Answer`."""
        stream = self.stream()
        batches, has_more = first_rows(stream, PAGE_ROWS)
        hint = "Ask for application/vnd.apache.arrow.stream: it has all rows." if has_more else None
        return Page(stream.schema, batches, {"truncated": has_more, "hint": hint})


@public_api(
    category="queries",
    path="/api/v1/explain",
    permission="read",
    raises=("sql_syntax", "sql_not_allowed", "sql_unsupported", "TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "TYPE_MISMATCH"),
)
def explain(call: Call, sql: str, parameters: list[Parameter] | None = None, include_deleted: bool = False) -> Explanation:
    """Say how a query is read, without reading it.

    Args:
        call: who asks.
        sql: the SELECT.
        parameters: the values of its placeholders, in order.
        include_deleted: as of `query`.

    Returns:
        `tier` (copy, psycopg, cursor), `why`, `tables` (path and version of each), `pixeltable_plan` (a line for each scan) and
        `postgres_plan` (Postgres' EXPLAIN in the names of the tables; null where Pixeltable itself answers).
    """
    request = Request(sql, tuple(parameters or ()), include_deleted=include_deleted)
    _require_tables(call, request)
    return call.engine.explain(request)


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
    url_of = call.links.url_of(call.principal, include_deleted=request.include_deleted)
    return call.engine.stream(request, pins, on_open=on_open, url_of=url_of)


def _require_tables(call: Call, request: Request) -> None:
    """Every table that the statement names, wherever in it."""
    call.require("query")
    for table in call.engine.tables_of(request):
        call.require("query", table)
