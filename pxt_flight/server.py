"""`serve`: the whole server on one home, as a data plane and a control plane under one supervisor; and how others start and stop it.

The supervisor itself stays light: it imports neither Pixeltable nor Arrow nor a web framework.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

import pxt_flight
from pxt_flight import postgres
from pxt_flight.config import Settings, prepare_home
from pxt_flight.errors import CODES, PxtFlightError, error
from pxt_flight.process import ProcessIdentity
from pxt_flight.registration import Server, claim, in_use, register, registered, running, unregister
from pxt_flight.supervisor import Supervisor

__all__ = ["PLANES", "Server", "main", "running", "running_server", "serve", "start", "stop"]

PLANES: Mapping[str, str] = {"flight": "pxt_flight.flight", "http": "pxt_flight.http"}

# Seconds that a server needs beyond its drain: planes that must be killed, then Postgres.
_STOP_MARGIN = 15.0
# Seconds that a forced server is given; it waits for nothing but Postgres.
_FORCED_TIMEOUT = postgres.GRACE + postgres.SHUTDOWN_TIMEOUT
_POLL_INTERVAL = 0.05
# What means "all of this machine", and its loopback.
_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)
# Of servers that `start` started here: an unkept handle of a living child is a ResourceWarning, and only its parent can reap it.
_children: dict[int, subprocess.Popen[bytes]] = {}


def serve(settings: Settings, *, planes: Mapping[str, str] = PLANES) -> int:
    """Serve a home until SIGTERM, SIGINT or SIGHUP comes; call it in the main thread. Answers the exit status.

    The first signal drains: running requests have `settings.drain_deadline` seconds. A second one forces.

    Args:
        settings: what to serve and where.
        planes: the module of the plane `flight`, whose ready line also gives the owner's `key`, and of the plane `http`.

    Returns:
        0 after a clean stop, 1 if a plane ended by itself or had to be killed.

    Raises:
        ConnectError: `home_unusable`, `home_in_use`, `port_in_use`, `start_failed` and what else keeps a plane from starting.
    """
    home = prepare_home(settings.home)
    with claim(home):
        _warn_of_opened_folders(home)
        _warn_of_local_links(settings)
        return asyncio.run(_serve(settings.model_copy(update={"home": home}), planes))


async def _serve(settings: Settings, planes: Mapping[str, str]) -> int:
    home, server_id = settings.home, str(uuid4())
    ours = postgres.find(home) is None
    supervisor = Supervisor(settings, planes)
    supervisor.catch_signals()

    def on_ready(reports: dict[str, dict[str, Any]], processes: dict[str, ProcessIdentity]) -> None:
        if ours:
            postgres.mark_started(home)
        server = _describe(settings, server_id, reports, processes)
        register(home, server)
        with contextlib.suppress(OSError):  # a closed stdout is no reason to stop serving
            sys.stdout.write(f"Flight SQL: {server.flight_uri}\nHTTP: {server.http_url}\n")
            sys.stdout.flush()

    try:
        return await supervisor.run(on_ready)
    finally:
        was_ready = unregister(home, server_id)
        if ours and not was_ready:  # the start failed, perhaps after Postgres was up
            postgres.mark_started(home)
        # In a thread: signals are still caught, so that an impatient Ctrl-C does not leave Postgres behind.
        await asyncio.to_thread(postgres.stop_if_last, home)


def start(settings: Settings, *, planes: Mapping[str, str] = PLANES) -> Server:
    """Start `serve` as a process of its own and wait until it is ready; it outlives the caller.

    Its log is `pxt_flight/server.log` in the home.

    Raises:
        ConnectError: as `serve`.
    """
    home = prepare_home(settings.home)
    if running(home):
        raise in_use(home)
    log = home / "pxt_flight" / "server.log"
    with log.open("wb") as stderr:
        child = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-P", "-m", "pxt_flight.server", *(f"{name}={module}" for name, module in planes.items())],
            env=os.environ | settings.model_copy(update={"home": home}).environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        return _wait_until_ready(home, child, log)
    except BaseException:
        child.terminate()
        child.wait()
        raise


@contextlib.contextmanager
def running_server(settings: Settings, *, planes: Mapping[str, str] = PLANES) -> Iterator[Server]:
    """Serve in the background as long as the context lasts.

    Raises:
        ConnectError: as `serve`.
    """
    server = start(settings, planes=planes)
    try:
        yield server
    finally:
        stop(settings.home)
        _reap(server)  # also one that somebody else has stopped


def stop(home: Path, *, timeout: float | None = None) -> bool:
    """Stop the server of `home`, and the Postgres that it started; answers whether anything was stopped.

    Where the server was killed, stop what it left behind.

    Args:
        home: the Pixeltable home.
        timeout: seconds until the server is forced; its own drain deadline and a margin by default.

    Raises:
        UnavailableError: `timeout`, if it does not end even then.
        ConnectError: `home_in_use`, while a server is just starting.
    """
    home = home.expanduser().absolute()
    server = registered(home)
    if not (home / "pxt_flight").is_dir():
        return False
    if server and timeout is None:
        timeout = server.drain_deadline + _STOP_MARGIN
    if server and server.is_alive():
        _stop_server(server, timeout or 0)
        return True
    with claim(home):
        return _stop_leftovers(home, server, timeout or 0)


def main(arguments: Sequence[str]) -> int:
    """`python -m pxt_flight.server [PLANE=MODULE ...]` with its settings in the environment; answers the exit status."""
    planes = dict(argument.split("=", 1) for argument in arguments) or PLANES
    try:
        settings = Settings()  # type: ignore[call-arg]  # from the environment
        return serve(settings, planes=planes)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        sys.stderr.write(f"INVALID_CONFIGURATION: {'.'.join(map(str, first['loc']))}: {first['msg']}\n")
    except PxtFlightError as failure:
        sys.stderr.write(f"{failure}\n")
    return 2


def _describe(settings: Settings, server_id: str, reports: dict[str, dict[str, Any]], processes: dict[str, ProcessIdentity]) -> Server:
    supervisor = ProcessIdentity.of(os.getpid())
    assert supervisor is not None
    http_url = f"http://{_authority(settings.host, reports['http']['port'])}"
    return Server(
        **supervisor.model_dump(),
        flight_uri=f"grpc://{_authority(settings.host, reports['flight']['port'])}",
        http_url=http_url,
        public_url=settings.public_url or http_url,
        key=reports["flight"]["key"],
        server_id=server_id,
        version=pxt_flight.__version__,
        drain_deadline=settings.drain_deadline,
        planes=processes,
        **{name: reports["flight"][name] for name in ("read_tier", "read_because", "writes_because") if name in reports["flight"]},
    )


def _authority(host: str, port: int) -> str:
    """`host:port` as this machine reaches it: an address that means "all of them" cannot be connected to everywhere."""
    host = _ALL_ADDRESSES.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _warn_of_opened_folders(home: Path) -> None:
    folders = postgres.folders_to_open(home)
    if folders:
        names = "".join(f"  {folder}\n" for folder in folders)
        sys.stderr.write(
            "Warning: running as root, the embedded Postgres lets every user of this machine list and enter these folders:\n"
            f"{names}Run as another user, or keep the home elsewhere, if that must not be.\n"
        )


def _warn_of_local_links(settings: Settings) -> None:
    """Which of its addresses others reach this machine by cannot be known from here: a container's name means nothing outside of it."""
    if settings.public_url is None and settings.host in _ALL_ADDRESSES:
        sys.stderr.write(
            f"Warning: URLs of media will begin with {_ALL_ADDRESSES[settings.host]}, which other machines cannot reach.\n"
            "Name the address under which they reach the HTTP port with --public-url.\n"
        )


