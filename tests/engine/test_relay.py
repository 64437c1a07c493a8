"""Batches on their way to a client: whatever it does, it gets every row once and in order, or an error; and nothing is left behind."""

import signal
import subprocess
import sys
import threading
import uuid

import numpy as np
import pyarrow as pa
import pytest
from events import eventually
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.errors import PxtFlightError, error

SCHEMA = pa.schema([pa.field("n", pa.int64(), metadata={"pxt:type": "Int"}), pa.field("s", pa.utf8())], metadata={"k": "v"})


def batch_of(number, rows=10):
    numbers = range(number * rows, (number + 1) * rows)
    return pa.record_batch([pa.array(numbers), pa.array([f"text {n}" * 20 for n in numbers])], schema=SCHEMA)


class Source:
    """Batches that are made when they are asked for; it tells by how many threads, and what was done to it."""

    def __init__(self, count, *, batches=None, fault=None):
        self._batches = iter(batches or (batch_of(i) for i in range(count)))
        self._fault = fault
        self._reading = threading.Lock()
        self._stopped = threading.Event()
        self.allowed = 1 << 30  # it hangs when it has made so many
        self.made = self.stopped = self.closed = self.ended = 0
        self.threads = set()

    def __iter__(self):
        return self

    def __next__(self):
        assert not self.closed
        assert self._reading.acquire(blocking=False), "two threads read at once"
        try:
            while self.made >= self.allowed:
                self._stopped.wait(0.01)
                if self.stopped:
                    raise OSError("stopped")
            self.threads.add(threading.get_ident())
            batch = next(self._batches, None)
            if batch is None:
                raise self._fault or StopIteration
            self.made += 1
            return batch
        finally:
            self._reading.release()

    def stop(self):
        self.stopped += 1
        self._stopped.set()

    def close(self):
        self.closed += 1

    def end(self):
        self.ended += 1


@pytest.fixture
def make_spool(pxt, tmp_path):
    from pxt_flight.engine.spool import Spool

    return lambda capacity=1 << 30: Spool(tmp_path, capacity)


@pytest.fixture
def make_relay(make_spool):
    from pxt_flight.engine.relay import Relay

    made = []

    def make(source, spool=None):
        made.append(Relay(source, stop=source.stop, close=source.close, spool=spool or make_spool(), on_end=source.end))
        return made[-1]

    yield make
    for relay in made:
        relay.close()


def rest(relay):
    batches = []
    while True:
        try:
            batches.append(relay.take())
        except StopIteration:
            return batches


def numbers(batches):
    return [n for batch in batches for n in batch.column(0).to_pylist()]


def test_straight_through_for_a_client_that_keeps_up(make_relay):
    source = Source(5)
    relay = make_relay(source)
    relay.spool_if_idle(60)
    batches = rest(relay)
    assert numbers(batches) == list(range(50))
    assert source.threads == {threading.get_ident()}
    assert (source.closed, source.ended, source.stopped) == (1, 1, 0)
    with pytest.raises(StopIteration):
        relay.take()


def test_the_source_of_a_client_that_lags_ends_without_it(make_relay):
    source = Source(20)
    relay = make_relay(source)
    first = relay.take()
    relay.spool_if_idle(0)
    eventually(lambda: source.ended)
    assert (source.made, source.closed) == (20, 1)
    batches = [first, *rest(relay)]
    assert numbers(batches) == list(range(200))
    assert all(batch.schema.equals(SCHEMA, check_metadata=True) for batch in batches)


def test_a_client_that_comes_back_reads_by_itself_again(make_relay):
    source = Source(200)
    source.allowed = 6
    relay = make_relay(source)
    batches = [relay.take()]
    relay.spool_if_idle(0)
    eventually(lambda: source.made == 6)
    back = threading.Thread(target=lambda: batches.extend(relay.take() for _ in range(6)))
    back.start()
    eventually(lambda: len(batches) == 6 or (relay._client_waits and not relay._file))
    source.allowed = 1 << 30
    back.join(10)
    source.threads.clear()
    batches += rest(relay)
    assert numbers(batches) == list(range(2000))
    assert source.threads == {threading.get_ident()}


def test_a_hurried_source_is_drained_beside_a_fast_client(make_relay):
    source = Source(300)
    relay = make_relay(source)
    batches = [relay.take()]
    relay.hurry(is_needed=True)
    batches += rest(relay)
    assert numbers(batches) == list(range(3000))
    assert threading.get_ident() in source.threads
    assert len(source.threads) == 2


def test_types_survive(make_relay):
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(24, dtype="float32").reshape(4, 2, 3))
    batch = pa.record_batch(
        {
            "tensor": tensor,
            "uuid": pa.array([uuid.UUID(int=i).bytes for i in range(4)], pa.uuid()),
            "word": pa.array(["a", "b", "a", None]).dictionary_encode(),
            "nested": pa.array([[1], [], None, [2, 3]]),
            "none": pa.nulls(4),
        }
    )
    batches = [batch, batch.slice(1, 2), batch.slice(0, 0)]
    relay = make_relay(Source(0, batches=list(batches)))
    relay.hurry(is_needed=True)
    got = rest(relay)
    assert [found.schema for found in got] == [batch.schema] * 3
    assert all(found.equals(sent) for found, sent in zip(got, batches, strict=True))


@settings(max_examples=30, deadline=None)
@given(acts=st.lists(st.sampled_from(["take", "idle", "hurry", "calm"]), max_size=40))
def test_any_sequence_of_acts_gives_every_row_once(make_relay_of_all, acts):
    source = Source(12)
    relay = make_relay_of_all(source)
    batches = []
    for act in acts:
        if act == "take" and len(batches) < 12:
            batches.append(relay.take())
        elif act == "idle":
            relay.spool_if_idle(0)
        else:
            relay.hurry(is_needed=act == "hurry")
    assert numbers(batches + rest(relay)) == list(range(120))
    assert (source.closed, source.ended) == (1, 1)
    relay.close()


