"""Addresses with a key in them: what is read, and that nothing of them is ever quoted."""

import pytest

import pxt_flight as pf
from pxt_flight.client.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "uri", "key"),
    [
        ("pxt://pxt_a@localhost:8815", "grpc://localhost:8815", "pxt_a"),
        ("pxt://pxt_a@localhost", "grpc://localhost:8815", "pxt_a"),
        ("PXT://pxt_a@localhost:1/", "grpc://localhost:1", "pxt_a"),
        ("pxt+tls://pxt_a@host:443", "grpc+tls://host:443", "pxt_a"),
        ("pxt://pxt_a@host:443?tls=true", "grpc+tls://host:443", "pxt_a"),
        ("pxt://pxt_a@host:443?tls=false", "grpc://host:443", "pxt_a"),
        ("pxt://a%2Fb%40c%3A%25%20d@host:1", "grpc://host:1", "a/b@c:% d"),
        ("pxt://anybody:pxt_a@host:1", "grpc://host:1", "pxt_a"),
        ("pxt://pxt_a@[::1]:8815", "grpc://[::1]:8815", "pxt_a"),
        ("pxt://host:1", "grpc://host:1", None),
        ("grpc://host:1", "grpc://host:1", None),
        ("grpc+tls://host:1", "grpc+tls://host:1", None),
        ("nonsense", "nonsense", None),
    ],
)
def test_an_address(text, uri, key):
    assert parse_address(text) == Address(uri, key)
    assert "pxt_a" not in repr(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "pxt://SECRET@",
        "pxt://SECRET@[::1:8815",
        "pxt://SECRET@host:SECRET",
        "pxt://SECRET@host:99999",
        "pxt://SECRET@host:1/SECRET",
        "pxt://SEC#RET@host:1",
        "pxt://SECRET@host:1?SECRET",
        "pxt://SECRET@host:1?tls=SECRET",
        "pxt://SECRET@host:1?tls=true&key=SECRET",
        "grpc://SECRET@host:1",
        "grpc://user:SECRET@host:1",
    ],
)
def test_a_malformed_address_is_not_quoted(text):
    with pytest.raises(pf.InvalidRequestError) as caught:
        parse_address(text)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "percent-encoded" in caught.value.hint or "tls=true" in caught.value.hint
    assert "SECRET" not in f"{caught.value}{caught.value.where}{caught.value.__cause__}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
