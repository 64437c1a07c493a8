"""The parts of a run: what each measures, and the bounds it must keep."""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixeltable as pxt
import psutil
import pyarrow.parquet as pq

import pxt_flight as pf
from benchmarks import answers, client_memory, contenders, dataset, latency, links, memory, photographs, report, rest, tables, writing
from benchmarks.contenders import ADBC, FLIGHT, LOCAL, LOCAL_PANDAS, PROXY, RAW, ROUTER, Connections, Contender
from benchmarks.gates import Gate
from benchmarks.photographs import SIZE
from benchmarks.report import Part
from benchmarks.rivals import SLOW, Rivals
from benchmarks.rounds import NotRunError, Outcome, interleave
from pxt_flight.config import Settings
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.registration import Server

GATED_ROWS = 100_000
_MIB = 1 << 20
_STARTED = psutil.Process().create_time()
_STREAM_ROWS = 1_000_000
_INSERTED_ROWS = 100_000  # at most; more would take Pixeltable a minute
_STREAM_MIB = 64
_FLIGHT_FASTER, _ADBC_FASTER, _OF_THE_RAW_LIMIT, _POINT_MS = 25.0, 20.0, 1.5, 15.0
_LINKS, _LINK_ROUNDS = 1.5, 7
_SMOKE_KEYS, _KEYS = 5, 200
_SMOKE_WRITTEN = 2000
_SMOKE_PHOTOGRAPHS, _PHOTOGRAPHS = 50, 1000
_MADE_PER_CORE, _KEPT_PER_S, _PHOTOGRAPHS_MIB = 300, 5000, 128
_WRITE_FASTER, _WRITE_OF_RAW, _WRITE_MIB = 10.0, 2.0, 100
_TOO_SLOW = "it takes minutes at so many rows; one run of local collect() is under `client`"


