"""The whole server, with its real planes: what it refuses at start, what a stop and a restart keep."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.flight as fl
import pytest
from events import eventually

import pxt_flight as pf
from pxt_flight import postgres
from pxt_flight.config import Settings
from pxt_flight.errors import ConnectError
from pxt_flight.registration import Server, running
from pxt_flight.server import running_server, start, stop

MAKE_TABLE = """
import pixeltable as pxt
pxt.init()
table = pxt.create_table("numbers", {"n": pxt.Int, "text": pxt.String}, if_exists="ignore")
table.insert([{"n": n, "text": "x" * 1000} for n in range(20_000)])
print(pxt.list_tables(), pxt.list_dirs())
"""


def settings(home: Path, **changed: object) -> Settings:
    return Settings(**{"home": home, "flight_port": 0, "http_port": 0} | changed)


def in_pixeltable(home: Path, code: str) -> str:
    environment = os.environ | {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0"}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True).stdout.strip()


def options(server: Server) -> fl.FlightCallOptions:
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])


@pytest.fixture(scope="module")
def served(shared_home, this_tree):
    """A server that has ended, and a ticket of its: the home has its tables, and nothing runs on it."""
    with running_server(settings(shared_home)) as server:
        # What the self-test made is gone again.
        assert in_pixeltable(shared_home, MAKE_TABLE) == "['numbers'] []"
        with fl.connect(server.flight_uri) as client:
            descriptor = fl.FlightDescriptor.for_command("select count(*) as n from numbers")
            ticket = client.get_flight_info(descriptor, options(server)).endpoints[0].ticket
    assert running(shared_home) is None
    assert postgres.find(shared_home) is None
    return server, ticket


@pytest.fixture
def filled(served, shared_home):
    """Its home."""
    yield shared_home
    assert postgres.find(shared_home) is None


def test_a_taken_flight_port_is_named(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConnectError) as caught:
            start(settings(home, flight_port=port))
    assert caught.value.code == "port_in_use"
    assert str(port) in caught.value.message
    assert "--flight-port" in caught.value.hint
    assert running(home) is None
    assert postgres.find(home) is None


def test_an_unknown_pixeltable_is_refused_before_anything_is_made(home, tmp_path, monkeypatch):
    package = tmp_path / "newer" / "pixeltable-0.9.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: pixeltable\nVersion: 0.9.0\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), os.environ["PYTHONPATH"]]))
    with pytest.raises(ConnectError) as caught:
        start(settings(home))
    assert caught.value.code == "pixeltable_unsupported"
    assert "0.9.0" in caught.value.message
    assert {path.name for path in home.iterdir()} == {"pxt_flight"}


def test_a_start_removes_what_a_killed_server_left(filled):
    left = [filled / "pxt_flight" / folder / "left" for folder in ("spool", "metrics")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o755)
        path.write_bytes(b"rows of somebody")
    with running_server(settings(filled)):
        assert not any(path.exists() for path in left)
        assert {path.parent.stat().st_mode & 0o777 for path in left} == {0o700}


def test_a_restart_keeps_the_owner_key_and_reads_old_tickets(filled, served):
    before, ticket = served
    with running_server(settings(filled)) as after:
        assert after.key == before.key
        with fl.connect(after.flight_uri) as client:
            assert client.do_get(ticket, options(after)).read_all().to_pylist() == [{"n": 20_000}]
    assert (filled / "pxt_flight" / "owner.key").stat().st_mode & 0o777 == 0o600


def test_a_stop_lets_a_running_stream_end(filled):
    with running_server(settings(filled)) as server:
        with pf.connect(server.flight_uri, key=server.key) as db:
            reader = db.sql("select n, text from numbers").to_reader()
            rows = reader.read_next_batch().num_rows
            server.send(signal.SIGTERM)
            refused = eventually(lambda: refusal(server))
            assert refused.retryable or refused.code == "connect_failed"
            rows += sum(batch.num_rows for batch in reader)
        assert rows == 20_000
        assert server.wait(60)


def test_a_stream_that_outlasts_the_deadline_is_cut_off(filled):
    with running_server(settings(filled, drain_deadline=0.5)) as server, pf.connect(server.flight_uri, key=server.key) as db:
        reader = db.sql("select n, text from numbers").to_reader()
        reader.read_next_batch()
        assert stop(filled)
        with pytest.raises(pf.PxtFlightError) as cut:
            reader.read_all()
    assert cut.value.retryable


def refusal(server: Server) -> pf.PxtFlightError | None:
    try:
        pf.connect(server.flight_uri, key=server.key).close()
    except pf.PxtFlightError as fault:
        return fault
    return None
