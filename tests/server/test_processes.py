"""`serve` with real processes: how it starts, drains, is forced, is killed, and what it leaves behind: nothing."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import psutil
import pytest
from events import eventually
from launched import PLANES, get, left_running

import pxt_flight
from pxt_flight.config import Settings
from pxt_flight.errors import ConnectError
from pxt_flight.plane import LEAVE_MARGIN
from pxt_flight.registration import running
from pxt_flight.server import running_server, start, stop


def test_ready_file_tells_how_to_reach_the_server(launch, home):
    launched = launch()
    server = launched.ready()
    path = home / "pxt_flight" / "server.json"
    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert content["pid"] == launched.process.pid
    assert content["started"] == pytest.approx(psutil.Process(launched.process.pid).create_time(), abs=2)
    assert content["key"] == "the-owner's-key"
    assert content["version"] == pxt_flight.__version__
    assert content["public_url"] == content["http_url"]
    assert json.loads(get(content["http_url"] + "/healthz")) == {"status": "ok", "version": pxt_flight.__version__}
    assert get(content["flight_uri"].replace("grpc", "http")) == b"done"
    assert "the-owner's-key" not in repr(server)
    launched.signal(signal.SIGTERM)
    status, stdout, _ = launched.ended()
    assert status == 0
    assert stdout == f"Flight SQL: {content['flight_uri']}\nHTTP: {content['http_url']}\n"
    assert left_running(server) == []
    assert not path.exists()


def test_public_url_is_passed_on(launch):
    server = launch(PXT_FLIGHT_PUBLIC_URL="https://data.example.org").ready()
    assert server.public_url == "https://data.example.org"


@pytest.mark.parametrize(("public_url", "warned"), [({}, True), ({"PXT_FLIGHT_PUBLIC_URL": "http://data.example.org"}, False)])
def test_links_that_others_cannot_follow_are_told(launch, public_url, warned):
    launched = launch(PXT_FLIGHT_HOST="0.0.0.0", **public_url)
    assert launched.ready().http_url.startswith("http://127.0.0.1:")
    launched.signal(signal.SIGTERM)
    _, _, stderr = launched.ended()
    assert ("--public-url" in stderr) is warned


def test_what_a_library_prints_goes_to_stderr(launch):
    launched = launch()
    get(launched.ready().flight_uri.replace("grpc", "http") + "/print")
    launched.signal(signal.SIGINT)
    status, stdout, stderr = launched.ended()
    assert status == 0
    assert "library" not in stdout
    assert "a library that greets on stdout" in stderr
    assert "a library that prints" in stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_running_requests_finish(launch, hold, number):
    launched = launch()
    server = launched.ready()
    request = hold(server)
    launched.signal(number)
    eventually(lambda: not server.planes["http"].is_alive())
    assert left_running(server) == [server.pid, server.planes["flight"].pid]
    assert request.release() == b"done"
    assert launched.ended()[0] == 0
    assert left_running(server) == []


def test_signals_to_a_whole_service_drain_as_well(launch, hold):
    """A service manager signals every process at once; the planes then hear SIGTERM and the end of stdin."""
    launched = launch()
    server = launched.ready()
    request = hold(server)
    server.planes["flight"].send(signal.SIGTERM)
    launched.signal(signal.SIGTERM)
    eventually(lambda: not server.planes["http"].is_alive())
    assert request.release() == b"done"
    assert launched.ended()[0] == 0


def test_a_second_signal_forces(launch, hold, home):
    launched = launch()
    server = launched.ready()
    request = hold(server)
    launched.signal(signal.SIGINT)
    eventually(lambda: not server.planes["http"].is_alive())
    launched.signal(signal.SIGINT)
    assert launched.ended()[0] == 1
    assert left_running(server) == []
    assert isinstance(request.outcome(), OSError)
    assert not (home / "pxt_flight" / "server.json").exists()


def test_a_second_signal_to_a_plane_makes_it_leave(launch, hold):
    launched = launch()
    server = launched.ready()
    plane = server.planes["flight"]
    hold(server)
    plane.send(signal.SIGTERM)
    # It no longer accepts: the first signal has been taken.
    eventually(lambda: not accepts(server))
    plane.send(signal.SIGTERM)
    assert plane.wait(10)
    assert launched.ended()[0] == 1


def accepts(server):
    """Whether the stand-in plane answers a new connection."""
    try:
        get(server.flight_uri.replace("grpc", "http"), timeout=0.5)
    except OSError:
        return False
    return True


def test_planes_leave_when_the_supervisor_is_killed(launch):
    launched = launch()
    server = launched.ready()
    launched.kill()
    eventually(lambda: left_running(server) == [])


def test_a_plane_without_supervisor_cuts_its_drain_off(launch, hold):
    launched = launch(PXT_FLIGHT_DRAIN_DEADLINE="0")
    server = launched.ready()
    hold(server)
    launched.kill()
    assert server.planes["flight"].wait(LEAVE_MARGIN + 5)


def test_a_drain_that_takes_too_long_is_cut_off(launch, hold):
    launched = launch(PXT_FLIGHT_DRAIN_DEADLINE="0")
    server = launched.ready()
    hold(server)
    launched.signal(signal.SIGTERM)
    assert launched.ended(LEAVE_MARGIN + 10)[0] in {0, 1}
    assert left_running(server) == []


@pytest.mark.parametrize("plane", ["flight", "http"])
def test_a_plane_that_dies_takes_the_server_down(launch, home, plane):
    launched = launch()
    server = launched.ready()
    server.planes[plane].send(signal.SIGKILL)
    status, _, stderr = launched.ended()
    assert status == 1
    assert f"The {plane} process ended by itself (SIGKILL)" in stderr
    assert left_running(server) == []
    assert not (home / "pxt_flight" / "server.json").exists()


def test_a_failed_start_is_one_clean_line(launch, home):
    launched = launch(STAND_IN="fails")
    status, stdout, stderr = launched.ended()
    assert status == 2
    assert stdout == ""
    assert stderr.splitlines()[-1] == "pixeltable_unsupported: This Pixeltable cannot be used. Hint: Install another."
    assert "Traceback" not in stderr
    assert processes_on(home) == []


def test_a_crash_while_starting_tells_no_inside(launch, home):
    status, _, stderr = launch(STAND_IN="crashes").ended()
    assert status == 2
    assert stderr.splitlines()[-1].startswith("INTERNAL_ERROR: A part of the server could not start.")
    assert "secret" not in stderr.splitlines()[-1]
    assert processes_on(home) == []


def test_a_plane_that_dies_while_starting(launch, home):
    status, _, stderr = launch(STAND_IN="dies").ended()
    assert status == 2
    assert stderr.splitlines()[-1] == "start_failed: The flight process ended while starting (SIGKILL). Hint: Its log says why."
    assert processes_on(home) == []


def processes_on(home):
    """The ids of all processes, the test's own aside, that were started for `home`."""
    environments = ((process.pid, process.info["environ"] or {}) for process in psutil.process_iter(["environ"]))
    return [pid for pid, environment in environments if environment.get("PXT_FLIGHT_HOME") == str(home) and pid != os.getpid()]


