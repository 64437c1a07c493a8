"""Bounds of bodies and of connections, with clients that send raw bytes as they please."""

import json
import socket
import time
from http.client import HTTPResponse
from typing import Annotated

import httpx
import pytest
from fastapi import Body, Request
from http_application import serve_app

from pxt_flight.http import protocol
from pxt_flight.http.bodies import BodyLimit

ARROW = "application/vnd.apache.arrow.stream"
SMALL, LARGE = 1000, 5000


@pytest.fixture(scope="module")
def echo(api):
    @api.post("/echo")
    async def echo(body: Annotated[dict, Body()]) -> int:
        return len(json.dumps(body))

    @api.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    return api


@pytest.fixture(scope="module")
def address(echo):
    with serve_app(BodyLimit(echo, streamed=LARGE, largest=SMALL, patience=0.3)) as address:
        yield address


@pytest.fixture(scope="module")
def post(address):
    def post(content, path="/size", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"http://{address[0]}:{address[1]}{path}", content=content, headers=named, timeout=30)

    return post


def chunks(size):
    for _ in range(size // 100):
        yield b"x" * 100


def refused(answer):
    return answer.status_code, answer.headers["content-type"], answer.json()["code"]


TOO_LARGE = (413, "application/problem+json", "upload_too_large")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_a_body_in_memory_is_bounded(post, kind):
    assert post(b"x" * SMALL, content_type=kind).json() == SMALL
    assert refused(post(b"x" * (SMALL + 1), content_type=kind)) == TOO_LARGE


@pytest.mark.parametrize("kind", [ARROW, "Multipart/Form-Data; boundary=x"])
def test_a_body_that_goes_to_a_file_may_be_larger(post, kind):
    assert post(b"x" * LARGE, content_type=kind).json() == LARGE
    assert refused(post(b"x" * (LARGE + 1), content_type=kind)) == TOO_LARGE


def test_a_body_without_a_length_is_counted(post):
    assert post(chunks(SMALL), content_type="text/plain").json() == SMALL
    assert refused(post(chunks(SMALL + 100), content_type="text/plain")) == TOO_LARGE


def test_a_body_that_fastapi_reads_is_counted_too(post):
    body = json.dumps({"a": "x" * SMALL}).encode()
    assert refused(post((body[at : at + 50] for at in range(0, len(body), 50)), "/echo", content_type="application/json")) == TOO_LARGE


def test_a_length_that_is_absurd_is_refused(address):
    with raw(address, b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_stops_is_given_up(address):
    with raw(address, b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\nabc") as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        assert (answer.status, json.loads(answer.read())["code"]) == (422, "upload_incomplete")


def raw(address, sent):
    connection = socket.create_connection(address, timeout=30)
    connection.sendall(sent)
    return connection


def test_heads_that_never_end_are_closed_and_hinder_nobody(monkeypatch, echo):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    with serve_app(echo) as address:
        slow = [raw(address, b"POST /size HTTP/1.1\r\nhost: x\r\nx-a: ") for _ in range(300)]
        began = time.monotonic()
        assert httpx.post(f"http://{address[0]}:{address[1]}/size", content=b"abc", timeout=30).json() == 3
        assert [connection.recv(10) for connection in slow] == [b""] * len(slow)
        assert time.monotonic() - began < 20
        for connection in slow:
            connection.close()


def test_a_head_after_an_answer_has_its_own_time(monkeypatch, echo):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.0)
    request = b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    with serve_app(echo) as address, raw(address, request) as connection:
        connection.settimeout(protocol.KEEP_ALIVE / 3)  # what ends it is not the time of an idle connection
        for further in (request + b"POST /si", b""):
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"3")
            connection.sendall(further)
        assert connection.recv(1) == b""


def test_a_head_that_is_too_large_is_refused(address):
    with raw(address, b"GET / HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * (protocol.HEAD_BYTES + 10_000)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
