"""SQL over HTTP, as JSON and as Arrow; who may read what, and what is refused."""

import threading

import httpx
import pyarrow as pa
import pytest
import uvicorn
from events import eventually
from film_rows import path_of

from pxt_flight.http.__main__ import listen
from pxt_flight.http.api import create_api
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening

ARROW = "application/vnd.apache.arrow.stream"
AS_ARROW = {"accept": ARROW}


@pytest.fixture(scope="module")
def many(pxt):
    """2500 rows."""
    table = pxt.create_table("rest_many", {"id": pxt.Int, "name": pxt.String | None}, if_exists="replace")
    table.insert([{"id": i, "name": "x" * 20} for i in range(2500)])
    yield table
    pxt.drop_table("rest_many")


@pytest.fixture
def reading(engine, tmp_path):
    """A client that may read the tables whose names begin with `t`, and write nothing."""
    from pxt_flight.access.grants import MediaGrants, Signer
    from pxt_flight.access.keys import KeyRing, key_hash, make_key
    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.writer import Writer
    from pxt_flight.operations.startup import OpenStore

    key = make_key()
    ring = KeyRing(b"p", {key_hash(b"p", key): Principal("r", "reading", frozenset({"read"}), ("t*",))})
    writer = Writer(engine)
    store = OpenStore(engine, writer, ring, Signer(b"s" * 32), MediaGrants(b"s" * 32), "")
    opening, listener = Opening(lambda: store, lambda store: create_api(store, tmp_path)), listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(tmp_path, opening), log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    opening.begin()
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()
    writer.close()


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def opened(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
    return pa.ipc.open_stream(answer.content).read_all()


def test_a_query_as_json(http, many):
    answer = http.post("/api/v1/query", json={"sql": "select id, name from rest_many where id < $1 order by id", "parameters": [2]})
    assert answer.json() == {
        "rows": [{"id": 0, "name": "x" * 20}, {"id": 1, "name": "x" * 20}],
        "columns": [{"name": "id", "type": "Int"}, {"name": "name", "type": "String"}],
        "truncated": False,
        "hint": None,
    }
    whole = http.post("/api/v1/query", json={"sql": "select id from rest_many limit 1000"}).json()
    assert (len(whole["rows"]), whole["truncated"]) == (1000, False)
    cut = http.post("/api/v1/query", json={"sql": "select id from rest_many order by id"}).json()
    assert ([row["id"] for row in cut["rows"]], cut["truncated"]) == (list(range(1000)), True)
    assert ARROW in cut["hint"]


def test_a_query_as_arrow(http, many):
    table = opened(http.post("/api/v1/query", json={"sql": "select id from rest_many order by id"}, headers=AS_ARROW))
    assert table["id"].to_pylist() == list(range(2500))
    empty = opened(http.post("/api/v1/query", json={"sql": "select id from rest_many where false"}, headers=AS_ARROW))
    assert (empty.num_rows, empty.schema.names) == (0, ["id"])


def test_rows_as_arrow(http, many):
    url = "/api/v1/tables/rest_many/rows"
    assert sorted(opened(http.get(url, headers=AS_ARROW))["id"].to_pylist()) == list(range(2500))
    first = http.get(url, headers=AS_ARROW, params={"limit": 1500, "order_by": "-id"})
    assert opened(first)["id"].to_pylist() == list(range(2499, 999, -1))
    assert opened(first).schema.names == ["id", "name"]
    assert first.headers["etag"].endswith('-arrow"')
    known = http.get(url, headers=AS_ARROW | {"if-none-match": first.headers["etag"]}, params={"limit": 1500, "order_by": "-id"})
    assert known.status_code == 304
    page = http.get(url, params={"limit": 1000, "order_by": "-id"}).json()
    rest = http.get(url, headers=AS_ARROW, params={"order_by": "-id", "cursor": page["next_cursor"]})
    assert opened(rest)["id"].to_pylist() == list(range(1499, -1, -1))
    assert problem(http.get(url, params={"limit": 1001})) == (422, "INVALID_ARGUMENT")


def test_an_error_of_the_query_is_no_stream(http, many):
    for sql, expected in (("select 1 / (id - 3) from rest_many", "INVALID_ARGUMENT"), ("select nope from rest_many", "COLUMN_NOT_FOUND")):
        for headers in ({}, AS_ARROW):
            assert problem(http.post("/api/v1/query", json={"sql": sql}, headers=headers))[1] == expected


def test_a_client_that_leaves_stops_its_query(http, many, busy_backends, server):
    sql = "select a.id, a.name || b.name as name from rest_many a, rest_many b, rest_many c"
    with http.stream("POST", "/api/v1/query", json={"sql": sql}, headers=AS_ARROW) as answer:
        chunk = next(answer.iter_raw())
        assert chunk
        assert busy_backends()
    eventually(lambda: not busy_backends())


def test_who_may_read(http, films, many, server, reading):
    url = f"/api/v1/tables/{path_of(films)}/rows"
    assert len(reading.get(url).json()["rows"]) == 40
    assert problem(reading.get("/api/v1/tables/rest_many/rows")) == (404, "TABLE_NOT_FOUND")
    inside = {"where": "id in (select id from rest_many)"}
    assert problem(reading.get(url, params=inside)) == (404, "TABLE_NOT_FOUND")
    assert problem(reading.get(url, params=inside | {"aggregate": "count(*)"})) == (404, "TABLE_NOT_FOUND")
    assert problem(reading.post("/api/v1/query", json={"sql": "select * from rest_many"})) == (404, "TABLE_NOT_FOUND")
    assert problem(reading.delete(url, params={"where": '{"id": 1}'})) == (403, "permission_denied")
    assert http.get(url, params=inside).status_code == 200
    assert problem(httpx.get(f"{server.http_url}{url}")) == (401, "key_missing")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"select": "nope"}, "COLUMN_NOT_FOUND"),
        ({"order_by": "nope"}, "COLUMN_NOT_FOUND"),
        ({"where": "nope = 1"}, "COLUMN_NOT_FOUND"),
        ({"where": '{"nope": 1}'}, "COLUMN_NOT_FOUND"),
        ({"group_by": "nope", "aggregate": "count(*)"}, "COLUMN_NOT_FOUND"),
        ({"select": "a..b"}, "INVALID_ARGUMENT"),
        ({"select": "id.x"}, "TYPE_MISMATCH"),
        ({"where": '{"score": {"gtt": 1}}'}, "INVALID_EXPRESSION"),
        ({"where": '{"score": '}, "INVALID_EXPRESSION"),
        ({"where": "score >"}, "sql_syntax"),
        ({"where": "true; drop table films"}, "sql_not_allowed"),
        ({"where": '{"score": "x"}'}, "TYPE_MISMATCH"),
        ({"where": "id = $1"}, "INVALID_ARGUMENT"),
        ({"parameters": "[1]"}, "INVALID_ARGUMENT"),
        ({"aggregate": "median(score)"}, "INVALID_ARGUMENT"),
        ({"aggregate": "sum(*)"}, "INVALID_ARGUMENT"),
        ({"aggregate": "count(*)", "select": "id"}, "INVALID_ARGUMENT"),
        ({"order_by": "sum(score)"}, "INVALID_ARGUMENT"),
        ({"order_by": "-score desc"}, "INVALID_ARGUMENT"),
        ({"order_by": "--score"}, "INVALID_ARGUMENT"),
        ({"limit": "0"}, "INVALID_ARGUMENT"),
        ({"limit": "99999999999999999999"}, "INVALID_ARGUMENT"),
        ({"offset": "-1"}, "INVALID_ARGUMENT"),
        ({"version": "99"}, "TABLE_NOT_FOUND"),
        ({"version": "-1"}, "INVALID_ARGUMENT"),
        ({"media": "nope"}, "INVALID_ARGUMENT"),
        ({"count": "some"}, "INVALID_ARGUMENT"),
    ],
)
def test_what_is_refused(http, films, params, code):
    answer = http.get(f"/api/v1/tables/{path_of(films)}/rows", params=params)
    assert problem(answer)[1] == code, answer.text
    assert "made" not in answer.text  # no column that was not asked for
