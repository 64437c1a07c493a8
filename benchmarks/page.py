"""A whole run as a reader sees it: on the terminal, and as the page and the file under docs/performance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gates import Gate
from benchmarks.report import Part

_READ = """\
# Reading

How fast a table arrives in polars, next to what Pixeltable does by itself, to another Flight SQL server, and to the fastest way that there
could be. `make bench ARGS="--report docs/performance"` wrote this page and {name}.json.

It starts a server on a temporary home, fills its tables, and leaves nothing behind. `ARGS="--only read,memory"` runs parts,
`ARGS=--smoke` sees in half a minute that everybody still runs and reads the same rows.

## Who takes part

Everything is on one machine, on connections that are open already. The rows have five columns: Int (the key), String, Float,
Timestamp, Json.

| contender | what it does |
| --- | --- |
| `local collect()` | `table.select(...).collect()` of Pixeltable in this process |
| `local collect().to_pandas()` | the same, as a pandas DataFrame |
| `local proxy collect()` | the same query on `pxt://local:...`, the same rows in a database of the proxy's own (`pxt localproxy start`) |
| `FastAPIRouter, JSON` | Pixeltable's own HTTP route for the query, served by uvicorn; the client is httpx, the end are dicts |
| `ROAPI, ADBC driver`, `ROAPI, HTTP Arrow` | a Flight SQL server in Rust; it holds a Parquet file in memory, no database |
| `raw ADBC` | the limit: the SQL that Pixeltable plans for the query, planned beforehand, read straight from its Postgres |
| `ours, pyarrow.flight` | GetFlightInfo and DoGet with a plain `pyarrow.flight` client, into polars |
| `ours, ADBC driver` | `pl.read_database` on the Flight SQL driver of ADBC, as `db.adbc()` opens it |
| `ours, client`, `... to_pandas()` | `db.sql(...).to_polars()` and `db.sql(...).to_pandas()` |

Before anything is timed, every answer is compared with the rows that were stored, value by value; a wrong one ends the run. Each
contender has run once by then, and runs once per round; a ratio is the median of the ratios inside of each round, because machines
slow down and speed up by the minute. CPU is that of the client process alone. A contender that cannot run is named, and why.
"""
_WRITE = """\
# Inserting

How fast rows get into a table, next to what Pixeltable does by itself and to the fastest way that there could be.
`make bench ARGS="--only write --report docs/performance"` wrote this page and {name}.json.

## Who takes part

The rows have three columns: Int, Float, String. The tables are Pixeltable's, with its three indexes, and grow by the same rows in each
round; connections are open already.

| contender | what it does |
| --- | --- |
| `local Table.insert()` | `table.insert(list of dicts)` of Pixeltable in this process |
| `raw COPY BINARY` | the limit: COPY's own bytes of the same rows, unchecked, into an empty table with the same columns and indexes |
| `ours, pyarrow.flight do_put` | batches of 65,536 rows over Flight: checked, spooled, one transaction, one version, answered |
| `ours, ADBC adbc_ingest` | `cursor.adbc_ingest(table, rows, mode="append")` on the Flight SQL driver of ADBC |

Afterwards every table is counted and summed through Pixeltable; a wrong one ends the run. A ratio is the median of the ratios inside of
each round. CPU is that of this process alone, the client of ours.
"""
_SOAK = """\
# Many clients at once

What a thousand connections of HTTP do to a server of one control plane: all connect in the same moment, and ask as soon as all are
connected; then all ask one thing after the other for a minute, and who is told to try later waits as `Retry-After` says.
`make soak ARGS="--report docs/performance"` wrote this page and {name}.json; `ARGS=--smoke` does it for five seconds.

Every answer must be a success, or 429 or 503 with `Retry-After`, and no connection may be dropped or reset. The clients are one process
on the same machine, so times are those of a server that has to share it. Below are the milliseconds from the request to the whole answer:
a closed loop of a thousand clients waits a thousand times as long as the server needs for one, or is told at once to come back.
"""
_REST = """\
# REST

How long each standard operation takes over HTTP with JSON. `make bench ARGS="--only rest --report docs/performance"` wrote this page and
{name}.json.

