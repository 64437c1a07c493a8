"""Rows as an Arrow stream in the body of a request."""

import io
import json
import socket
import threading
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest
import uvicorn
from events import eventually

from pxt_flight.http.__main__ import listen
from pxt_flight.http.api import create_api
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening

ARROW = "application/vnd.apache.arrow.stream"
ROWS = pa.table({"id": [1, 2], "name": ["a", None]})


def stream(rows, size=None):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows, size)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def films(pxt):
    pxt.create_dir("http_dir", if_exists="ignore")
    yield pxt.create_table("http_dir.films", {"id": pxt.Int, "name": pxt.String | None}, if_exists="replace")
    pxt.drop_dir("http_dir", force=True)


@pytest.fixture
def post(server):
    with httpx.Client(base_url=server.http_url, timeout=60) as client:

        def post(content, name="http_dir.films", **headers):
            sent = {"authorization": f"Bearer {server.key}", "content-type": ARROW} | {k.replace("_", "-"): v for k, v in headers.items()}
            path, _, query = name.partition("?")
            url = f"/api/v1/tables/{path}/rows" + (f"?{query}" if query else "")
            return client.post(url, content=content, headers={k: v for k, v in sent.items() if v})

        yield post


def ids(table):
    return sorted(table.select(table.id).collect()["id"])


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_rows_are_inserted(post, films):
    answer = post(stream(ROWS))
    assert answer.status_code == 201
    written = answer.json()
    assert (written["kind"], written["table"], written["inserted"], written["version"]) == ("insert", "http_dir/films", 2, 1)
    assert (written["rejected"], written["rejected_rows"]) == (0, [])
    assert ids(films) == [1, 2]


def test_a_body_in_pieces_is_one_version(post, films):
    body = stream(pa.table({"id": range(20_000)}), 1000)
    answer = post(body[start : start + 777] for start in range(0, len(body), 777))
    assert answer.json()["inserted"] == 20_000
    assert ids(films) == list(range(20_000))
    assert len(films.get_versions()) == 2


def test_a_key_as_x_api_key(post, films, server):
    assert post(stream(ROWS), authorization="", x_api_key=server.key).status_code == 201
    assert post(stream(ROWS), authorization="", X_API_KEY=server.key, content_type=f"{ARROW}; charset=x").status_code == 201
    assert films.count() == 4


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "key_missing"), ({"authorization": "Bearer pxt_nope"}, "key_invalid"), ({"authorization": "Basic eDp5"}, "key_missing")],
)
def test_without_a_key(post, films, headers, code):
    answer = post(stream(ROWS), **({"authorization": ""} | headers))
    assert problem(answer) == (401, code)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert films.count() == 0


def test_the_same_request_again(post, films):
    first, second = (post(stream(ROWS), idempotency_key="http-1") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)
    assert films.count() == 2
    assert problem(post(stream(ROWS.slice(1)), idempotency_key="http-1")) == (409, "idempotency_key_reused")


def test_rejected_rows_as_json(post, films):
    rows = pa.table({"id": [1, None, 3], "name": ["a", "x" * 5000, "c"]})
    written = post(stream(rows), name="http_dir.films?on_error=ignore").json()
    assert (written["inserted"], written["rejected"]) == (2, 1)
    (row,) = written["rejected_rows"]
    assert (row["id"], row["name"]) == (None, "x" * 1000)
    assert row["pxt_error"]
    assert ids(films) == [1, 3]


def test_rejected_rows_as_arrow(post, films):
    rows = pa.table({"id": [1, None, 3], "name": ["a", "b", "c"]})
    answer = post(stream(rows), name="http_dir.films?on_error=ignore", accept=ARROW)
    assert (answer.status_code, answer.headers["content-type"]) == (201, ARROW)
    assert json.loads(answer.headers["pxt-written"])["inserted"] == 2
    rejected = pa.ipc.open_stream(answer.content).read_all()
    assert rejected.select(["id", "name"]).to_pylist() == [{"id": None, "name": "b"}]


def test_rows_at_fault_and_none_may_be_left_out(post, films):
    answer = post(stream(pa.table({"id": [1, None]})))
    assert problem(answer)[0] == 422
    assert answer.json()["where"]["column"] == "id"
    assert films.count() == 0


