"""One row by its row id and by its key: GET, PUT, PATCH, DELETE, with ETags."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

ROWS = "/api/v1/tables/rest_dir.films/rows"
NAMES = {"by row id": (f"{ROWS}/1", {}), "by key": (ROWS, {"key.id": "2"})}
named = pytest.mark.parametrize(("path", "query"), NAMES.values(), ids=NAMES)


def film(number, **more):
    return {"id": number, "name": f"film {number}", "score": number / 2} | more


@pytest.fixture
def three(rest, films):
    assert rest.post(ROWS, json={"rows": [film(1), film(2), film(3)]}).status_code == 201
    return films


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def state(table):
    rows = [(row["id"], row["name"], row["score"]) for row in table.order_by(table.id).select(table.id, table.name, table.score).collect()]
    return rows, table.get_metadata()["version"]


@named
def test_get(rest, three, path, query):
    answer = rest.get(path, params=query)
    assert (answer.status_code, answer.headers["etag"]) == (200, answer.json()["etag"])
    assert answer.json()["row"] == film(2) | {"doubled": 2.0}
    assert answer.json()["row_id"] == "1"
    assert rest.get(path, params=query).headers["etag"] == answer.headers["etag"]


@named
def test_an_etag_changes_as_the_row_is_written(rest, three, path, query):
    first = rest.get(path, params=query).headers["etag"]
    assert rest.patch(f"{ROWS}/0", json={"set": {"name": "another row"}}).status_code == 200
    assert rest.get(path, params=query).headers["etag"] == first
    assert rest.get(path, params=query, headers={"if-none-match": first}).status_code == 304
    answer = rest.get(path, params=query, headers={"if-none-match": f'"x", W/{first}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", first)
    assert rest.patch(path, params=query, json={"set": {"name": "film 2"}}).status_code == 200  # the same value, written anew
    second = rest.get(path, params=query, headers={"if-none-match": first})
    assert (second.status_code, second.headers["etag"] != first) == (200, True)


def test_a_version_that_comes_again_after_a_revert_has_another_etag(rest, three):
    rest.patch(f"{ROWS}/1", json={"set": {"name": "a"}})
    first = rest.get(f"{ROWS}/1").headers["etag"]
    three.revert()
    rest.patch(f"{ROWS}/1", json={"set": {"name": "b"}})
    second = rest.get(f"{ROWS}/1").headers["etag"]
    assert (first.rpartition(".")[0], first != second) == (second.rpartition(".")[0], True)
    assert problem(rest.patch(f"{ROWS}/1", json={"set": {"name": "c"}}, headers={"if-match": first})) == (412, "precondition_failed")


@named
def test_put_replaces_all_of_a_row(rest, three, path, query):
    answer = rest.put(path, params=query, json={"row": {"name": "new"}})
    assert (answer.status_code, answer.json()["updated"]) == (200, 1)
    assert state(three)[0][1] == (2, "new", None)
    assert rest.put(path, params=query, json={"row": {"id": 2, "name": "newer", "score": 5}}).status_code == 200
    assert state(three)[0] == [(1, "film 1", 0.5), (2, "newer", 5.0), (3, "film 3", 1.5)]
    assert rest.get(path, params=query).json()["row"]["doubled"] == 10.0


@named
def test_patch_changes_a_part_of_a_row(rest, three, path, query):
    tag = rest.get(path, params=query).headers["etag"]
    answer = rest.patch(path, params=query, json={"set": {"score": 9}}, headers={"if-match": tag})
    assert (answer.status_code, answer.json()["updated"]) == (200, 1)
    assert answer.headers["etag"] == rest.get(path, params=query).headers["etag"] == answer.json()["etag"]
    again = rest.patch(path, params=query, json={"set": {"score": None}}, headers={"if-match": f'"other", {answer.headers["etag"]}'})
    assert again.status_code == 200
    assert state(three)[0][1] == (2, "film 2", None)


@named
def test_delete(rest, three, path, query):
    answer = rest.delete(path, params=query)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [row[0] for row in state(three)[0]] == [1, 3]
    for method in ("GET", "DELETE"):
        assert problem(rest.request(method, path, params=query)) == (404, "ROW_NOT_FOUND")
    assert problem(rest.patch(path, params=query, json={"set": {"score": 1}})) == (404, "ROW_NOT_FOUND")
    assert problem(rest.put(path, params=query, json={"row": film(2)}, headers={"if-match": "*"})) == (404, "ROW_NOT_FOUND")


@named
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_if_match(rest, three, path, query, method):
    body = {"PUT": {"row": film(2, name="x")}, "PATCH": {"set": {"name": "x"}}, "DELETE": None}[method]
    before = state(three)
    tag = rest.get(path, params=query).headers["etag"]
    for wrong in ('"1.1.000000000000"', f"W/{tag}", tag.strip('"'), ""):
        answer = rest.request(method, path, params=query, json=body, headers={"if-match": wrong})
        assert problem(answer) == (412, "precondition_failed")
    assert state(three) == before
    assert rest.request(method, path, params=query, json=body, headers={"if-match": "*"}).status_code in (200, 204)
    assert state(three)[1] == before[1] + 1


REFUSED = {
    "a required column is missing": ("PUT", {"row": {"score": 1}}, 422, "MISSING_REQUIRED"),
    "NULL where there must be a value": ("PUT", {"row": {"name": None}}, 422, "MISSING_REQUIRED"),
    "a computed column": ("PUT", {"row": film(2, doubled=1)}, 422, "UNSUPPORTED_OPERATION"),
    "another key": ("PUT", {"row": film(7)}, 422, "UNSUPPORTED_OPERATION"),
    "a foreign column": ("PUT", {"row": film(2, year=1)}, 404, "COLUMN_NOT_FOUND"),
    "a value that does not fit": ("PUT", {"row": film(2, score="high")}, 422, "TYPE_MISMATCH"),
    "no row": ("PUT", {}, 422, "INVALID_ARGUMENT"),
    "patch of a computed column": ("PATCH", {"set": {"doubled": 1}}, 422, "UNSUPPORTED_OPERATION"),
    "patch of the key": ("PATCH", {"set": {"id": 5}}, 422, "UNSUPPORTED_OPERATION"),
    "patch of nothing": ("PATCH", {"set": {}}, 422, "INVALID_ARGUMENT"),
    "patch to NULL": ("PATCH", {"set": {"name": None}}, 422, "MISSING_REQUIRED"),
    "an unknown field": ("PATCH", {"set": {"name": "x"}, "mode": 1}, 422, "INVALID_ARGUMENT"),
    "a condition too": ("PATCH", {"set": {"name": "x"}, "where": "id = 1"}, 422, "INVALID_ARGUMENT"),
}


@named
@pytest.mark.parametrize(("method", "body", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_leaves_no_trace(rest, three, path, query, method, body, status, code):
    before = state(three)
    assert problem(rest.request(method, path, params=query, json=body)) == (status, code)
    assert state(three) == before


@pytest.mark.parametrize("row_id", ["99", "x", "-1", "1.5", "9" * 30, "%31x", "1%20"])
def test_row_ids_that_there_are_not(rest, three, row_id):
    before = state(three)
    assert problem(rest.get(f"{ROWS}/{row_id}")) == (404, "ROW_NOT_FOUND")
    assert problem(rest.patch(f"{ROWS}/{row_id}", json={"set": {"name": "x"}})) == (404, "ROW_NOT_FOUND")
    assert problem(rest.delete(f"{ROWS}/{row_id}")) == (404, "ROW_NOT_FOUND")
    assert state(three) == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("key.id=99", (404, "ROW_NOT_FOUND")),
        ("key.id=x", (422, "TYPE_MISMATCH")),
        ("key.id=" + "9" * 30, (422, "TYPE_MISMATCH")),
        ("key.name=film 2", (422, "INVALID_ARGUMENT")),
        ("key.id=2&key.name=x", (422, "INVALID_ARGUMENT")),
        ("key.id=2&key.id=3", (422, "INVALID_ARGUMENT")),
        ("key.id=2&where=true", (422, "INVALID_ARGUMENT")),
        ("key.id=2&all_rows=true", (422, "INVALID_ARGUMENT")),
    ],
)
def test_keys_that_there_are_not(rest, three, query, expected):
    before = state(three)
    assert problem(rest.delete(f"{ROWS}?{query}")) == expected
    assert problem(rest.get(f"{ROWS}?{query}")) == expected
    assert state(three) == before


def test_a_table_without_a_key(rest, pxt, make_table):
    name = make_table({"id": pxt.Int}, [{"id": 1}]).get_metadata()["name"]
    assert problem(rest.get(f"/api/v1/tables/{name}/rows?key.id=1")) == (409, "row_id_unsupported")
    assert rest.get(f"/api/v1/tables/{name}/rows/0").json()["row"] == {"id": 1}


def test_a_table_without_row_ids(rest, pxt):
    pxt.drop_table("operational", if_not_exists="ignore")
    table = pxt.create_table("operational", {"id": pxt.Int, "name": pxt.String}, primary_key=["id"], _is_data_versioned=False)
    table.insert([{"id": 1, "name": "a"}])
    rows = "/api/v1/tables/operational/rows"
    for method, body in (("GET", None), ("PUT", {"row": {"name": "x"}}), ("PATCH", {"set": {"name": "x"}}), ("DELETE", None)):
        assert problem(rest.request(method, f"{rows}/0", json=body)) == (409, "row_id_unsupported")
    answer = rest.get(f"{rows}?key.id=1")
    assert (answer.json()["row"], answer.json()["row_id"]) == ({"id": 1, "name": "a"}, None)
    tag = answer.headers["etag"]
    assert rest.patch(f"{rows}?key.id=1", json={"set": {"name": "b"}}, headers={"if-match": tag}).status_code == 200
    assert problem(rest.patch(f"{rows}?key.id=1", json={"set": {"name": "c"}}, headers={"if-match": tag})) == (412, "precondition_failed")
    assert rest.put(f"{rows}?key.id=1", json={"row": {"id": 1, "name": "d"}}).status_code == 200
    assert [row["name"] for row in table.collect()] == ["d"]
    assert rest.delete(f"{rows}?key.id=1").status_code == 204
    assert table.count() == 0
    pxt.drop_table("operational")


def test_a_key_of_several_columns(rest, pxt, make_table):
    import datetime as dt
    import uuid

    number = uuid.UUID(int=5)
    moment = dt.datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=dt.UTC)
    table = make_table({"a": pxt.String, "b": pxt.UUID, "c": pxt.Timestamp, "v": pxt.Int | None}, primary_key=["a", "b", "c"])
    table.insert([{"a": "x&y=z é", "b": number, "c": moment, "v": 1}, {"a": "other", "b": number, "c": moment, "v": 2}])
    rows = f"/api/v1/tables/{table.get_metadata()['name']}/rows"
    key = {"key.a": "x&y=z é", "key.b": str(number), "key.c": moment.isoformat()}
    tag = rest.get(rows, params=key).headers["etag"]
    assert rest.patch(rows, params=key, json={"set": {"v": 7}}, headers={"if-match": tag}).status_code == 200
    same = {"a": "x&y=z é", "b": str(number), "c": "2026-01-31T12:00:00.000500Z", "v": 8}
    assert rest.put(rows, params=key, json={"row": same}).status_code == 200
    assert rest.get(rows, params=key).json()["row"] == same
    assert rest.delete(rows, params=key).status_code == 204
    assert [row["v"] for row in table.collect()] == [2]


def test_views_are_read(rest, pxt, three):
    view = pxt.create_view("rest_dir.good", three.where(three.score > 0.6), if_exists="replace")
    answer = rest.get("/api/v1/tables/rest_dir.good/rows/1")
    assert answer.json()["row"]["name"] == "film 2"
    assert rest.get("/api/v1/tables/rest_dir.good/rows/0").status_code == 404
    assert problem(rest.patch("/api/v1/tables/rest_dir.good/rows/1", json={"set": {"name": "x"}})) == (422, "UNSUPPORTED_OPERATION")
    rest.patch(f"{ROWS}/1", json={"set": {"name": "x"}})
    assert rest.get("/api/v1/tables/rest_dir.good/rows/1", headers={"if-none-match": answer.headers["etag"]}).status_code == 200
    assert view.count() == 2


def test_rows_of_rows(rest, pxt, make_table):
    from PIL import Image
    from pixeltable.functions.image import tile_iterator

    pxt.create_dir("rest_dir", if_exists="ignore")
    pictures = make_table({"id": pxt.Int, "img": pxt.Image}, [{"id": i, "img": Image.new("RGB", (20, 10))} for i in range(2)])
    pxt.create_view("rest_dir.tiles", pictures, iterator=tile_iterator(pictures.img, (10, 10)), if_exists="replace")
    answer = rest.get("/api/v1/tables/rest_dir.tiles/rows/1.1")
    assert (answer.status_code, answer.json()["row_id"], answer.json()["row"]["id"]) == (200, "1.1", 1)
    assert "tile" not in answer.json()["row"]  # Pixeltable computes it while it is read
    assert rest.get("/api/v1/tables/rest_dir.tiles/rows/1.1", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert problem(rest.get("/api/v1/tables/rest_dir.tiles/rows/1.99")) == (404, "ROW_NOT_FOUND")
    assert problem(rest.get("/api/v1/tables/rest_dir.tiles/rows/1")) == (404, "ROW_NOT_FOUND")
    pxt.drop_dir("rest_dir", force=True)


def test_an_earlier_version(rest, three):
    version = three.get_metadata()["version"]
    rest.patch(f"{ROWS}/1", json={"set": {"name": "new"}})
    assert rest.get(f"/api/v1/tables/rest_dir.films:{version}/rows/1").json()["row"]["name"] == "film 2"


@named
def test_the_same_request_again(rest, three, path, query):
    tag = rest.get(path, params=query).headers["etag"]
    headers = {"idempotency-key": f"row {path}", "if-match": tag}
    first, second = (rest.patch(path, params=query, json={"set": {"score": 7}}, headers=headers) for _ in range(2))
    assert (first.json()["repeated"], second.json()["repeated"], second.status_code) == (False, True, 200)
    assert first.json()["version"] == second.json()["version"] == three.get_metadata()["version"]
    other = rest.patch(path, params=query, json={"set": {"score": 8}}, headers=headers)
    assert problem(other) == (409, "idempotency_key_reused")


def test_of_many_writers_with_one_etag_one_wins(server, rest, three):
    import httpx

    writers = 8
    for row in range(3):
        tag = rest.get(f"{ROWS}/{row}").headers["etag"]
        barrier, before = Barrier(writers), three.get_metadata()["version"]

        def write(number, row=row, tag=tag, barrier=barrier):
            with httpx.Client(base_url=server.http_url, timeout=60, headers={"x-api-key": server.key, "if-match": tag}) as client:
                client.get("/healthz")
                barrier.wait()
                return client.patch(f"{ROWS}/{row}", json={"set": {"score": number}}).status_code

        with ThreadPoolExecutor(writers) as threads:
            found = list(threads.map(write, range(writers)))
        assert sorted(found) == [200] + [412] * (writers - 1)
        assert rest.get(f"{ROWS}/{row}").json()["row"]["score"] == found.index(200)
        assert three.get_metadata()["version"] == before + 1


def test_writers_that_read_and_write_again_lose_no_update(server, rest, three):
    import httpx

    def add(_):
        with httpx.Client(base_url=server.http_url, timeout=60, headers={"x-api-key": server.key}) as client:
            while True:
                found = client.get(f"{ROWS}/0")
                changed = {"set": {"score": found.json()["row"]["score"] + 1}}
                answer = client.patch(f"{ROWS}/0", json=changed, headers={"if-match": found.headers["etag"]})
                if answer.status_code == 200:
                    return
                assert answer.status_code in (412, 503), answer.text

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(8)))
    assert rest.get(f"{ROWS}/0").json()["row"]["score"] == 0.5 + 8


def test_by_action(server, rest, three):
    import pyarrow.flight as fl

    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:

        def act(name, **arguments):
            body = json.dumps({"table_path": "rest_dir.films"} | arguments).encode()
            (found,) = client.do_action(fl.Action(name, body), options)
            return json.loads(found.body.to_pybytes())

        found = act("table.get_row", row_id="1")
        assert act("table.get_row", key={"id": 2}) == found
        assert act("table.get_row", key={"id": 2}, if_none_match=found["etag"])["row"] is None
        assert act("table.update_row", key={"id": 2}, set={"score": 1}, if_match=found["etag"])["updated"] == 1
        with pytest.raises(fl.FlightServerError, match="precondition_failed"):
            act("table.delete_row", row_id="1", if_match=found["etag"])
        assert act("table.replace_row", row_id="1", row={"name": "n"})["etag"] == act("table.get_row", row_id="1")["etag"]
        assert act("table.delete_row", row_id="1")["deleted"] == 1
    assert [row[0] for row in state(three)[0]] == [1, 3]
