"""Queries in an engine that is small: what waits, what is refused, what is stopped, and that nothing is kept by those that are gone."""

import contextlib
import gc
import threading

import psycopg
import pytest
from events import eventually

from pxt_flight.errors import PxtFlightError


@pytest.fixture(scope="module")
def texts(pxt):
    """16 MB of text: more than any buffer on the way holds."""
    pxt.create_table("bounds_texts", {"id": pxt.Int, "text": pxt.String}).insert([{"id": i, "text": "x" * 4000} for i in range(4000)])
    yield "bounds_texts"
    pxt.drop_table("bounds_texts", force=True)


@pytest.fixture
def small_engine(new_engine, tmp_path):
    """An engine with little room, which looks at its streams often: `small_engine(queries=1)`."""
    from pxt_flight.engine.bounds import Capacity

    def make(**capacity):
        few = {"queries": 1, "streams": 1, "waiting": 1, "patience": 20.0, "tick": 0.05, "idle": 0.2, "drain": 1.0, "spool": tmp_path}
        return new_engine(capacity=Capacity(**few | capacity))

    return make


@pytest.fixture
def request_of(pxt):
    from pxt_flight.engine.scan import Request

    return Request


@pytest.fixture
def locked(pxt, texts):
    """Hold the table as one who changes it does: `with locked():`; yields the connection that holds it."""
    from pxt_flight.engine.seam.store import libpq_uri

    store_table = f"tbl_{pxt.get_table(texts).get_metadata()['id'].hex}"

    @contextlib.contextmanager
    def lock():
        with psycopg.connect(libpq_uri()) as connection:
            connection.execute(f"lock table {store_table} in access exclusive mode")
            yield connection
            connection.rollback()

    return lock


@pytest.fixture
def copies(postgres):
    """Whether a statement of the tier `copy` runs: how many do."""
    query = "select count(*) from pg_stat_activity where state = 'active' and query like 'COPY %' and pid <> pg_backend_pid()"
    return lambda: postgres.execute(query).fetchone()[0]


class Reading(threading.Thread):
    """A thread that reads a request to its end: `rows`, or the `fault` that it ended with."""

    def __init__(self, engine, request, **options):
        super().__init__(daemon=True)
        self._engine, self._request, self._options = engine, request, options
        self.stop = self.fault = None
        self.rows = 0
        self.began = threading.Event()
        self.start()

    def run(self):
        try:
            with contextlib.closing(self._engine.stream(self._request, on_open=self._told, **self._options)) as stream:
                self.stop = stream.cancel
                self.began.set()
                for batch in stream.batches:
                    self.rows += batch.num_rows
        except PxtFlightError as fault:
            self.fault = fault
        self.began.set()

    def _told(self, stop):
        self.stop = stop

    def ended(self, timeout=15):
        self.join(timeout)
        assert not self.is_alive()
        return self


def waits_for_lock(connection):
    return connection.execute("select count(*) from pg_locks where not granted").fetchone() != (0,)


def test_one_at_a_time_and_one_that_waits(small_engine, request_of, texts):
    engine = small_engine(idle=60.0)
    request = request_of(f"select id, text from {texts}")
    with contextlib.closing(engine.stream(request)) as stream:
        next(stream.batches)
        waiting = Reading(engine, request)
        eventually(lambda: waiting.stop)
        with pytest.raises(PxtFlightError) as caught:
            engine.stream(request)
        assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
        assert waiting.is_alive()
    assert waiting.ended().rows == 4000


def test_who_is_cancelled_while_waiting_makes_room(small_engine, request_of, texts):
    engine = small_engine(idle=60.0)
    request = request_of(f"select id, text from {texts}")
    with contextlib.closing(engine.stream(request)) as stream:
        next(stream.batches)
        leaving = Reading(engine, request)
        eventually(lambda: leaving.stop)
        leaving.stop()
        assert leaving.ended().fault.code == "cancelled"
        staying = Reading(engine, request)
        eventually(lambda: staying.stop)
    assert staying.ended().rows == 4000


def test_a_client_that_lags_keeps_no_place(small_engine, request_of, texts, busy_backends):
    engine = small_engine(waiting=0)
    request = request_of(f"select id, text from {texts} order by id")
    with contextlib.closing(engine.stream(request)) as stream:
        ids = next(stream.batches).column(0).to_pylist()
        eventually(lambda: not busy_backends())
        assert Reading(engine, request).ended().rows == 4000
        ids += [n for batch in stream.batches for n in batch.column(0).to_pylist()]
    assert ids == list(range(4000))


@pytest.mark.parametrize("tier", ["copy", "cursor"])
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_stream_that_is_dropped_gives_its_place_back(small_engine, request_of, texts, tier, is_begun, busy_backends):
    engine = small_engine(waiting=0, idle=60.0)
    request = request_of(f"select id, text from {texts}")
    stream = engine.stream(request, tier=tier)
    if is_begun:
        next(stream.batches)
    del stream
    gc.collect()
    eventually(lambda: not busy_backends())
    assert eventually(lambda: (again := Reading(engine, request, tier=tier).ended()).rows == 4000 and again)


