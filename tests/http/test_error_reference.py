"""The error reference: one table, and the page, the guide and both wires that come from it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pyarrow.flight as fl
import pytest

from pxt_flight.errors import CODES, REFERENCE, ProviderError, error
from pxt_flight.flight.status import flight_error
from pxt_flight.http import error_page
from pxt_flight.http.problems import problem

GUIDE = Path(__file__).parents[2] / "docs" / "errors.md"
FLIGHT = {
    "UNAUTHENTICATED": fl.FlightUnauthenticatedError,
    "PERMISSION_DENIED": fl.FlightUnauthorizedError,
    "UNAVAILABLE": fl.FlightUnavailableError,
    "DEADLINE_EXCEEDED": fl.FlightTimedOutError,
    "INTERNAL": fl.FlightInternalError,
    "UNKNOWN": fl.FlightServerError,
}


class Page(HTMLParser):
    """The ids and the tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.ids += [value for name, value in attributes if name == "id"]


def test_the_guide_is_as_it_is_generated():
    assert GUIDE.read_text() == error_page.markdown(), "python -m pxt_flight.http.error_page > docs/errors.md"


def test_the_page_names_every_code_and_runs_nothing():
    page = Page(error_page.html())
    assert page.ids == list(CODES)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe"})


@pytest.mark.parametrize("code", CODES)
def test_a_problem_is_what_the_table_says(code):
    answer = problem(error(code, "It failed."))
    body = json.loads(answer.body)
    entry = REFERENCE[code]
    assert answer.status_code == body["status"] == entry.http_status
    assert (body["type"], body["title"], body["code"]) == (f"/errors#{code}", entry.meaning, code)
    assert body["retryable"] is entry.retryable


@pytest.mark.parametrize("code", CODES)
def test_flight_sends_the_status_and_the_fields(code):
    fault = error(code, "It failed.", where={"table": "films"})
    sent = flight_error(fault)
    assert type(sent) is FLIGHT[REFERENCE[code].grpc_status]
    told = json.loads(sent.extra_info)
    assert (told["code"], told["retryable"]) == (code, REFERENCE[code].retryable)


@pytest.mark.parametrize("entry", REFERENCE.values(), ids=lambda entry: entry.code)
def test_the_sentences_are_sentences(entry):
    for text in (entry.meaning, entry.remedy):
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")


def test_no_provider_makes_a_client_doubt_its_own_key():
    assert {entry.http_status for entry in REFERENCE.values() if entry.kind is ProviderError}.isdisjoint({401, 403})


def test_the_server_serves_the_page(server):
    answer = httpx.get(f"{server.http_url}{error_page.PATH}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text == error_page.html()
    missing = httpx.get(f"{server.http_url}/nothing", timeout=60)
    assert missing.json()["type"].partition("#")[2] in Page(answer.text).ids
