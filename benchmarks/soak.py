"""`python -m benchmarks.soak`: a thousand connections at once, then for a minute; exit status 1 where a bound is broken.

Every answer must be a success, or 429 or 503 with Retry-After; no connection may be dropped; memory, threads and file descriptors come
back; and the server answers at once afterwards.
"""

import argparse
import asyncio
import itertools
import resource
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine, page
from benchmarks.census import Census, counted
from benchmarks.gates import Gate
from benchmarks.http_client import Ask, Connection, DroppedError
from benchmarks.report import Part
from benchmarks.rounds import percentile
from benchmarks.store import temporary_server
from pxt_flight.registration import Server

if TYPE_CHECKING:
    from benchmarks.standard import Standard

_TABLE = "soak"
_CONNECTIONS, _SECONDS, _SMOKE_SECONDS = 1000, 60.0, 5.0
_BURST_ASKS = 3  # of each connection
_PATIENCE = 120.0  # seconds for one answer
_TRY_LATER = (429, 503)
_GROWTH_MIB, _LEFT_MIB, _ANSWER_S, _SETTLE_S = 384, 192, 1.0, 30.0
_MIB = 1 << 20


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        walls: seconds of each answer, by what was asked and its status.
        faults: what must not be, and how often.
    """

    walls: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[dict[str, Any]]:
        """One line per question and status."""
        return [
            {
                "operation": name,
                "status": status,
                "answers": len(walls),
                "p50_ms": percentile(walls, 0.5) * 1e3,
                "p99_ms": percentile(walls, 0.99) * 1e3,
                "max_ms": max(walls) * 1e3,
            }
            for (name, status), walls in sorted(self.walls.items())
        ]

    def count(self, *, succeeded: bool | None = None) -> int:
        """How many answers there were; or only those that succeeded, or did not."""
        return sum(len(walls) for (_, status), walls in self.walls.items() if succeeded is None or (status < 300) == succeeded)


class Crowd:
    """Many clients of one server.

    Args:
        server: the server.
        size: how many.
        asks: what they ask in turn: a name and what makes the next request.
    """

    def __init__(self, server: Server, size: int, asks: Sequence[tuple[str, Callable[[], Ask]]]) -> None:
        self._server = server
        self._size = size
        self._asks = asks

    async def burst(self) -> Seen:
        """All connect at the same moment, and ask as soon as all are connected."""
        return await self._run(lambda asked: asked < _BURST_ASKS)

    async def sustain(self, seconds: float) -> Seen:
        """All ask one thing after the other for so long; who is told to try later waits as it is told."""
        until = time.monotonic() + seconds
        return await self._run(lambda _: time.monotonic() < until)

    async def _run(self, goes_on: Any) -> Seen:
        seen, ready = Seen(), asyncio.Barrier(self._size)
        await asyncio.gather(*(self._client(number, goes_on, seen, ready) for number in range(self._size)))
        return seen

    async def _client(self, number: int, goes_on: Any, seen: Seen, ready: asyncio.Barrier) -> None:
        connection = await self._connected(seen)
        await ready.wait()
        asked = 0
        while goes_on(asked):
            name, ask = self._asks[(number + asked) % len(self._asks)]
            asked += 1
            if connection is None or not await self._asked(connection, name, ask(), seen):
                connection = await self._connected(seen)
        if connection is not None:
            await connection.close()

    async def _connected(self, seen: Seen) -> Connection | None:
        try:
            return await Connection.open(self._server.http_url, {"authorization": f"Bearer {self._server.key}"})
        except OSError as fault:
            seen.faults[f"connecting: {type(fault).__name__}"] += 1
            return None

    async def _asked(self, connection: Connection, name: str, ask: Ask, seen: Seen) -> bool:
        """Whether the connection can be used again."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE):
                reply = await connection.ask(ask)
        except (DroppedError, TimeoutError) as fault:
            seen.faults[f"dropped: {fault or 'no answer in time'}"] += 1
            await connection.close()
            return False
        seen.walls.setdefault((name, reply.status), []).append(time.perf_counter() - started)
        if reply.status in _TRY_LATER:
            after = reply.headers.get(b"retry-after", b"")
            if not after.isdigit():
                seen.faults[f"{reply.status} without Retry-After"] += 1
            await asyncio.sleep(float(after) if after.isdigit() else 1)
        elif not 200 <= reply.status < 300:
            seen.faults[f"status {reply.status} of {name}"] += 1
        return not reply.is_last