Requests come at a rate of their own, whatever the server does (an open loop), on 32 connections, one operation after the other. A time
begins when its request was due, so a request that had to wait for a connection, or for a server that stalled, is charged for it. The
client is one process on the same machine. The table has an Int that is its key, a String and a Float, and grows by what is inserted.
"""
_ABOUT = {"rest": _REST, "read": _READ, "write": _WRITE, "soak": _SOAK}
_NOTES = {
    "rest_router": """\
Pixeltable's own HTTP routes for a query of 100 rows and for an insert, served by uvicorn on a table of the same rows, without keys or
permissions. One request after the other on one connection of each, in rounds; the ratios below are medians of those inside of a round.""",
    "processes": """\
The supervisor, the data plane and the control plane together, without Postgres: resident memory, threads and file descriptors, idle
after a first crowd of 50, at the most, and when the last client has left.""",
    "write_memory": "The resident set of the data plane while a client inserts 1,000,000 rows at once, over what it was before.",
    "write_computed": "The column is computed in Python, row by row, by Pixeltable's own executor, which is what both wait for.",
    "memory": "The resident set of the data plane while a client reads batch by batch, over what it was before.",
    "thumbnails": """\
`SELECT image` with `media="thumbnail:256"` through our client: decoded from the files (`made`), then read from the cache in the home
(`kept`). `per_s` is by the wall clock, on all cores, which the client shares; `per_s_of_one_core` is by the CPU time of the data plane.
The files are in the page cache.""",
    "point": """\
From the statement's text to the row in the client's hands, another key each time. ROAPI takes no parameters over ADBC, so there are
also lines where the key is written into the text.""",
    "first_batch": """\
Until the first batch is in the client's hands; the stream is then cancelled outside of the time. Pixeltable is not there: nothing of it
streams, its `cursor()` too has read every row before it gives the first.""",
    "client": """\
Each in a process of its own: its resident set at the peak, over what it was after a query of 1,000 rows. One run each, so the wall
time is only a hint.""",
}


@dataclass(frozen=True)
class Run:
    """What is told of a run.

    Attributes:
        name: of the page, `read` or `write`.
        machine: facts of the machine, `load_before`, `load_after` and whether it was `quiet`.
        settings: of the run.
        parts: what was measured, by name.
        gates: the bounds.
    """

    name: str
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    parts: Mapping[str, Part]
    gates: Sequence[Gate]

    def text(self) -> str:
        """For the terminal."""
        tables = [f"{part.title}\n\n{part.markdown()}" for part in self.parts.values()]
        return "\n\n".join([self._where(), *tables, "\n".join(map(str, self.gates))])

    def page(self) -> str:
        """For the docs."""
        sections = []
        for name, part in self.parts.items():
            sections.append("\n\n".join(filter(None, (f"## {part.title}", _NOTES.get(name), part.markdown()))))
        gates = "\n".join(f"- {gate}" for gate in self.gates)
        run = f"## The run\n\n{self._where()} All numbers, round by round: [{self.name}.json]({self.name}.json)."
        return "\n\n".join([_ABOUT[self.name].format(name=self.name).strip(), run, *sections, f"## Bounds\n\n{gates}\n"])

    def write(self, folder: Path) -> None:
        """Write the page and every number into a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        gates = [vars(gate) | {"verdict": gate.verdict} for gate in self.gates]
        told = {
            "machine": self.machine,
            "settings": self.settings,
            "parts": {name: asdict(part) for name, part in self.parts.items()},
            "gates": gates,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(told, indent=1) + "\n")
        (folder / f"{self.name}.md").write_text(self.page())

    def _where(self) -> str:
        facts, rounds = self.machine, self.settings["rounds"]
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        quiet = "quiet" if facts["quiet"] else "not quiet: latencies are not judged, and ratios are noisier"
        load = f"Load average {facts['load_before'][0]} before the run ({quiet}), {facts['load_after'][0]} after it"
        machine = f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['system']}"
        return f"{machine}. {load}. {rounds} round{'s'[: rounds > 1]}.\n{versions}."
