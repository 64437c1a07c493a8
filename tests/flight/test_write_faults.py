"""Faults in the middle of a write, on a store of their own: nothing of it is left, and asked again under its key it is done once."""

import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import pairwise

import psycopg
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from events import eventually
from own_store import HERE, STOP, OwnStore, code_of

from pxt_flight.config import Settings
from pxt_flight.server import running_server

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


@pytest.fixture(scope="module")
def own(tmp_path_factory, store):  # `store` sets the path by which processes import this tree
    own = OwnStore(tmp_path_factory.mktemp("faults"))
    try:
        own.make_tables()
        yield own
    finally:
        own.close()


def batches(first, count, size=1000):
    parts = [range(start, min(start + size, first + count)) for start in range(first, first + count, size)]
    return [pa.record_batch({"id": part, "text": ["x" * 100] * len(part)}, SCHEMA) for part in parts]


@pytest.fixture
def nothing_left(own):
    """What a failed write must leave: everything as before, and the next one done once, under the same key if it had one."""
    before = own.state("keyed")

    def check(rows, key):
        eventually(lambda: own.spools() == [])
        assert own.state("keyed") == before
        written = own.put("keyed", rows, key)
        count = sum(batch.num_rows for batch in rows)
        assert (written["inserted"], written["repeated"]) == (count, False)
        assert own.put("keyed", rows, key)["repeated"]
        after = own.state("keyed")
        assert after == (before.rows + count, before.version + 1, before.next_row_id + count, before.files, before.receipts + 1)
        assert own.spools() == []

    return check


