"""The rivals' processes: their output in a file, ready when a line says so, stopped by their own id."""

import contextlib
import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.rounds import NotRunError

_POLL_INTERVAL = 0.02  # seconds
_STOP_TIMEOUT = 10.0  # seconds


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Sequence[str],
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Iterator[list[str]]:
    """A process that runs as long as the context lasts.

    Args:
        command: the program and its arguments.
        log: file that takes what it prints; its folder is where it runs.
        ready: a regular expression with one group for each line that says that it is ready.
        environment: what to add to this process's own.
        timeout: seconds to wait for those lines.

    Returns:
        The groups, in the order of `ready`.

    Raises:
        NotRunError: it is not installed, ended, or did not get ready in time.
    """
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=os.environ | dict(environment or {}),
            )
        except OSError as fault:
            raise NotRunError(f"{Path(command[0]).name} cannot be started: {fault.strerror}") from fault
    try:
        yield _wait_until_ready(process, log, ready, timeout)
    finally:
        _stop(process)


def program(name: str) -> Path:
    """Where a program of this environment stands."""
    return Path(sysconfig.get_path("scripts")) / name


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, ready: Sequence[str], timeout: float) -> list[str]:
    deadline = time.monotonic() + timeout
    while True:
        ended = process.poll() is not None
        text = log.read_text(errors="replace")
        found = [match for pattern in ready if (match := re.search(pattern, text))]
        if len(found) == len(ready):
            return [match[1] for match in found]
        if ended:
            raise NotRunError(f"it ended at its start with status {process.returncode}: {_last_line(text)}")
        if time.monotonic() > deadline:
            raise NotRunError(f"it was not ready after {timeout:g} s: {_last_line(text)}")
        time.sleep(_POLL_INTERVAL)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