def test_a_taken_port_is_named_with_its_flag(launch, home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, stderr = launch(PXT_FLIGHT_HTTP_PORT=str(port)).ended()
    assert status == 2
    assert stderr.splitlines()[-1].startswith(f"port_in_use: Port {port} is taken by another process.")
    assert "--http-port" in stderr
    assert processes_on(home) == []


def test_an_address_of_another_machine(launch):
    status, _, stderr = launch(PXT_FLIGHT_HOST="192.0.2.1").ended()  # RFC 5737: nobody's
    assert status == 2
    assert stderr.splitlines()[-1].startswith("address_unusable: Cannot listen on 192.0.2.1")


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConnectError) as failure:
        start(Settings(home=tmp_path / "file" / "x"), planes=PLANES)
    assert failure.value.code == "home_unusable"
    assert str(tmp_path) not in str(failure.value)


def test_a_wrong_setting_is_one_clean_line(launch):
    status, _, stderr = launch(PXT_FLIGHT_HTTP_PORT="99999").ended()
    assert status == 2
    assert stderr == "INVALID_CONFIGURATION: http_port: Input should be less than or equal to 65535\n"


def test_a_second_server_on_the_same_home_is_refused(launch, home):
    first = launch()
    server = first.ready()
    status, _, stderr = launch().ended()
    assert status == 2
    assert stderr.startswith(f"home_in_use: A server already serves this home, at {server.flight_uri} and {server.http_url}.")
    assert f"pxt-flight stop --home {home}" in stderr
    assert server.key not in stderr
    assert running(home) == server


def test_of_two_servers_that_start_at_once_one_serves(launch, home):
    both = [launch(), launch()]
    loser = eventually(lambda: next((one for one in both if one.process.poll() is not None), None))
    assert loser.ended()[0] == 2
    winner = next(one for one in both if one is not loser)
    assert winner.ready().pid == winner.process.pid


def test_a_file_of_a_dead_server_is_not_believed(launch, home):
    launched = launch()
    dead = launched.ready()
    launched.kill()
    assert (home / "pxt_flight" / "server.json").exists()
    assert running(home) is None
    eventually(lambda: left_running(dead) == [])
    again = launch().ready()
    assert again.server_id != dead.server_id


def test_a_reused_process_id_is_not_taken_for_the_server(launch, home):
    server = launch().ready()
    path = home / "pxt_flight" / "server.json"
    path.write_text(server.model_copy(update={"started": server.started - 3600}).model_dump_json())
    assert running(home) is None


def test_start_and_stop_in_the_background(home):
    with running_server(Settings(home=home, flight_port=0, http_port=0), planes=PLANES) as server:
        assert running(home) == server
        assert b"ok" in get(server.http_url + "/healthz")
    assert left_running(server) == []
    assert stop(home) is False


def test_a_background_start_raises_the_error_of_the_plane(home, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fails")
    with pytest.raises(ConnectError) as failure:
        start(Settings(home=home, flight_port=0, http_port=0), planes=PLANES)
    assert failure.value.code == "pixeltable_unsupported"
    assert failure.value.hint == "Install another."


def test_stop_forces_a_server_that_does_not_drain(launch, hold, home):
    launched = launch()
    server = launched.ready()
    hold(server)
    assert stop(home, timeout=0.5) is True
    assert launched.ended()[0] == 1
    assert left_running(server) == []


def test_stop_waits_for_the_planes_of_a_killed_server(launch, hold, home):
    launched = launch()
    server = launched.ready()
    hold(server)
    launched.kill()
    assert stop(home, timeout=0.5) is True
    assert left_running(server) == []
    assert not (home / "pxt_flight" / "server.json").exists()


def test_stop_makes_no_home(tmp_path):
    assert stop(tmp_path / "nothing") is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("pxt_flight.server", {"pixeltable", "pyarrow", "fastapi", "uvicorn", "psycopg"}),
        ("pxt_flight.http.app", {"pixeltable", "pyarrow", "psycopg", "pxt_flight.engine"}),
    ],
)
def test_what_a_process_does_not_import(module, heavy):
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert module in loaded
    assert heavy.isdisjoint(loaded)
