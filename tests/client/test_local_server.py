"""A server that `connect` starts by itself: once for two notebooks, outliving both, and anew after it was killed."""

import os
import signal
import subprocess
import sys

import pytest
from events import eventually

import pxt_flight as pf
from pxt_flight import postgres
from pxt_flight.client import local_server
from pxt_flight.registration import running
from pxt_flight.server import stop

NOTEBOOK = "import sys, pxt_flight as pf\nwith pf.connect() as db: print(db.uri, db.tables())"


@pytest.fixture
def home(nowhere, tmp_path):
    """A Pixeltable home in which no server has run yet."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text("[pixeltable]\nfile_cache_size_g = 1.0\n")
    yield home
    stop(home)
    assert running(home) is None
    assert postgres.find(home) is None


@pytest.fixture
def open_notebook(home):
    def start():
        return subprocess.Popen(
            [sys.executable, "-c", NOTEBOOK],
            env=os.environ | {"PIXELTABLE_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_a_server_is_started_shared_and_started_anew(home, open_notebook):
    notebooks = [open_notebook(), open_notebook()]
    outputs = [notebook.communicate(timeout=120) for notebook in notebooks]
    assert [notebook.returncode for notebook in notebooks] == [0, 0], outputs
    server = running(home)  # it outlived both
    assert [out for out, _ in outputs] == [f"{server.flight_uri} []\n"] * 2
    said = f"Serving {home} at {server.flight_uri}; stop it with: pxt-flight stop --home {home}\n"
    assert sorted(err for _, err in outputs) == ["", said]
    assert os.getpgid(server.pid) == server.pid  # Ctrl-C in a notebook's terminal does not reach it
    assert (home / "pxt_flight").stat().st_mode & 0o777 == 0o700

    server.send(signal.SIGKILL)
    eventually(lambda: not server.is_alive())
    assert (home / "pxt_flight" / "server.json").exists()
    notebook = open_notebook()
    out, err = notebook.communicate(timeout=120)
    assert notebook.returncode == 0, err
    assert running(home).server_id != server.server_id
    assert out == f"{running(home).flight_uri} []\n"


def test_a_registered_server_that_does_not_answer(home, monkeypatch):
    """Its process id went to somebody else: that one is not asked twice, nor harmed."""
    state = home / "pxt_flight"
    state.mkdir()
    (state / "server.json").write_text(f'{{"flight_uri": "grpc://127.0.0.1:1", "key": "pxt_x", "pid": {os.getpid()}}}')
    monkeypatch.setattr(local_server, "_NEEDED", ("a_package_that_nobody_has",))
    with pytest.raises(pf.ConnectError) as caught:
        pf.connect(home=home)
    assert caught.value.where["tried"] == [
        "a server in the argument home (none answers), starting one (pxt-flight[server] is not installed)"
    ]


def test_a_start_that_fails_says_why(home, monkeypatch):
    monkeypatch.setenv("PXT_FLIGHT_ENGINE_THREADS", "none")
    with pytest.raises(pf.PxtFlightError) as caught:
        pf.connect(home=home)
    assert caught.value.code == "INVALID_CONFIGURATION"
    assert caught.value.message.startswith("engine_threads: ")
    assert str(home) not in str(caught.value)
    assert running(home) is None


def test_a_start_that_takes_too_long_is_ended(home):
    with pytest.raises(pf.ConnectError, match="not ready in time") as caught:
        local_server.start(home, "the argument home", timeout=0.3)
    assert caught.value.code == "start_failed"
    assert "server.log" in caught.value.hint
    assert running(home) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"flight_uri": 1, "key": "k", "pid": 1}', '{"flight_uri": "u", "key": "k", "pid": "1"}']
)
def test_a_damaged_server_json(home, content):
    (home / "pxt_flight").mkdir()
    (home / "pxt_flight" / "server.json").write_text(content)
    assert local_server.running_in(home, "the home") is None


@pytest.mark.parametrize("pid", [0, -1, 2**31 - 1, 2**70])
def test_a_process_that_is_gone(home, pid):
    (home / "pxt_flight").mkdir()
    (home / "pxt_flight" / "server.json").write_text(f'{{"flight_uri": "grpc://127.0.0.1:1", "key": "k", "pid": {pid}}}')
    assert local_server.running_in(home, "the home") is None
