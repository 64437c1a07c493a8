"""A router of the user's own, in a real server: beneath our keys, with our errors, and few of its calls at once."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from events import eventually

from pxt_flight.config import Settings
from pxt_flight.server import running_server


@pytest.fixture(scope="module")
def served(own_server):
    """The server that mounts `edge_router`, twice."""
    return own_server


def problem(answer, status, code):
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), answer.text
    assert str(Path(__file__).parent) not in answer.text
    assert "Traceback" not in answer.text
    return body


def test_rows_go_in_and_come_out(served):
    inserted = served.http.post("/api/custom/films", json={"id": 1, "name": "Brazil"})
    assert inserted.status_code == 200, inserted.text
    found = served.http.get("/api/custom/named", params={"name": "Brazil"})
    assert found.json() == {"rows": [{"id": 1, "name": "Brazil"}]}
    # The same router beneath a prefix, and what it inserted on our own wire.
    assert served.http.get("/api/custom/again/named", params={"name": "Brazil"}).json() == found.json()
    with served.connect() as db:
        assert db.sql("select name from edge_films where id = 1").to_arrow().to_pylist() == [{"name": "Brazil"}]


def test_every_request_needs_a_key(served):
    with httpx.Client(base_url=served.server.http_url, timeout=60) as stranger:
        told = stranger.get("/api/custom/named", params={"name": "Brazil"})
        problem(told, 401, "key_missing")
        assert told.headers["www-authenticate"] == "Bearer"
        problem(stranger.post("/api/custom/films", json={}, headers={"X-API-Key": "pxt_no"}), 401, "key_invalid")
        problem(stranger.get("/api/custom/nothing"), 401, "key_missing")
        by_key = {"X-API-Key": served.server.key}
        assert stranger.get("/api/custom/named", params={"name": "?"}, headers=by_key).json() == {"rows": []}


def test_errors_are_problems(served):
    problem(served.http.get("/api/custom/nothing"), 404, "route_not_found")
    problem(served.http.delete("/api/custom/films"), 405, "method_not_allowed")
    problem(served.http.get("/api/custom/named"), 422, "INVALID_ARGUMENT")
    problem(served.http.post("/api/custom/films", content=b"{", headers={"content-type": "application/json"}), 422, "INVALID_ARGUMENT")
    problem(served.http.get("/api/custom/fails", params={"how": "crash"}), 500, "INTERNAL_ERROR")
    problem(served.http.get("/api/custom/fails", params={"how": "pixeltable"}), 500, "INTERNAL_ERROR")
    assert problem(served.http.get("/api/custom/fails", params={"how": "418"}), 418, "INVALID_ARGUMENT")["detail"] == "It is out of stock."
    problem(served.http.get("/api/custom/fails", params={"how": "404"}), 404, "ROW_NOT_FOUND")
    assert "see" not in problem(served.http.get("/api/custom/fails", params={"how": "409"}), 409, "INVALID_STATE")["detail"]
    waiting = served.http.get("/api/custom/fails", params={"how": "503"})
    problem(waiting, 503, "unavailable")
    assert waiting.headers["retry-after"] == "1"
    told = served.http.post("/api/custom/films", json={"id": 1, "name": "again"})
    assert problem(told, 409, "CONSTRAINT_VIOLATION")


def test_its_routes_are_in_the_document(served):
    document = served.http.get("/openapi.json").json()
    entry = document["paths"]["/api/custom/again/named"]["get"]
    assert entry["tags"] == ["custom"]
    assert entry["security"]
    assert "custom" in [tag["name"] for tag in document["tags"]]
    assert served.http.get("/openapi-3.0.json").status_code == 200


def test_few_run_at_once(served):
    folder = served.folder
    begun = lambda: len(list(folder.glob("begun_*")))  # noqa: E731
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(served.http.get, "/api/custom/slow") for _ in range(6)]
        try:
            eventually(lambda: begun() == 3)
            # What is not the router's goes on, and no fourth call of it has begun.
            assert served.http.get("/api/v1/tables").status_code == 200
            assert begun() == 3
        finally:
            (folder / "go_on").touch()
        assert [call.result().json() for call in calls] == [1] * 6
    assert begun() == 6


@pytest.mark.parametrize(
    ("permissions", "tables", "method", "status"),
    [
        (("read",), ("*",), "GET", 200),
        (("read",), ("*",), "POST", 403),
        (("write",), ("*",), "POST", 422),
        (("write",), ("*",), "GET", 403),
        (("read", "write"), ("a*",), "GET", 403),
    ],
)
def test_which_permission_is_needed(wires, monkeypatch, permissions, tables, method, status):
    served = wires(routers=["edge_plain_router:router"])
    key = served.make_key(*permissions, tables=tables)
    answer = served.http.request(method, "/api/custom/things", headers={"authorization": f"Bearer {key}"}, json=None)
    assert answer.status_code == status, answer.text
    if status == 403:
        problem(answer, 403, "permission_denied")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_module:router", "cannot be imported: ModuleNotFoundError"),
        ("edge_plain_router:nothing", "cannot be imported: AttributeError"),
        ("edge_plain_router:NOT_A_ROUTER", "is no FastAPI router"),
    ],
)
def test_a_router_that_cannot_be_served(engine, named, said):
    from pxt_flight.errors import InvalidRequestError
    from pxt_flight.http.custom import custom_app

    with pytest.raises(InvalidRequestError, match=said) as refused:
        custom_app([named])
    assert refused.value.code == "INVALID_CONFIGURATION"


def test_a_server_with_such_a_router_says_so(own_server):
    """It is not ready, and says which router it is; the store's other wire goes on."""
    own_server.stop()
    settings = Settings(home=own_server.home, flight_port=0, http_port=0, routers=("no_such_module:router",))
    with running_server(settings) as server, httpx.Client(base_url=server.http_url, timeout=60) as client:
        told = eventually(lambda: (answer := client.get("/readyz")).status_code == 503 and answer, 60)
        said = "The router no_such_module:router cannot be imported: ModuleNotFoundError."
        assert said in told.json()["detail"]
        headers = {"authorization": f"Bearer {server.key}"}
        assert said in problem(client.get("/api/v1/tables", headers=headers), 503, "unavailable")["detail"]
        assert client.get("/healthz").status_code == 200


def test_settings_of_routers(tmp_path, monkeypatch):
    given = Settings(home=tmp_path, routers=("films_api:router", "films_api:router=/v2/films"), export_buckets=("a-bucket",))
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == given
    assert json.loads(json.dumps(os.environ["PXT_FLIGHT_ROUTERS"])) == "films_api:router,films_api:router=/v2/films"
    for wrong in ("films_api", "films api:router", "films_api:router=v2", "../x:y"):
        with pytest.raises(ValueError, match="routers"):
            Settings(home=tmp_path, routers=(wrong,))
