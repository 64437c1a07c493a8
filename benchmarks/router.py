"""Pixeltable's `FastAPIRouter`: a query's rows as JSON over HTTP, served by uvicorn in a process of its own."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks import processes

TABLES = "PXT_FLIGHT_BENCH_TABLES"  # variable of the environment: the names of the tables, between commas
_TREE = Path(__file__).parents[1]
_TIMEOUT = 600.0  # seconds


@dataclass(frozen=True)
class Router:
    """A client of the running router."""

    http: httpx.Client

    def read(self, table: str) -> Any:
        """All rows of a table, as JSON becomes them: a list of dicts."""
        response = self.http.post(f"/{table}", json={})
        response.raise_for_status()
        return response.json()["rows"]


@contextlib.contextmanager
def running(tables: Sequence[str], folder: Path, app: str = "benchmarks.router_app:app") -> Iterator[Router]:
    """The router over some tables of this home, on a free port of the loopback.

    Args:
        tables: their names; they exist already.
        folder: where it may write its log.
        app: what uvicorn serves.

    Raises:
        NotRunError: it cannot run here.
    """
    command: list[str | Path] = [sys.executable, "-m", "uvicorn", "--app-dir", _TREE, "--port", "0", app]
    environment = {TABLES: ",".join(tables), "PYTHONPATH": str(_TREE)}
    with (
        processes.running(command, log=folder / "router.log", ready=[r"Uvicorn running on (http://\S+)"], environment=environment) as (
            url,
        ),
        httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False) as client,
    ):
        yield Router(client)
