"""The control plane's application: health, and problems for everything else."""

import http.client
import json
import socket
import threading

import pytest
import uvicorn
from fastapi import FastAPI

import pxt_flight
from pxt_flight.errors import error
from pxt_flight.http.__main__ import listen
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import add_handlers


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask the application over a real connection: answers status, headers and the JSON of the body."""
    api = FastAPI()
    add_handlers(api)
    opening = Opening(lambda: object(), lambda store: api)
    opening.begin()
    app = create_app(tmp_path_factory.mktemp("home"), opening)

    @api.get("/fails")
    async def fails():
        raise error("TABLE_NOT_FOUND", "There is no table 'flims'.", hint="Did you mean films?", where={"table": "flims"})

    @api.get("/crashes")
    async def crashes():
        raise ValueError("/a/path/of/the/server")

    @api.get("/number")
    async def number(n: int) -> int:
        return n

    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    host, port = listener.getsockname()
    thread.start()

    def ask(path, *, method="GET"):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.request(method, path)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, response.headers, body

    yield ask
    server.should_exit = True
    thread.join()


def test_readiness_without_a_server(ask):
    status, _, problem = ask("/readyz")
    assert (status, problem["code"], problem["retryable"]) == (503, "unavailable", True)


def test_an_answer_does_not_wait_for_acknowledgements():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_health(ask):
    status, _, body = ask("/healthz")
    assert (status, body) == (200, {"status": "ok", "version": pxt_flight.__version__})


@pytest.mark.parametrize("path", ["/nothing", "/healthz/x"])
def test_unknown_path(ask, path):
    status, headers, problem = ask(path)
    assert status == 404
    assert headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["title"], problem["status"]) == ("/errors#route_not_found", "There is nothing at this URL.", 404)
    assert problem["code"] == "route_not_found"
    assert problem["where"] == {"path": path}
    assert len(problem["request_id"]) == 32


def test_wrong_method(ask):
    status, headers, problem = ask("/healthz", method="POST")
    assert status == 405
    assert headers["allow"] == "GET"
    assert problem["code"] == "method_not_allowed"


def test_error_of_ours(ask):
    status, _, problem = ask("/fails")
    assert status == 404
    assert problem["detail"] == "There is no table 'flims'."
    assert problem["hint"] == "Did you mean films?"
    assert problem["where"] == {"table": "flims"}
    assert problem["retryable"] is False


def test_invalid_argument(ask):
    status, _, problem = ask("/number?n=one")
    assert status == 422
    assert problem["code"] == "INVALID_ARGUMENT"
    assert problem["where"] == {"field": "query.n"}


def test_crash_tells_nothing_but_its_id(ask, caplog):
    status, _, problem = ask("/crashes")
    assert status == 500
    assert problem["code"] == "INTERNAL_ERROR"
    assert "/a/path" not in json.dumps(problem)
    assert problem["request_id"] in caplog.text
