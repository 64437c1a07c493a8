"""The ways to read a table of all columns, each on a connection that is open already: Pixeltable's, ours, and the limit."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi as postgresql
import polars as pl
import pyarrow.flight as fl

import pxt_flight as pf
from benchmarks import tables
from benchmarks.dataset import COLUMNS
from benchmarks.rounds import forgiven
from pxt_flight.engine.seam import plan
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.engine.types import ColumnType
from pxt_flight.registration import Server

LOCAL, LOCAL_PANDAS, PROXY = "local collect()", "local collect().to_pandas()", "local proxy collect()"
ROUTER, ROAPI_ADBC, ROAPI_HTTP = "FastAPIRouter, JSON", "ROAPI, ADBC driver", "ROAPI, HTTP Arrow"
RAW = "raw ADBC"
FLIGHT, ADBC = "ours, pyarrow.flight", "ours, ADBC driver"
CLIENT, CLIENT_PANDAS = "ours, client", "ours, client to_pandas()"


@dataclass(frozen=True)
class Contender:
    """One way to read a table.

    Attributes:
        name: of the way.
        ends_in: what the caller holds at the end.
        run: reads all rows.
    """

    name: str
    ends_in: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Connections:
    """What ours and the limit read on, open as long as the benchmark lasts.

    Attributes:
        options: the owner's key, as pyarrow sends it.
        flight: a plain `pyarrow.flight` client.
        db: our client.
        adbc: the Flight SQL driver of ADBC on our server.
        raw: ADBC on Pixeltable's Postgres.
    """

    options: fl.FlightCallOptions
    flight: fl.FlightClient
    db: pf.Database
    adbc: Any
    raw: Any

    def open_flight(self, text: str) -> fl.FlightStreamReader:
        """The stream of a query, asked for as Flight has it: first the info, then the ticket."""
        info = self.flight.get_flight_info(fl.FlightDescriptor.for_command(text), self.options)
        return self.flight.do_get(info.endpoints[0].ticket, self.options)


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Connections]:
    """Connections to a server and to the Postgres under it."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with contextlib.ExitStack() as opened:
        db = opened.enter_context(pf.connect(server.flight_uri, key=server.key))
        flight = opened.enter_context(fl.connect(server.flight_uri))
        adbc, raw = opened.enter_context(db.adbc()), opened.enter_context(postgresql.connect(libpq_uri(), autocommit=True))
        yield Connections(options, flight, db, adbc, raw)


def selected(table: str) -> str:
    """The SELECT of all columns of a table."""
    return f"SELECT {', '.join(COLUMNS)} FROM {table}"


def pixeltable(table: Any) -> list[Contender]:
    """Pixeltable in this process."""
    query = tables.query(table)
    return [
        Contender(LOCAL, "Pixeltable's rows", query.collect),
        Contender(LOCAL_PANDAS, "pandas", lambda: query.collect().to_pandas()),
    ]


def ours(name: str, connections: Connections) -> list[Contender]:
    """A table through our server."""
    text, db = selected(name), connections.db
    return [
        Contender(FLIGHT, "polars", lambda: pl.from_arrow(connections.open_flight(text).read_all())),
        Contender(ADBC, "polars", lambda: pl.read_database(text, connections.adbc)),
        Contender(CLIENT, "polars", lambda: db.sql(text).to_polars()),
        Contender(CLIENT_PANDAS, "pandas", lambda: db.sql(text).to_pandas()),
    ]


def limit(table: Any, connections: Connections) -> Contender:
    """The statement that Pixeltable plans for a table, planned beforehand and read straight from its Postgres."""
    statement = planned_sql(table)

    def run() -> Any:
        with connections.raw.cursor() as cursor:
            cursor.execute(statement)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return Contender(RAW, "polars", run)


def rival(name: str, ends_in: str, run: Callable[[], Any]) -> Contender:
    """A contender that a run can do without: whatever it raises becomes `NotRunError`."""
    return Contender(name, ends_in, forgiven(run))


def planned_sql(table: Any) -> str:
    """The statement that Pixeltable itself plans for `COLUMNS` of a table, Json as text."""
    kinds = {name: ColumnType(kind, True) for name, kind in zip(COLUMNS, ("Int", "String", "Float", "Timestamp", "Json"), strict=True)}
    wanted = [plan.Wanted(name, name) for name in COLUMNS]
    relation = plan.in_transaction(lambda: plan.compile_relation(table, wanted, kinds, {}))
    # As Pixeltable's own login: it need not be spared what only our server looks at; Postgres plans the subquery away.
    columns = ", ".join(f"CAST({name} AS text) AS {name}" if kinds[name].name == "Json" else name for name in COLUMNS)
    described = table.get_metadata()
    scan = relation.statement.replace(plan.version_of(described["id"].hex), str(described["version"]))
    return f"SELECT {columns} FROM ({scan}) AS planned"