CUT = {
    "nothing": lambda body: b"",
    "the end": lambda body: body[:-8],
    "half of the end": lambda body: body[:-3],
    "a batch": lambda body: body[: len(body) // 2],
    "the schema": lambda body: body[:40],
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_a_body_that_is_cut_writes_nothing(post, films, cut):
    body = stream(pa.table({"id": range(1000)}), 100)
    assert problem(post(cut(body))) == (422, "upload_incomplete")
    assert problem(post(iter([cut(body)]))) == (422, "upload_incomplete")
    assert films.count() == 0


NO_STREAM = {
    "text": b"id,name\n1,a\n" * 50,
    "more after the end": stream(ROWS) + b"more",
    "a file": b"ARROW1\0\0" + stream(ROWS),
    "a damaged schema": b"\xff\xff\xff\xff\x10\0\0\0" + b"\x7f" * 16 + stream(ROWS),
    "a batch of another schema": stream(ROWS)[:-8] + stream(pa.table({"x": ["y"]})),
}


@pytest.mark.parametrize("body", NO_STREAM.values(), ids=NO_STREAM)
def test_a_body_that_is_no_stream(post, films, body):
    assert problem(post(body)) == (422, "INVALID_ARGUMENT")
    assert films.count() == 0


def test_a_message_that_claims_to_be_huge(post, films):
    answer = post(stream(ROWS)[:-8] + b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * 100)
    assert problem(answer) == (413, "upload_too_large")


@pytest.mark.parametrize("kind", ["application/xml", "text/csv", ""])
def test_other_kinds_of_bodies(post, films, kind):
    answer = post(b"[]", content_type=kind)
    assert problem(answer) == (415, "media_type_unsupported")
    assert {ARROW, "application/json", "multipart/form-data"} == set(answer.headers["accept-post"].split(", "))


def test_an_encoded_body(post, films):
    assert problem(post(stream(ROWS), content_encoding="gzip")) == (415, "media_type_unsupported")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing", (404, "TABLE_NOT_FOUND")),
        ("http_dir.films:0", (422, "UNSUPPORTED_OPERATION")),
        ("..%2f..", (404, "TABLE_NOT_FOUND")),
        ("http_dir.films?on_error=x", (422, "INVALID_ARGUMENT")),
    ],
)
def test_names_and_choices_that_there_are_not(post, films, name, expected):
    status, code = problem(post(stream(ROWS), name=name))
    assert (status, code) == expected or (status, code) == (404, "route_not_found")
    assert films.count() == 0


def test_other_methods(server):
    answer = httpx.post(f"{server.http_url}/api/v1/tables/films/versions")
    assert problem(answer) == (405, "method_not_allowed")


def head(server, length):
    return (
        f"POST /api/v1/tables/http_dir.films/rows HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\n"
        f"content-type: {ARROW}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def test_a_client_that_leaves_in_the_middle_writes_nothing(server, post, films):
    at, body = urlsplit(server.http_url), stream(pa.table({"id": range(1000)}), 100)
    with socket.create_connection((at.hostname, at.port)) as connection:
        connection.sendall(head(server, len(body)) + body[:-8])
    assert post(stream(pa.table({"id": [-1]}))).json()["version"] == 1
    assert ids(films) == [-1]


def test_a_client_that_leaves_while_its_write_waits_writes_nothing(server, post, films, waiting_writes):
    at, body = urlsplit(server.http_url), stream(ROWS)
    with waiting_writes(films) as count:
        with socket.create_connection((at.hostname, at.port)) as connection:
            connection.sendall(head(server, len(body)) + body)
            eventually(lambda: count() == 1)
        eventually(lambda: count() == 0)
    assert films.count() == 0
    assert post(stream(ROWS)).json()["version"] == 1


@pytest.fixture
def small(pxt, engine, tmp_path):
    """The application over a writer that takes little, and its URL and key."""
    from pxt_flight.access.grants import MediaGrants, Signer
    from pxt_flight.access.keys import KeyRing, key_hash, make_key
    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.writer import WriteLimits, Writer
    from pxt_flight.operations.startup import OpenStore

    key, reading = make_key(), make_key()
    principals = {
        key_hash(b"p", key): Principal("k", "all", frozenset({"write"})),
        key_hash(b"p", reading): Principal("r", "reading", frozenset({"read"})),
    }
    writer = Writer(engine, limits=WriteLimits(size=100_000, spool=tmp_path))
    store = OpenStore(engine, writer, KeyRing(b"p", principals), Signer(b"s" * 32), MediaGrants(b"s" * 32), "")
    opening, listener = Opening(lambda: store, lambda store: create_api(store, tmp_path)), listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(tmp_path, opening), log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    opening.begin()
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/tables/http_dir.films/rows", key, reading
    server.should_exit = True
    thread.join()
    writer.close()


def test_a_body_that_is_too_large(small, films):
    url, key, _ = small
    headers = {"x-api-key": key, "content-type": ARROW}
    body = stream(pa.table({"id": range(100_000)}), 1000)
    assert problem(httpx.post(url, content=body, headers=headers)) == (413, "upload_too_large")
    assert problem(httpx.post(url, content=io.BytesIO(body), headers=headers)) == (413, "upload_too_large")
    assert films.count() == 0


def test_a_key_that_may_only_read(small, films):
    url, _, reading = small
    answer = httpx.post(url, content=stream(ROWS), headers={"x-api-key": reading, "content-type": ARROW})
    assert problem(answer) == (403, "permission_denied")
    assert films.count() == 0
