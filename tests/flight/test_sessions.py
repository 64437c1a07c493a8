"""Session options: `catalog` and `schema`, kept by the client in a signed cookie."""

import base64
import json

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow.flight as fl
import pytest

from pxt_flight.access.grants import Signer
from pxt_flight.flight import messages
from pxt_flight.flight.messages import SessionOptionErrorValue, SessionOptionValue


@pytest.fixture(scope="module")
def shelf(pxt):
    """A directory in a directory, and a table in it."""
    pxt.create_dir("wire_session")
    pxt.create_dir("wire_session/upper")
    pxt.create_table("wire_session/upper/books", {"id": pxt.Int}).insert([{"id": 1}])
    return "wire_session/upper"


@pytest.fixture
def with_cookies(server):
    """An ADBC connection that keeps cookies."""
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}", "adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        yield connection


class Cookies(fl.ClientMiddlewareFactory):
    """Keeps the last cookie, as a browser does."""

    def __init__(self):
        super().__init__()
        self.header = None

    def start_call(self, info):
        return _Cookie(self)


class _Cookie(fl.ClientMiddleware):
    def __init__(self, kept):
        super().__init__()
        self._kept = kept

    def sending_headers(self):
        return {"cookie": self._kept.header} if self._kept.header else {}

    def received_headers(self, headers):
        for value in headers.get("set-cookie", []):
            self._kept.header = value.split(";")[0]


@pytest.fixture
def cookies():
    return Cookies()


@pytest.fixture
def plain(server, cookies):
    """A pyarrow client that keeps cookies."""
    with fl.connect(server.flight_uri, middleware=[cookies]) as client:
        yield client


def run(client, options, name, message=None):
    results = list(client.do_action(fl.Action(name, b"" if message is None else messages.encode(message)), options))
    return [result.body.to_pybytes() for result in results]


def set_options(client, options, **values):
    named = {
        name: value if isinstance(value, SessionOptionValue) else SessionOptionValue(string_value=value) for name, value in values.items()
    }
    (body,) = run(client, options, "SetSessionOptions", messages.SetSessionOptionsRequest(session_options=named))
    return {name: fault.value for name, fault in messages.decode(messages.SetSessionOptionsResult, body).errors.items()}


def get_options(client, options):
    (body,) = run(client, options, "GetSessionOptions")
    return {name: value.string_value for name, value in messages.decode(messages.GetSessionOptionsResult, body).session_options.items()}


def directory_of(ticket):
    body = ticket.ticket.split(b".")[1]
    return json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))).get("d")


def test_adbc_current_catalog_and_schema(with_cookies, shelf):
    assert (with_cookies.adbc_current_catalog, with_cookies.adbc_current_db_schema) == ("pixeltable", "")
    with_cookies.adbc_current_db_schema = shelf
    assert with_cookies.adbc_current_db_schema == shelf
    with_cookies.adbc_current_catalog = "pixeltable"
    assert with_cookies.adbc_current_db_schema == shelf
    with_cookies.adbc_current_db_schema = ""
    assert with_cookies.adbc_current_db_schema == ""


@pytest.mark.parametrize(("option", "value"), [("adbc_current_db_schema", "nowhere"), ("adbc_current_catalog", "other")])
def test_adbc_is_told_of_a_value_that_there_is_not(with_cookies, shelf, option, value):
    with_cookies.adbc_current_db_schema = shelf
    with pytest.raises(adbc_driver_manager.Error, match="invalid value"):
        setattr(with_cookies, option, value)
    assert with_cookies.adbc_current_db_schema == shelf


def test_adbc_without_cookies_is_told_so(adbc, shelf):
    assert adbc.adbc_current_db_schema == ""
    with pytest.raises(adbc_driver_manager.Error, match="with_cookie_middleware=true"):
        adbc.adbc_current_db_schema = shelf


def test_connections_have_sessions_of_their_own(server, with_cookies, shelf):
    with_cookies.adbc_current_db_schema = shelf
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}", "adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as other:
        assert other.adbc_current_db_schema == ""


def test_names_are_looked_up_in_the_schema_of_the_session_first(with_cookies, pxt, shelf, films):
    inside = pxt.create_table(f"{shelf}/wire_films", {"place": pxt.String}, if_exists="replace")
    inside.insert([{"place": "on the shelf"}])

    def read(sql):
        with with_cookies.cursor() as cursor:
            return cursor.execute(sql).fetchall()

    everywhere = read(f"select count(*) from {films}")
    with_cookies.adbc_current_db_schema = shelf
    assert read("select place from wire_films") == [("on the shelf",)]
    assert read("with wire_films as (select 1 as n) select n from wire_films") == [(1,)]
    with_cookies.adbc_current_db_schema = ""
    assert read(f"select count(*) from {films}") == everywhere
    # What is not there is looked up in the root.
    with_cookies.adbc_current_db_schema = shelf
    pxt.drop_table(f"{shelf}/wire_films")
    assert read("select count(*) from wire_films") == everywhere


