"""Real server processes on a home of their own, and nothing left of them afterwards."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from launched import HeldRequest, Launched

from pxt_flight import postgres
from pxt_flight.registration import Server

HERE = Path(__file__).parent


@pytest.fixture(autouse=True, scope="module")
def this_tree() -> Iterator[None]:
    """Have the processes import the code under test and the stand-in plane."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parents[1]), str(HERE)]))
        yield


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home; whatever ran on it is gone afterwards."""
    yield tmp_path / "home"
    end_all(tmp_path / "home")


def end_all(home: Path) -> None:
    """End whatever runs on a home."""
    for process in psutil.process_iter(["environ", "pid"]):
        if (process.info["environ"] or {}).get("PXT_FLIGHT_HOME") == str(home) and process.pid != os.getpid():
            process.kill()
    postmaster = postgres.find(home)
    if postmaster:
        postmaster.identity.send(signal.SIGINT)
        postmaster.identity.wait(30)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for the tests of a module that each serve it anew."""
    home = tmp_path_factory.mktemp("shared") / "home"
    yield home
    end_all(home)


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
