"""The embedded Postgres: stopped by the last server that started it, never under somebody else. A real one each time."""

import os
import signal
import stat
import subprocess
import sys

import psycopg
import pytest
from events import eventually
from launched import PLANES, left_running

from pxt_flight import postgres
from pxt_flight.config import Settings, prepare_home
from pxt_flight.server import running_server, stop


def start_postgres(home):
    """Start it as any Pixeltable process does, which ends and leaves it behind."""
    environment = os.environ | {"PIXELTABLE_HOME": str(home)}
    subprocess.run([sys.executable, "-c", "import pixeltable; pixeltable.init()"], env=environment, check=True, capture_output=True)
    return postgres.find(home)


@pytest.fixture
def notebook(home):
    """Another Pixeltable process on the home, idle; it ends when its stdin does."""
    program = "import sys, pixeltable; pixeltable.init(); print('idle', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PIXELTABLE_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert any(line == "idle\n" for line in process.stdout)
        yield process


def settings(home):
    return Settings(home=home, flight_port=0, http_port=0)


def test_a_postgres_that_was_started_for_us_is_stopped(home):
    prepare_home(home)
    postmaster = start_postgres(home)
    postgres.mark_started(home)
    marker = home / "pxt_flight" / "postgres.json"
    assert stat.S_IMODE(marker.stat().st_mode) == 0o600
    with psycopg.connect(host=postmaster.socket_dir, port=postmaster.port, user="postgres", dbname="pixeltable"):
        assert postgres.stop_if_last(home, grace=0.2) is False
        assert postmaster.identity.is_alive()
        assert marker.exists()
    assert postgres.stop_if_last(home) is True
    assert not postmaster.identity.is_alive()
    assert not marker.exists()
    assert postgres.find(home) is None
    assert postgres.stop_if_last(home) is False


def test_a_postgres_that_was_not_started_for_us_stays(home):
    prepare_home(home)
    postmaster = start_postgres(home)
    assert postgres.stop_if_last(home) is False
    postgres.mark_started(home)
    marker = home / "pxt_flight" / "postgres.json"
    noted = postgres.Marker.model_validate_json(marker.read_text())
    marker.write_text(noted.model_copy(update={"started": noted.started - 3600}).model_dump_json())
    assert postgres.stop_if_last(home) is False
    assert not marker.exists()
    assert postmaster.identity.is_alive()


def test_a_server_stops_the_postgres_it_started(home, monkeypatch):
    monkeypatch.setenv("STAND_IN", "starts-postgres")
    with running_server(settings(home), planes=PLANES) as server:
        postmaster = postgres.find(home)
        assert postmaster.identity.is_alive()
    assert left_running(server) == []
    assert not postmaster.identity.is_alive()


def test_a_server_leaves_the_postgres_of_an_idle_notebook(home, notebook, monkeypatch):
    """Whoever started it: the notebook came first here, and came later below."""
    monkeypatch.setenv("STAND_IN", "starts-postgres")
    postmaster = postgres.find(home)
    with running_server(settings(home), planes=PLANES):
        assert postgres.find(home) == postmaster
    assert postmaster.identity.is_alive()
    # As if a server had started it before the notebook came.
    postgres.mark_started(home)
    assert postgres.stop_if_last(home, grace=0.2) is False
    assert postmaster.identity.is_alive()
    notebook.stdin.close()
    assert eventually(lambda: postgres.stop_if_last(home))


def test_stop_after_a_kill_stops_planes_and_postgres(launch, home):
    launched = launch(STAND_IN="starts-postgres")
    server = launched.ready()
    postmaster = postgres.find(home)
    launched.kill()
    assert stop(home) is True
    assert left_running(server) == []
    assert not postmaster.identity.is_alive()
    assert stop(home) is False


def test_the_next_server_inherits_the_note_of_a_killed_one(launch, home):
    launched = launch(STAND_IN="starts-postgres")
    server = launched.ready()
    postmaster = postgres.find(home)
    launched.kill()
    eventually(lambda: left_running(server) == [])
    assert postmaster.identity.is_alive()
    heir = launch()
    heir.ready()
    heir.signal(signal.SIGTERM)
    assert heir.ended()[0] == 0
    assert not postmaster.identity.is_alive()


def test_root_is_told_which_folders_will_be_opened(launch, tmp_path, home):
    """Only as root are there any; every other user keeps all modes and reads no warning."""
    tmp_path.chmod(0o755)
    prepare_home(home)
    home.chmod(0o700)
    expected = [home] if os.geteuid() == 0 else []
    assert [folder for folder in postgres.folders_to_open(home) if folder.is_relative_to(tmp_path)] == expected
    launched = launch(STAND_IN="starts-postgres")
    launched.ready()
    assert postgres.folders_to_open(home) == []
    assert stat.S_IMODE(home.stat().st_mode) == (0o755 if expected else 0o700)
    assert stat.S_IMODE((home / "pxt_flight").stat().st_mode) == 0o700
    launched.signal(signal.SIGTERM)
    _, _, stderr = launched.ended()
    assert (f"  {home}\n" in stderr) is bool(expected)
    assert f"  {tmp_path}\n" not in stderr


def test_an_external_postgres_opens_no_folder(home, monkeypatch):
    prepare_home(home)
    home.chmod(0o700)
    (home / "config.toml").write_text('[pixeltable]\ndb_connect_str = "postgresql://elsewhere/db"\n')
    assert postgres.folders_to_open(home) == []
    (home / "config.toml").unlink()
    monkeypatch.setenv("PIXELTABLE_DB_CONNECT_STR", "postgresql://elsewhere/db")
    assert postgres.folders_to_open(home) == []
