"""The family of errors: codes, JSON and back, and what keeps a text short and valid."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pxt_flight as pf
from pxt_flight import errors
from pxt_flight.errors import CODES, REFERENCE, error, from_json

often = settings(max_examples=100, deadline=None)
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PLACES = st.dictionaries(SHORT, SHORT | st.integers(-(2**53), 2**53), max_size=3)


def subclasses(kind):
    return {kind, *(found for direct in kind.__subclasses__() for found in subclasses(direct))}


@pytest.mark.parametrize("code", CODES)
def test_every_code_makes_its_class_and_comes_back(code):
    fault = error(code, "It failed.", hint="Do so.", where={"table": "films", "line": 2}, request_id="abc")
    back = from_json(fault.to_json())
    assert type(back) is type(fault) is CODES[code]
    assert vars(back) == vars(fault)
    assert str(back) == f"{code}: It failed. Hint: Do so."
    assert json.loads(fault.to_json())["retryable"] is REFERENCE[code].retryable


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = set(re.findall(r"\w+Error\b", errors.__doc__))
    assert drawn == {kind.__name__ for kind in subclasses(pf.PxtFlightError)}
    assert set(CODES.values()) == subclasses(pf.PxtFlightError) - {pf.PxtFlightError}


def test_each_class_has_a_status_of_its_kind():
    assert {kind.__name__: kind.http_status for kind in set(CODES.values())} == {
        "InvalidRequestError": 422,
        "NotFoundError": 404,
        "UnauthenticatedError": 401,
        "PermissionDeniedError": 403,
        "StaleTicketError": 409,
        "ConflictError": 409,
        "UnavailableError": 503,
        "RateLimitedError": 429,
        "ProviderError": 502,
        "ConnectError": 503,
        "ServerError": 500,
    }


def test_an_error_without_more():
    fault = error("timeout", "Too long.")
    assert (str(fault), fault.hint, fault.where, fault.request_id) == ("timeout: Too long.", None, {}, None)


def test_an_unknown_code_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        error("no_such_code", "x")


def test_a_code_of_a_newer_server_is_kept():
    back = from_json(b'{"code": "from_the_future", "message": "New.", "new_field": 1}')
    assert type(back) is pf.PxtFlightError
    assert (back.code, back.message, back.where) == ("from_the_future", "New.", {})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"code": "timeout"}', b'{"message": "x"}', b"\xff"])
def test_what_is_no_error_is_said_so(body):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own, or ours
        from_json(body)


@often
@given(message=SHORT, hint=st.none() | SHORT, where=PLACES)
def test_any_text_comes_back(message, hint, where):
    back = from_json(error("sql_syntax", message, hint=hint, where=where).to_json())
    assert (back.message, back.hint, back.where) == (message, hint, where)


@often
@given(message=st.text(min_size=300, max_size=600), hint=st.text(max_size=600), column=st.text(max_size=600))
def test_no_text_is_too_long_or_broken_for_the_wire(message, hint, column):
    fault = error("COLUMN_NOT_FOUND", message, hint=hint, where={"column": column})
    assert len(str(fault).encode()) < 1000
    assert len(fault.to_json()) < 3000
    assert from_json(fault.to_json()).message == fault.message


def test_a_long_text_is_cut_and_half_of_a_pair_replaced():
    assert error("timeout", "é" * 1000).message == "é" * 198 + "..."
    assert error("timeout", "a\ud800b").message == "a?b"
