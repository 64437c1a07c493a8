"""Receipts: a write happens once under its idempotency key, however often it is asked for and however its answer is lost."""

import json
import threading
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.flight as fl
import pytest
import sqlalchemy as sql
from events import eventually

from pxt_flight.errors import PxtFlightError

_RECEIPTS = "select count(*) from pxt_flight.writes where table_id = %s"


@pytest.fixture
def writer(engine):
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine, threads=2)
    yield writer
    writer.close()


@pytest.fixture
def other_writer(engine):
    """A writer as of another process."""
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine, threads=1)
    yield writer
    writer.close()


@pytest.fixture(autouse=True)
def no_keys(postgres):
    """Tests name their writes as they like."""
    postgres.execute("update pxt_flight.writes set idempotency_key = null")


@pytest.fixture
def table(make_table, pxt):
    return make_table({"x": pxt.Int | None})


@pytest.fixture
def receipts_of(postgres):
    return lambda table: postgres.execute(_RECEIPTS, [table.get_metadata()["id"]]).fetchone()[0]


def insert(writer, table, numbers, key=None, *, key_id="k", digest=None):
    from pxt_flight.engine.written import Asked

    target = writer.target(table.get_metadata()["path"])
    reception = writer.receive(target, pa.schema({"x": pa.int64()}))
    reception.add(pa.record_batch({"x": pa.array(numbers, pa.int64())}))
    with reception.finish() as upload:
        digest = repr(numbers).encode() if digest is None else digest
        return writer.insert(target, upload, Asked("insert", key_id, key, digest))


def numbers(table):
    return sorted(table.select(table.x).collect()["x"])


def test_asked_again_it_is_answered_not_done(writer, table):
    first = insert(writer, table, [1, 2], "monday")
    again = insert(writer, table, [1, 2], "monday")
    assert (first.repeated, again) == (False, replace(first, repeated=True))
    assert (first.inserted, numbers(table)) == (2, [1, 2])


def test_without_a_key_it_is_done_each_time(writer, table):
    assert [insert(writer, table, [1]).version for _ in range(2)] == [1, 2]
    assert numbers(table) == [1, 1]


def test_a_key_belongs_to_who_gave_it(writer, table):
    assert not insert(writer, table, [1], "monday", key_id="ann").repeated
    assert not insert(writer, table, [1], "monday", key_id="bob").repeated


@pytest.mark.parametrize("other_table", [False, True])
def test_a_key_names_one_write(writer, table, make_table, pxt, other_table):
    insert(writer, table, [1], "monday")
    another = make_table({"x": pxt.Int | None}) if other_table else table
    with pytest.raises(PxtFlightError) as refused:
        insert(writer, another, [1] if other_table else [2], "monday")
    assert (refused.value.code, refused.value.retryable) == ("idempotency_key_reused", False)
    assert (numbers(table), another.count()) == ([1], 0 if other_table else 1)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\udc80"])
def test_what_is_no_key(writer, table, key):
    with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT"):
        insert(writer, table, [1], key)
    assert numbers(table) == []


@pytest.mark.parametrize("key", ["x" * 200, "Montag früh ☕", "'; --"])
def test_what_is_a_key(writer, table, key):
    insert(writer, table, [1], key)
    assert insert(writer, table, [1], key).repeated


def test_a_key_is_free_again_after_a_day(writer, table, postgres, receipts_of):
    insert(writer, table, [1], "monday")
    postgres.execute("update pxt_flight.writes set created_at = now() - interval '24 hours 1 second' where idempotency_key = 'monday'")
    assert not insert(writer, table, [2], "monday").repeated
    assert (numbers(table), receipts_of(table)) == ([1, 2], 2)


def test_a_write_that_fails_leaves_no_receipt(writer, make_table, pxt, receipts_of):
    table = make_table({"x": pxt.Int}, primary_key="x")
    insert(writer, table, [1], "monday")
    with pytest.raises(PxtFlightError):
        insert(writer, table, [2, 1], "tuesday")
    assert (numbers(table), receipts_of(table)) == ([1], 1)
    assert not insert(writer, table, [2], "tuesday").repeated


