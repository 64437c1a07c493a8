"""`serve` as a process of its own, and requests to it that stay open."""

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from events import eventually

from pxt_flight.registration import Server, running

PLANES = {"flight": "stand_in_plane", "http": "http_without_store"}


def get(url: str, *, timeout: float = 20.0) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.read()


class Launched:
    """One `serve` in a process, started the way a user's shell does it."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        ports = {"PXT_FLIGHT_FLIGHT_PORT": "0", "PXT_FLIGHT_HTTP_PORT": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pxt_flight.server", *(f"{name}={module}" for name, module in PLANES.items())],
            env={**os.environ, **ports, "PXT_FLIGHT_HOME": str(home), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> Server:
        return eventually(lambda: self._ready(), 60)

    def _ready(self) -> Server | None:
        assert self.process.poll() is None, self.process.communicate()
        return running(self.home)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """`kill -9` the supervisor. Its planes still hold its stderr."""
        self.process.kill()
        self.process.wait()

    def ended(self, timeout: float = 30) -> tuple[int, str, str]:
        """Wait for the end: exit status, stdout and stderr."""
        stdout, stderr = self.process.communicate(timeout=timeout)
        return self.process.returncode, stdout, stderr


class HeldRequest:
    """A request to the stand-in plane that stays unanswered until `release`."""

    def __init__(self, server: Server, pipe: Path) -> None:
        os.mkfifo(pipe)
        self._answer: bytes | OSError | None = None
        self._thread = threading.Thread(target=self._ask, args=(server.flight_uri.replace("grpc", "http") + "/held",))
        self._thread.start()
        # A pipe can be opened for writing without blocking once the plane opens it for reading: it is answering the request.
        self._pipe: int | None = eventually(lambda: self._open(pipe))

    def _ask(self, url: str) -> None:
        try:
            self._answer = get(url, timeout=60)
        except OSError as failure:
            self._answer = failure

    @staticmethod
    def _open(path: Path) -> int | None:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None

    def outcome(self) -> bytes | OSError | None:
        """Wait for the answer, or for what became of it."""
        self._thread.join(20)
        return self._answer

    def release(self) -> bytes | OSError | None:
        """Let the plane answer."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        return self.outcome()


def left_running(server: Server) -> list[int]:
    """The ids of the server's processes that still run."""
    return [process.pid for process in (server, *server.planes.values()) if process.is_alive()]
