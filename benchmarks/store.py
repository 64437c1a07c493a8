"""A server on a Pixeltable home that lives as long as the benchmark."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pxt_flight import postgres
from pxt_flight.config import Settings
from pxt_flight.registration import Server
from pxt_flight.server import running_server

_POSTGRES_TIMEOUT = 30.0  # seconds


@contextlib.contextmanager
def temporary_server() -> Iterator[Server]:
    """A server on a new home, which this process may use too; both are gone at the end.

    Import Pixeltable inside of it only: it takes its home from the environment once.
    """
    with tempfile.TemporaryDirectory(prefix="pxt-flight-bench-") as folder:
        home = Path(folder)
        os.environ |= {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0"}
        try:
            with running_server(Settings(home=home, flight_port=0, http_port=0)) as server:
                yield server
        finally:
            # The server leaves Postgres to whoever is connected, and this process is.
            if postmaster := postgres.find(home):
                postmaster.identity.send(signal.SIGINT)
                postmaster.identity.wait(_POSTGRES_TIMEOUT)
