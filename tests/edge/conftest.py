"""Both wires in this process, and a server on a store of its own, for the tests of this folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from edge_wires import Servers, Wires

import pxt_flight as pf
from pxt_flight import postgres as embedded
from pxt_flight.config import Settings
from pxt_flight.server import running_server

HERE = Path(__file__).parent


@pytest.fixture
def wires(pxt: Any, engine: Any, store: Path) -> Iterator[Callable[..., Wires]]:
    """Start both: `wires()`; what the registry has by then is served. Keyword arguments are further ones of the store's."""
    with _servers(engine, store) as servers:
        yield servers.start


@pytest.fixture(scope="module")
def new_wires(pxt: Any, engine: Any, store: Path) -> Iterator[Callable[..., Wires]]:
    """The same for the tests of a module, which share what it starts."""
    with _servers(engine, store) as servers:
        yield servers.start


def _servers(engine: Any, home: Path) -> Servers:
    from pxt_flight.operations.dispatch import import_operations

    import_operations()
    return Servers(engine, home)


class OwnServer:
    """A server on a store of its own, with settings that the session's has not."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self._serving = ExitStack()
        routers = ("edge_router:router", "edge_router:router=/again")
        settings = Settings(home=home, flight_port=0, http_port=0, routers=routers, export_dir=folder / "exports")
        self.server = server = self._serving.enter_context(running_server(settings))
        self.http = httpx.Client(base_url=server.http_url, headers={"authorization": f"Bearer {server.key}"}, timeout=120)

    def stop(self) -> None:
        """Stop the server; its Postgres too, where it started that."""
        self.http.close()
        self._serving.close()

    def make_tables(self) -> None:
        """See `store_maker.py`."""
        subprocess.run(
            [sys.executable, str(HERE / "store_maker.py")],
            env=os.environ | {"PIXELTABLE_HOME": str(self.home)},
            check=True,
            timeout=120,
            capture_output=True,
        )

    def connect(self) -> pf.Database:
        """Our client of it."""
        return pf.connect(self.server.flight_uri, key=self.server.key)


@pytest.fixture(scope="module")
def own_server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """It, with `edge_router` as its users' own; `store` sets the environment in which processes find this tree."""
    home, folder = tmp_path_factory.mktemp("edge_home"), tmp_path_factory.mktemp("edge_router")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(HERE)]))
        patch.setenv("EDGE_ROUTER_FOLDER", str(folder))
        own = OwnServer(home, folder)
        try:
            yield own
        finally:
            own.stop()
    if postmaster := embedded.find(home):
        postmaster.identity.send(signal.SIGINT)
        assert postmaster.identity.wait(30)
