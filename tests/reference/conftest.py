"""A server whose store is for the examples alone: one of them may drop all tables."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pxt_flight as pf
from pxt_flight import postgres as embedded
from pxt_flight.server import running_server


@pytest.fixture(scope="session")
def guide(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Runs examples."""
    from pxt_flight.operations.dispatch import import_operations
    from pxt_flight.reference.examples import Guide, settings

    import_operations()
    home = tmp_path_factory.mktemp("examples")
    with (
        running_server(settings(home)) as server,
        pf.connect(server.flight_uri, key=server.key) as db,
    ):
        guide = Guide(server.http_url, db, server.key)
        yield guide
        guide.close()
    if postmaster := embedded.find(home):
        postmaster.identity.send(signal.SIGINT)
        assert postmaster.identity.wait(30)
