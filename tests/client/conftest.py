"""What the tests of the client share: an environment that names no server, and a stream too long for the buffers of the wire."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user's home in which nothing names a server; answers it."""
    for name in list(os.environ):
        if "PXT_FLIGHT_" in name or name in ("PIXELTABLE_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name)
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture(scope="session")
def long_lines(pxt: Any) -> str:
    """A table of 400 lines, each of 64 KB that do not compress."""
    rows = [{"id": i, "line": os.urandom(32_768).hex()} for i in range(400)]
    pxt.create_table("client_lines", {"id": pxt.Int, "line": pxt.String}).insert(rows)
    return "client_lines"


@pytest.fixture
def streams(pxt: Any) -> Callable[[], int]:
    """How many sessions of the store's Postgres, beside the one that asks, are inside of a transaction."""
    from pxt_flight.engine.seam.store import libpq_uri

    query = (
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and datname = current_database() "
        "and pid <> pg_backend_pid() and xact_start is not null"
    )

    def ask() -> int:
        with psycopg.connect(libpq_uri(), autocommit=True) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    return ask
