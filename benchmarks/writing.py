"""Inserting: the same rows by Pixeltable itself, by us, and by Postgres' own COPY into a table that is stored as Pixeltable's are."""

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pixeltable as pxt
import psycopg
import pyarrow as pa
import pyarrow.flight as fl
from psycopg import sql

from benchmarks import memory
from benchmarks.contenders import Connections
from benchmarks.rounds import Outcome, interleave
from pxt_flight.engine.seam.store import libpq_uri

INSERT, RAW = "local Table.insert()", "raw COPY BINARY"
FLIGHT, ADBC = "ours, pyarrow.flight do_put", "ours, ADBC adbc_ingest"
ENDS = {INSERT: "list of dicts", RAW: "COPY's own bytes", FLIGHT: "Arrow batches", ADBC: "Arrow table"}
SCHEMA = pa.schema([("id", pa.int64()), ("score", pa.float64()), ("name", pa.string())])
_BATCH_ROWS = 65_536
_COPIED = 1 << 20  # bytes of a message


def rows(count: int, first: int = 0) -> pa.Table:
    """Rows of three columns: Int, Float, String."""
    ids = range(first, first + count)
    return pa.table({"id": ids, "score": [i * 37 % 1000 / 10 for i in ids], "name": [f"name-{i % 977}-{i}" for i in ids]}, SCHEMA)


def put(connections: Connections, table: str, batches: Iterable[pa.RecordBatch]) -> int:
    """Insert batches over Flight; answers how many rows the server says that it wrote."""
    command = json.dumps({"table.insert": {"table_path": table}, "ends": True}).encode()
    writer, reader = connections.flight.do_put(fl.FlightDescriptor.for_command(command), SCHEMA, connections.options)
    with contextlib.closing(writer):
        for batch in batches:
            writer.write_batch(batch)
        writer.write_with_metadata(pa.RecordBatch.from_pylist([], SCHEMA), b"end")
        writer.done_writing()
        while (answer := reader.read()) is not None:
            if "written" in (told := json.loads(answer.to_pybytes())):
                return int(told["written"]["inserted"])
    raise RuntimeError("the server did not say what it wrote")


def plain(connections: Connections, count: int, rounds: int) -> Outcome:
    """Rows into tables of three columns.

    Raises:
        RuntimeError: a contender wrote other rows.
    """
    arrow = rows(count)
    dicts = arrow.to_pylist()
    names = {INSERT: "write_insert", FLIGHT: "write_flight", ADBC: "write_adbc"}
    made = {way: _create(name) for way, name in names.items()}
    made[INSERT].insert(dicts)
    with _raw(made[INSERT]) as copy:
        ways: dict[str, Callable[[], Any]] = {
            INSERT: lambda: made[INSERT].insert(dicts),
            RAW: copy,
            FLIGHT: lambda: put(connections, names[FLIGHT], arrow.to_batches(_BATCH_ROWS)),
            ADBC: lambda: _ingest(connections, names[ADBC], arrow),
        }
        outcome = interleave(ways, rounds=rounds, warm_up=True)
    for way, table in made.items():
        _check(table, count, rounds + 1 + (way == INSERT))
    return outcome


def computed(connections: Connections, count: int, rounds: int) -> Outcome:
    """Rows into tables with a column that Pixeltable computes from them.

    Raises:
        RuntimeError: a contender wrote other rows.
    """
    arrow = rows(count)
    dicts, names = arrow.to_pylist(), {INSERT: "write_insert_computed", FLIGHT: "write_flight_computed"}
    made = {way: _create(name) for way, name in names.items()}
    for table in made.values():
        table.add_computed_column(shouted=pxt.functions.string.upper(table.name))
    ways: dict[str, Callable[[], Any]] = {
        INSERT: lambda: made[INSERT].insert(dicts),
        FLIGHT: lambda: put(connections, names[FLIGHT], arrow.to_batches(_BATCH_ROWS)),
    }
    outcome = interleave(ways, rounds=rounds, warm_up=True)
    for table in made.values():
        _check(table, count, rounds + 1)
    return outcome


def growth(connections: Connections, count: int, pid: int) -> memory.Peak:
    """The memory of the data plane (process `pid`) while so many rows are inserted."""
    _create("write_memory")
    # The warm-up loads code and opens connections, as of `memory.stream_growth`.
    put(connections, "write_memory", rows(_BATCH_ROWS).to_batches())
    batches = (batch for first in range(0, count, _BATCH_ROWS) for batch in rows(min(_BATCH_ROWS, count - first), first).to_batches())
    with memory.watch(pid) as peak:
        written = put(connections, "write_memory", batches)
    if written != count:
        raise RuntimeError(f"{written} rows were written, not {count}")
    return peak


def _create(name: str) -> Any:
    return pxt.create_table(name, {"id": pxt.Int, "score": pxt.Float, "name": pxt.String})


def _ingest(connections: Connections, table: str, arrow: pa.Table) -> None:
    with connections.adbc.cursor() as cursor:
        cursor.adbc_ingest(table, arrow, mode="append")


@contextlib.contextmanager
def _raw(table: Any) -> Iterator[Callable[[], Any]]:
    """What copies the rows of a table of Pixeltable's into an empty one with the same columns and indexes."""
    stored, raw = sql.Identifier(f"tbl_{table.get_metadata()['id'].hex}"), sql.Identifier("pxt_flight", "bench_raw")
    with psycopg.connect(libpq_uri(), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(raw, stored))
        with cursor.copy(sql.SQL("COPY {} TO STDOUT (FORMAT BINARY)").format(stored)) as copied:
            data = b"".join(bytes(part) for part in copied)

        def copy() -> None:
            cursor.execute(sql.SQL("TRUNCATE {}").format(raw))  # a millisecond or two
            source = io.BytesIO(data)
            with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(raw)) as target:
                while part := source.read(_COPIED):
                    target.write(part)

        yield copy
        cursor.execute(sql.SQL("DROP TABLE {}").format(raw))


def _check(table: Any, count: int, times: int) -> None:
    """That the table holds the rows, so many times."""
    functions = pxt.functions
    found = next(iter(table.select(n=functions.count(table.id), ids=functions.sum(table.id)).collect()))
    if (found["n"], found["ids"]) != (count * times, count * (count - 1) // 2 * times):
        raise RuntimeError(f"{count} rows were to be written {times} times, Pixeltable sees {found}")
