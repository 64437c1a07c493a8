"""What every request has in common: its id, its line in the log, its place in the figures, the headers of its answer."""

import io
import json
import logging
import re

import httpx
import pytest
from events import eventually
from starlette.requests import Request

from pxt_flight import logs
from pxt_flight.errors import error
from pxt_flight.http.observed import KEY_ID

ORIGIN = "https://app.example.org"
OTHER = 'pxt_flight_http_requests_total{method="other",route="none",status="404"}'
SECRETS = ("secret-key", "secret-query", "secret-body", "secret-table", "/home/ada")


@pytest.fixture(scope="module")
def client(api, serve):
    @api.get("/tables/{name}")
    async def table(name: str) -> str:
        return name

    @api.post("/fails")
    async def fails(n: int) -> None:
        raise error("TABLE_NOT_FOUND", "There is no such table.")

    @api.get("/crashes")
    async def crashes():
        raise ValueError("/home/ada/secret-body")

    @api.get("/named")
    async def named(request: Request) -> None:
        setattr(request.state, KEY_ID, "k_123")

    with serve(api, cors_origins=(ORIGIN,)) as (host, port), httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
        yield client


@pytest.fixture(params=["json", "console"])
def log(request):
    """The lines of our log from here on, in one of its formats; those of libraries go on as before."""
    root, ours = logging.getLogger(), logging.getLogger("pxt_flight")
    before = root.handlers[:], root.level, ours.level
    logs.configure("info", request.param)
    stream = io.StringIO()
    root.handlers[0].setStream(stream)
    yield stream
    root.handlers[:], root.level, ours.level = before


def lines(log, count):
    """So many lines; the last is written after its answer was sent."""
    eventually(lambda: log.getvalue().count("\n") >= count)
    return log.getvalue().splitlines()


@pytest.mark.parametrize("given", ["a", "A-9._~:+/=", "x" * 128])
def test_a_safe_id_of_the_client_is_kept(client, given):
    answer = client.post("/fails?n=1", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given == answer.json()["request_id"]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\tb", "<script>", "a;b", "é"])
def test_any_other_is_replaced(client, given):
    answer = client.post("/fails?n=1", headers={"x-request-id": given.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/crashes", "/tables/films", "/fails", "/errors"])
def test_every_answer_has_an_id_and_careful_headers(client, path):
    headers = client.get(path).headers
    assert len(headers["x-request-id"]) == 32
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_a_request_is_one_line_without_what_it_asked_for(client, log):
    client.post("/fails?n=1&q=secret-query", content="secret-body", headers={"authorization": "Bearer secret-key"})
    client.get("/tables/secret-table", headers={"x-request-id": "mine"})
    eventually(lambda: "mine" in log.getvalue())
    *_, failed, read = log.getvalue().splitlines()  # before them may stand the last one of the test before
    assert not any(secret in log.getvalue() for secret in SECRETS)
    if failed.startswith("{"):
        told = json.loads(read)
        assert told.pop("ms") >= 0
        assert re.match(r"\d{4}-\d\d-\d\dT", told.pop("time"))
        assert told == {
            "level": "info",
            "logger": "pxt_flight.http.observed",
            "message": "HTTP",
            "request_id": "mine",
            "method": "GET",
            "route": "/tables/{name}",
            "status": 200,
            "key_id": None,
        }
    else:
        assert "method=POST route=/fails status=404" in failed
        assert "request_id=mine method=GET route=/tables/{name} status=200" in read


def test_the_key_is_told_by_its_id(client, log):
    client.get("/named")
    assert "k_123" in lines(log, 1)[0]


def test_a_crash_is_told_by_kind_and_place_under_its_id(client, log):
    answer = client.get("/crashes")
    crash, access = lines(log, 2)
    assert "ValueError at" in crash
    assert not any(secret in log.getvalue() for secret in SECRETS)
    assert all(answer.json()["request_id"] in line for line in (crash, access))
    assert "500" in access


def test_libraries_are_quiet_below_warnings_and_their_exceptions_untold(log):
    other = logging.getLogger("some.library")
    other.info("secret-body")
    try:
        raise OSError("/home/ada")
    except OSError:
        other.exception("It failed.")
    (line,) = lines(log, 1)
    assert "OSError at" in line
    assert not any(secret in log.getvalue() for secret in SECRETS)


def test_requests_are_counted_by_route(client):
    client.get("/tables/secret-table")
    client.request("BREW", "/nothing")
    figures = eventually(lambda: next((text for text in [client.get("/metrics").text] if OTHER in text), None))
    assert 'pxt_flight_http_requests_total{method="GET",route="/tables/{name}",status="200"}' in figures
    assert 'pxt_flight_http_seconds_count{method="GET",route="/tables/{name}"}' in figures
    assert re.search(r"^pxt_flight_http_in_flight [1-9]", figures, re.MULTILINE)
    assert "secret-table" not in figures


def test_a_page_of_the_named_origin_may_call(client):
    asked = {"origin": ORIGIN, "access-control-request-method": "PATCH", "access-control-request-headers": "authorization, if-match"}
    preflight = client.options("/tables/films", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    answer = client.get("/tables/films", headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.org.evil.example", "http://app.example.org"])
def test_a_page_of_another_may_not(client, origin):
    preflight = client.options("/tables/films", headers={"origin": origin, "access-control-request-method": "GET"})
    assert preflight.status_code == 400
    for answer in (preflight, client.get("/tables/films", headers={"origin": origin})):
        assert "access-control-allow-origin" not in answer.headers


def test_by_default_no_page_may(api, serve):
    with serve(api) as (host, port):
        answer = httpx.get(f"http://{host}:{port}/tables/films", headers={"origin": ORIGIN})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
