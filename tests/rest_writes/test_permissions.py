"""What keys may do to rows over REST; and changes by a condition over HTTP."""

import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

ROWS = "/api/v1/tables/rest_dir.films/rows"


def film(number):
    return {"id": number, "name": f"film {number}", "score": number / 2}


def problem(answer):
    return answer.status_code, answer.json()["code"]


def state(table):
    return sorted((row["id"], row["name"]) for row in table.select(table.id, table.name).collect()), table.get_metadata()["version"]


@pytest.fixture(scope="module")
def clients(pxt, engine, tmp_path_factory) -> Iterator[dict[str, httpx.Client]]:
    """Clients with keys of one permission each, and one that may all but on no table of `rest_dir`."""
    from pxt_flight.access.grants import MediaGrants, Signer
    from pxt_flight.access.keys import KeyRing, key_hash, make_key
    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.writer import Writer
    from pxt_flight.http.__main__ import listen
    from pxt_flight.http.api import create_api
    from pxt_flight.operations.startup import OpenStore

    grants = {name: (frozenset({name}), ("*",)) for name in ("read", "write", "delete")}
    grants["elsewhere"] = (frozenset({"read", "write", "delete"}), ("other/*",))
    keys = {name: make_key() for name in grants}
    principals = {key_hash(b"p", keys[name]): Principal(name, name, *grant) for name, grant in grants.items()}
    writer, home = Writer(engine), tmp_path_factory.mktemp("keys")
    store = OpenStore(engine, writer, KeyRing(b"p", principals), Signer(b"s" * 32), MediaGrants(b"s" * 32), "")
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_api(store, home), log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    made = {name: httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) for name, key in keys.items()}
    yield made
    for client in made.values():
        client.close()
    server.should_exit = True
    thread.join()
    writer.close()


CALLS = {
    "insert": ("POST", ROWS, {"row": film(9)}, "write"),
    "insert by name": ("POST", "/api/table/insert", {"table_path": "rest_dir.films", "row": film(9)}, "write"),
    "get": ("GET", f"{ROWS}/0", None, "read"),
    "get by key": ("GET", f"{ROWS}?key.id=1", None, "read"),
    "replace": ("PUT", f"{ROWS}/0", {"row": {"name": "x"}}, "write"),
    "replace by key": ("PUT", f"{ROWS}?key.id=1", {"row": {"name": "x"}}, "write"),
    "update": ("PATCH", f"{ROWS}/0", {"set": {"name": "x"}}, "write"),
    "update by key": ("PATCH", f"{ROWS}?key.id=1", {"set": {"name": "x"}}, "write"),
    "delete": ("DELETE", f"{ROWS}/0", None, "delete"),
    "delete by key": ("DELETE", f"{ROWS}?key.id=1", None, "delete"),
}


@pytest.mark.parametrize(("method", "path", "body", "permission"), CALLS.values(), ids=CALLS)
def test_only_the_permission_of_an_operation_lets_it(rest, films, clients, method, path, body, permission):
    rest.post(ROWS, json={"rows": [film(1), film(2)]})
    before = state(films)
    for name, client in clients.items():
        if name == "elsewhere":
            assert problem(client.request(method, path, json=body)) == (404, "TABLE_NOT_FOUND")
        elif name != permission:
            assert problem(client.request(method, path, json=body)) == (403, "permission_denied")
    assert state(films) == before
    assert clients[permission].request(method, path, json=body).status_code in (200, 201, 204)


@pytest.fixture
def five(rest, films):
    rest.post(ROWS, json={"rows": [film(i) for i in range(5)]})
    return films


def test_update_by_a_condition(rest, five):
    told = rest.patch(ROWS, json={"set": {"name": "x"}, "where": "score > 1", "dry_run": True})
    assert (told.status_code, told.json()["updated"]) == (200, 2)
    too_many = rest.patch(ROWS, json={"set": {"name": "x"}, "where": "score > 1", "max_affected": 1})
    assert problem(too_many) == (409, "too_many_affected")
    assert problem(rest.patch(ROWS, json={"set": {"name": "x"}})) == (422, "predicate_required")
    assert {name for _, name in state(five)[0]} == {f"film {i}" for i in range(5)}
    done = rest.patch(ROWS, json={"set": {"name": "x"}, "where": {"score": {"gt": 1}}, "max_affected": 2})
    assert (done.status_code, done.json()["updated"]) == (200, 2)
    assert rest.patch(ROWS, json={"set": {"score": "NaN"}, "all_rows": True}).json()["updated"] == 5
    assert [name for _, name in state(five)[0]] == ["film 0", "film 1", "film 2", "x", "x"]


def test_delete_by_a_condition(rest, five):
    assert rest.delete(ROWS, params={"where": "score > 1", "dry_run": "true"}).json()["deleted"] == 2
    assert problem(rest.delete(ROWS, params={"where": "score > 1", "max_affected": 1})) == (409, "too_many_affected")
    assert problem(rest.delete(ROWS)) == (422, "predicate_required")
    assert problem(rest.delete(ROWS, params={"whree": "score > 1", "all_rows": "true"})) == (422, "INVALID_ARGUMENT")
    assert five.count() == 5
    headers = {"idempotency-key": "delete-1"}
    assert rest.delete(ROWS, params={"where": "score > 1"}, headers=headers).json()["deleted"] == 2
    assert rest.delete(ROWS, params={"where": "score > 1"}, headers=headers).json()["repeated"]
    assert rest.delete(ROWS, params={"all_rows": "true"}).json()["deleted"] == 3
    assert five.count() == 0