def main(arguments: list[str]) -> int:
    """Run it; answers the exit status."""
    options = _parser().parse_args(arguments)
    before = machine.load()
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # of a library of Pixeltable's
    _raise_limit(4 * options.connections)
    with temporary_server() as server:
        parts, gates = asyncio.run(soak(server, options.connections, _SMOKE_SECONDS if options.smoke else options.seconds))
    facts = machine.facts() | {"load_before": before, "load_after": machine.load(), "quiet": machine.is_quiet(before)}
    settings = {"arguments": arguments, "connections": options.connections, "smoke": options.smoke, "rounds": 1}
    told = page.Run("soak", facts, settings, parts, gates)
    print(told.text())
    if options.report:
        told.write(options.report)
    return 1 if any(gate.failed for gate in gates) else 0


async def soak(server: Server, connections: int, seconds: float) -> tuple[dict[str, Part], list[Gate]]:
    """Load a server; answers what was seen, and the bounds."""
    from benchmarks import standard  # Pixeltable takes its home from the environment at its import

    standard.make_table(_TABLE)
    operations = standard.operations(_TABLE)
    async with _connected(server) as connection:
        missing = await standard.served(operations, connection)
    asks = [("health", lambda: Ask.of("GET", "/healthz"))]
    asks += [(each.name, _each_turn(each)) for each in operations if each.name not in missing]
    crowd = Crowd(server, connections, asks)
    await Crowd(server, 50, asks).burst()  # loads code, opens pools, starts threads
    idle = counted(server)
    with watched(server) as peak:
        burst = await crowd.burst()
        at_once = await _answer_time(server)
        sustained = await crowd.sustain(seconds)
        after = await _answer_time(server)
    left = await _settled(server, idle)
    parts = {
        "burst": Part(f"{connections:,} connections at once, {_BURST_ASKS} requests each", burst.lines(), missing),
        "sustained": Part(f"{connections:,} connections for {seconds:g} s", sustained.lines()),
        "processes": Part("The server's processes", [idle.line("idle"), peak.line("at the most"), left.line("afterwards")]),
    }
    return parts, [*_judged("burst", burst), *_judged("sustained", sustained), *_bounds(idle, peak, left, max(at_once, after))]


def _each_turn(operation: "Standard") -> Callable[[], Ask]:
    """Its requests, another one each time: no row is deleted, or inserted, twice."""
    turns = itertools.count(1)
    return lambda: operation.ask(next(turns))


def _judged(name: str, seen: Seen) -> list[Gate]:
    for fault, times in seen.faults.items():
        print(f"{name}: {fault}: {times} times", file=sys.stderr)
    return [
        Gate(f"{name}: connections dropped, and answers that are no success, 429 or 503 with Retry-After", sum(seen.faults.values()), 0),
        Gate(f"{name}: answers that are a success", seen.count(succeeded=True), 1, at_least=True),
    ]


def _bounds(idle: Census, peak: Census, left: Census, answer: float) -> list[Gate]:
    return [
        Gate("MiB of all processes over idle, at the most", (peak.memory - idle.memory) / _MIB, _GROWTH_MIB),
        Gate("MiB of all processes over idle, afterwards", (left.memory - idle.memory) / _MIB, _LEFT_MIB),
        Gate("threads over idle, afterwards", left.threads - idle.threads, 8),
        Gate("file descriptors over idle, afterwards", left.files - idle.files, 16),
        Gate("seconds until the first answer afterwards", answer, _ANSWER_S),
    ]


async def _answer_time(server: Server) -> float:
    """Seconds that a client waits which comes when the others have left."""
    started = time.perf_counter()
    async with _connected(server) as connection:
        reply = await connection.ask(Ask.of("GET", "/api/v1/tables"))
    if reply.status != 200:
        raise RuntimeError(f"the server answers {reply.status} when nobody else is there")
    return time.perf_counter() - started


@asynccontextmanager
async def _connected(server: Server) -> AsyncIterator[Connection]:
    connection = await Connection.open(server.http_url, {"authorization": f"Bearer {server.key}"})
    yield connection
    await connection.close()


async def _settled(server: Server, idle: Census) -> Census:
    """The processes once connections are closed."""
    until = time.monotonic() + _SETTLE_S
    while (now := counted(server)).files > idle.files and time.monotonic() < until:
        await asyncio.sleep(0.1)
    return now


@contextmanager
def watched(server: Server) -> Iterator[Census]:
    """The most of everything while the context lasts."""
    most, ended = counted(server), threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            most.raise_to(counted(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def _raise_limit(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="A crowd of clients of HTTP, and what it leaves behind.")
    parser.add_argument("--connections", type=int, default=_CONNECTIONS, help=f"how many at once (default {_CONNECTIONS})")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help=f"how long they ask (default {_SECONDS:g})")
    parser.add_argument("--report", type=Path, help="folder to write soak.md and soak.json to")
    parser.add_argument("--smoke", action="store_true", help=f"as many connections, for {_SMOKE_SECONDS:g} s")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