@dataclass
class Suite:
    """A run against one server.

    Args:
        server: a server on the home that this process's Pixeltable uses too.
        sizes: rows of the tables that everybody reads, ascending.
        rounds: how many.
        smoke: whether it is only seen that everybody still runs and reads the same rows, and that memory keeps its bound.
        quiet: whether the machine has nothing else to do, so that latencies are judged.

    Attributes:
        parts: what was measured, by name.
        gates: the bounds.
        write_parts: what was measured of inserting.
        write_gates: the bounds of that.
        rest_parts: what was measured of REST.
        rest_gates: the bounds of that.
    """

    server: Server
    sizes: tuple[int, ...]
    rounds: int
    smoke: bool
    quiet: bool
    parts: dict[str, Part] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    write_parts: dict[str, Part] = field(default_factory=dict)
    write_gates: list[Gate] = field(default_factory=list)
    rest_parts: dict[str, Part] = field(default_factory=dict)
    rest_gates: list[Gate] = field(default_factory=list)

    def run(self, wanted: tuple[str, ...]) -> None:
        """Make the tables and measure the parts that are wanted.

        Raises:
            OtherRowsError: an answer was wrong; nothing that was measured counts then.
        """
        _tell("tables are filled, rivals start")
        pxt.init()
        home, measures_reading = Path(os.environ["PIXELTABLE_HOME"]), bool({"read", "latency"} & set(wanted))
        # The pool ends first: what starts in it is then still stopped.
        with contextlib.ExitStack() as opened, ThreadPoolExecutor() as pool:
            rivals = Rivals(home, pool, opened)
            found = self._prepare(rivals, wanted)
            # Memory first: its idle is then that of a server which has not yet grown by anything else.
            _measure({"write": self._write, "memory": self._memory, "thumbnails": lambda: self._thumbnails(home)}, wanted)
            if measures_reading:
                rivals.start_roapi({tables.named(rows): self._export(home, rows) for rows in found})
                connections = opened.enter_context(contenders.connected(self.server))
            if not self.smoke:  # nobody starts any more while something is timed
                rivals.wait()
            if "rest" in wanted:
                _tell("standard operations of REST")
                self.rest_parts, self.rest_gates = rest.measured(self.server, home, smoke=self.smoke, quiet=self.quiet)
            if "latency" in wanted:
                self._latency(found, connections, rivals)
            _measure({"client": self._client, "links": lambda: self._links(home, found)}, wanted)
            if "read" in wanted:
                rivals.wait()
                rivals.fill([rows for rows in self.sizes if rows <= SLOW])
                for rows in self.sizes:
                    self._read(rows, found[rows], connections, rivals)
        _tell("everything stops")
        self.parts = {name: part for name, part in self.parts.items() if name.startswith("read_")} | self.parts
        if self.smoke:
            missing = sum(len(part.not_run) for part in self.parts.values())
            self.gates.append(Gate("contenders that did not run", missing, 0))

    def _prepare(self, rivals: Rivals, wanted: tuple[str, ...]) -> dict[int, Any]:
        """The tables by their rows; rivals start while the long one is filled."""
        sizes = {_STREAM_ROWS} if {"memory", "latency", "client"} & set(wanted) else set()
        if {"read", "latency", "links"} & set(wanted):
            sizes.update(self.sizes)
        if "read" in wanted:
            rivals.launch_proxy()
        found = {rows: tables.insert(tables.named(rows), rows) for rows in sorted(sizes) if rows <= _INSERTED_ROWS}
        if "read" in wanted and found:
            rivals.launch_router([tables.named(rows) for rows in found])
        return found | {rows: tables.fill(tables.named(rows), rows, libpq_uri()) for rows in sorted(sizes) if rows > _INSERTED_ROWS}

    @property
    def _shared_rows(self) -> int:
        """Rows of the largest table that everybody reads."""
        return max((rows for rows in self.sizes if rows <= SLOW), default=self.sizes[0])

    def _export(self, home: Path, rows: int) -> Path:
        """The rows of a table as a Parquet file."""
        path = home / f"{tables.named(rows)}.parquet"
        with pf.connect(self.server.flight_uri, key=self.server.key) as db:
            reader = db.sql(contenders.selected(tables.named(rows))).to_reader()
            with pq.ParquetWriter(path, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
        return path

    def _read(self, rows: int, table: Any, connections: Connections, rivals: Rivals) -> None:
        _tell(f"{self.rounds} rounds of {rows:,} rows")
        ways = [] if rows > SLOW else contenders.pixeltable(table)
        ways += [contenders.limit(table, connections), *rivals.contenders(rows), *contenders.ours(tables.named(rows), connections)]
        left_out = dict.fromkeys((LOCAL, LOCAL_PANDAS, PROXY, ROUTER), _TOO_SLOW) if rows > SLOW else {}
        same, unlike = self._proven(ways, rows)
        outcome = interleave({way.name: way.run for way in same}, rounds=self.rounds, warm_up=False)
        lines = report.read_lines(outcome, rows, ends={way.name: way.ends_in for way in ways}, slow=LOCAL, limit=RAW)
        part = Part(f"Reading {rows:,} rows of 5 columns", lines, left_out | rivals.not_run | unlike | outcome.not_run)
        self.parts[f"read_{rows}"] = part
        if rows == (GATED_ROWS if GATED_ROWS in self.sizes else self._shared_rows):
            self._judge_reading(outcome, rows)

    def _proven(self, ways: list[Contender], rows: int) -> tuple[list[Contender], dict[str, str]]:
        """Those that read the rows that were stored, which warms them up too, and why others cannot."""
        expected, same, not_run = dataset.expected(rows), [], {}
        for way in ways:
            try:
                answers.check(way.name, way.run(), expected)
            except NotRunError as why:
                not_run[way.name] = str(why)
            else:
                same.append(way)
            gc.collect()
        return same, not_run

    def _judge_reading(self, outcome: Outcome, rows: int) -> None:
        if LOCAL not in outcome.samples:
            return
        unjudged = "only a smoke" if self.smoke else "" if rows == GATED_ROWS else f"the bound is for {GATED_ROWS:,} rows"
        flight, adbc, of_limit = (report.ratios(outcome.samples, *pair) for pair in ((LOCAL, FLIGHT), (LOCAL, ADBC), (FLIGHT, RAW)))
        faster, told = f"times faster than {LOCAL}", f"{rows:,} rows"
        self.gates += [
            Gate(f"{told}, {FLIGHT}: {faster}", flight, _FLIGHT_FASTER, at_least=True, unjudged=unjudged),
            Gate(f"{told}, {ADBC}: {faster}", adbc, _ADBC_FASTER, at_least=True, aim=35, unjudged=unjudged),
            Gate(f"{told}, {FLIGHT}: times the wall time of {RAW}", of_limit, _OF_THE_RAW_LIMIT, aim=1.3, unjudged=unjudged),
        ]

    def _memory(self) -> None:
        _tell("the server's memory")
        with pf.connect(self.server.flight_uri, key=self.server.key) as db:
            peak = memory.stream_growth(db, tables.named(_STREAM_ROWS), _STREAM_ROWS, self.server.planes["flight"].pid)
        growth = peak.growth / _MIB
        line = {"rows": _STREAM_ROWS, "idle_mib": peak.idle / _MIB, "peak_mib": peak.highest / _MIB, "growth_mib": growth}
        self.parts["memory"] = Part("Memory of the data plane while a client streams", [line])
        self.gates.append(Gate("data plane: MiB over idle while 1,000,000 rows stream", growth, _STREAM_MIB, aim=16))

    def _latency(self, found: dict[int, Any], connections: Connections, rivals: Rivals) -> None:
        _tell("latency")
        rows = self._shared_rows
        keys = min(_SMOKE_KEYS if self.smoke else _KEYS, rows - 1)
        point = latency.one_row(found[rows], tables.named(rows), connections, rivals.roapi, runs=keys)
        lines = report.latency_lines(point)
        roapi = {name: why for name, why in rivals.not_run.items() if name not in (PROXY, ROUTER)}
        self.parts["point"] = Part(f"One row by its key, of {rows:,}", lines, roapi | point.not_run)
        unjudged = "only a smoke" if self.smoke else "" if self.quiet else "the machine was not quiet before the run"
        median = next(line["wall_p50_ms"] for line in lines if line["contender"] == latency.POINT)
        self.gates.append(Gate(f"1 row by key, {latency.POINT}: median ms", median, _POINT_MS, aim=5, unjudged=unjudged))
        table = found[_STREAM_ROWS]
        first = latency.first_batch(table, tables.named(_STREAM_ROWS), connections, rivals.roapi, rounds=self.rounds)
        self.parts["first_batch"] = Part(f"The first batch of {_STREAM_ROWS:,} rows", report.latency_lines(first), roapi | first.not_run)

    def _thumbnails(self, home: Path) -> None:
        count = _SMOKE_PHOTOGRAPHS if self.smoke else _PHOTOGRAPHS
        _tell(f"thumbnails of {count:,} photographs")
        name, pid = "bench_photographs", self.server.planes["flight"].pid
        photographs.fill(name, home / "photographs", count)
        kept = Settings(home=home).thumbnail_dir
        with pf.connect(self.server.flight_uri, key=self.server.key) as db:
            photographs.read(db, name, count, pid)  # loads the decoders
            made = photographs.line("made", [photographs.read(db, name, count, pid, forget=kept) for _ in range(self.rounds)], count)
            again = photographs.line("kept", [photographs.read(db, name, count, pid) for _ in range(self.rounds)], count)
        self.parts["thumbnails"] = Part(f"Thumbnails of {count:,} photographs of {SIZE[0]}x{SIZE[1]}, 100 KB", [made, again])
        unjudged = "only a smoke" if self.smoke else ""
        what = f"thumbnails of {count:,} photographs"
        self.gates += [
            Gate(f"{what}, made: a second of one core", made["per_s_of_one_core"], _MADE_PER_CORE, at_least=True, unjudged=unjudged),
            Gate(f"{what}, kept: a second", again["per_s"], _KEPT_PER_S, at_least=True, unjudged=unjudged),
            Gate(f"{what}, made: MiB of the data plane over idle", made["growth_mib"], _PHOTOGRAPHS_MIB),
        ]

    def _links(self, home: Path, found: dict[int, Any]) -> None:
        rows = self._shared_rows
        _tell(f"links of {rows:,} rows")
        name = "bench_links"
        links.fill(name, found[rows], home / "picture.png", libpq_uri())
        with pf.connect(self.server.flight_uri, key=self.server.key) as db:
            outcome = interleave(links.ways(db, name), rounds=max(self.rounds, _LINK_ROUNDS), warm_up=True)
        lines = report.read_lines(
            outcome, rows, ends=dict.fromkeys((links.WITHOUT, links.WITH), "arrow"), slow=links.WITH, limit=links.WITHOUT
        )
        self.parts["links"] = Part(f"Reading {rows:,} rows with a link to an image in each", lines, outcome.not_run)
        unjudged = "only a smoke" if self.smoke else "" if rows == GATED_ROWS else f"the bound is for {GATED_ROWS:,} rows"
        ratio = report.ratios(outcome.samples, links.WITH, links.WITHOUT)
        self.gates.append(Gate(f"{rows:,} rows, with a link in each: times the wall time without", ratio, _LINKS, unjudged=unjudged))

    def _write(self) -> None:
        count = _SMOKE_WRITTEN if self.smoke else GATED_ROWS
        unjudged = "only a smoke" if self.smoke else ""
        with contenders.connected(self.server) as connections:
            _tell(f"memory while {_STREAM_ROWS:,} rows are inserted")
            peak = writing.growth(connections, _STREAM_ROWS, self.server.planes["flight"].pid)
            _tell(f"{self.rounds} rounds of inserting {count:,} rows")
            plain = writing.plain(connections, count, self.rounds)
            fewer = count // 5
            computed = writing.computed(connections, fewer, self.rounds)
        growth = peak.growth / _MIB
        memory_line = {"rows": _STREAM_ROWS, "idle_mib": peak.idle / _MIB, "peak_mib": peak.highest / _MIB, "growth_mib": growth}
        lines = report.read_lines(plain, count, ends=writing.ENDS, slow=writing.INSERT, limit=writing.RAW)
        computed_lines = report.read_lines(computed, fewer, ends=writing.ENDS, slow=writing.INSERT, limit=writing.INSERT)
        for line in computed_lines:
            del line["times_the_raw_limit"]  # COPY computes nothing
        self.write_parts = {
            "write": Part(f"Inserting {count:,} rows of 3 columns", lines, plain.not_run),
            "write_computed": Part(f"Inserting {fewer:,} rows into a table with a computed column", computed_lines, computed.not_run),
            "write_memory": Part("Memory of the data plane while rows are inserted", [memory_line]),
        }
        faster, of_raw = (report.ratios(plain.samples, *pair) for pair in ((writing.INSERT, writing.FLIGHT), (writing.FLIGHT, writing.RAW)))
        what = f"{count:,} rows, {writing.FLIGHT}"
        self.write_gates = [
            Gate(f"{what}: times faster than {writing.INSERT}", faster, _WRITE_FASTER, at_least=True, aim=20, unjudged=unjudged),
            Gate(f"{what}: times the wall time of {writing.RAW}", of_raw, _WRITE_OF_RAW, aim=1.2, unjudged=unjudged),
            Gate(f"data plane: MiB over idle while {_STREAM_ROWS:,} rows are inserted", growth, _WRITE_MIB),
        ]

    def _client(self) -> None:
        _tell("clients' memory")
        part = self.parts["client"] = Part(f"Memory of a client that reads {_STREAM_ROWS:,} rows, one run each")
        # A smoke has no time for the slow ones; that everybody reads is seen elsewhere.
        for way in client_memory.SMOKE_WAYS if self.smoke else client_memory.WAYS:
            try:
                part.lines.append(client_memory.measured(way, tables.named(_STREAM_ROWS), _STREAM_ROWS, self.server))
            except NotRunError as why:
                part.not_run[way] = str(why)


def _measure(parts: Mapping[str, Callable[[], None]], wanted: Collection[str]) -> None:
    for name, measure in parts.items():
        if name in wanted:
            measure()


def _tell(what: str) -> None:
    """What comes next, and the wall seconds that this process has lived: a run takes minutes."""
    print(f"{time.time() - _STARTED:5.0f} s  {what}", file=sys.stderr)
