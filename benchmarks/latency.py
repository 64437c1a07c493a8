"""How long the first thing takes: one row by its key, and the first batch of a long stream."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

import polars as pl

from benchmarks import contenders, tables
from benchmarks.contenders import ADBC, CLIENT, FLIGHT, LOCAL, RAW, ROAPI_ADBC, ROAPI_HTTP, Connections
from benchmarks.roapi import Roapi
from benchmarks.rounds import Outcome, forgiven, interleave

POINT = f"{ADBC}, $1"
_LITERAL = "literal"
_RAW_BATCH_BYTES = 1 << 20  # as our server asks for; the driver's own 16 MiB would wait for 16 times as many rows


def one_row(table: Any, name: str, connections: Connections, roapi: Roapi | None, *, runs: int) -> Outcome:
    """One row by its key, another key each time, each call from the statement's text to its row.

    Args:
        table: Pixeltable's.
        name: what SQL calls it.
        connections: to our server.
        roapi: the rival on the same rows; None where it does not run.
        runs: how many keys. Parameters are ours only: ROAPI takes none over ADBC, so both also read a literal.
    """
    text, query = f"{contenders.selected(name)} WHERE id = ", tables.query(table)

    def flight(key: int) -> Any:
        return connections.open_flight(json.dumps({"sql": f"{text}$1", "parameters": [key]})).read_all()

    def parameter(key: int) -> Any:
        return pl.read_database(f"{text}$1", connections.adbc, execute_options={"parameters": [key]})

    ways: dict[str, Callable[[int], Any]] = {
        LOCAL: lambda key: list(query.where(table.id == key).collect()),
        POINT: parameter,
        f"{ADBC}, {_LITERAL}": lambda key: pl.read_database(f"{text}{key}", connections.adbc),
        FLIGHT: flight,
        CLIENT: lambda key: connections.db.sql(f"{text}$1", [key]).to_polars(),
    }
    if roapi:
        ways[f"{ROAPI_ADBC}, {_LITERAL}"] = forgiven(lambda key: roapi.read_adbc(f"{text}{key}"))
        ways[f"{ROAPI_HTTP}, {_LITERAL}"] = forgiven(lambda key: roapi.read_http(f"{text}{key}"))
    keyed = {way: _each_key(read) for way, read in ways.items()}
    return interleave(keyed, rounds=runs, collect_garbage=False, settle=_must_be_one)


def first_batch(table: Any, name: str, connections: Connections, roapi: Roapi | None, *, rounds: int) -> Outcome:
    """The first batch of a whole table; the rest of the stream is cancelled outside of the time. Pixeltable itself does not stream."""
    text, statement = contenders.selected(name), contenders.planned_sql(table)

    def flight(stream: ExitStack) -> object:
        reader = connections.open_flight(text)
        stream.callback(reader.cancel)
        return reader.read_chunk()

    def client(stream: ExitStack) -> object:
        reader = connections.db.sql(text).to_reader()
        stream.callback(reader.close)
        return reader.read_next_batch()

    def http(stream: ExitStack) -> object:
        assert roapi
        return stream.enter_context(roapi.open_http(text)).read_next_batch()

    ways: dict[str, Callable[[ExitStack], object]] = {
        RAW: lambda stream: _adbc(connections.raw, statement, stream, hint=_RAW_BATCH_BYTES),
        FLIGHT: flight,
        ADBC: lambda stream: _adbc(connections.adbc, text, stream),
        CLIENT: client,
    }
    if roapi:
        ways[ROAPI_ADBC] = forgiven(lambda stream: _adbc(roapi.adbc, text, stream))
        ways[ROAPI_HTTP] = forgiven(http)
    return interleave({way: _opened(read) for way, read in ways.items()}, rounds=rounds, settle=ExitStack.close)


def _adbc(connection: Any, statement: str, stream: ExitStack, *, hint: int = 0) -> object:
    cursor = stream.enter_context(connection.cursor())
    if hint:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(hint)})
    cursor.execute(statement)
    reader = cursor.fetch_record_batch()
    stream.callback(reader.close)
    stream.callback(cursor.adbc_cancel)
    return reader.read_next_batch()


def _opened(read: Callable[[ExitStack], object]) -> Callable[[], ExitStack]:
    """Reads, and answers what must be closed."""

    def run() -> ExitStack:
        with ExitStack() as stream:
            read(stream)
            return stream.pop_all()

    return run


def _each_key(read: Callable[[int], Any]) -> Callable[[], Any]:
    keys = count()
    return lambda: read(next(keys))


def _must_be_one(answer: Any) -> None:
    if len(answer) != 1:
        raise RuntimeError(f"{len(answer)} rows have that key")
