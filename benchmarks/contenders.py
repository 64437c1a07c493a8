"""The ways to read one table, each on a connection that is open already."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import adbc_driver_postgresql.dbapi as postgresql
import polars as pl
import pyarrow.flight as fl

import pxt_flight as pf
from benchmarks.tables import COLUMNS
from pxt_flight.engine.seam import plan
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.registration import Server

LOCAL, RAW, FLIGHT, CLIENT, ADBC = "local collect()", "raw ADBC", "ours, pyarrow.flight", "ours, client", "ours, ADBC driver"


@contextlib.contextmanager
def contenders(table: Any, server: Server) -> Iterator[Mapping[str, Callable[[], Any]]]:
    """Every way to read all columns of a table, by name. All end in polars, but `LOCAL`, which ends in Pixeltable's own result."""
    query = table.select(*(table[name] for name in COLUMNS))
    text = f"SELECT {', '.join(COLUMNS)} FROM {table.get_metadata()['name']}"
    with contextlib.ExitStack() as open_until_end:
        yield {
            LOCAL: query.collect,
            RAW: _raw(planned_sql(query), open_until_end.enter_context(postgresql.connect(libpq_uri(), autocommit=True))),
            FLIGHT: _flight(text, open_until_end.enter_context(fl.connect(server.flight_uri)), call_options(server)),
            CLIENT: _client(text, db := open_until_end.enter_context(pf.connect(server.flight_uri, key=server.key))),
            ADBC: _adbc(text, open_until_end.enter_context(db.adbc())),
        }


def planned_sql(query: Any) -> str:
    """The statement that Pixeltable itself plans for a query of `COLUMNS`.

    Raises:
        RuntimeError: the plan is not pure SQL.
    """
    with plan.transaction(query):
        compiled = plan.compile_query(query)
    if compiled is None:
        raise RuntimeError("the query is not pure SQL")
    # Without the flags that only we look at; Postgres plans the subquery away.
    selected = ", ".join(f"c{i}" for i in range(len(COLUMNS)))
    return f"SELECT {selected} FROM ({compiled.statement}) AS planned"


def call_options(server: Server) -> fl.FlightCallOptions:
    """The owner's key, as pyarrow sends it."""
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])


def check_equal(answers: Mapping[str, Any], rows: int) -> None:
    """See that every contender answers the same rows.

    Args:
        answers: what each contender answers; `LOCAL`'s is a Pixeltable result.
        rows: how many there must be.

    Raises:
        RuntimeError: one differs from Pixeltable's own answer.
    """
    expected = _canonical(pl.DataFrame([dict(row) | {"meta": json.dumps(row["meta"])} for row in answers[LOCAL]], infer_schema_length=None))
    if expected.height != rows:
        raise RuntimeError(f"{LOCAL} answers {expected.height} rows, {rows} were inserted")
    for name, answer in answers.items():
        if name != LOCAL and not _canonical(answer).equals(expected):
            raise RuntimeError(f"{name} answers other rows than {LOCAL}")


def _canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted, in UTC and microseconds, JSON texts spelt alike: what may differ without any value being different."""
    spelt = [json.dumps(json.loads(text), sort_keys=True) for text in frame[frame.columns[-1]].to_list()]
    frame = frame.rename(dict(zip(frame.columns, COLUMNS, strict=True)))  # the store's own names are c0, c1, ...
    instants = pl.col("ts").dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return frame.with_columns(instants, pl.Series("meta", spelt)).sort("id")


def _raw(statement: str, connection: Any) -> Callable[[], Any]:
    def run() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return run


def _flight(text: str, client: fl.FlightClient, options: fl.FlightCallOptions) -> Callable[[], Any]:
    def run() -> Any:
        info = client.get_flight_info(fl.FlightDescriptor.for_command(text), options)
        return pl.from_arrow(client.do_get(info.endpoints[0].ticket, options).read_all())

    return run


def _client(text: str, db: pf.Database) -> Callable[[], Any]:
    return lambda: db.sql(text).to_polars()


def _adbc(text: str, connection: Any) -> Callable[[], Any]:
    def run() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return run
