"""The parts of a run: what each measures, and the bounds it must keep."""

from dataclasses import dataclass
from typing import Any

import pixeltable as pxt
import pyarrow.flight as fl

import pxt_flight as pf
from benchmarks import contenders, latency, memory, report, tables
from benchmarks.contenders import FLIGHT, LOCAL, RAW
from benchmarks.report import Gate
from benchmarks.rounds import interleave
from pxt_flight.engine.seam.store import libpq_uri
from pxt_flight.registration import Server

_MIB = 1 << 20
_STREAM_ROWS = 1_000_000
_STREAM_BYTES = 64 * _MIB
_FASTER_THAN_LOCAL, _OF_THE_RAW_LIMIT = 25.0, 2.0
_KEYS = 50


@dataclass
class Suite:
    """A run against one server.

    Args:
        server: a server on the home that this process's Pixeltable uses too.
        rows: of the table that the contenders read.
        rounds: how many.
        smoke: whether ratios only inform: a loaded machine says nothing about them.
    """

    server: Server
    rows: int
    rounds: int
    smoke: bool

    def run(self, parts: tuple[str, ...]) -> tuple[dict[str, Any], list[Gate]]:
        """Make the tables that some parts need and measure them; answers results by part, and the gates.

        Raises:
            RuntimeError: an answer was wrong; nothing that was measured counts then.
        """
        pxt.init()
        results: dict[str, Any] = {}
        gates: list[Gate] = []
        # Memory first: its idle is then that of a server which has not yet grown by anything else.
        if {"memory", "latency"} & set(parts):
            tables.fill("bench_million", _STREAM_ROWS, libpq_uri())
        if "memory" in parts:
            results["memory"], gate = self._memory()
            gates.append(gate)
        bench = tables.insert("bench", self.rows) if {"read", "latency"} & set(parts) else None
        if "read" in parts:
            results["read"], found = self._read(bench)
            gates += found
        if "latency" in parts:
            results["latency"] = self._latency()
        return results, gates

    def _read(self, bench: Any) -> tuple[list[dict[str, Any]], list[Gate]]:
        with contenders.contenders(bench, self.server) as ways:
            contenders.check_equal({name: way() for name, way in ways.items()}, self.rows)
            samples = interleave(ways, rounds=self.rounds)
        faster, of_limit = report.ratios(samples, LOCAL, FLIGHT), report.ratios(samples, FLIGHT, RAW)
        decides = not self.smoke
        return report.read_results(samples, self.rows, slow=LOCAL, limit=RAW), [
            Gate(f"{FLIGHT}: times faster than {LOCAL}", faster, _FASTER_THAN_LOCAL, at_least=True, decides=decides),
            Gate(f"{FLIGHT}: times the wall time of {RAW}", of_limit, _OF_THE_RAW_LIMIT, decides=decides),
        ]

    def _memory(self) -> tuple[dict[str, Any], Gate]:
        with pf.connect(self.server.flight_uri, key=self.server.key) as db:
            peak = memory.stream_growth(db, "bench_million", _STREAM_ROWS, self.server.planes["flight"].pid)
        result = {"rows": _STREAM_ROWS, "idle_mib": peak.idle / _MIB, "peak_mib": peak.highest / _MIB, "growth_mib": peak.growth / _MIB}
        return result, Gate("data plane: MiB over idle while 1M rows stream", peak.growth / _MIB, _STREAM_BYTES / _MIB)

    def _latency(self) -> list[dict[str, Any]]:
        options = contenders.call_options(self.server)
        with pf.connect(self.server.flight_uri, key=self.server.key) as db, fl.connect(self.server.flight_uri) as client:
            samples = latency.one_row(db, client, options, "bench", rounds=_KEYS)
            samples |= latency.first_batch(client, options, "bench_million", rounds=self.rounds)
        return report.latency_results(samples)
