"""The rivals that run in processes of their own: started in the background, and the ways to read a table through them."""

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import proxy, roapi, router, tables
from benchmarks.contenders import PROXY, ROAPI_ADBC, ROAPI_HTTP, ROUTER, Contender, rival, selected
from benchmarks.roapi import Roapi
from benchmarks.rounds import NotRunError
from pxt_flight.engine.seam.store import libpq_uri

SLOW = 200_000  # rows, above which a rival without Arrow takes minutes


class Rivals:
    """Pixeltable's local proxy, its `FastAPIRouter`, and ROAPI.

    Args:
        home: the Pixeltable home of this process.
        pool: where they start; it must end before `opened`.
        opened: what stops them.

    Attributes:
        roapi: None until it runs, or where it cannot.
        not_run: why some do not run, by contender.
    """

    def __init__(self, home: Path, pool: ThreadPoolExecutor, opened: contextlib.ExitStack) -> None:
        self.roapi: Roapi | None = None
        self.not_run: dict[str, str] = {}
        self._home, self._pool, self._opened = home, pool, opened
        self._proxied: dict[int, Any] = {}
        self._running: dict[str, Any] = {}
        self._starting: dict[str, Future[Any]] = {}

    def launch_proxy(self) -> None:
        """Start the local proxy in the background."""
        self._starting[PROXY] = self._pool.submit(self._opened.enter_context, proxy.running())

    def launch_router(self, names: Sequence[str]) -> None:
        """Start the router over some tables of the home in the background."""
        self._starting[ROUTER] = self._pool.submit(self._opened.enter_context, router.running(names, self._home))

    def start_roapi(self, files: Mapping[str, Path]) -> None:
        """Start ROAPI over some Parquet files, named by their tables."""
        try:
            self.roapi = self._opened.enter_context(roapi.running(files, self._home))
        except NotRunError as why:
            self.not_run |= dict.fromkeys((ROAPI_ADBC, ROAPI_HTTP), str(why))

    def wait(self) -> None:
        """Wait for those that start in the background."""
        for name, starting in self._starting.items():
            try:
                self._running[name] = starting.result()
            except NotRunError as why:
                self.not_run[name] = str(why)
        self._starting = {}

    def fill(self, sizes: Sequence[int]) -> None:
        """Give the proxy its tables, if it runs.

        Args:
            sizes: rows of the tables.
        """
        if PROXY in self._running:
            uri = libpq_uri()
            for rows in sizes:
                self._proxied[rows] = tables.fill(proxy.path(tables.named(rows)), rows, uri, database=proxy.DATABASE)

    def contenders(self, rows: int) -> list[Contender]:
        """The ways to read the table of so many rows through those that run."""
        name, found = tables.named(rows), []
        if table := self._proxied.get(rows):
            found.append(rival(PROXY, "Pixeltable's rows", tables.query(table).collect))
        if rows <= SLOW and (asked := self._running.get(ROUTER)):
            found.append(rival(ROUTER, "dicts", lambda: asked.read(name)))
        if server := self.roapi:
            text = selected(name)
            found.append(rival(ROAPI_ADBC, "polars", lambda: server.read_adbc(text)))
            found.append(rival(ROAPI_HTTP, "polars", lambda: server.read_http(text)))
        return found