@pytest.fixture(scope="module")
def make_relay_of_all(pxt, tmp_path_factory):
    from pxt_flight.engine.relay import Relay
    from pxt_flight.engine.spool import Spool

    spool = Spool(tmp_path_factory.mktemp("spool"), 1 << 30)
    yield lambda source: Relay(source, stop=source.stop, close=source.close, spool=spool, on_end=source.end)
    assert (spool._used, spool._files) == (0, 0)


# Ends


def test_an_error_comes_after_what_came_before_it(make_relay):
    source = Source(3, fault=error("timeout", "It took too long."))
    relay = make_relay(source)
    relay.spool_if_idle(0)
    eventually(lambda: source.ended)
    assert [len(relay.take()) for _ in range(3)] == [10, 10, 10]
    with pytest.raises(PxtFlightError, match="took too long"):
        relay.take()
    assert source.closed == 1


def test_a_full_spool_ends_the_stream_after_what_it_holds(make_relay, make_spool):
    source = Source(1000)
    relay = make_relay(source, make_spool(capacity=100_000))
    relay.spool_if_idle(0)
    eventually(lambda: source.ended)
    assert source.made < 1000
    batches = [relay.take() for _ in range(source.made - 1)]
    assert numbers(batches) == list(range(len(batches) * 10))
    with pytest.raises(PxtFlightError) as caught:
        relay.take()
    assert (caught.value.code, caught.value.retryable) == ("client_too_slow", True)
    assert "PXT_FLIGHT_SPILL_BYTES" in caught.value.hint


def test_a_stream_leaves_as_much_to_others_as_it_takes(make_relay, make_spool):
    spool = make_spool(capacity=1_000_000)
    greedy, modest = Source(10_000), Source(20)
    first = make_relay(greedy, spool)
    first.spool_if_idle(0)
    eventually(lambda: greedy.ended)
    assert 450_000 < spool._used <= 500_000
    second = make_relay(modest, spool)
    second.spool_if_idle(0)
    eventually(lambda: modest.ended)
    assert numbers(rest(second)) == list(range(200))
    first.close()
    second.close()
    assert (spool._used, spool._files) == (0, 0)


def test_what_was_read_of_a_file_is_given_back(make_relay, make_spool):
    spool = make_spool()
    source = Source(50)
    relay = make_relay(source, spool)
    relay.hurry(is_needed=True)
    rest(relay)
    assert spool._used == 0


def test_cut_while_the_client_is_away(make_relay):
    source = Source(50)
    relay = make_relay(source)
    relay.take()
    relay.cut(error("unavailable", "The table is being changed."), at_once=False)
    eventually(lambda: source.ended)
    assert (source.made, source.closed) == (1, 1)
    with pytest.raises(PxtFlightError, match="being changed"):
        relay.take()


@pytest.mark.parametrize("at_once", [True, False])
def test_cut_while_the_source_hangs(make_relay, at_once):
    source = Source(50)
    relay = make_relay(source)
    relay.take()
    source.allowed = 1
    faults = []

    def take():
        try:
            relay.take()
        except PxtFlightError as fault:
            faults.append(fault.message)

    client = threading.Thread(target=take)
    client.start()
    eventually(lambda: relay._client_reads)
    relay.cut(error("unavailable", "The table is being changed."), at_once=at_once)
    client.join(10)
    assert faults == ["The table is being changed."]
    assert (source.closed, source.ended) == (1, 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_spooled_is_told_before_a_cut_that_waits(make_relay, at_once):
    source = Source(50)
    relay = make_relay(source)
    relay.spool_if_idle(0)
    eventually(lambda: source.ended)
    relay.cut(error("unavailable", "The server is stopping."), at_once=at_once)
    if at_once:
        with pytest.raises(PxtFlightError, match="stopping"):
            relay.take()
    else:
        assert numbers(rest(relay)) == list(range(500))


def test_closing_while_it_is_spooled(make_relay, make_spool):
    spool = make_spool()
    source = Source(10_000)
    relay = make_relay(source, spool)
    relay.spool_if_idle(0)
    eventually(lambda: source.made > 3)
    relay.close()
    eventually(lambda: source.ended and spool._files == 0)
    assert (source.closed, spool._used) == (1, 0)
    assert source.made < 10_000


def test_closing_what_nobody_reads_closes_it_at_once(make_relay):
    source = Source(3)
    relay = make_relay(source)
    relay.close()
    relay.close()
    assert (source.made, source.closed, source.ended) == (0, 1, 1)


def test_no_file_has_a_name(make_relay, make_spool, tmp_path):
    source = Source(20)
    relay = make_relay(source, make_spool())
    relay.spool_if_idle(0)
    eventually(lambda: source.ended)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, os, signal, pathlib, pyarrow as pa
from pxt_flight.engine.spool import Spool
file = Spool(pathlib.Path(sys.argv[1]), 1 << 30).open()
file.append(pa.record_batch({"n": list(range(100_000))}))
print(os.fstat(file._file.fileno()).st_size, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_no_file(pxt, tmp_path):
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert int(ended.stdout) > 800_000
    assert list(tmp_path.iterdir()) == []


def test_so_many_files_and_no_more(make_spool):
    spool = make_spool()
    files = [spool.open() for _ in range(128)]
    with pytest.raises(PxtFlightError) as caught:
        spool.open()
    assert caught.value.code == "client_too_slow"
    files.pop().close()
    files.append(spool.open())
    for file in files:
        file.close()
    assert spool._files == 0
