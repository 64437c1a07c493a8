"""The server of a Pixeltable home on this machine: found by its `server.json`, or started.

The client knows of the server no more than this file and the command line: it imports none of it.
"""

import contextlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pxt_flight.client.discovery import Found
from pxt_flight.errors import CODES, PxtFlightError, error

# Seconds. A first start makes the database, and proves the fast read on it.
START_TIMEOUT = 120.0
_POLL_INTERVAL = 0.1
_NEEDED = ("pixeltable", "cyclopts", "psutil", "sqlglot")
# What Pixeltable makes in its home; a folder without it is somebody's folder of something else.
_SIGNS = ("pgdata", "config.toml")
_KEYS = ("PXT_FLIGHT_KEY", "KERNEL_PXT_FLIGHT_KEY")
# Servers started here: only the parent of a process that ends can reap it, and they outlive us.
_children: list[subprocess.Popen[bytes]] = []


def chosen_home(home: str | Path | None) -> tuple[Path | None, str]:
    """The home that is meant, and how it was named; None where no folder is there.

    Args:
        home: the argument of `connect`; else PIXELTABLE_HOME, else `~/.pixeltable`.
    """
    if home is not None:
        path, name = Path(home), "the argument home"
    elif variable := os.environ.get("PIXELTABLE_HOME"):
        path, name = Path(variable), "PIXELTABLE_HOME"
    else:
        path, name = Path("~/.pixeltable"), "~/.pixeltable"
    path = path.expanduser().absolute()
    return (path if path.is_dir() else None), name


def running_in(home: Path, step: str) -> Found | None:
    """The server that registered in a home and has not died; whether it answers is not asked."""
    try:
        server = json.loads((home / "pxt_flight" / "server.json").read_bytes())
        uri, key, pid = server["flight_uri"], server["key"], server["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (isinstance(uri, str) and isinstance(key, str) and isinstance(pid, int)) or not _lives(pid):
        return None
    return Found(uri, key, f"the server.json of {step}")


def why_not_startable(home: Path) -> str | None:
    """What keeps a server from being started on a home, as the rest of a sentence; None where nothing does."""
    if sys.platform == "win32":
        return "a server does not run on Windows"
    if not all(importlib.util.find_spec(package) for package in _NEEDED):
        return "pxt-flight[server] is not installed"
    if not any((home / sign).exists() for sign in _SIGNS):
        return "that folder is no Pixeltable home"
    return None


def start(home: Path, step: str, *, instead_of: Found | None = None, timeout: float = START_TIMEOUT) -> Found:
    """Start a server on a home, or wait for the one that somebody else is just starting; a line on stderr says where it is.

    It runs in a session of its own and outlives this process. Its output is `pxt_flight/server.log` in the home.

    Args:
        home: an existing Pixeltable home.
        step: how the home was named.
        instead_of: the registered server that does not answer.
        timeout: seconds until it must be ready.

    Raises:
        ConnectError: `start_failed`, or what the server itself said.
    """
    deadline = time.monotonic() + timeout
    state = home / "pxt_flight"
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        with _one_at_a_time(state / "start.lock", deadline):
            return _ready(home, step, instead_of) or _started(home, step, instead_of, deadline)
    except OSError:
        raise error("home_unusable", "The Pixeltable home cannot be written.", hint="Name a home of yours.") from None


def _started(home: Path, step: str, instead_of: Found | None, deadline: float) -> Found:
    log = home / "pxt_flight" / "server.log"
    child = _spawn(home, log)
    try:
        while time.monotonic() < deadline:
            ended = child.poll() is not None
            if found := _ready(home, step, instead_of):
                _say(f"Serving {home} at {found.uri}; stop it with: pxt-flight stop --home {shlex.quote(str(home))}")
                return found
            # One that was started by hand at the same moment holds the home, and will be ready soon; not one that does not answer.
            if ended and ((fault := _last_error(log)).code != "home_in_use" or instead_of is not None):
                raise fault
            time.sleep(_POLL_INTERVAL)
        raise error("start_failed", "The server was not ready in time.", hint="pxt_flight/server.log in the home says why.")
    except BaseException:
        child.terminate()
        child.wait()
        raise
    finally:
        _children[:] = [other for other in (*_children, child) if other.poll() is None]


def _spawn(home: Path, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "pxt_flight", "serve", "--home", str(home), "--flight-port", "0", "--http-port", "0"]
    environment = {name: value for name, value in os.environ.items() if name not in _KEYS}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _ready(home: Path, step: str, instead_of: Found | None) -> Found | None:
    found = running_in(home, step)
    return None if found == instead_of else found


def _last_error(log: Path) -> PxtFlightError:
    """The error whose line a server that did not start left last in its log."""
    for line in reversed(log.read_text(errors="replace").splitlines()):
        code, _, text = line.partition(": ")
        if code in CODES:
            message, _, hint = text.partition(" Hint: ")
            return error(code, message, hint=hint or None)
    return error("start_failed", "The server ended while starting.", hint="pxt_flight/server.log in the home says why.")


@contextlib.contextmanager
def _one_at_a_time(path: Path, deadline: float) -> Iterator[None]:
    """Two notebooks that start at once share one server: the second waits here for the first."""
    import fcntl  # there is none on Windows, where no server is started

    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise error("start_failed", "Another process has been starting a server for too long.") from None
                time.sleep(_POLL_INTERVAL)
        yield
    finally:
        os.close(lock)


def _lives(pid: int) -> bool:
    if sys.platform == "win32":  # there os.kill ends the process, whatever the signal
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
