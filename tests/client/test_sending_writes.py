"""How rows travel: sizes, progress, Ctrl-C, and a connection that is lost."""

import json
import signal
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.flight as fl
import pytest

import pxt_flight as pf
from pxt_flight.client import writes
from pxt_flight.client.batches import Batches
from pxt_flight.client.database import Database
from pxt_flight.client.sources import MAX_BYTES, open_source

WRITTEN = {"kind": "insert", "table": "films", "version": 3, "inserted": 2, "first_row_id": 5, "tier": "bulk"}
REJECTED = pa.table({"id": [7], "pxt_error": ["too large"]})


class Taker(fl.FlightServerBase):
    """A server that takes rows, and answers as a test says: `answers` are called one after the other, with the writer of the answer."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.commands, self.rows, self.ends, self.asked = [], [], [], threading.Event()
        super().__init__("grpc://127.0.0.1:0")

    def do_get(self, context, ticket):
        return fl.RecordBatchStream(pa.table({"id": pa.array([], pa.int64())}))

    def do_action(self, context, action):
        self.commands.append((action.type, json.loads(action.body.to_pybytes())))
        return [json.dumps(self.answers.pop(0)()).encode()]

    def do_put(self, context, descriptor, reader, writer):
        self.commands.append(json.loads(descriptor.command))
        metadata, rows = None, []
        for chunk in reader:
            self.asked.set()
            metadata = chunk.app_metadata
            rows.append(chunk.data.num_rows)
        self.rows.append(rows)
        self.ends.append(metadata is not None and metadata.to_pybytes() == b"end")
        self.answers.pop(0)(writer)


def say(*messages):
    def answer(writer):
        for message in messages:
            writer.write(pa.py_buffer(message if isinstance(message, bytes) else json.dumps(message).encode()))

    return answer


def lose(*_):
    raise fl.FlightUnavailableError("gone")


def refuse(code):
    def answer(*_):
        raise fl.FlightServerError("no", pf.errors.error(code, "No.").to_json())

    return answer


@pytest.fixture
def taker(monkeypatch):
    """Start a server that answers so, and connect: `taker(answer, ...)`."""
    monkeypatch.setattr(writes, "_PAUSE", 0)
    made = []

    def make(*answers):
        server = Taker(*answers)
        db = Database(f"grpc://127.0.0.1:{server.port}", "any")
        made.append((server, db))
        return server, db

    yield make
    for server, db in made:
        db.close()
        server.shutdown()


def ipc(rows):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


# What is sent, and what comes back


def test_the_answer(taker):
    stream = ipc(REJECTED)
    answer = say({"progress": [1, 2]}, b"ARROW" + stream[:100], b"ARROW" + stream[100:], {"written": WRITTEN | {"rejected": 1, "new": 1}})
    server, db = taker(answer)
    told = []
    written = db.table("films").insert(pa.table({"id": [1, 2]}), on_error="ignore", progress=lambda *counts: told.append(counts))
    assert (written.inserted, written.version, written.row_ids, written.tier) == (2, 3, range(5, 7), "bulk")
    assert written.rejected == REJECTED
    assert written.rejected_rows == 1
    assert told == [(2, 2), (1, 2)]
    insert = server.commands[0].pop("table.insert")
    assert insert.pop("idempotency_key")
    assert insert == {"table_path": "films", "on_error": "ignore"}
    assert server.commands[0] == {"ends": True, "progress": True}
    assert (server.rows, server.ends) == ([[2, 0]], [True])


def test_the_key_of_the_caller(taker):
    server, db = taker(say({"written": WRITTEN}), lambda: WRITTEN)
    db.table("films").insert(id=1, idempotency_key="mine")
    db.table("films").update({"id": 1}, all_rows=True, idempotency_key="mine")
    assert server.commands[0]["table.insert"]["idempotency_key"] == server.commands[1][1]["idempotency_key"] == "mine"


def test_no_rows_are_one_empty_batch(taker):
    server, db = taker(say({"written": WRITTEN}))
    db.table("films").insert(pa.table({"id": pa.array([], pa.int64())}))
    assert (server.rows, server.ends) == ([[0]], [True])


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"id": range(300_000)}),
        pa.table({"text": ["x" * 100_000] * 500}),
        pa.table({"text": pa.array(["x" * 100_000] * 500).dictionary_encode()}),
        pa.table({"text": pa.array(["x" * 100_000] * 500, pa.string_view())}),
        [{"data": b"x" * 3_000_000} for _ in range(20)],
        ({"data": b"x" * 20_000_000} for _ in range(2)),
    ],
)
def test_no_batch_is_large(rows):
    batches = list(Batches(open_source(rows, None, {}, None), None))
    assert all(batch.num_rows <= 65_536 and (batch.nbytes <= MAX_BYTES + 1024 or batch.num_rows == 1) for batch in batches)
    assert len(batches) < 40


def test_files_are_read_as_they_are_sent(tmp_path):
    for i in range(12):
        (tmp_path / f"{i:02}.jpg").write_bytes(bytes([i]) * 3_000_000)
    batches = list(Batches(open_source(tmp_path / "*.jpg", "image", {"album": "x"}, None), None))
    assert [batch.num_rows for batch in batches] == [2] * 6
    assert [value[:1] for batch in batches for value in batch["image"].to_pylist()] == [bytes([i]) for i in range(12)]


# Statements and changes


def test_statements_that_write_are_run_once(taker):
    server, db = taker(*[lambda: WRITTEN] * 4)
    for sql in ("insert into films values (1)", " UPDATE films set id = 1", "-- why\n/* x */ delete from films", "Delete\nfrom films"):
        assert isinstance(db.sql(sql, [1]), pf.Written)
    assert [action for action, _ in server.commands] == ["pixeltable.execute"] * 4
    assert server.commands[0][1]["parameters"] == [1]
    assert len({body["idempotency_key"] for _, body in server.commands}) == 4
    assert db.sql("select id from films").to_arrow().num_rows == 0
    assert db.sql("-- delete\nselect id from inserts").to_arrow().num_rows == 0


def test_changes_say_all_that_was_asked(taker):
    server, db = taker(*[lambda: WRITTEN] * 4)
    films = db.table("dir.films")
    films.update({"id": 1}, "id = $1", [2], expressions={"n": "n + 1"}, max_affected=3, dry_run=True)
    films.delete("id = $1", [2], max_affected=3)
    films.delete(all_rows=True)
    films.revert(4)
    (_, update), (_, delete), (_, all_rows), (_, revert) = server.commands
    for body in (update, delete, all_rows, revert):
        assert (body.pop("table_path"), len(body.pop("idempotency_key"))) == ("dir/films", 36)
    hard = {"soft": False, "include_deleted": False}
    condition = {"where": "id = $1", "parameters": [2], "max_affected": 3, "all_rows": False, "include_deleted": False}
    assert update == condition | {"set": {"id": 1}, "expressions": {"n": "n + 1"}, "dry_run": True}
    assert delete == condition | {"dry_run": False, "soft": False}
    assert all_rows == {"where": None, "parameters": [], "max_affected": None, "all_rows": True, "dry_run": False} | hard
    assert revert == {"version": 4}


def test_rows_that_change_others_are_whole(taker):
    server, db = taker(*[say({"written": WRITTEN})] * 3)
    films = db.table("films")
    films.update_rows([{"_rowid": 1, "id": 2}])
    films.upsert([{"id": 2}])
    films.delete_rows([{"id": 2}])
    names = [next(iter(command)) for command in server.commands]
    assert names == ["table.update_rows", "table.update_rows", "table.delete_rows"]
    assert [command["table.update_rows"]["if_missing"] for command in server.commands[:2]] == ["error", "insert"]
    with pytest.raises(pf.InvalidRequestError, match="lacks a column that others have"):
        films.update_rows([{"_rowid": 1, "id": 2}, {"_rowid": 1}])


# A connection that is lost


def test_a_lost_answer_is_asked_for_once_more_under_the_same_key(taker):
    server, db = taker(lose, say({"written": WRITTEN | {"repeated": True}}))
    assert db.table("films").insert([{"id": 1}]).repeated
    first, second = (command["table.insert"]["idempotency_key"] for command in server.commands)
    assert first == second
    assert server.rows == [[1, 0]] * 2


def test_a_change_is_asked_for_once_more_too(taker):
    server, db = taker(lose, lambda: WRITTEN)
    server.answers.insert(0, list)
    db.tables()
    assert db.table("films").delete("id = 1").version == 3
    assert server.commands[1] == server.commands[2]


def test_what_the_server_refuses_is_not_asked_for_again(taker):
    server, db = taker(refuse("table_busy"))
    with pytest.raises(pf.UnavailableError, match="table_busy"):
        db.table("films").insert(id=1)
    assert len(server.commands) == 1


def test_rows_that_cannot_be_sent_again_are_asked_for(taker):
    server, db = taker(lose, refuse("idempotency_key_reused"), lambda: [{"kind": "insert", "version": 8, "inserted": 1, "rejected": 0}])
    written = db.table("films").insert(iter([{"id": 1}]))
    assert (written.version, written.inserted, written.repeated) == (8, 1, True)
    assert server.rows == [[1, 0], [0]]
    assert server.commands[0]["table.insert"] == server.commands[1]["table.insert"]


def test_rows_that_cannot_be_sent_again_and_were_not_written(taker):
    _, db = taker(lose, say({"written": WRITTEN | {"inserted": 0}}))
    with pytest.raises(pf.UnavailableError, match="Nothing was written"):
        db.table("films").insert(iter([{"id": 1}]))


def test_a_server_that_stays_away(taker):
    _, db = taker(lose, lose, lose)
    with pytest.raises(pf.UnavailableError, match="idempotency_key='mine'"):
        db.table("films").insert([{"id": 1}], idempotency_key="mine")


# Ctrl-C

SENDING = """
import itertools
from pxt_flight.client.database import Database
def rows():
    for i in itertools.count():
        yield {{"id": i}}
