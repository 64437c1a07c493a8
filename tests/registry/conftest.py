"""A server on a store of its own, with keys that may less: the operations that are tried here may delete whatever there is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pyarrow.flight as fl
import pytest
from wires import Flight, RestName, RestPath

from pxt_flight import postgres as embedded
from pxt_flight.config import Settings
from pxt_flight.registration import Server
from pxt_flight.server import running_server

HERE = Path(__file__).parent
# All that a change of any table, directory, view, index or soft delete would leave: each makes a version, or changes a description.
_STATE = """
SELECT (SELECT md5(coalesce(string_agg(md::text, '' ORDER BY id), '')) FROM tables),
       (SELECT md5(coalesce(string_agg(md::text, '' ORDER BY id), '')) FROM dirs),
       (SELECT count(*) FROM tableversions)
"""


class Place(NamedTuple):
    """The server, and the keys by what they may not: `not read`, ..., `others` (all of it, and only on other tables)."""

    server: Server
    home: Path
    keys: dict[str, str]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server on a store of its own."""
    home = tmp_path_factory.mktemp("registry")
    environment = os.environ | {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0", "PYTHONPATH": str(HERE.parents[1])}
    try:
        prepared = subprocess.run([sys.executable, HERE / "prepare_store.py"], env=environment, stdout=subprocess.PIPE, check=True)
        keys = json.loads(prepared.stdout.splitlines()[-1])
        with running_server(Settings(home=home, flight_port=0, http_port=0, export_dir=tmp_path_factory.mktemp("exports"))) as server:
            yield Place(server, home, keys | {"owner": server.key})
    finally:
        if postmaster := embedded.find(home):
            postmaster.identity.send(signal.SIGINT)
            assert postmaster.identity.wait(30)


@pytest.fixture(scope="session")
def wires(place: Place) -> Iterator[dict[str, Any]]:
    """The ways to an operation."""
    with httpx.Client(base_url=place.server.http_url, timeout=60) as http, fl.connect(place.server.flight_uri) as flight:
        yield {"path": RestPath(http), "name": RestName(http), "flight": Flight(flight)}


@pytest.fixture(scope="session")
def by_action(store: Path) -> dict[str, Any]:
    """The operations of ours that are served, by their actions."""
    from pxt_flight.operations.dispatch import import_operations  # imports Pixeltable, whose home `store` names
    from pxt_flight.public_api import operations

    import_operations()
    served = (operation for operation in operations() if operation.endpoint)
    return {operation.action: operation for operation in served if operation.function.__module__.startswith("pxt_flight.")}


@pytest.fixture(scope="session")
def guide(place: Place, by_action: dict[str, Any]) -> Iterator[Any]:
    """Runs examples; whoever changes what they find makes it anew: `guide.reset()`."""
    from pxt_flight.reference.examples import Guide

    guide = Guide(place.server.http_url, place.server.key)
    guide.reset()
    yield guide
    guide.close()


@pytest.fixture(scope="session")
def shown(store: Path) -> dict[str, Any]:
    """What the pages show that the examples ask and are answered."""
    from pxt_flight.reference import examples

    return examples.read_recorded((HERE.parents[1] / examples.PATH).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def state(place: Place, guide: Any) -> Iterator[Callable[[], Any]]:
    """What the store is now, with what the examples find, to be compared with what it was."""
    postmaster = embedded.find(place.home)
    assert postmaster is not None
    address = {"host": postmaster.socket_dir, "port": postmaster.port, "user": "postgres", "dbname": "pixeltable"}
    with psycopg.connect(**address, autocommit=True) as connection:
        yield lambda: connection.execute(_STATE).fetchone()
