"""Limits of how often a key may call: the bucket against a plain model, and what each wire says of it."""

import math
from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from edge_wires import registered
from hypothesis import given, settings
from hypothesis import strategies as st

import pxt_flight as pf
from pxt_flight.access.limits import RateLimits
from pxt_flight.errors import RateLimitedError
from pxt_flight.public_api import RateLimit, find_operation, public_api

ARROW = "application/vnd.apache.arrow.stream"


# The bucket


class Model:
    """A bucket in exact numbers."""

    def __init__(self, limit):
        self.limit, self.tokens = limit, Fraction(limit.count)
        self.each = Fraction(limit.seconds, limit.count)

    def wait(self, seconds):
        self.tokens = min(Fraction(self.limit.count), self.tokens + seconds / self.each)

    def take(self):
        is_taken = self.tokens >= 1
        self.tokens -= is_taken
        return is_taken


limits = st.builds(RateLimit, st.integers(1, 50), st.sampled_from([1, 60, 3600]))
# Eighths of a second are exact as floats.
steps = st.lists(st.one_of(st.just("take"), st.integers(1, 8 * 4000).map(lambda eighths: Fraction(eighths, 8))), max_size=60)


@settings(max_examples=150, deadline=None)
@given(limits, steps)
def test_a_bucket_is_its_model(limit, steps):
    now = [1000.0]
    buckets, model = RateLimits(lambda: now[0]), Model(limit)
    for step in steps:
        if step == "take":
            try:
                buckets.take("key", limit)
                is_taken = True
            except RateLimitedError:
                is_taken = False
            assert is_taken == model.take()
        else:
            now[0] += float(step)
            model.wait(step)
        left = buckets.left("key", limit)
        assert left.remaining == math.floor(model.tokens)
        assert left.reset == math.ceil((limit.count - model.tokens) * model.each)
        assert left.retry_after == (0 if model.tokens >= 1 else max(1, math.ceil((1 - model.tokens) * model.each)))


@settings(max_examples=50, deadline=None)
@given(limits)
def test_who_waits_for_as_long_as_it_was_told_may_call(limit):
    now = [1000.0]
    buckets = RateLimits(lambda: now[0])
    for _ in range(limit.count):
        buckets.take("key", limit)
    with pytest.raises(RateLimitedError) as refused:
        buckets.take("key", limit)
    buckets.take("another key", limit)
    now[0] += refused.value.where["retry_after"]
    buckets.take("key", limit)


def test_the_memory_of_buckets_is_bounded():
    limit, buckets = RateLimit(2, 3600), RateLimits(buckets=100)
    for number in range(1000):
        buckets.take(number, limit)
        buckets.take("always", limit) if number < 2 else buckets.left("always", limit)
    assert len(buckets) == 100
    assert buckets.left(999, limit).remaining == 1
    assert buckets.left(0, limit).remaining == 2  # forgotten


# HTTP


def limited(count, name="edge_limited", **options):
    def operation(call: object, fail: bool = False) -> int:
        """Count."""
        if fail:
            raise pf.NotFoundError("TABLE_NOT_FOUND", "There is no such table.")
        return 1

    operation.__qualname__ = operation.__name__ = name
    return public_api(permission="read", rate_limit=f"{count}/minute", raises=("TABLE_NOT_FOUND",), **options)(operation).__api_metadata__


@pytest.fixture
def counted(wires):
    """Both wires with an operation that a key may call three times in a minute."""
    with registered():
        limited(3)
        yield wires()