@pytest.mark.parametrize("sent", [0, 3])
def test_a_client_is_killed(own, nothing_left, sent):
    command = [sys.executable, str(HERE / "dying_client.py"), own.server.flight_uri, own.server.key, "keyed", str(sent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "sent\n"
        eventually(lambda: own.spools())  # it is being received
        client.kill()
    nothing_left(batches(10_000 + 10 * sent, 10), f"killed {sent}")


def test_a_client_that_does_not_say_that_this_is_the_end(own, nothing_left):
    rows = batches(11_000, 3000)
    with pytest.raises(fl.FlightServerError) as fault:
        own.put("keyed", rows[:2], "no end", ends=False)
    assert code_of(fault.value) == "upload_incomplete"
    nothing_left(rows, "no end")


def test_a_duplicate_key_in_the_last_batch(own, nothing_left):
    rows = batches(20_000, 2000)
    with pytest.raises(fl.FlightServerError) as fault:
        own.put("keyed", [*rows, pa.record_batch({"id": [3], "text": ["there already"]}, SCHEMA)], "duplicate")
    assert code_of(fault.value) == "CONSTRAINT_VIOLATION"
    nothing_left(rows, "duplicate")


def test_a_bad_last_batch(own, nothing_left):
    rows = batches(30_000, 2000)
    with pytest.raises(fl.FlightServerError) as fault:
        own.put("keyed", [*rows, pa.record_batch({"id": [None], "text": ["no id"]}, SCHEMA)], "bad")
    assert code_of(fault.value) in ("MISSING_REQUIRED", "TYPE_MISMATCH", "CONSTRAINT_VIOLATION")
    nothing_left(rows, "bad")


def test_a_full_disk(own, nothing_left):
    """No file of the server may grow beyond 2 MiB: what a full disk answers, EFBIG in place of ENOSPC."""
    rows = batches(40_000, 40_000)
    was = resource.prlimit(own.plane.pid, resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
    try:
        with pytest.raises(fl.FlightUnavailableError) as fault:
            own.put("keyed", rows, "full")
    finally:
        resource.prlimit(own.plane.pid, resource.RLIMIT_FSIZE, was)
    assert code_of(fault.value) == "disk_full"
    nothing_left(rows[:2], "full")


class Insert(threading.Thread):
    """An insert that has written half of its rows, and waits in the gate."""

    def __init__(self, own, first, key):
        super().__init__(daemon=True)
        self._own, self.key = own, key
        half, rest = batches(first, 2000), batches(first + 3000, 2000)
        self.rows = [*half, pa.record_batch({"id": [first + 2500], "text": [STOP]}, SCHEMA), *rest]
        self._fault = None
        self.start()

    def run(self):
        try:
            self._own.put("keyed", self.rows, self.key)
        except fl.FlightError as fault:
            self._fault = fault

    def fault(self):
        self.join(60)
        assert not self.is_alive()
        return self._fault


def test_the_server_is_killed_while_it_writes(own, nothing_left):
    with own.gate() as waits:
        insert = Insert(own, 100_000, "server")
        waits()
        own.plane.kill()
        assert isinstance(insert.fault(), fl.FlightUnavailableError)
    own.ended()
    own.start()
    nothing_left(insert.rows, insert.key)


def test_postgres_is_killed_while_it_writes(own, nothing_left):
    with suppress(psycopg.OperationalError), own.gate() as waits:
        insert = Insert(own, 200_000, "postgres")
        waits()
        own.postmaster.identity.send(signal.SIGKILL)
        fault = insert.fault()
    assert (type(fault), code_of(fault)) == (fl.FlightUnavailableError, "unavailable")
    own.stop_server()
    own.start()
    nothing_left(insert.rows, insert.key)


def test_two_servers_and_pixeltable_itself_write_one_table(own, tmp_path_factory):
    """No row is lost or doubled, versions have no gaps, the servers take turns, and who writes in a loop does not starve them."""
    writes, rows = 8, 50
    before = own.state("shared")
    host = own.postmaster.socket_dir
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXELTABLE_DB_CONNECT_STR", f"postgresql+psycopg://postgres:@/pixeltable?host={host}&port={own.postmaster.port}")
        other = running_server(Settings(home=tmp_path_factory.mktemp("other"), flight_port=0, http_port=0))
        second = other.__enter__()
    try:
        order = _write_side_by_side(own, second, writes, rows)
    finally:
        other.__exit__(None, None, None)
    after = own.state("shared")
    assert (after.rows, after.version) == (before.rows + 3 * writes * rows, before.version + 3 * writes)
    ids = f"select count(distinct col_0), min(col_0), max(col_0) from tbl_{own.tables['shared']}"
    assert own.ask(ids) == (3 * writes * rows, 0, 3 * writes * rows - 1)
    assert sorted(version for version, _ in order) == list(range(before.version + 1, after.version + 1))
    by_version = [who for _, who in sorted(order)]
    ours = [who for who in by_version if who != "foreign"]
    for server in ("first", "second"):
        turns = [number for number, who in enumerate(ours) if who == server]
        assert max(later - earlier for earlier, later in pairwise(turns)) <= 3, by_version
    # It tries every third of a second or so, and would else have been the first to end: they were given 2 of 3 turns.
    assert by_version[-1] == "foreign", by_version


def _write_side_by_side(own, second, writes, rows):
    """Who wrote each version."""
    faults = []

    def put(server, number):
        with fl.connect(server.flight_uri) as client:
            options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())], timeout=120)
            for start in range(number * writes * rows, (number + 1) * writes * rows, rows):
                batch = pa.record_batch({"id": range(start, start + rows), "who": [("first", "second")[number]] * rows})
                try:
                    writer, _ = client.do_put(fl.FlightDescriptor.for_path("shared"), batch.schema, options)
                    writer.write_batch(batch)
                    writer.close()
                except fl.FlightError as fault:
                    faults.append(fault)

    with own.foreign("insert", "shared", str(2 * writes * rows), str(writes), str(rows)) as foreign:
        assert foreign.stdout.readline() == "ready\n"
        threads = [threading.Thread(target=put, args=(server, number)) for number, server in enumerate((own.server, second))]
        for thread in threads:
            thread.start()
        foreign.communicate("go\n", timeout=120)
        for thread in threads:
            thread.join(120)
        assert foreign.returncode == 0
    assert faults == []
    with own.sql() as connection:
        return connection.execute(f"select distinct v_min, col_1 from tbl_{own.tables['shared']}").fetchall()
