"""Rows of a table by name, condition, order and page; and their aggregates."""

import hashlib
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from pxt_flight.engine import catalog, tablequery
from pxt_flight.engine.plans import OF_PIXELTABLE
from pxt_flight.engine.scan import Pin, Request, Stream
from pxt_flight.engine.tablequery import TableQuery
from pxt_flight.engine.target import ROW_ID
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.operations import cursors
from pxt_flight.operations.answers import PAGE_ROWS, Answer, Column, Page, first_rows
from pxt_flight.operations.call import Call
from pxt_flight.operations.conditions import Where, condition
from pxt_flight.operations.cursors import Cursor
from pxt_flight.operations.queries import QUERY_ERRORS, Parameter, plan_query, read_query
from pxt_flight.operations.references import OfTable
from pxt_flight.public_api import ArrowBody, InQuery, public_api

_ROWS = 100  # of a page, where the request does not say
# A page that is known to the client holds links and cursors, which live for 15 minutes at least.
_FRESH = 300  # seconds
_MAX_NUMBER = 1 << 63
# Why a table has no rows of such names: what Pixeltable computes is read without row ids, and operational tables have none.
_NO_ROW_NAMES = ("sql_unsupported", "COLUMN_NOT_FOUND", "row_id_unsupported")
_ITEM = re.compile(r'(?:"(?:[^"]|"")*"|[^",])+')

Names = Annotated[
    str | list[str],
    Field(description="Names, as a list or with commas between them.", examples=["id,name", ["id", "name"]]),
    InQuery(str),
]


@dataclass(frozen=True)
class RowsPage:
    """A page of rows.

    Attributes:
        rows: the rows, by the names of the columns.
        columns: the columns.
        next_cursor: asks for the next page; null where this is the last.
        next: the URL of the next page, relative to that of this one, where the page was asked for by URL.
        truncated: whether there are more rows that no cursor leads to, because nothing names a row.
        count: how many rows all pages have, where that was asked for.
        version: that of the table; null where it keeps none.
    """

    rows: list[dict[str, Any]]
    columns: list[Column]
    next_cursor: str | None
    next: str | None
    truncated: bool
    count: int | None
    version: int | None


@public_api(
    category="rows",
    http_method="GET",
    path="/api/v1/tables/{table_path}/rows",
    permission="read",
    raises=(*QUERY_ERRORS, "ticket_invalid", "ticket_expired", "ticket_stale"),
    response_model=RowsPage,
)
def rows(
    call: Call,
    table_path: OfTable,
    select: Names | None = None,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    order_by: Names | None = None,
    limit: int | None = None,
    offset: int = 0,
    cursor: str | None = None,
    count: Literal["none", "exact"] = "none",
    aggregate: Names | None = None,
    group_by: Names | None = None,
    include_deleted: bool = False,
    media: str = "url",
    version: int | None = None,
) -> Annotated[Answer, ArrowBody()]:
    """Read rows of a table, page by page as JSON, or all of them as an Arrow stream.

    All pages of a cursor are of the same versions of the tables, whatever is written meanwhile.

    Args:
        call: who asks.
        table_path: its path.
        select: columns, values inside of Json (`meta.lab`), of images `image.width`, `image.height` and `image.mode`; default all columns.
        where: a condition in SQL, or a filter in JSON.
        parameters: the values of `$1`, `$2`, ... in a condition in SQL.
        order_by: sort keys, `-score` or `score desc`; NULL comes last, or first where it descends. Rows that are equal in them, and
            those of no order, come in that of their row ids, else of the primary key.
        limit: at most so many rows; of JSON 1 to 1000, default 100; of Arrow default all.
        offset: without the first so many; a cursor is faster, and safe from writes.
        cursor: `next_cursor` of the page before, with its other arguments.
        count: `exact` to count the rows of all pages.
        aggregate: `count(*)`, and `sum`, `avg`, `min`, `max` and `count` of a column: `sum(score)`.
        group_by: the columns by whose values aggregates are taken; they come first.
        include_deleted: rows that are deleted softly, too.
        media: how media values are sent: `url`, `thumbnail:N` or `bytes`.
        version: read this version of the table; default the live one.
    """
    call.require("Table.rows", table_path.split(":")[0])
    query = _query(table_path, version, select, where, parameters, order_by, aggregate, group_by, include_deleted, media)
    if limit is not None and not 1 <= limit < _MAX_NUMBER:
        raise error("INVALID_ARGUMENT", "limit is a number from 1 on.", where={"argument": "limit"})
    if not 0 <= offset < _MAX_NUMBER or (offset and cursor is not None):
        raise error("INVALID_ARGUMENT", "offset is a number from 0 on, and not beside a cursor.", where={"argument": "offset"})
    answer = TableAnswer(call, query, limit, offset, count == "exact")
    return answer if cursor is None else answer.after(cursor)


