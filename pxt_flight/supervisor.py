"""The planes as the supervisor sees them: started together, stopped together. The other end is `pxt_flight/plane.py`."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from typing import Any

from pxt_flight.config import METRICS_FOLDER, Settings, empty_folder
from pxt_flight.errors import error, from_json
from pxt_flight.plane import LEAVE_MARGIN
from pxt_flight.process import ProcessIdentity

START_TIMEOUT = 120.0
# A plane cuts its drain off by itself; this is for one that cannot even do that.
_KILL_MARGIN = LEAVE_MARGIN + 5.0


class PlaneProcess:
    """One plane: a child process in a session of its own, stopped by closing its stdin."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self._process = process

    @classmethod
    async def start(cls, name: str, module: str, settings: Settings) -> "PlaneProcess":
        """Start `module` with `settings` in its environment; it is not ready yet."""
        # -P: the folder in which the user happens to stand must not shadow modules.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", module),
            env=os.environ | settings.environment() | {METRICS_FOLDER: str(settings.metrics_dir)},
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        return cls(name, process)

    async def ready(self) -> dict[str, Any]:
        """Wait for its one line; answers what the plane says of itself, `port` first of all.

        Raises:
            PxtFlightError: the error that the plane reports, or `start_failed` if it ends without a word.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            status = await self.ended()
            raise error("start_failed", f"The {self.name} process ended while starting ({describe(status)}).", hint="Its log says why.")
        report: dict[str, Any] = json.loads(line)
        if "error" in report:
            raise from_json(json.dumps(report["error"]).encode())
        return report

    async def ended(self) -> int:
        """Wait for its end; answers its exit status, negative for a signal."""
        return await self._process.wait()

    def drain(self) -> None:
        """Tell it to finish what runs and leave."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    @property
    def identity(self) -> ProcessIdentity | None:
        """Its process; None if it is gone."""
        return ProcessIdentity.of(self._process.pid)


class Supervisor:
    """Runs the planes until a signal comes or one of them ends.

    Args:
        settings: passed on to every plane.
        planes: the module of each plane, by name.
    """

    def __init__(self, settings: Settings, planes: Mapping[str, str]) -> None:
        self._settings = settings
        self._modules = planes
        self._running: list[PlaneProcess] = []
        self._stop = asyncio.Event()
        self._force = asyncio.Event()

    def catch_signals(self) -> None:
        """From now on SIGINT, SIGTERM and a closed terminal drain; a second one forces."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._signalled)
        loop.add_signal_handler(signal.SIGTERM, self._signalled)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(signal.SIGHUP, self._signalled)

    async def run(self, on_ready: Callable[[dict[str, dict[str, Any]], dict[str, ProcessIdentity]], None]) -> int:
        """Start the planes, wait, and stop them all; answers the exit status: 0 after a clean stop, else 1.

        Args:
            on_ready: called once when all planes are ready, with what each says of itself and with their processes, by name.

        Raises:
            PxtFlightError: a plane did not start; the others are stopped by then.
        """
        status = 0
        try:
            reports = await self._start()
            if reports is not None:
                on_ready(reports, {plane.name: identity for plane in self._running if (identity := plane.identity)})
                status = await self._wait()
        finally:
            clean = await self._drain()
        return status if clean else 1

    async def _start(self) -> dict[str, dict[str, Any]] | None:
        """Start all planes and wait until they are ready; None if a signal came first."""
        empty_folder(self._settings.metrics_dir)
        for name, module in self._modules.items():
            self._running.append(await PlaneProcess.start(name, module, self._settings))
        ready = asyncio.gather(*(plane.ready() for plane in self._running))
        stop = asyncio.create_task(self._stop.wait())
        first: list[asyncio.Future[Any]] = [ready, stop]
        await asyncio.wait(first, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if ready.done():
            return dict(zip(self._modules, ready.result(), strict=True))
        ready.cancel()
        if self._stop.is_set():
            return None
        raise error("start_failed", f"The server was not ready within {START_TIMEOUT:.0f} s.", hint="Its log says how far it came.")

    async def _wait(self) -> int:
        """Wait for a signal (0) or for a plane that ends by itself (1)."""
        stop = asyncio.create_task(self._stop.wait())
        ends = {asyncio.create_task(plane.ended()): plane for plane in self._running}
        done, pending = await asyncio.wait({stop, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if stop in done:
            return 0
        for task in done & ends.keys():
            sys.stderr.write(f"The {ends[task].name} process ended by itself ({describe(task.result())}); stopping the server.\n")
        return 1

    async def _drain(self) -> bool:
        """Stop all planes; answers whether they left by themselves."""
        for plane in self._running:
            plane.drain()
        force = asyncio.create_task(self._force.wait())
        ended = asyncio.gather(*(plane.ended() for plane in self._running))
        timeout = self._settings.drain_deadline + _KILL_MARGIN
        first: list[asyncio.Future[Any]] = [ended, force]
        await asyncio.wait(first, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        force.cancel()
        clean = ended.done()
        if not clean:
            for plane in self._running:
                plane.kill()
        await ended
        return clean

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._force.set()
        self._stop.set()


def describe(status: int) -> str:
    """Say an exit status in words: `exit status 1`, `SIGKILL`."""
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
