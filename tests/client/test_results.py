"""A result that is iterated, left early, closed, or interrupted; what the server still does afterwards."""

import _thread
import signal
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from events import eventually

import pxt_flight as pf
from pxt_flight.client import progress
from pxt_flight.client.background import in_background

ALL = "select id, line from client_lines"


def test_iteration(db, long_lines):
    ids = []
    result = db.sql(ALL)
    assert result.schema.names == ["id", "line"]
    for batch in result:
        assert isinstance(batch, pa.RecordBatch)
        assert batch.nbytes <= 3 << 20
        ids += batch["id"].to_pylist()
    assert sorted(ids) == list(range(400))
    with pytest.raises(pf.InvalidRequestError, match="streamed already"):
        next(iter(result))


def test_what_is_kept_is_iterated_again(db, long_lines):
    result = db.sql(f"{ALL} where id < 3")
    table = result.to_arrow()
    assert pa.Table.from_batches(result) == pa.Table.from_batches(result) == table
    result.close()
    assert result.to_arrow() is table


@pytest.mark.parametrize("leave", ["break", "with", "close", "unread", "dropped"])
def test_leaving_early_ends_the_query(db, long_lines, streams, leave):
    result = db.sql(ALL)
    assert streams() > 0
    if leave == "break":
        for _ in result:
            break
    elif leave == "with":
        with result:
            next(iter(result))
    elif leave == "close":
        rows = iter(result)
        next(rows)
        result.close()
        with pytest.raises(pf.InvalidRequestError, match="closed while it was read"):
            list(rows)
    elif leave == "unread":
        result.close()
        with pytest.raises(pf.InvalidRequestError, match="streamed already, or left"):
            result.to_arrow()
    del result
    eventually(lambda: streams() == 0)


def test_closing_twice_and_after_the_end(db, long_lines):
    result = db.sql(f"{ALL} where id = 1")
    with result:
        assert len(list(result)) == 1
    result.close()


def test_a_wrong_query_is_told_at_once(db):
    with pytest.raises(pf.NotFoundError):
        db.sql("select nothing from client_nowhere")


def test_the_threads_of_a_pull_end(db, long_lines):
    def pulls():
        return [thread for thread in threading.enumerate() if thread.name.startswith("pxt-flight")]

    for take in (lambda result: result.to_arrow(), lambda result: next(iter(result)), lambda result: list(result.to_reader())):
        take(db.sql(ALL))
    eventually(lambda: pulls() == [])


# Ctrl-C


def test_an_interrupted_pull_is_cancelled(db, long_lines, streams, monkeypatch):
    """The interrupt comes while the pull waits: the second batch is held back."""
    monkeypatch.setattr(progress.Progress, "add", lambda self, batch: _thread.interrupt_main())
    with pytest.raises(KeyboardInterrupt):
        db.sql(ALL).to_arrow()
    eventually(lambda: streams() == 0)


def test_a_blocked_call_hears_ctrl_c_and_is_undone_later():
    release, undone = threading.Event(), threading.Event()
    asked = threading.Timer(0.2, _thread.interrupt_main)
    asked.start()
    with pytest.raises(KeyboardInterrupt):
        in_background(lambda: release.wait(30), discard=lambda _: undone.set())
    assert not undone.is_set()
    release.set()
    assert undone.wait(5)


def test_the_fault_of_a_call_is_raised_where_it_is_waited_for():
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0, discard=str)


SLOW = """
import adbc_driver_flightsql.dbapi, polars  # whose runtimes install signal handlers of their own
import pxt_flight as pf
with pf.connect({uri!r}, key={key!r}) as db:
    print("ready", flush=True)
    try:
        while True:
            db.sql("select * from client_lines").to_arrow()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_in_a_process_of_its_own(server, long_lines, streams):
    script = SLOW.format(uri=server.flight_uri, key=server.key)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: streams() > 0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    eventually(lambda: streams() == 0)


class Silent(fl.FlightServerBase):
    """A server that answers a first question, and no query until it is released."""

    def __init__(self):
        self.asked, self.release = threading.Event(), threading.Event()
        super().__init__("grpc://127.0.0.1:0")

    def do_action(self, context, action):
        return [b"[]"]

    def do_get(self, context, ticket):
        self.asked.set()
        self.release.wait(60)
        return fl.RecordBatchStream(pa.table({"id": [1]}))


WAITING = """
import pxt_flight as pf
with pf.connect("grpc://127.0.0.1:{port}", key="any") as db:
    try:
        db.sql("select 1")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_before_the_first_answer():
    with Silent() as silent:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING.format(port=silent.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert silent.asked.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)  # it does not wait for the answer, not even to exit
        silent.release.set()
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def test_errors_of_arrow_itself_are_not_the_servers(db, long_lines):
    """Only the first contact says that no server answers."""
    with pytest.raises(pf.InvalidRequestError):
        db.sql("select id from client_lines where line = $1", [{"no": "scalar"}])
    with pytest.raises(TypeError, match="cannot be sent"):
        db.sql("select id from client_lines where line = $1", [b"bytes"])