@public_api(
    category="rows",
    path="/api/v1/tables/{table_path}/query",
    permission="read",
    raises=(*QUERY_ERRORS, "ticket_invalid", "ticket_expired", "ticket_stale"),
    response_model=RowsPage,
)
def query(
    call: Call,
    table_path: OfTable,
    select: Names | None = None,
    where: Where | None = None,
    parameters: list[Parameter] | None = None,
    order_by: Names | None = None,
    limit: int | None = None,
    offset: int = 0,
    cursor: str | None = None,
    count: Literal["none", "exact"] = "none",
    aggregate: Names | None = None,
    group_by: Names | None = None,
    include_deleted: bool = False,
    media: str = "url",
    version: int | None = None,
) -> Annotated[Answer, ArrowBody()]:
    """Read rows of a table as `Table.rows` does, with the arguments in a body, where a condition may be longer than a URL.

    Args:
        call: who asks.
        table_path, select, where, parameters, order_by, limit, offset, cursor, count, aggregate, group_by: as of `Table.rows`.
        include_deleted, media, version: as of `Table.rows`.
    """
    arguments: dict[str, Any] = {"select": select, "where": where, "parameters": parameters, "order_by": order_by, "limit": limit}
    arguments |= {"offset": offset, "cursor": cursor, "count": count, "aggregate": aggregate, "group_by": group_by}
    return rows(call, table_path, **arguments, include_deleted=include_deleted, media=media, version=version)


