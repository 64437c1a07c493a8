"""A server on a Pixeltable home that lives as long as the benchmark."""

import contextlib
import importlib
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from pxt_flight import postgres
from pxt_flight.config import Settings
from pxt_flight.registration import Server
from pxt_flight.server import running_server

_POSTGRES_TIMEOUT = 30.0  # seconds
_OUR_NAME = "pxt-flight-bench"
_HANG_UP = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s and pid <> pg_backend_pid()"


@contextlib.contextmanager
def temporary_server() -> Iterator[Server]:
    """A server on a new home, which this process may use too; both are gone at the end.

    Import Pixeltable inside of it only: it takes its home from the environment once.
    """
    with tempfile.TemporaryDirectory(prefix="pxt-flight-bench-") as folder:
        home = Path(folder)
        os.environ |= {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0"}
        try:
            # Importing Pixeltable takes seconds, as starting the server does.
            with ThreadPoolExecutor(1) as pool:
                imported = pool.submit(importlib.import_module, "pixeltable")
                with running_server(Settings(home=home, flight_port=0, http_port=0)) as server:
                    imported.result()
                    os.environ["PGAPPNAME"] = _OUR_NAME  # libpq tells Postgres, for each connection from now on
                    yield server
                    _hang_up(home)
        finally:
            # The server leaves Postgres to whoever is still connected, and this process may be.
            if postmaster := postgres.find(home):
                postmaster.identity.send(signal.SIGINT)
                postmaster.identity.wait(_POSTGRES_TIMEOUT)


def _hang_up(home: Path) -> None:
    """Close this process's connections to Postgres, for which the server would wait in vain before it stops it."""
    if postmaster := postgres.find(home):
        with psycopg.connect(host=postmaster.socket_dir, port=postmaster.port, user="postgres", dbname="postgres") as connection:
            connection.execute(_HANG_UP, [_OUR_NAME])
