"""Pixeltable's local proxy: a process that reads a database of its own for `pxt://local:DATABASE/TABLE`."""

import contextlib
from collections.abc import Iterator

import psutil

from benchmarks.rounds import NotRunError

DATABASE = "bench"
_DAEMON = "pixeltable.service.proxy_daemon"
_STOP_TIMEOUT = 10.0  # seconds


def path(table: str) -> str:
    """What Pixeltable calls a table that the proxy serves."""
    return f"pxt://local:{DATABASE}/{table}"


@contextlib.contextmanager
def running() -> Iterator[None]:
    """The local proxy: its own home in a folder of this process's, its own database on the same Postgres.

    Raises:
        NotRunError: it cannot run here.
    """
    try:
        _start()
        yield
    finally:
        _stop()


def _start() -> None:
    try:
        # What `pxt localproxy start` calls. The command would import Pixeltable once more, which takes 6 s.
        from pixeltable.service import proxy_daemon

        proxy_daemon.start(DATABASE)
    except Exception as fault:
        raise NotRunError(f"{type(fault).__name__}: {str(fault).partition(chr(10))[0]}") from fault


def _stop() -> None:
    """By its id, as a child of this process: also one that never got ready, of which nothing else tells."""
    ours = [child for child in psutil.Process().children() if _DAEMON in child.cmdline()]
    for child in ours:
        child.terminate()
    for child in psutil.wait_procs(ours, _STOP_TIMEOUT)[1]:
        child.kill()
