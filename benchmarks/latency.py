"""How long the first thing takes: one row by its key, and the first batch of a long stream."""

import json
from itertools import count

import pyarrow.flight as fl

import pxt_flight as pf
from benchmarks.rounds import Sample, interleave

_BY_KEY = "SELECT id, name, score, ts, meta FROM {table} WHERE id = $1"


def one_row(db: pf.Database, client: fl.FlightClient, options: fl.FlightCallOptions, table: str, *, rounds: int) -> dict[str, list[Sample]]:
    """One row by its key, another key each time: through our client, and through pyarrow.flight."""
    text, keys = _BY_KEY.format(table=table), count()

    def ours() -> None:
        _must_be_one(db.sql(text, [next(keys)]).to_polars().height)

    def flight() -> None:
        command = json.dumps({"sql": text, "parameters": [next(keys)]}).encode()
        info = client.get_flight_info(fl.FlightDescriptor.for_command(command), options)
        _must_be_one(client.do_get(info.endpoints[0].ticket, options).read_all().num_rows)

    return interleave({"1 row by key, client": ours, "1 row by key, pyarrow.flight": flight}, rounds=rounds, collect_garbage=False)


def first_batch(client: fl.FlightClient, options: fl.FlightCallOptions, table: str, *, rounds: int) -> dict[str, list[Sample]]:
    """The first batch of a whole table; the rest of the stream is cancelled."""

    def run() -> None:
        info = client.get_flight_info(fl.FlightDescriptor.for_command(f"SELECT * FROM {table}"), options)
        reader = client.do_get(info.endpoints[0].ticket, options)
        reader.read_chunk()
        reader.cancel()

    return interleave({"first batch, pyarrow.flight": run}, rounds=rounds)


def _must_be_one(rows: int) -> None:
    if rows != 1:
        raise RuntimeError(f"{rows} rows have that key")