def test_every_answer_says_what_is_left(counted):
    answers = [
        counted.http.post("/api/pixeltable/edge_limited", json={}),
        counted.http.post("/api/pixeltable/edge_limited", json={"fail": True}),
        counted.http.post("/api/pixeltable/edge_limited", json={"fail": 7}),  # not an argument: it was not called
        counted.http.post("/api/pixeltable/edge_limited", json={}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 200]
    assert [answer.headers["ratelimit"] for answer in answers] == [
        f'"default";r={r};t={t}' for r, t in [(2, 20), (1, 40), (1, 40), (0, 60)]
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=3;w=60'}
    assert all("retry-after" not in answer.headers for answer in answers)


def test_one_call_too_many(counted):
    for _ in range(3):
        assert counted.http.post("/api/pixeltable/edge_limited", json={}).status_code == 200
    counted.clock.now += 5.5
    refused = counted.http.post("/api/pixeltable/edge_limited", json={})
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (429, "rate_limited", True)
    assert refused.headers["retry-after"] == "15"
    assert refused.json()["where"] == {"retry_after": 15}
    assert refused.headers["ratelimit"] == '"default";r=0;t=55'
    other = {"authorization": f"Bearer {counted.make_key('read')}"}
    assert counted.http.post("/api/pixeltable/edge_limited", json={}, headers=other).status_code == 200
    counted.clock.now += 15
    assert counted.http.post("/api/pixeltable/edge_limited", json={}).status_code == 200


def test_who_has_no_key_is_told_nothing_and_takes_nothing(counted):
    refused = counted.http.post("/api/pixeltable/edge_limited", json={}, headers={"authorization": "Bearer no"})
    assert refused.status_code == 401
    assert "ratelimit" not in refused.headers
    assert len(counted.store.limits) == 0


def test_an_operation_without_a_limit_says_nothing(counted):
    answer = counted.http.get("/api/v1/tables")
    assert answer.status_code == 200
    assert not {"ratelimit", "ratelimit-policy"} & answer.headers.keys()


def test_the_document_names_the_limit(counted):
    document = counted.http.get("/openapi.json").json()
    assert document["paths"]["/api/pixeltable/edge_limited"]["post"]["x-rate-limit"] == "3/minute"


def test_a_server_that_is_busy_says_when_to_try_again(wires):
    served = wires()
    from pxt_flight.errors import error
    from pxt_flight.http.problems import problem

    assert problem(error("table_busy", "Busy.")).headers["retry-after"] == "1"
    assert problem(error("unavailable", "Full.", where={"retry_after": 7})).headers["retry-after"] == "7"
    assert "retry-after" not in problem(error("TABLE_NOT_FOUND", "Gone.")).headers
    assert served.http.get("/api/v1/nothing").headers.get("retry-after") is None


# Flight, and the client


def test_flight_says_that_it_may_be_tried_again(counted):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {counted.key}".encode())])
    with fl.connect(counted.uri) as stranger:
        for _ in range(3):
            list(stranger.do_action(fl.Action("pixeltable.edge_limited", b"{}"), options))
        with pytest.raises(fl.FlightUnavailableError, match="rate_limited"):
            list(stranger.do_action(fl.Action("pixeltable.edge_limited", b"{}"), options))


def test_the_client_raises_an_error_of_its_own(counted):
    with counted.connect() as db:
        for _ in range(3):
            assert db._transport.call("pixeltable.edge_limited") == 1
        with pytest.raises(pf.RateLimitedError) as refused:
            db._transport.call("pixeltable.edge_limited")
        assert refused.value.where == {"retry_after": 20}
        assert refused.value.retryable


def test_both_wires_of_a_process_count_together(counted):
    assert counted.http.post("/api/pixeltable/edge_limited", json={}).status_code == 200
    with counted.connect() as db:
        db._transport.call("pixeltable.edge_limited")
    assert counted.http.post("/api/pixeltable/edge_limited", json={}).headers["ratelimit"] == '"default";r=0;t=60'


# Record batches


@pytest.fixture
def films(make_table, pxt):
    return make_table({"id": pxt.Int}, [{"id": 1}])


def stream(rows):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("way", ["client", "path", "ingest", "http"])
def test_rows_that_come_are_counted(wires, films, way):
    name, rows = films.get_metadata()["name"], pa.table({"id": [2]})
    with registered(replace(find_operation("Table.insert"), rate_limit=RateLimit(1, 60))):
        served = wires()
        options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {served.key}".encode())])

        def put():
            if way == "http":
                answer = served.http.post(f"/api/v1/tables/{name}/rows", content=stream(rows), headers={"content-type": ARROW})
                if answer.status_code == 429:
                    assert answer.headers["ratelimit"] == '"default";r=0;t=60'
                    raise pf.RateLimitedError(answer.json()["code"], answer.json()["detail"])
                assert answer.status_code == 201
                return
            with served.connect() as db:
                if way == "client":
                    db.table(name).insert(rows)
                elif way == "ingest":
                    with db.adbc() as connection, connection.cursor() as cursor:
                        cursor.adbc_ingest(name, rows, mode="append")
                else:
                    with fl.connect(served.uri) as stranger:
                        writer, _ = stranger.do_put(fl.FlightDescriptor.for_path(name), rows.schema, options)
                        writer.write_table(rows)
                        writer.close()

        put()
        with pytest.raises(Exception, match="rate_limited"):
            put()
    assert films.count() == 2


def test_queries_are_counted(wires, films):
    name = films.get_metadata()["name"]
    with registered(replace(find_operation("query"), rate_limit=RateLimit(2, 60))):
        served = wires()
        with served.connect() as db:
            assert db.sql(f"select id from {name}").to_arrow().num_rows == 1
            with db.adbc() as connection, connection.cursor() as cursor:
                cursor.execute(f"select id from {name}")
                assert cursor.fetch_arrow_table().num_rows == 1
            with pytest.raises(pf.RateLimitedError):
                db.sql(f"select id from {name}").to_arrow()
