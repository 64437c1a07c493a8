"""Pixeltable's local proxy: a process that reads a database of its own for `pxt://local:DATABASE/TABLE`."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.rounds import NotRunError
from pxt_flight.process import ProcessIdentity

DATABASE = "bench"
_START_TIMEOUT = 90.0  # seconds; the command itself waits 60 for the process to answer
_STOP_TIMEOUT = 10.0  # seconds


def path(table: str) -> str:
    """What Pixeltable calls a table that the proxy serves."""
    return f"pxt://local:{DATABASE}/{table}"


@contextlib.contextmanager
def running(home: Path) -> Iterator[None]:
    """The local proxy, its own home in a folder of `home` and its database on the same Postgres.

    Args:
        home: the Pixeltable home of this process, which finds the proxy there.

    Raises:
        NotRunError: it cannot run here.
    """
    try:
        _start(home)
        yield
    finally:
        _stop(home)


def _start(home: Path) -> None:
    command: list[str | Path] = [processes.program("pxt"), "localproxy", "start", DATABASE]
    # In the home: Pixeltable looks for a project's configuration from the working directory upwards.
    try:
        done = subprocess.run(
            command, cwd=home, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_START_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise NotRunError(f"pxt localproxy start: {type(fault).__name__}") from fault
    if done.returncode or _identity(home) is None:
        raise NotRunError(f"pxt localproxy start ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")


def _stop(home: Path) -> None:
    identity = _identity(home)
    if identity is None:
        return
    identity.send(signal.SIGTERM)
    if not identity.wait(_STOP_TIMEOUT):
        identity.send(signal.SIGKILL)
        identity.wait(_STOP_TIMEOUT)


def _identity(home: Path) -> ProcessIdentity | None:
    """The proxy's process, as it notes it itself; None if none runs."""
    try:
        pid = int(json.loads((home / f"proxy_{DATABASE}" / "port.lock").read_bytes())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ProcessIdentity.of(pid)
