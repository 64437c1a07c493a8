"""Health, readiness and capabilities: what answers when, to whom, and what it tells."""

import subprocess
import sys
import threading
from datetime import datetime

import httpx
import psutil
import pytest
from events import eventually
from http_application import serve_app

import pxt_flight
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening
from pxt_flight.process import ProcessIdentity
from pxt_flight.registration import Server, register

HEALTH = {"status": "ok", "version": pxt_flight.__version__}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "pxt_flight").mkdir()
    return tmp_path


@pytest.fixture
def registered(home):
    """Register a server on the home, whose planes are these processes: `registered(flight=process)`."""

    def registered(**planes):
        me = psutil.Process()
        found = {name: ProcessIdentity.of(process.pid) for name, process in planes.items()}
        urls = {"flight_uri": "grpc://127.0.0.1:1", "http_url": "http://127.0.0.1:2", "public_url": "http://127.0.0.1:2"}
        run = {"key": "k", "server_id": "s", "version": "1.2.3", "drain_deadline": 1.0}
        register(home, Server(pid=me.pid, started=me.create_time(), **urls, **run, planes=found))

    return registered


@pytest.fixture
def process():
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


class Store:
    """A store whose database answers as it is told: `ok`, `lost`, `hangs`."""

    def __init__(self):
        self.engine = self.store = self
        self.state, self.released, self.asked = "ok", threading.Event(), 0

    def connection(self):
        return self

    def __enter__(self):
        self.asked += 1
        if self.state == "lost":
            raise pxt_flight.errors.error("unavailable", "secret")
        if self.state == "hangs":
            assert self.released.wait(30)
        return self

    def __exit__(self, *_):
        return None

    def execute(self, _statement):
        return None


@pytest.fixture
def database():
    return Store()


@pytest.fixture
def readyz(home, database, api):
    """Ask for readiness of an application whose store is open."""
    opening = Opening(lambda: database, lambda _store: api)
    opening.begin()
    assert eventually(lambda: opening.state == "ready")
    with serve_app(create_app(home, opening)) as (host, port):
        yield lambda: httpx.get(f"http://{host}:{port}/readyz", timeout=30)
        database.released.set()  # the application waits for its threads


def faults(answer):
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
    assert "secret" not in answer.text
    for fault in answer.json()["where"]["faults"]:
        datetime.fromisoformat(fault["since"])
    return {fault["part"]: fault["fault"] for fault in answer.json()["where"]["faults"]}


def test_a_server_that_is_well_says_since_when(readyz, registered, process):
    registered(flight=process)
    answer = readyz()
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["version"], body["media"]) == ("ready", "1.2.3", "ready")
    assert datetime.fromisoformat(body["planes"]["flight"])


def test_a_server_that_starts(readyz):
    assert faults(readyz()) == {"server": "It is starting or stopping."}


def test_a_plane_that_ended_is_named_with_the_time_at_which_that_was_seen(readyz, registered, process):
    registered(flight=process)
    assert readyz().status_code == 200
    process.kill()
    process.wait()
    first, second = readyz(), readyz()
    assert faults(first) == {"flight": "The process has ended."}
    assert first.json()["where"] == second.json()["where"]
    assert "flight: The process has ended." in first.json()["detail"]


def test_a_store_that_is_lost_and_found(readyz, registered, process, database):
    registered(flight=process)
    database.state = "lost"
    assert faults(readyz()) == {"store": "Its database takes no connection."}
    database.state = "ok"
    assert eventually(lambda: readyz().status_code == 200)


def test_a_store_that_hangs_takes_one_thread_however_many_ask(readyz, registered, process, database):
    registered(flight=process)
    database.state = "hangs"
    assert faults(readyz()) == faults(readyz()) == {"store": "Its database does not answer within 2 s."}
    assert database.asked == 1


def test_a_store_that_could_not_be_opened(home, api, registered, process):
    registered(flight=process)
    opening = Opening(lambda: None, lambda _store: api)
    opening.begin()
    with serve_app(create_app(home, opening)) as (host, port):
        answer = eventually(lambda: httpx.get(f"http://{host}:{port}/readyz"))
        assert eventually(lambda: faults(httpx.get(f"http://{host}:{port}/readyz"))) == {
            "store": "It could not be opened; the log says why."
        }
    assert answer.status_code == 503


@pytest.mark.parametrize("path", ["/healthz", "/api/pixeltable/health"])
def test_health_needs_neither_key_nor_store(home, path):
    opening = Opening(lambda: None, lambda _store: None)  # never begun: it stays closed
    with serve_app(create_app(home, opening)) as (host, port):
        assert httpx.get(f"http://{host}:{port}{path}").json() == HEALTH


def test_health_imports_nothing_of_the_engine():
    command = "import sys; from pxt_flight.http import app; sys.exit('pixeltable' in sys.modules or 'pxt_flight.engine' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0


def test_capabilities(server):
    headers = {"authorization": f"Bearer {server.key}"}
    told = httpx.get(f"{server.http_url}/api/v1/capabilities", headers=headers, timeout=60).json()
    assert (told["version"], told["api_versions"], told["media"]) == (pxt_flight.__version__, ["v1"], ["url", "bytes", "thumbnail:N"])
    assert told["limits"]["insert_rows"] == 1000
    assert (told["limits"]["json_body_bytes"], told["limits"]["upload_bytes"]) == (16 << 20, 16 << 30)
    assert "Table.insert" in told["operations"]["rows"]
    assert told["operations"]["server"] == ["capabilities", "health"]
    assert told["features"]["udf_upload"] is False
    assert set(told["permissions"]) == {"read", "write", "delete", "schema", "udf", "admin"}


def test_a_body_of_json_is_as_large_as_capabilities_say(server):
    headers = {"authorization": f"Bearer {server.key}", "content-type": "application/json"}
    url, told = f"{server.http_url}/api/v1/query", httpx.get(f"{server.http_url}/api/v1/capabilities", headers=headers, timeout=60).json()
    sql, size = b'{"sql": "select 1"', told["limits"]["json_body_bytes"]
    assert httpx.post(url, content=sql.ljust(size - 1) + b"}", headers=headers, timeout=60).status_code == 200
    assert httpx.post(url, content=sql.ljust(size) + b"}", headers=headers, timeout=60).status_code == 413


def test_capabilities_need_a_key(server):
    assert httpx.get(f"{server.http_url}/api/v1/capabilities", timeout=60).status_code == 401


def test_a_key_is_told_of_what_it_may(pxt, engine):
    from types import SimpleNamespace

    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.ingest import WriteTiers
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.capabilities import capabilities
    from pxt_flight.operations.dispatch import import_operations

    import_operations()
    writer = SimpleNamespace(tiers=WriteTiers(), limits=SimpleNamespace(size=7))
    told = capabilities(Call(Principal("k", "reader", frozenset({"read"})), engine, writer, links=None, signer=None))
    names = {name for found in told.operations.values() for name in found}
    assert {"list_tables", "query", "capabilities"} <= names
    assert names.isdisjoint({"Table.insert", "Table.delete", "create_table"})
    assert (told.limits.upload_bytes, told.permissions) == (7, ["read"])
