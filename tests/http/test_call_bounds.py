"""Calls have so many threads and so long a line; who comes after is told when to try again, and nobody waits for that."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from pxt_flight import trace
from pxt_flight.http.problems import add_handlers


@dataclass(frozen=True)
class Asked:
    """What of a call the pool looks at."""

    on_wait: Any = None


@pytest.fixture
def busy(pxt, serve):
    """Serve calls that run until they are released: `with busy(running=1, waiting=0) as (url, release, running)`."""
    from pxt_flight.http.calls import Calls  # imports Pixeltable

    @contextmanager
    def busy(**bounds):
        api, calls, release, running = FastAPI(), Calls(**bounds), threading.Event(), threading.Semaphore(0)
        add_handlers(api)

        def work(_heard):
            running.release()
            assert release.wait(30)
            return trace.request_id.get()

        @api.get("/work")
        async def endpoint(request: Request) -> str:
            return await calls.run(request, Asked(), work)

        with serve(api) as (host, port):
            try:
                yield f"http://{host}:{port}/work", release, running
            finally:
                release.set()
                calls.close()

    return busy


def test_who_finds_no_place_is_told_when_to_try_again(busy):
    with busy(running=1, waiting=0) as (url, release, running), ThreadPoolExecutor(1) as client:
        first = client.submit(httpx.get, url, timeout=60)
        assert running.acquire(timeout=30)
        refused = httpx.get(url)
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "unavailable", "1")
        release.set()
        assert first.result().status_code == 200
        assert httpx.get(url).status_code == 200


def test_who_finds_one_waits_for_a_thread(busy):
    with busy(running=1, waiting=1) as (url, release, running), ThreadPoolExecutor(2) as clients:
        both = [clients.submit(httpx.get, url, timeout=60) for _ in range(2)]
        assert running.acquire(timeout=30)
        release.set()
        assert [answer.result().status_code for answer in both] == [200, 200]


def test_the_thread_knows_the_id_of_its_request(busy):
    with busy(running=1, waiting=0) as (url, release, _):
        release.set()
        assert httpx.get(url, headers={"x-request-id": "mine"}).json() == "mine"
