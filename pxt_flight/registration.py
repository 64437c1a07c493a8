"""How a home knows its server: the lock that the server holds, and `server.json`, which tells others where to find it.

The lock makes two servers on one home impossible even when both start at once; the kernel drops it when its holder dies, however it
dies. The file may outlive its server (after `kill -9`), so it is believed only while its process lives.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pxt_flight.errors import PxtFlightError, error
from pxt_flight.process import ProcessIdentity


class Server(ProcessIdentity):
    """A running server, as its `server.json` describes it.

    Attributes:
        pid: the process id of the supervisor.
        started: when the supervisor was created, in seconds since the epoch.
        flight_uri: where Arrow Flight listens, `grpc://host:port`.
        http_url: where HTTP listens.
        public_url: the URL under which clients reach HTTP.
        key: the key of the home's owner; never shown in `repr`.
        server_id: an id of this run.
        version: the version of pxt-flight that serves.
        drain_deadline: seconds that a stop gives running requests.
        planes: the processes of the planes, by name.
        read_tier: how queries are read, `copy` where all is well (`engine/scan.py`).
        read_because: why not so, where it is another.
        writes_because: which fast ways of writing are switched off, and why; None where none is.
    """

    flight_uri: str
    http_url: str
    public_url: str
    key: str = Field(repr=False)
    server_id: str
    version: str
    drain_deadline: float
    planes: Mapping[str, ProcessIdentity]
    read_tier: str = "copy"
    read_because: str | None = None
    writes_because: str | None = None


def registered(home: Path) -> Server | None:
    """The server that last registered in `home`, alive or not; None if there is none or its file is damaged."""
    try:
        return Server.model_validate_json(_path(home).read_bytes())
    except (OSError, ValidationError):
        return None


def running(home: Path) -> Server | None:
    """The server that serves `home` now; None if there is none or it is not ready yet."""
    server = registered(home)
    return server if server and server.is_alive() else None


def public_url(home: Path) -> str:
    """The URL under which clients reach the HTTP port of the server that runs on `home`.

    Raises:
        UnavailableError: it is not ready yet.
    """
    server = running(home)
    if server is None:
        raise error("unavailable", "The server is starting or stopping.", hint="Try again in a moment.")
    return server.public_url


@contextlib.contextmanager
def claim(home: Path) -> Iterator[None]:
    """Hold `home` for one server as long as the context lasts.

    Raises:
        ConnectError: `home_in_use`, where another server holds it.
    """
    lock = os.open(home / "pxt_flight" / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use(home) from None
        yield
    finally:
        os.close(lock)


def in_use(home: Path) -> PxtFlightError:
    """Make the error that says which server holds `home` and how to stop it."""
    server = running(home)
    if server is None:
        return error("home_in_use", "A server is just starting or stopping on this home.", hint="Try again in a moment.")
    return error(
        "home_in_use",
        f"A server already serves this home, at {server.flight_uri} and {server.http_url}.",
        hint=f"Use it, or stop it with: pxt-flight stop --home {home}",
        where={"flight_uri": server.flight_uri, "http_url": server.http_url},
    )


def register(home: Path, server: Server) -> None:
    """Write `server.json`, readable by its owner only; a reader sees all of it or none."""
    write_private(_path(home), server.model_dump(mode="json"))


def unregister(home: Path, server_id: str) -> bool:
    """Remove `server.json` if it is still that of this server; answers whether it was."""
    server = registered(home)
    if server is None or server.server_id != server_id:
        return False
    _path(home).unlink(missing_ok=True)
    return True


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file at once by one of mode 0600."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)


def _path(home: Path) -> Path:
    return home / "pxt_flight" / "server.json"
