"""A process that may be gone by now: its id together with its start time, so that a reused id is never mistaken for it."""

import os
import time
from typing import Self

import psutil
from pydantic import BaseModel, ConfigDict

# Linux derives a start time from the boot time, which moves by up to a second when the clock is adjusted.
_CLOCK_TOLERANCE = 2.0
_POLL_INTERVAL = 0.05


class ProcessIdentity(BaseModel):
    """One process, across the reuse of process ids.

    Attributes:
        pid: the process id.
        started: when the process was created, in seconds since the epoch.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The identity of the process that has this id now; None if there is none."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Whether exactly this process still runs. One that ended and waits to be reaped does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _CLOCK_TOLERANCE
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def send(self, signum: int) -> None:
        """Send a signal to it, if it still runs."""
        if self.is_alive():
            try:
                os.kill(self.pid, signum)
            except ProcessLookupError:
                return

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for its end; answers whether it ended. It need not be a child of ours."""
        deadline = time.monotonic() + timeout
        while self.is_alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_INTERVAL)
        return True
