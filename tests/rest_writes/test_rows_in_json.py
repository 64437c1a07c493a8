"""Rows in JSON: by their path, by the name of the operation, and as a Flight action."""

import json

import httpx
import pyarrow.flight as fl
import pytest

ROWS = "/api/v1/tables/rest_dir.films/rows"
BY_NAME = "/api/table/insert"


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def film(number, **more):
    return {"id": number, "name": f"film {number}", "score": number / 2} | more


def rows_of(table):
    return sorted((row["id"], row["name"], row["score"]) for row in table.select(table.id, table.name, table.score).collect())


@pytest.fixture
def act(server):
    """Run an action of Flight with arguments in JSON."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:

        def act(name, arguments):
            (found,) = client.do_action(fl.Action(name, json.dumps(arguments).encode()), options)
            return json.loads(found.body.to_pybytes())

        yield act


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ROWS, {"rows": [film(1), film(2)]}),
        (BY_NAME, {"table_path": "rest_dir.films", "rows": [film(1), film(2)]}),
        (BY_NAME, {"table_path": "rest_dir.films", "source": [film(1), film(2)]}),
    ],
)
def test_rows_are_inserted(rest, films, path, body):
    answer = rest.post(path, json=body)
    assert answer.status_code == 201
    written = answer.json()
    assert (written["kind"], written["table"], written["inserted"]) == ("insert", "rest_dir/films", 2)
    assert (written["row_ids"], written["rejected"], written["rejected_rows"]) == ([0, 1], 0, [])
    assert rows_of(films) == [(1, "film 1", 0.5), (2, "film 2", 1.0)]


def test_one_row(rest, films):
    assert rest.post(ROWS, json={"row": film(1)}).json()["row_ids"] == [0]
    assert rest.post(ROWS, json={"row": {"id": 2, "name": "b"}}).json()["row_ids"] == [1]
    assert rows_of(films) == [(1, "film 1", 0.5), (2, "b", None)]


def test_rows_by_action(act, films):
    written = act("table.insert", {"table_path": "rest_dir.films", "rows": [film(1), film(2)]})
    assert (written["inserted"], written["row_ids"]) == (2, [0, 1])
    act("table.update_rows", {"table_path": "rest_dir.films", "row": {"id": 1, "name": "new"}})
    act("table.delete_rows", {"table_path": "rest_dir.films", "row": {"id": 2}})
    assert rows_of(films) == [(1, "new", 0.5)]


def test_update_and_delete_rows(rest, films):
    rest.post(ROWS, json={"rows": [film(1), film(2), film(3)]})
    answer = rest.post(
        "/api/table/update_rows", json={"table_path": "rest_dir.films", "rows": [{"id": 1, "score": None}, {"id": 2, "score": 9}]}
    )
    assert (answer.status_code, answer.json()["updated"]) == (200, 2)
    answer = rest.post("/api/table/delete_rows", json={"table_path": "rest_dir.films", "rows": [{"_rowid": 2}]})
    assert (answer.status_code, answer.json()["deleted"]) == (200, 1)
    assert rows_of(films) == [(1, "film 1", None), (2, "film 2", 9.0)]
    upsert = {"table_path": "rest_dir.films", "if_missing": "insert", "rows": [film(2, score=0), film(7)]}
    written = rest.post("/api/table/update_rows", json=upsert).json()
    assert (written["kind"], written["updated"], written["inserted"], written["row_ids"]) == ("upsert", 1, 1, [3])


def test_rows_that_change_have_the_same_columns(rest, films):
    rest.post(ROWS, json={"rows": [film(1), film(2)]})
    answer = rest.post(
        "/api/table/update_rows",
        json={"table_path": "rest_dir.films", "rows": [{"id": 1, "name": "a", "score": 1}, {"id": 2, "name": "b"}]},
    )
    assert problem(answer) == (422, "INVALID_ARGUMENT")
    assert answer.json()["where"]["column"] == "score"
    assert rows_of(films) == [(1, "film 1", 0.5), (2, "film 2", 1.0)]


def test_a_thousand_rows_and_one_more(rest, films):
    version = films.get_metadata()["version"]
    answer = rest.post(ROWS, json={"rows": [film(i) for i in range(1001)]})
    assert problem(answer) == (413, "upload_too_large")
    assert "application/vnd.apache.arrow.stream" in answer.json()["hint"]
    assert (films.count(), films.get_metadata()["version"]) == (0, version)
    answer = rest.post(ROWS, json={"rows": [film(i) for i in range(1000)]})
    assert answer.json()["row_ids"] == list(range(1000))


REFUSED = {
    "a foreign column": ({"row": film(1, year=1999)}, 404, "COLUMN_NOT_FOUND"),
    "a computed column": ({"row": film(1, doubled=2)}, 422, "INVALID_ARGUMENT"),
    "a required column is missing": ({"row": {"id": 1}}, 422, "MISSING_REQUIRED"),
    "one row lacks it": ({"rows": [film(1), {"id": 2}]}, 422, "MISSING_REQUIRED"),
    "a text for a number": ({"row": film(1, id="1")}, 422, "TYPE_MISMATCH"),
    "a fraction for a whole number": ({"row": film(1.5)}, 422, "TYPE_MISMATCH"),
    "a Bool for a number": ({"row": film(True)}, 422, "TYPE_MISMATCH"),
    "a number of 65 bits": ({"row": film(2**63)}, 422, "TYPE_MISMATCH"),
    "a number for a text": ({"row": film(1, name=1)}, 422, "TYPE_MISMATCH"),
    "a list for a text": ({"row": film(1, name=["a"])}, 422, "TYPE_MISMATCH"),
    "a text for a Float": ({"row": film(1, score="high")}, 422, "TYPE_MISMATCH"),
    "a key twice": ({"rows": [film(1), film(1)]}, 409, "CONSTRAINT_VIOLATION"),
    "no rows": ({}, 422, "INVALID_ARGUMENT"),
    "rows and row": ({"rows": [film(1)], "row": film(2)}, 422, "INVALID_ARGUMENT"),
    "rows without columns": ({"rows": [{}]}, 422, "INVALID_ARGUMENT"),
    "an empty list": ({"rows": []}, 422, "INVALID_ARGUMENT"),
    "an unknown field": ({"rows": [film(1)], "mode": "fast"}, 422, "INVALID_ARGUMENT"),
    "a list of numbers": ({"rows": [1]}, 422, "INVALID_ARGUMENT"),
    "another table in the body": ({"table_path": "rest_dir.other", "row": film(1)}, 422, "INVALID_ARGUMENT"),
    "an unknown choice": ({"row": film(1), "on_error": "maybe"}, 422, "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize(("body", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_leaves_no_trace(rest, films, body, status, code):
    version = films.get_metadata()["version"]
    assert problem(rest.post(ROWS, json=body)) == (status, code)
    assert (films.count(), films.get_metadata()["version"]) == (0, version)


def test_a_fault_names_its_row_and_column(rest, films):
    answer = rest.post(ROWS, json={"rows": [film(1), film(2, score="x"), film(3, score="y")]})
    assert answer.json()["where"] == {"table": "rest_dir/films", "column": "score", "rows": [1, 2], "count": 2}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"row": {"id": 1, "name": "\\ud800"}}', b'{"row": ' + b"[" * 100_000])
def test_a_body_that_is_no_json_of_rows(rest, films, body):
    assert problem(rest.post(ROWS, content=body, headers={"content-type": "application/json"})) == (422, "INVALID_ARGUMENT")
    assert films.count() == 0


def test_a_body_that_is_too_large(rest, films):
    answer = rest.post(ROWS, json={"row": film(1, name="x" * (17 << 20))})
    assert problem(answer) == (413, "upload_too_large")
    pieces = (b" " * (1 << 20) for _ in range(17))
    assert problem(rest.post(ROWS, content=pieces, headers={"content-type": "application/json"})) == (413, "upload_too_large")
    assert films.count() == 0


def test_rows_at_fault_are_left_out(rest, films):
    sent = [film(1), film(2, score="high"), film(3, name=None), film(4)]
    written = rest.post(ROWS, json={"rows": sent, "on_error": "ignore"}).json()
    assert (written["inserted"], written["rejected"], written["row_ids"]) == (2, 2, [0, 1])
    rejected = written["rejected_rows"]
    assert [{name: row[name] for name in ("id", "name", "score")} for row in rejected] == [sent[1], sent[2]]
    assert "score" in rejected[0]["pxt_error"]
    assert "name" in rejected[1]["pxt_error"]
    assert [row[0] for row in rows_of(films)] == [1, 4]


def test_the_same_request_again(rest, films):
    headers = {"idempotency-key": "rest-json-1"}
    first, second = (rest.post(ROWS, json={"row": film(1)}, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert (first.json()["repeated"], second.json()["repeated"], second.json()["row_ids"]) == (False, True, [0])
    assert problem(rest.post(ROWS, json={"row": film(2)}, headers=headers)) == (409, "idempotency_key_reused")
    both = {"row": film(3), "idempotency_key": "another"}
    assert problem(rest.post(ROWS, json=both, headers=headers)) == (422, "INVALID_ARGUMENT")
    same = {"row": film(1), "idempotency_key": "rest-json-1"}
    assert rest.post(ROWS, json=same, headers=headers).json()["repeated"]
    assert films.count() == 1


def test_a_table_is_made_of_rows(rest, pxt):
    rows = [{"a": 1, "b": 1.5, "c": "x", "d": True, "e": [1, "y"], "f": None}, {"a": 2, "b": 2, "c": "z", "d": False, "e": {"k": 1}}]
    pxt.drop_table("made_of_json", if_not_exists="ignore")
    answer = rest.post("/api/pixeltable/create_table", json={"path": "made_of_json", "rows": rows, "primary_key": ["a"]})
    assert (answer.status_code, answer.json()["inserted"]) == (201, 2)
    columns = {name: column["type_"] for name, column in pxt.get_table("made_of_json").get_metadata()["columns"].items()}
    assert columns == {
        "a": "Int",
        "b": "Float | None",
        "c": "String | None",
        "d": "Bool | None",
        "e": "Json | None",
        "f": "String | None",
    }
    table = pxt.get_table("made_of_json")
    assert [row["e"] for row in table.order_by(table.a).collect()] == [[1, "y"], {"k": 1}]
    pxt.drop_table("made_of_json")


def test_the_three_bodies_are_documented(rest):
    document = rest.get("/openapi.json").json()
    for path in ("/api/v1/tables/{table_path}/rows", "/api/table/insert", "/api/table/update_rows"):
        body = document["paths"][path]["post"]["requestBody"]
        assert set(body["content"]) == {"application/json", "application/vnd.apache.arrow.stream", "multipart/form-data"}
        schema = body["content"]["application/json"]["schema"]
        assert schema["properties"]["rows"]["maxItems"] == 1000
        assert ("table_path" in schema["properties"]) == ("{" not in path)
        assert schema["additionalProperties"] is False
    parameters = document["paths"]["/api/v1/tables/{table_path}/rows"]["post"]["parameters"]
    assert {"Idempotency-Key", "on_error", "table_path"} <= {parameter["name"] for parameter in parameters}


def test_without_a_key(server, films):
    assert problem(httpx.post(f"{server.http_url}{ROWS}", json={"row": film(1)})) == (401, "key_missing")