@dataclass(frozen=True)
class TableAnswer:
    """The rows of a query of one table, read when they are asked for.

    Attributes:
        call: who asks.
        query: the query.
        limit, offset: which of its rows.
        is_counted: whether all of them are counted.
        cursor: after which row they begin; None for the first.
    """

    call: Call
    query: TableQuery
    limit: int | None
    offset: int
    is_counted: bool
    cursor: Cursor | None = field(default=None)

    def after(self, cursor: str) -> "TableAnswer":
        """What comes after a page; raises as `cursors.read`."""
        read = cursors.read(self.call.signer, self.call.principal, self._fingerprint, cursor)
        return TableAnswer(self.call, self.query, self.limit, self.offset, self.is_counted, read)

    def tag(self) -> str | None:
        """See `Answer`."""
        pins = self._place.pins
        if not cursors.same_rows(pins) or not self.query.is_repeatable:
            return None
        after = None if self.cursor is None else self.cursor.after
        told = (pins, self._fingerprint, self.limit, self.offset, self.is_counted, after, int(time.time()) // _FRESH)
        return _digest(told)

    def stream(self) -> Stream:
        """See `Answer`."""
        return read_query(self.call, self.request(), None if self.cursor is None else self.cursor.pins, self.call.on_wait)

    def request(self) -> Request:
        """What reads all rows, without their order where nobody asks for one."""
        is_ordered = bool(self.query.order_by or self.limit or self.offset or self.cursor)
        names = self._place.row_names if is_ordered else ()
        return self._request(names, limit=self.limit)

    def page(self) -> Page:
        """See `Answer`."""
        limit = _ROWS if self.limit is None else self.limit
        if limit > PAGE_ROWS:
            raise error(
                "INVALID_ARGUMENT",
                f"A page of JSON has {PAGE_ROWS} rows at most.",
                hint="Go on with next_cursor, or ask for application/vnd.apache.arrow.stream.",
                where={"argument": "limit"},
            )
        place = self._place
        request = self._request(place.row_names, limit=limit + 1, with_keys=place.has_names)
        stream = read_query(self.call, request, place.pins, self.call.on_wait)
        batches, has_more = first_rows(stream, limit)
        shown = [name for name in stream.schema.names if not name.startswith(tablequery.KEY)]
        following = self._following(batches[-1].slice(batches[-1].num_rows - 1)) if has_more and place.has_names else None
        beside: dict[str, Any] = {"next_cursor": following, "next": None, "truncated": has_more and following is None}
        beside |= {"count": self._counted() if self.is_counted else None, "version": self._version}
        return Page(pa.schema([stream.schema.field(name) for name in shown]), [batch.select(shown) for batch in batches], beside)

    @cached_property
    def _place(self) -> "_Place":
        """How rows are named, and what is read of the tables."""
        if self.cursor is not None:
            return _Place(self.cursor.row_names, self.cursor.pins, has_names=True)
        if self.query.is_grouped:
            plan = plan_query(self.call, self._request((), limit=1))
            is_sql = self.call.engine.tier_of(plan) not in OF_PIXELTABLE  # which has no HAVING
            return _Place((), plan.pins, has_names=is_sql and bool(self.query.group_by))
        try:
            return self._named_by((ROW_ID,))
        except PxtFlightError as fault:
            if fault.code not in _NO_ROW_NAMES:
                raise
        path = self.query.path
        key = self.call.engine.run(lambda: catalog.primary_key(path))
        return self._named_by(key)

    def _named_by(self, names: tuple[str, ...]) -> "_Place":
        plan = plan_query(self.call, self._request(names, limit=1, with_keys=bool(names)))
        return _Place(names, plan.pins, has_names=bool(names))

    def _request(self, row_names: Sequence[str], **options: Any) -> Request:
        after = None if self.cursor is None else self.cursor.after
        return tablequery.request(self.query, row_names=row_names, after=after, offset=self.offset, kinds=self._kinds, **options)

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """Pixeltable's types of the columns, where `select` speaks of something below one that may be an image."""
        if not any("." in name for name in self.query.select):
            return {}
        schema = plan_query(self.call, tablequery.request(TableQuery(self.query.path), limit=0)).schema
        return {found.name: (found.metadata or {}).get(b"pxt:type", b"").decode() for found in schema}

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(self.query)

    def _following(self, last: pa.RecordBatch) -> str | None:
        values = [last.column(name)[0].as_py() for name in last.schema.names if name.startswith(tablequery.KEY)]
        place = self._place
        return cursors.written(self.call.signer, self.call.principal, self._fingerprint, Cursor(place.row_names, tuple(values), place.pins))

    def _counted(self) -> int:
        with closing(read_query(self.call, tablequery.count_request(self.query), self._place.pins, self.call.on_wait)) as stream:
            return int(sum(batch.column(0)[0].as_py() for batch in stream.batches))

    @property
    def _version(self) -> int | None:
        named = self.query.path.partition(":")[2]
        return int(named) if named else next((pin.version for pin in self._place.pins if pin.path == self.query.path), None)


@dataclass(frozen=True)
class _Place:
    """How the rows of a page are named, and what it reads.

    Attributes:
        row_names: the columns that name a row at the end of the order.
        pins: of the tables.
        has_names: whether the order is one in which every row has its place, so that a cursor can lead on.
    """

    row_names: tuple[str, ...]
    pins: tuple[Pin, ...]
    has_names: bool


def rows_request(call: Call, **arguments: Any) -> Request:
    """What reads all rows that the arguments of `Table.rows` mean, for a wire that has streams and no pages.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, the arguments speak of pages.
        PxtFlightError: as `Table.rows`.
    """
    for name, default in (("cursor", None), ("count", "none")):
        if arguments[name] != default:
            raise error("INVALID_ARGUMENT", f"A stream has no {name}: that is for pages.", where={"argument": name})
    answer = rows(call, **arguments)
    assert isinstance(answer, TableAnswer)
    return answer.request()


def _query(
    table: str,
    version: int | None,
    select: Names | None,
    where: Where | None,
    parameters: list[Parameter] | None,
    order_by: Names | None,
    aggregate: Names | None,
    group_by: Names | None,
    include_deleted: bool,
    media: str,
) -> TableQuery:
    if version is not None and (":" in table or not 0 <= version < _MAX_NUMBER):
        raise error("INVALID_ARGUMENT", "version is a number, and not beside one in the path.", where={"argument": "version"})
    return TableQuery(
        path=table if version is None else f"{table}:{version}",
        select=_split(select),
        where=condition(where),
        parameters=tuple(parameters or ()),
        order_by=_split(order_by),
        aggregate=_split(aggregate),
        group_by=_split(group_by),
        media=media,
        include_deleted=include_deleted,
    )


def _split(names: Names | None) -> tuple[str, ...]:
    found = _ITEM.findall(names) if isinstance(names, str) else names or ()
    return tuple(name.strip() for name in found)


def _digest(about: object) -> str:
    return hashlib.blake2b(repr(about).encode(errors="replace"), digest_size=12).hexdigest()
