"""Logging in with a user name and the key as password: the header, Flight's Handshake, and the options of ADBC."""

import base64

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow.flight as fl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pxt_flight.access.keys import make_key
from pxt_flight.errors import from_json

often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def basic(text, *, padded=True):
    encoded = base64.b64encode(text.encode())
    return fl.FlightCallOptions(headers=[(b"authorization", b"Basic " + (encoded if padded else encoded.rstrip(b"=")))])


# Three lengths of user name give all three lengths of padding.
@pytest.mark.parametrize("user", ["", "a", "me", "owner", "a user, ünïcode"])
@pytest.mark.parametrize("padded", [True, False])
def test_any_user_name_and_padding(stranger, server, user, padded):
    assert stranger.list_actions(basic(f"{user}:{server.key}", padded=padded))


@pytest.mark.parametrize("user", ["", "a", "me", "owner"])
def test_authenticate_basic_token(server, films, user):
    with fl.connect(server.flight_uri) as client:
        header = client.authenticate_basic_token(user, server.key)
        assert header == (b"authorization", f"Bearer {server.key}".encode())
        options = fl.FlightCallOptions(headers=[header])
        assert client.get_flight_info(fl.FlightDescriptor.for_path(films), options).schema.names[0] == "id"


@pytest.mark.parametrize("key", ["pxt_nonsense", pytest.param(make_key(), id="unknown"), "x"])
def test_authenticate_basic_token_with_a_wrong_key(stranger, key):
    with pytest.raises(fl.FlightUnauthenticatedError, match="key_invalid: "):
        stranger.authenticate_basic_token("user", key)


@pytest.mark.parametrize("user", ["a", "me", "owner"])
def test_adbc_username_and_password(server, films, user):
    options = {"username": user, "password": server.key}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        assert cursor.execute(f"select count(*) from {films}").fetchall() == [(100,)]


@pytest.mark.parametrize(
    ("password", "code"), [("pxt_nonsense", "key_invalid"), pytest.param(make_key(), "key_invalid", id="unknown"), ("", "key_missing")]
)
def test_adbc_with_a_wrong_password(server, password, code):
    options = {"username": "u", "password": password}
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=f"UNAUTHENTICATED.*{code}: "):
        flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True)


@often
@given(value=st.binary(max_size=60) | st.binary(max_size=60).map(base64.b64encode) | st.just(b"dXNlcg=="))
def test_a_header_that_is_damaged(stranger, value):
    # Headers of HTTP/2 are printable ASCII.
    value = bytes(byte for byte in value if 0x20 < byte < 0x7F)
    options = fl.FlightCallOptions(headers=[(b"authorization", b"Basic " + value)])
    with pytest.raises(fl.FlightUnauthenticatedError, match=r"key_(invalid|missing): ") as caught:
        stranger.list_actions(options)
    assert from_json(caught.value.extra_info).code in ("key_invalid", "key_missing")
    assert "Traceback" not in str(caught.value)