def test_the_directory_travels_with_tickets_and_handles(plain, as_owner, shelf, films):
    plain.list_actions(as_owner)
    assert set_options(plain, as_owner, schema=shelf) == {}
    info = plain.get_flight_info(fl.FlightDescriptor.for_command(b"select * from wire_films"), as_owner)
    assert directory_of(info.endpoints[0].ticket) == shelf
    by_path = plain.get_flight_info(fl.FlightDescriptor.for_path("wire_films"), as_owner)
    assert directory_of(by_path.endpoints[0].ticket) is None
    request = messages.ActionCreatePreparedStatementRequest(query=f"select id from {films}")
    (result,) = plain.do_action(fl.Action("CreatePreparedStatement", messages.pack_any(request)), as_owner)
    handle = messages.unpack_any(result.body.to_pybytes()).prepared_statement_handle
    assert directory_of(fl.Ticket(handle)) == shelf
    assert plain.do_get(info.endpoints[0].ticket, as_owner).read_all().num_rows == 100


def test_options_are_set_one_by_one(plain, as_owner, shelf):
    plain.list_actions(as_owner)
    errors = set_options(plain, as_owner, schema="/Wire_Session/Upper/", catalog="other", colour="red")
    assert errors == {"catalog": SessionOptionErrorValue.INVALID_VALUE, "colour": SessionOptionErrorValue.INVALID_NAME}
    assert get_options(plain, as_owner) == {"catalog": "pixeltable", "schema": shelf}


@pytest.mark.parametrize(
    "value", [SessionOptionValue(bool_value=True), SessionOptionValue(int64_value=1), SessionOptionValue(double_value=0.5)]
)
def test_a_value_of_another_type(plain, as_owner, value):
    plain.list_actions(as_owner)
    assert set_options(plain, as_owner, schema=value) == {"schema": SessionOptionErrorValue.INVALID_VALUE}


def test_an_option_without_a_value_goes_back_to_its_default(plain, as_owner, shelf):
    plain.list_actions(as_owner)
    assert set_options(plain, as_owner, schema=shelf) == {}
    assert set_options(plain, as_owner, schema=SessionOptionValue(), catalog=SessionOptionValue()) == {}
    assert get_options(plain, as_owner)["schema"] == ""


def test_a_session_ends(plain, as_owner, shelf):
    plain.list_actions(as_owner)
    set_options(plain, as_owner, schema=shelf)
    (body,) = run(plain, as_owner, "CloseSession")
    assert messages.decode(messages.CloseSessionResult, body).status == messages.CloseSessionStatus.CLOSED
    assert get_options(plain, as_owner)["schema"] == ""


@pytest.mark.parametrize("change", [lambda c: c + "x", lambda c: c.replace("=session.", "=ticket."), lambda c: c[:-5]])
def test_a_changed_cookie_is_refused_not_forgotten(plain, cookies, as_owner, shelf, change):
    plain.list_actions(as_owner)
    set_options(plain, as_owner, schema=shelf)
    cookies.header = change(cookies.header)
    with pytest.raises(fl.FlightServerError, match="INVALID_ARGUMENT: The session is not one of this server and key"):
        plain.list_actions(as_owner)


def test_a_cookie_of_another_key_or_store(plain, cookies, as_owner, postgres):
    ((secret,),) = postgres.execute("select value from pxt_flight.secrets where name = 'ticket'").fetchall()
    for key, claims in ((bytes(secret), {"k": "other", "d": ""}), (b"guess" * 8, {"k": "other", "d": ""})):
        cookies.header = "pxt_flight_session=" + Signer(key).sign("session", claims).decode()
        with pytest.raises(fl.FlightServerError, match="INVALID_ARGUMENT: The session is not one of this server and key"):
            plain.list_actions(as_owner)


@pytest.mark.parametrize("cookie", ["", "other=1", "other=1; pxt_flight_session=none", 'pxt_flight_session="none"; x', "=;;="])
def test_other_cookies_do_not_matter(server, as_owner, cookie):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode()), (b"cookie", cookie.encode())])
    with fl.connect(server.flight_uri) as client:
        assert get_options(client, options) == {"catalog": "pixeltable", "schema": ""}


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b"\x0a\xff\xff\xff\xff\x0f"])
def test_a_damaged_request(plain, as_owner, body):
    plain.list_actions(as_owner)
    with pytest.raises(fl.FlightServerError, match="INVALID_ARGUMENT: The body is not a SetSessionOptionsRequest"):
        list(plain.do_action(fl.Action("SetSessionOptions", body), as_owner))