def test_what_changed_nothing_leaves_one_where_it_has_a_key(writer, table, receipts_of):
    from pxt_flight.engine.target import describe
    from pxt_flight.engine.written import Asked, Written

    target = writer.engine.run(lambda: describe(table.get_metadata()["path"]))
    nothing = Written("delete", target.path, target.version)
    assert writer._write(target, Asked("delete", "k"), lambda _: nothing) == nothing
    assert receipts_of(table) == 0
    assert writer._write(target, Asked("delete", "k", "none"), lambda _: nothing) == nothing
    assert writer._write(target, Asked("delete", "k", "none"), lambda _: pytest.fail("done again")).repeated
    assert receipts_of(table) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_two_at_once_under_one_key(writer, other_writer, table, postgres, fails):
    """The second waits for the first, and does it only where that fails."""
    from pxt_flight.engine.target import describe
    from pxt_flight.engine.written import Asked, Written

    target = writer.engine.run(lambda: describe(table.get_metadata()["path"]))
    written, began, goes_on, ended = Written("delete", target.path, 0), threading.Event(), threading.Event(), {}

    def first(_table):
        began.set()
        goes_on.wait(20)
        if fails:
            raise PxtFlightError("CONSTRAINT_VIOLATION", "It fails.")
        return written

    def run(name, writer, work):
        try:
            ended[name] = writer._write(target, Asked("delete", "k", "same"), work)
        except PxtFlightError as fault:
            ended[name] = fault.code

    one = threading.Thread(target=run, args=("one", writer, first))
    one.start()
    assert began.wait(20)
    two = threading.Thread(target=run, args=("two", other_writer, lambda _: written))
    two.start()
    eventually(lambda: postgres.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").fetchone())
    goes_on.set()
    one.join(20)
    two.join(20)
    assert ended == ({"one": "CONSTRAINT_VIOLATION", "two": written} if fails else {"one": written, "two": replace(written, repeated=True)})


def test_two_tables_at_once_under_one_key(writer, table, make_table, postgres, pxt):
    """Their turns are not the same, so it is the index that makes the second wait, and then refuse."""
    from pxt_flight.engine.target import describe
    from pxt_flight.engine.written import Asked, Written

    tables = [table, make_table({"x": pxt.Int | None})]
    targets = [writer.engine.run(lambda table=table: describe(table.get_metadata()["path"])) for table in tables]
    began, goes_on, ended = threading.Event(), threading.Event(), []

    def work(_table):
        began.set()
        goes_on.wait(20)
        return Written("delete", targets[0].path, 0)

    first = threading.Thread(target=lambda: ended.append(writer._write(targets[0], Asked("delete", "k", "two tables"), work)))
    first.start()
    assert began.wait(20)

    def second():
        with pytest.raises(PxtFlightError) as refused:
            writer._write(targets[1], Asked("delete", "k", "two tables"), lambda _: pytest.fail("done"))
        ended.append(refused.value.code)

    waiting = threading.Thread(target=second)
    waiting.start()
    eventually(lambda: postgres.execute("select 1 from pg_locks where locktype = 'transactionid' and not granted").fetchone())
    goes_on.set()
    first.join(20)
    waiting.join(20)
    assert {type(end) for end in ended} == {Written, str}
    assert "idempotency_key_reused" in ended


class BrokenCommit:
    """Breaks the connection of the next transaction that writes, at its end: behind COMMIT, or before it."""

    def __init__(self, engine, postgres, is_committed):
        self._postgres = postgres
        self._is_committed = is_committed
        self.broken = 0
        self._engine = engine
        sql.event.listen(engine, "commit", self._break)

    def _break(self, connection):
        driver = connection.connection.driver_connection
        if (
            self.broken
            or not driver.execute("select 1 from pg_locks where pid = pg_backend_pid() and mode = 'RowExclusiveLock'").fetchone()
        ):
            return
        self.broken += 1
        if self._is_committed:
            driver.commit()
            driver.execute("select 1")  # so that the COMMIT that comes is sent
        pid = driver.info.backend_pid
        self._postgres.execute("select pg_terminate_backend(%s)", [pid])
        eventually(lambda: not self._postgres.execute("select 1 from pg_stat_activity where pid = %s", [pid]).fetchone())

    def mend(self):
        sql.event.remove(self._engine, "commit", self._break)


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("key", [None, "lost"])
def test_an_answer_to_commit_that_is_lost(writer, table, postgres, receipts_of, is_committed, key):
    from pixeltable.env import Env

    broken = BrokenCommit(Env.get().engine, postgres, is_committed)
    try:
        written = insert(writer, table, [1, 2], key)
    finally:
        broken.mend()
    assert (broken.broken, written.inserted, written.repeated) == (1, 2, False)
    assert (numbers(table), written.version, receipts_of(table)) == ([1, 2], 1, 1)
    assert insert(writer, table, [3]).version == 2


def test_a_store_that_is_lost_at_the_end_says_that_it_is_not_known(engine, postgres):
    from pxt_flight.engine.receipts import Receipt, Receipts
    from pxt_flight.engine.store import Store
    from pxt_flight.engine.written import Asked, Written

    receipt = Receipt("t", None, Asked("insert", "k"))
    receipt.settle(lambda *_, **__: [], Written("insert", "t", 1, inserted=1))
    gone = Store("postgresql://127.0.0.1:1/nowhere")
    with pytest.raises(PxtFlightError) as lost:
        receipt.found_after(OSError(), Receipts(gone.connection))
    assert (lost.value.code, lost.value.retryable) == ("unavailable", True)
    assert "idempotency key" in lost.value.hint


def test_history_names_who_wrote_what(server, table, pxt):
    path, options = table.get_metadata()["path"], fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])

    def put(numbers, key):
        command = {"table.insert": {"table_path": path, "idempotency_key": key}}
        rows = pa.table({"x": pa.array(numbers, pa.int64())})
        with client.do_put(fl.FlightDescriptor.for_command(json.dumps(command).encode()), rows.schema, options)[0] as writer:
            writer.write_table(rows)

    with fl.connect(server.flight_uri) as client:
        put([1, 2], "a")
        table.insert([{"x": 3}])  # by Pixeltable itself: a version, and no write of ours
        put([4], "b")
        put([4], "b")
        (answer,) = client.do_action(fl.Action("table.writes", json.dumps({"table_path": path}).encode()), options)
        (newest,) = client.do_action(fl.Action("table.writes", json.dumps({"table_path": path, "limit": 1}).encode()), options)
    writes = json.loads(answer.body.to_pybytes())
    assert json.loads(newest.body.to_pybytes()) == writes[:1]
    assert [(write["version"], write["kind"], write["inserted"], write["rejected"]) for write in writes] == [
        (3, "insert", 1, 0),
        (1, "insert", 2, 0),
    ]
    assert all(write["created_by"].startswith("owner of ") for write in writes)
    made = {version["version"]: version["created_at"] for version in table.get_versions()}
    # Pixeltable dates a version at the begin of the transaction, a write at its end.
    assert all(made[write["version"]] <= datetime.fromisoformat(write["created_at"]) for write in writes)
