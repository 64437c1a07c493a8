"""How much memory a client takes for a whole table: each way in a process of its own, its resident set over that after a small query.

`python -m benchmarks.client_memory WAY TABLE` is such a process. It finds Pixeltable by PIXELTABLE_HOME and our server by PXT_FLIGHT_URI
and PXT_FLIGHT_KEY, and prints what it measured as JSON.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pxt_flight as pf
from benchmarks.memory import watch
from benchmarks.rounds import NotRunError
from pxt_flight.registration import Server

Read = Callable[[int | None], int]  # at most so many rows; answers how many were read, its result still alive when they are counted
_MIB = 1 << 20
_WARM_UP_ROWS = 1000
_TREE = Path(__file__).parents[1]


def measured(way: str, table: str, rows: int, server: Server) -> dict[str, Any]:
    """Read a table in one way in a new process: what it measured, as one line of a report.

    Args:
        way: one of `WAYS`.
        table: its name.
        rows: how many it has.
        server: ours.

    Raises:
        NotRunError: it failed.
        RuntimeError: it read another number of rows.
    """
    environment = {"PXT_FLIGHT_URI": server.flight_uri, "PXT_FLIGHT_KEY": server.key, "PYTHONPATH": str(_TREE)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.client_memory", way, table],
        env=os.environ | environment,
        cwd=os.environ["PIXELTABLE_HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotRunError(done.stderr.strip().rpartition("\n")[2][:200])
    line: dict[str, Any] = {"contender": way} | json.loads(done.stdout.splitlines()[-1])
    if line["rows"] != rows:
        raise RuntimeError(f"{way} read {line['rows']} rows, not {rows}")
    return line


def main(way: str, table: str) -> None:
    """Read a table in one way and print what that took."""
    read = WAYS[way](table)
    # It loads code and opens connections, which is not what the rows are to be charged for.
    read(_WARM_UP_ROWS)
    gc.collect()
    start = time.perf_counter()
    with watch(os.getpid()) as peak:
        rows = read(None)
        wall = time.perf_counter() - start
    told = {"rows": rows, "wall_s": wall, "idle_mib": peak.idle / _MIB, "peak_mib": peak.highest / _MIB, "growth_mib": peak.growth / _MIB}
    print(json.dumps(told))


def _pixeltable(table: str) -> Read:
    import pixeltable as pxt

    from benchmarks import tables

    query = tables.query(pxt.get_table(table))
    return lambda limit: len((query.limit(limit) if limit else query).collect())


def _adbc(table: str) -> Read:
    import polars as pl

    connection = pf.connect().adbc()
    return lambda limit: len(pl.read_database(_text(table, limit), connection))


def _client(use: Callable[[pf.Result], int]) -> Callable[[str], Read]:
    def opened(table: str) -> Read:
        db = pf.connect()
        return lambda limit: use(db.sql(_text(table, limit)))

    return opened


def _text(table: str, limit: int | None) -> str:
    return f"SELECT * FROM {table}" + (f" LIMIT {limit}" if limit else "")


WAYS: Mapping[str, Callable[[str], Read]] = {
    "local collect()": _pixeltable,
    "ours, ADBC driver": _adbc,
    "ours, client": _client(lambda result: len(result.to_polars())),
    "ours, client to_pandas()": _client(lambda result: len(result.to_pandas())),
    "ours, client to_reader()": _client(lambda result: sum(batch.num_rows for batch in result.to_reader())),
}
SMOKE_WAYS = ("ours, client to_reader()",)


if __name__ == "__main__":
    main(*sys.argv[1:])
