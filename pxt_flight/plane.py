"""What a plane owes its supervisor. A plane is one process of the server: the data plane (Flight) or the control plane (HTTP).

The supervisor starts it as `python -m <module>`, in a session of its own (Ctrl-C at the terminal reaches only the supervisor), with:

- the settings in `PXT_FLIGHT_*` environment variables (`Settings.environment()`);
- stdin: a pipe that never carries anything. Its end means: drain and leave. The supervisor closes it to stop the plane, and the kernel
  closes it when the supervisor dies, however it dies;
- stdout: a pipe that carries one line of JSON and is closed then: `{"port": N, ...}` when the plane is ready, or
  `{"error": {"code": ..., "message": ...}}` when its start failed. `attach` points file descriptor 1 at stderr for everybody else,
  because libraries print (Pixeltable greets on stdout);
- stderr: the supervisor's own.

SIGTERM and SIGINT drain too. A second signal leaves at once: the end of stdin is not counted, because a service manager signals every
process of a service just when the supervisor closes the pipes. A drain that overruns its deadline is cut off here and not only by
the supervisor, which may be dead.

A plane calls `attach` in its main thread, first of all, before it imports anything that prints or starts threads:

    def main(channel: Channel) -> None:
        server = make_server(channel.settings)
        channel.on_stop(server.shutdown)
        channel.ready(port=server.port)
        server.wait()

    if __name__ == "__main__":
        sys.exit(plane.run(main))

Signals are read from Python's wakeup descriptor by a thread, so they count at once even while the main thread is inside a library. A
plane must therefore leave `signal.set_wakeup_fd` and the two handlers alone. (Arrow's `FlightServerBase.serve()` takes the handlers
over; `wait()` does not, and a Flight server listens from its construction.)
"""

import json
import logging
import os
import selectors
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from pxt_flight import logs
from pxt_flight.config import Settings
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.trace import describe

# What a plane is given beyond `drain_deadline` to close its files and connections, in seconds.
LEAVE_MARGIN = 5.0
START_FAILED = 2

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class Channel:
    """A plane's end of the line to its supervisor; made by `attach`.

    Attributes:
        settings: what the supervisor was told.
        stopping: set when the plane is to finish what runs and leave.
    """

    def __init__(self, settings: Settings, *, lifeline: int, report: int) -> None:
        self.settings = settings
        self.stopping = threading.Event()
        self._lifeline = lifeline
        self._report: int | None = report
        self._callbacks: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def reported(self) -> bool:
        """Whether `ready` or `failed` was called."""
        return self._report is None

    def ready(self, *, port: int, **extra: Any) -> None:
        """Tell the supervisor that this plane serves on `port`; `extra` are further JSON values that it asks of this plane."""
        self._send({"port": port, **extra})

    def failed(self, failure: PxtFlightError) -> None:
        """Tell the supervisor why this plane cannot start; it raises the same error to its caller."""
        self._send({"error": json.loads(failure.to_json())})

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Have `callback` called once, in a thread of its own, when the plane is to stop; at once if it is told so already."""
        with self._lock:
            if not self.stopping.is_set():
                self._callbacks.append(callback)
                return
        _in_thread(callback)

    def _send(self, line: dict[str, Any]) -> None:
        report, self._report = self._report, None
        if report is None:
            raise RuntimeError("a plane reports once")
        try:
            os.write(report, json.dumps(line).encode() + b"\n")
        except BrokenPipeError:
            _log.warning("The supervisor is gone.")
        finally:
            os.close(report)

    def _stop(self) -> None:
        with self._lock:
            if self.stopping.is_set():
                return
            self.stopping.set()
        deadline = threading.Timer(self.settings.drain_deadline + LEAVE_MARGIN, _leave, args=("the drain took too long",))
        deadline.daemon = True
        deadline.start()
        for callback in self._callbacks:
            _in_thread(callback)

    def _watch(self, wakeup: int) -> None:
        """Wait for signals and for the end of stdin, as long as the process lives."""
        signals = 0
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            selector.register(self._lifeline, selectors.EVENT_READ)
            while True:
                for ready, _ in selector.select():
                    received = os.read(ready.fd, 64)
                    if ready.fd == wakeup:
                        signals += sum(number in _STOP_SIGNALS for number in received)
                    elif not received:
                        selector.unregister(self._lifeline)
                        self._stop()
                if signals:
                    self._stop()
                if signals > 1:
                    _leave("a second signal came")


def attach() -> Channel:
    """Take over stdin, stdout and the stop signals of this process, as the module's text says.

    Call it once, in the main thread, before any other thread is started.

    Raises:
        pydantic.ValidationError: the environment lacks a setting; a supervisor passes all of them.
    """
    report, lifeline = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    settings = Settings()  # type: ignore[call-arg]  # from the environment
    channel = Channel(settings, lifeline=lifeline, report=report)
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    for number in _STOP_SIGNALS:
        signal.signal(number, _noted)
    _in_thread(channel._watch, wakeup)
    return channel


def run(main: Callable[[Channel], None]) -> int:
    """Attach, run `main`, report what it raises before it is ready; answers the exit status of the process.

    Args:
        main: starts the plane, calls `ready` on the channel, and returns when the plane has stopped.

    Raises:
        Exception: what `main` raised after it was ready.
    """
    channel = attach()
    logs.configure(channel.settings.log_level, channel.settings.log_format)
    try:
        main(channel)
    except Exception as failure:
        if channel.reported:
            raise
        if not isinstance(failure, PxtFlightError):
            _log.error("A plane could not start: %s", describe(failure))
            failure = error("INTERNAL_ERROR", "A part of the server could not start.", hint="Its log on stderr says why.")
        channel.failed(failure)
        return START_FAILED
    return 0


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The signal's number is already in the wakeup pipe; a handler has to exist for that to happen."""


def _in_thread(function: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=function, args=arguments, name="pxt-flight-plane", daemon=True).start()


def _leave(reason: str) -> None:
    _log.warning("Leaving at once: %s.", reason)
    os._exit(1)
