"""Turns at writing a table: in order, across processes, with a deadline, and let go of however their holder ends."""

import threading
import time
import uuid
from contextlib import ExitStack

import pyarrow as pa
import pytest
from events import eventually

from pxt_flight.errors import PxtFlightError

_ADVISORY = "select count(*) from pg_locks where locktype = 'advisory' and granted = %s and database is not null"


@pytest.fixture
def make_turns(engine):
    """`Turns` as of a process of its own: two of them know nothing of each other but Postgres."""
    from pxt_flight.engine.turns import Turns

    def make(writing=4, waiting=16, patience=30.0):
        return Turns(engine.store.connection, writing=writing, waiting=waiting, patience=patience)

    return make


@pytest.fixture
def writer(engine):
    from pxt_flight.engine.writer import WriteLimits, Writer

    writer = Writer(engine, threads=1, limits=WriteLimits(patience=1.0))
    yield writer
    writer.close()


@pytest.fixture
def locks(postgres):
    """How many advisory locks are held, or waited for."""
    return lambda *, granted: postgres.execute(_ADVISORY, [granted]).fetchone()[0]


class Waiter(threading.Thread):
    """A thread that takes a turn, notes that in `order`, and keeps it until `leave`."""

    def __init__(self, turns, table, order=None):
        super().__init__(daemon=True)
        self._turns = turns
        self._table = table
        self._order = order if order is not None else []
        self._leaves = threading.Event()
        self.has_come = threading.Event()
        self.stop = self.fault = None
        self.start()

    def run(self):
        try:
            with self._turns.turn(self._table, self._told):
                self._order.append(self)
                self.has_come.set()
                self._leaves.wait(30)
        except PxtFlightError as fault:
            self.fault = fault

    def _told(self, stop):
        self.stop = stop

    def leave(self):
        self._leaves.set()
        return self.ended()

    def ended(self):
        self.join(20)
        assert not self.is_alive()
        return self


def waiters(turns, table, count, order):
    """So many more in the line of their process, in order; somebody has the turn, or waits in Postgres for it."""
    queue, made = turns._lines[table].admission._queue, []
    for length in range(len(queue) + 1, len(queue) + count + 1):
        made.append(Waiter(turns, table, order))
        eventually(lambda length=length: len(queue) == length)
    return made


def test_turns_come_in_the_order_of_arrival(make_turns):
    turns, table, order = make_turns(), uuid.uuid4(), []
    with turns.turn(table):
        line = waiters(turns, table, 4, order)
        assert order == []
    for number, waiter in enumerate(line, 1):
        assert waiter.has_come.wait(10)
        assert order == line[:number]
        waiter.leave()
    assert turns._lines == {}


def test_two_processes_take_turns(make_turns, locks):
    one, other, table, order = make_turns(), make_turns(), uuid.uuid4(), []
    with one.turn(table):
        of_other = Waiter(other, table, order)
        eventually(lambda: locks(granted=False) == 1)
        (of_one,) = waiters(one, table, 1, order)
    assert of_other.has_come.wait(10)  # it came first, though the other process had the turn and wants it again
    assert not of_one.has_come.is_set()
    of_other.leave()
    assert of_one.has_come.wait(10)
    of_one.leave()
    assert order == [of_other, of_one]
    assert locks(granted=True) == 0


def test_tables_do_not_wait_for_each_other(make_turns):
    turns = make_turns()
    with turns.turn(uuid.uuid4()), turns.turn(uuid.uuid4()):
        pass


def test_a_turn_ends_however_its_holder_does(make_turns, postgres, locks):
    turns, table = make_turns(patience=5.0), uuid.uuid4()
    with pytest.raises(ZeroDivisionError), turns.turn(table):
        raise ZeroDivisionError
    with turns.turn(table):
        ended = postgres.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted").fetchall()
        assert ended == [(True,)]
    with turns.turn(table):
        pass
    assert locks(granted=True) == 0


def test_the_connection_comes_back_as_it_was(engine, make_turns):
    with make_turns(patience=3.0).turn(uuid.uuid4()):
        pass
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.store.connection()) for _ in range(3)]
        assert {connection.execute("show lock_timeout").fetchone()[0] for connection in connections} == {"10s"}