@pytest.mark.parametrize("tier", ["copy", "cursor"])
def test_closing_the_engine_cuts_streams_off(small_engine, request_of, texts, tier, busy_backends):
    engine = small_engine(idle=60.0)
    stream = engine.stream(request_of(f"select id, text from {texts}"), tier=tier)
    next(stream.batches)
    engine.close()
    eventually(lambda: not busy_backends())
    with pytest.raises(PxtFlightError, match="stopping"):
        list(stream.batches)


def test_streams_of_pixeltable_do_not_starve_the_rest(small_engine, request_of, texts):
    engine = small_engine(queries=2, idle=60.0)
    request = request_of(f"select id, text from {texts}")
    with contextlib.closing(engine.stream(request, tier="cursor")) as stream:
        next(stream.batches)
        waiting = Reading(engine, request, tier="cursor")
        assert waiting.began.wait(10)
        assert Reading(engine, request_of(f"select count(*) from {texts}")).ended().rows == 1
        assert Reading(engine, request_of(f"select id from {texts} where id < 7")).ended().rows == 7
        assert waiting.is_alive()
    assert waiting.ended().rows == 4000


def test_a_stream_of_pixeltable_that_waits_can_be_cancelled(small_engine, request_of, texts):
    engine = small_engine(idle=60.0)
    request = request_of(f"select id, text from {texts}")
    with contextlib.closing(engine.stream(request, tier="cursor")) as stream:
        next(stream.batches)
        waiting = Reading(engine, request, tier="cursor")
        assert waiting.began.wait(10)
        waiting.stop()
        assert waiting.ended(5).fault is not None
    assert Reading(engine, request, tier="cursor").ended().rows == 4000


def test_cancelling_interrupts_the_statement_of_pixeltable(small_engine, request_of, texts, locked):
    engine = small_engine(idle=60.0)
    request = request_of(f"select id, text from {texts}")
    assert Reading(engine, request, tier="cursor").ended().rows == 4000
    with locked() as connection:
        reading = Reading(engine, request, tier="cursor")
        eventually(lambda: waits_for_lock(connection))
        reading.stop()
        assert reading.ended(5).fault is not None
        eventually(lambda: not waits_for_lock(connection), 5)
    assert Reading(engine, request, tier="cursor").ended().rows == 4000


def test_planning_does_not_wait_for_long_behind_who_changes_the_table(monkeypatch, small_engine, request_of, texts, locked):
    monkeypatch.setattr("pxt_flight.engine.adbc.LOCK_SECONDS", 0.5)
    engine = small_engine()
    with locked(), pytest.raises(PxtFlightError) as caught:
        engine.plan(request_of(f"select id + 1 as n from {texts}"))
    assert (caught.value.code, caught.value.message, caught.value.retryable) == ("unavailable", "The table is being changed.", True)
    assert len(engine.plan(request_of(f"select id + 1 as n from {texts}")).schema) == 1


# Who changes a table waits for a bounded time


@pytest.mark.parametrize("tier", ["copy", "cursor"])
def test_a_column_can_be_added_beside_a_client_that_lags(pxt, small_engine, request_of, texts, tier):
    engine = small_engine(drain=60.0)
    with contextlib.closing(engine.stream(request_of(f"select id, text from {texts} order by id"), tier=tier)) as stream:
        batches = [next(stream.batches)]
        pxt.get_table(texts).add_columns({f"lag_{tier}": pxt.Int | None})
        batches += list(stream.batches)
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == list(range(4000))
    assert {text for batch in batches for text in batch.column(1).to_pylist()} == {"x" * 4000}


@pytest.mark.parametrize(
    "endless",
    [
        "select a.id, b.text from {0} a, {0} b",  # batches come, and never end
        "select count(*) from {0} a, {0} b where a.text like '%q1%' or b.text like '%q2%'",  # none comes for a long time
    ],
)
def test_a_query_without_end_makes_way(pxt, small_engine, request_of, texts, endless, copies):
    engine = small_engine(idle=60.0)
    reading = Reading(engine, request_of(endless.format(texts)))
    eventually(copies)
    adding = threading.Thread(target=lambda: pxt.get_table(texts).add_columns({f"way_{len(endless)}": pxt.Int | None}))
    adding.start()
    fault = reading.ended(30).fault
    assert (fault.code, fault.message, fault.hint) == ("unavailable", "The table is being changed.", "Run the query again.")
    adding.join(30)
    assert not adding.is_alive()
    assert f"way_{len(endless)}" in pxt.get_table(texts).columns()


def test_others_that_read_beside_are_left_alone(pxt, small_engine, request_of, texts, make_table):
    other = make_table({"id": pxt.Int}, [{"id": 1}])
    engine = small_engine(queries=2, idle=60.0, drain=0.2)
    with contextlib.closing(engine.stream(request_of(f"select id, text from {texts} order by id"))) as stream:
        ids = next(stream.batches).column(0).to_pylist()
        other.add_columns({"more": pxt.Int | None})
        ids += [n for batch in stream.batches for n in batch.column(0).to_pylist()]
    assert ids == list(range(4000))
