"""REST: how long each standard operation takes when requests come at a rate of their own, and next to Pixeltable's own router.

The rate does not care how fast the server is (an open loop), and a time begins when its request was due, not when a client was free to send
it: a server that stalls pays for every request that was due meanwhile (no coordinated omission).
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks import report, router, standard
from benchmarks.gates import Gate
from benchmarks.http_client import Ask, Connection, DroppedError
from benchmarks.report import Part
from benchmarks.rounds import NotRunError, Outcome, interleave, percentile
from benchmarks.standard import Standard
from pxt_flight.registration import Server

_TABLE, _RIVAL = "rest", "rest_rival"
_CONNECTIONS = 32
_P95_MS = 200.0
_SECONDS, _SMOKE_SECONDS = 15.0, 1.0
_RUNS, _SMOKE_RUNS = 100, 3
_WARM_UP = 5
_RATE = 20.0  # a second, where nothing else is said
_RATES = {"insert 1000 rows": 2.0, "insert 1 row": 10.0, "update by key": 10.0, "delete by row id": 10.0}
_PAGE, _INSERT = "a page of 100 rows", "insert 1 row"
_OURS, _ROUTER = "ours", "FastAPIRouter"


def measured(server: Server, home: Path, *, smoke: bool, quiet: bool) -> tuple[dict[str, Part], list[Gate]]:
    """Measure a server; answers the parts of the report, and the bounds.

    Args:
        server: the server.
        home: of its store, which this process's Pixeltable uses too.
        smoke: whether it is only seen that everything runs.
        quiet: whether the machine has nothing else to do, so that latencies are judged.
    """
    for name in (_TABLE, _RIVAL):
        standard.make_table(name)
    unjudged = "only a smoke" if smoke else "" if quiet else "the machine was not quiet before the run"
    part = asyncio.run(_open_loop(server, _SMOKE_SECONDS if smoke else _SECONDS))
    gates = [
        Gate(f"{line['operation']}, {line['per_s']:g} a second: p95 ms", line["p95_ms"], _P95_MS, unjudged=unjudged) for line in part.lines
    ]
    gates.append(Gate("standard operations that did not run", len(part.not_run), 0))
    parts = {"rest": part}
    try:
        outcome = _beside_router(server, home, _SMOKE_RUNS if smoke else _RUNS)
    except NotRunError as why:
        parts["rest_router"] = Part("Next to FastAPIRouter", [], {_ROUTER: str(why)})
        return parts, gates
    parts["rest_router"] = Part("Next to FastAPIRouter", report.latency_lines(outcome), outcome.not_run)
    for what, not_alike in (
        (_PAGE, ""),
        (_INSERT, "the other keeps no receipt of its write, takes no turn at the table and checks no key"),
    ):
        ratio = report.ratios(outcome.samples, f"{_ROUTER}, {what}", f"{_OURS}, {what}")
        unjudged = "only a smoke" if smoke else not_alike
        gates.append(Gate(f"{what}: times faster than {_ROUTER}", ratio, 1.0, at_least=True, unjudged=unjudged))
    return parts, gates


async def _open_loop(server: Server, seconds: float) -> Part:
    """Each operation by itself, at its rate."""
    connections: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        connections.put_nowait(await _connected(server))
    part = Part(f"Standard operations, {seconds:g} s each, on a table of {standard.ROWS:,} rows")
    turns = itertools.count()
    for operation in standard.operations(_TABLE):
        rate = _RATES.get(operation.name, _RATE)
        try:
            walls = await _at_rate(server, connections, operation, rate, round(rate * seconds), turns)
        except NotRunError as why:
            part.not_run[operation.name] = str(why)
            continue
        part.lines.append(_line(operation.name, rate, walls))
    while not connections.empty():
        await connections.get_nowait().close()
    return part


async def _at_rate(
    server: Server, connections: "asyncio.Queue[Connection]", operation: Standard, rate: float, count: int, turns: "itertools.count[int]"
) -> list[float]:
    """The milliseconds of each request from the moment that it was due."""
    for _ in range(_WARM_UP):
        await _asked(server, connections, operation, next(turns))
    begun = time.perf_counter()

    async def one(number: int) -> float:
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await _asked(server, connections, operation, next(turns))
        return (time.perf_counter() - due) * 1e3

    return await asyncio.gather(*(one(number) for number in range(count)))


async def _asked(server: Server, connections: "asyncio.Queue[Connection]", operation: Standard, turn: int) -> None:
    connection = await connections.get()
    ask = operation.ask(turn)
    try:
        try:
            reply = await connection.ask(ask)
        except DroppedError:  # idle for longer than the server keeps a connection
            connection = await _connected(server)
            reply = await connection.ask(ask)
        if reply.status != operation.status:
            raise NotRunError(f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace')}")
    finally:
        connections.put_nowait(connection)


async def _connected(server: Server) -> Connection:
    return await Connection.open(server.http_url, {"authorization": f"Bearer {server.key}"})


def _line(name: str, rate: float, walls: list[float]) -> dict[str, Any]:
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    found = {column: percentile(walls, share) for column, share in shares.items()}
    return {"operation": name, "per_s": rate, "requests": len(walls)} | found | {"max_ms": max(walls)}


def _beside_router(server: Server, home: Path, runs: int) -> Outcome:
    """A page and an insert, in rounds, one request after the other on a connection of each."""
    by_name = {operation.name: operation for operation in standard.operations(_TABLE)}
    key = {"authorization": f"Bearer {server.key}"}
    with (
        router.running([_RIVAL], home, app="benchmarks.router_operations_app:app") as rival,
        httpx.Client(base_url=server.http_url, headers=key, timeout=60, trust_env=False) as client,
    ):
        turns = itertools.count(10_000)
        ways: dict[str, Callable[[], None]] = {
            f"{_OURS}, {_PAGE}": lambda: _send(client, by_name["GET rows, a page of 100"].ask(next(turns))),
            f"{_OURS}, {_INSERT}": lambda: _send(client, by_name["insert 1 row"].ask(next(turns))),
            f"{_ROUTER}, {_PAGE}": lambda: _posted(rival.http, "/page", {}),
            f"{_ROUTER}, {_INSERT}": lambda: _posted(rival.http, "/insert", standard.row(1_000_000 + next(turns))),
        }
        return interleave(ways, rounds=runs, collect_garbage=False)


def _send(client: httpx.Client, ask: Ask) -> None:
    headers = {"content-type": ask.content_type} if ask.body else {}
    response = client.request(ask.method, ask.path, content=ask.body, headers=headers)
    if not response.is_success:
        raise NotRunError(f"HTTP {response.status_code}: {response.text[:200]}")


def _posted(client: httpx.Client, path: str, body: Mapping[str, Any]) -> None:
    response = client.post(path, json=body)
    if not response.is_success:
        raise NotRunError(f"HTTP {response.status_code}: {response.text[:200]}")