def test_who_waits_too_long_is_told_to_try_again(make_turns, locks):
    table = uuid.uuid4()
    with make_turns().turn(table):
        hurried = make_turns(patience=0.3)
        began = time.monotonic()
        with pytest.raises(PxtFlightError) as refused, hurried.turn(table):
            pass
        assert 0.2 < time.monotonic() - began < 5
        assert (refused.value.code, refused.value.retryable) == ("table_busy", True)
        assert "try again" in refused.value.hint
        assert locks(granted=False) == 0
    with hurried.turn(table):
        pass


def test_a_line_that_is_full_refuses_at_once(make_turns):
    turns, table = make_turns(waiting=1), uuid.uuid4()
    with turns.turn(table):
        (second,) = waiters(turns, table, 1, [])
        with pytest.raises(PxtFlightError, match="table_busy"), turns.turn(table):
            pass
    second.leave()


@pytest.mark.parametrize("same_process", [True, False])
def test_who_leaves_the_line_frees_his_place(make_turns, locks, same_process):
    one, table = make_turns(), uuid.uuid4()
    other = one if same_process else make_turns()
    with one.turn(table):
        (left, stays) = waiters(other, table, 2, []) if same_process else _behind(other, table, locks)
        left.stop()
        assert left.ended().fault.code == "cancelled"
        assert not stays.has_come.is_set()
    assert stays.has_come.wait(10)
    stays.leave()
    assert locks(granted=True) == 0


def _behind(turns, table, locks):
    """The head of a process, which waits in Postgres, and one behind it."""
    head = Waiter(turns, table)
    eventually(lambda: locks(granted=False) == 1)
    return head, *waiters(turns, table, 1, [])


def test_who_left_before_the_wait_never_begins(make_turns):
    with pytest.raises(PxtFlightError, match="cancelled"), make_turns().turn(uuid.uuid4(), lambda stop: stop()):
        pass


def test_a_turn_waits_for_who_writes_with_pixeltable_itself(make_turns, make_table, postgres, locks, engine, pxt):
    table = make_table({"x": pxt.Int}).get_metadata()["id"]
    with engine.store.connection() as foreign:
        foreign.execute("BEGIN")
        foreign.execute("SELECT 1 FROM tables WHERE id = %s FOR UPDATE", [table])
        waiter = Waiter(make_turns(), table)
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%%FOR UPDATE'"
        eventually(lambda: postgres.execute(waits).fetchone()[0] == 1)
        assert not waiter.has_come.is_set()
        foreign.execute("COMMIT")
    assert waiter.has_come.wait(10)
    waiter.leave()


def test_pixeltables_endless_retries_end_at_the_deadline(make_table, engine, pxt):
    from pxt_flight.engine.catalog import get_table
    from pxt_flight.engine.seam.writes import in_write

    table = make_table({"x": pxt.Int}, [{"x": 1}])
    path, ran = table.get_metadata()["path"], []

    def write(seconds):
        return engine.run(lambda: in_write(get_table(path), lambda: ran.append(1), deadline=time.monotonic() + seconds))

    with engine.store.connection() as foreign:
        foreign.execute("BEGIN")
        foreign.execute("SELECT 1 FROM tables WHERE id = %s FOR UPDATE", [table.get_metadata()["id"]])
        began = time.monotonic()
        with pytest.raises(PxtFlightError) as refused:
            write(0.5)
        assert time.monotonic() - began < 5
    assert (refused.value.code, refused.value.retryable, ran) == ("table_busy", True, [])
    write(5)
    assert ran == [1]


def code_of(function, *arguments):
    """The code of the error that it raises."""
    with pytest.raises(PxtFlightError) as refused:
        function(*arguments)
    return refused.value.code


def test_who_waits_for_a_table_takes_no_thread(make_turns, make_table, writer, pxt):
    from pxt_flight.engine.written import Asked

    awaited, free = (make_table({"x": pxt.Int}) for _ in range(2))

    def insert(table):
        target = writer.target(table.get_metadata()["path"])
        reception = writer.receive(target, pa.schema({"x": pa.int64()}))
        reception.add(pa.record_batch({"x": [1]}))
        with reception.finish() as upload:
            return writer.insert(target, upload, Asked("insert", "k"))

    with make_turns().turn(awaited.get_metadata()["id"]):
        fault = []
        waiting = threading.Thread(target=lambda: fault.append(code_of(insert, awaited)))
        waiting.start()
        assert insert(free).inserted == 1  # by the one thread that writes
        waiting.join(20)
    assert fault == ["table_busy"]
    assert (awaited.count(), free.count()) == (0, 1)
    assert insert(awaited).inserted == 1