try:
    Database("grpc://127.0.0.1:{port}", "any").table("films").insert(rows())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_leaves_the_rows_without_their_end():
    ended = threading.Event()
    with Taker(lambda writer: ended.set()) as server:
        script = SENDING.format(port=server.port)
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert server.asked.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert ended.wait(10)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    assert server.ends == [False]


WAITING = """
from pxt_flight.client.database import Database
try:
    Database("grpc://127.0.0.1:{port}", "any").table("films").insert(id=1, idempotency_key="mine")
except KeyboardInterrupt as interrupt:
    print(interrupt.__notes__[0], flush=True)
"""


def test_ctrl_c_after_all_is_sent_tells_the_key():
    release, waiting = threading.Event(), threading.Event()

    def wait(writer):
        waiting.set()
        release.wait(30)

    with Taker(wait) as server:
        script = WAITING.format(port=server.port)
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert waiting.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)  # it does not wait for the answer, not even to exit
        release.set()
    assert "idempotency_key 'mine'" in out
    assert (err, process.returncode) == ("", 0)


def test_a_push_that_begins_after_the_connection_was_closed(taker):
    _, db = taker()
    db.close()
    with db._transport.push({"table.insert": {}}, pa.schema([("id", pa.int64())])) as push, pytest.raises(pf.ConnectError, match="closed"):
        list(push.end())