def _wait_until_ready(home: Path, child: subprocess.Popen[bytes], log: Path) -> Server:
    while child.poll() is None:
        server = running(home)
        if server and server.pid == child.pid:
            _children[child.pid] = child
            return server
        time.sleep(_POLL_INTERVAL)
    raise _start_error(log)


def _start_error(log: Path) -> PxtFlightError:
    """The error whose line a server that did not start left in its log (`main` writes it last)."""
    lines = log.read_text(errors="replace").splitlines()
    for line in reversed(lines):
        code, _, text = line.partition(": ")
        if code in CODES:
            message, _, hint = text.partition(" Hint: ")
            return error(code, message, hint=hint or None)
    return error("start_failed", "The server ended while starting.", hint="pxt_flight/server.log in the home says why.")


def _stop_server(server: Server, timeout: float) -> None:
    server.send(signal.SIGTERM)
    if not server.wait(timeout):
        server.send(signal.SIGTERM)
        if not server.wait(_FORCED_TIMEOUT):
            raise error("timeout", f"The server (process {server.pid}) does not end.", hint="Look into its log; kill it by its id.")
    _reap(server)


def _stop_leftovers(home: Path, server: Server | None, timeout: float) -> bool:
    """Stop what a killed server left: planes that still drain, its file, its Postgres."""
    stopped = False
    if server:
        _reap(server)
        for plane in server.planes.values():
            if plane.is_alive():
                stopped = True
                if not plane.wait(timeout):
                    plane.send(signal.SIGKILL)
                    plane.wait(_STOP_MARGIN)
        unregister(home, server.server_id)
    return postgres.stop_if_last(home) or stopped


def _reap(server: Server) -> None:
    child = _children.pop(server.pid, None)
    if child:
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
