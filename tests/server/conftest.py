"""Real server processes on a home of their own, and nothing left of them afterwards."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from pxt_flight import postgres
from pxt_flight.registration import Server, running

HERE = Path(__file__).parent
PLANES = {"flight": "stand_in_plane", "http": "pxt_flight.http"}
T = TypeVar("T")


def eventually(condition: Callable[[], T], deadline: float = 20.0) -> T:
    """Ask `condition` until it answers something true, at most `deadline` seconds; answers that."""
    end = time.monotonic() + deadline
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {deadline} s"
        time.sleep(0.02)
    return answer


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


@pytest.fixture(autouse=True)
def this_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processes import the code under test and the stand-in plane."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parents[1]), str(HERE)]))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home; whatever ran on it is gone afterwards."""
    home = tmp_path / "home"
    yield home
    for process in psutil.process_iter(["environ", "pid"]):
        if (process.info["environ"] or {}).get("PXT_FLIGHT_HOME") == str(home) and process.pid != os.getpid():
            process.kill()
    postmaster = postgres.find(home)
    if postmaster:
        postmaster.identity.send(signal.SIGINT)
        postmaster.identity.wait(30)


@pytest.fixture
def launch(home: Path) -> Iterator[Callable[..., Launched]]:
    """Start `serve` on the home; keyword arguments are further environment variables."""
    launched: list[Launched] = []

    def launch(**environment: str) -> Launched:
        launched.append(Launched(home, environment))
        return launched[-1]

    yield launch
    for one in launched:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
        for pipe in (one.process.stdout, one.process.stderr):
            pipe.close()


@pytest.fixture
def hold(home: Path, launch: Callable[..., Launched]) -> Iterator[Callable[[Server], HeldRequest]]:
    """Make a request to a server of `launch` that stays unanswered until it is released."""
    held: list[HeldRequest] = []

    def hold(server: Server) -> HeldRequest:
        held.append(HeldRequest(server, home / "held"))
        return held[-1]

    yield hold
    for request in held:
        request.release()


def left_running(server: Server) -> list[int]:
    """The ids of the server's processes that still run."""
    return [process.pid for process in (server, *server.planes.values()) if process.is_alive()]
