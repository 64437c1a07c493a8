"""Who may come in, and with which tickets: keys, their headers, and grants that are forged, changed, old or another's."""

import base64
import json
import uuid

import pyarrow.flight as fl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pxt_flight as pf
from pxt_flight.access.grants import Signer
from pxt_flight.access.keys import make_key
from pxt_flight.access.principals import Principal
from pxt_flight.errors import from_json
from pxt_flight.flight import messages

often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def pins(engine, films, request_of):
    """What a ticket of the films reads: `pins()`, with fields of the pin changed: `pins(version=3)`."""
    (live,) = engine.plan(request_of(f"select id from {films}")).pins
    return lambda **changed: (live._replace(**changed),)


@pytest.fixture(scope="module")
def ticket(stranger, as_owner, films):
    """A good ticket."""
    descriptor = fl.FlightDescriptor.for_command(b"select id from wire_films where id < 3")
    return stranger.get_flight_info(descriptor, as_owner).endpoints[0].ticket.ticket


@pytest.fixture(scope="module")
def secret(postgres, server):
    """What the store signs tickets with."""
    ((value,),) = postgres.execute("select value from pxt_flight.secrets where name = 'ticket'").fetchall()
    return bytes(value)


@pytest.fixture(scope="module")
def owner(postgres, server):
    """The owner's principal; a store that is used has had one key of its owner only."""
    ((key_id, name, permissions, tables),) = postgres.execute(
        "select id, name, permissions, tables from pxt_flight.keys where revoked_at is null"
    ).fetchall()
    return Principal(str(key_id), name, frozenset(permissions), tuple(tables))


@pytest.fixture(scope="module")
def office(secret):
    """Writes tickets as the server does."""
    from pxt_flight.flight.tickets import TicketOffice  # it brings Pixeltable, which must not be imported before the fixture `pxt`

    return TicketOffice(Signer(secret))


@pytest.fixture(scope="module")
def request_of(pxt):
    """A request by its SQL."""
    from pxt_flight.engine.scan import Request

    return Request


@pytest.fixture(scope="module")
def handle(office, owner, request_of):
    """A good handle of a prepared statement."""
    return office.statement(owner, request_of("select id from wire_films"))


def code_of(caught):
    return from_json(caught.value.extra_info).code


def headers(*pairs):
    return fl.FlightCallOptions(headers=list(pairs))


# Keys


def refused_headers(key):
    return {
        "none": ([], "key_missing"),
        "empty": ([(b"authorization", b"")], "key_missing"),
        "no key": ([(b"authorization", b"Bearer")], "key_missing"),
        "blank": ([(b"authorization", b"Bearer   ")], "key_missing"),
        "no scheme": ([(b"authorization", key)], "key_missing"),
        "another scheme": ([(b"authorization", b"Token " + key)], "key_missing"),
        "Basic of a wrong key": ([(b"authorization", b"Basic " + base64.b64encode(b"user:" + make_key().encode()))], "key_invalid"),
        "Basic without a user": ([(b"authorization", b"Basic " + base64.b64encode(key))], "key_invalid"),
        "Basic of no base64": ([(b"authorization", b"Basic !" + key)], "key_invalid"),
        "another header": ([(b"x-api-key", key)], "key_missing"),
        "binary header": ([(b"authorization-bin", b"\xff\x00")], "key_missing"),
        "wrong": ([(b"authorization", b"Bearer " + make_key().encode())], "key_invalid"),
        "cut short": ([(b"authorization", b"Bearer " + key[:-1])], "key_invalid"),
        "with more": ([(b"authorization", b"Bearer " + key + b" x")], "key_invalid"),
        "in capitals": ([(b"authorization", b"Bearer " + key.upper())], "key_invalid"),
        "long": ([(b"authorization", b"Bearer pxt_" + b"a" * 6000)], "key_invalid"),
        "wrong before right": ([(b"authorization", b"Bearer x"), (b"authorization", b"Bearer " + key)], "key_invalid"),
    }


@pytest.mark.parametrize("kind", refused_headers(b""))
def test_every_call_needs_the_key(server, films, ticket, kind):
    pairs, code = refused_headers(server.key.encode())[kind]
    options = headers(*pairs)
    descriptor = fl.FlightDescriptor.for_path(films)
    with fl.connect(server.flight_uri) as client:
        for call in (
            lambda: client.get_flight_info(descriptor, options),
            lambda: client.get_schema(descriptor, options),
            lambda: client.do_get(fl.Ticket(ticket), options).read_all(),
            lambda: list(client.list_flights(b"", options)),
            lambda: client.list_actions(options),
            lambda: list(client.do_action(fl.Action("pixeltable.list_tables", b""), options)),
        ):
            # pyarrow's ListFlights client makes an OSError of every Flight error.
            with pytest.raises((fl.FlightUnauthenticatedError, OSError), match=f"{code}: .*Detail: Unauthenticated") as caught:
                call()
            assert server.key not in str(caught.value)


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
def test_the_scheme_in_any_case(stranger, server, films, scheme):
    options = headers((b"authorization", scheme + server.key.encode()))
    assert stranger.get_flight_info(fl.FlightDescriptor.for_path(films), options).schema.names[0] == "id"


# Tickets


def test_a_ticket_says_nothing_of_the_key_or_the_store(ticket, server, store):
    body = json.loads(base64.urlsafe_b64decode(ticket.split(b".")[1] + b"=="))
    assert body.keys() == {"k", "q", "p", "m", "v", "exp"}
    assert server.key not in json.dumps(body)
    assert str(store) not in json.dumps(body)


def test_the_secret_signs_what_the_server_reads(stranger, as_owner, office, owner, request_of, pins):
    ours = office.ticket(owner, request_of("select count(*) as n from wire_films"), pins())
    assert stranger.do_get(fl.Ticket(ours), as_owner).read_all().to_pylist() == [{"n": 100}]


def test_an_old_ticket(stranger, as_owner, secret, owner):
    claims = {"k": owner.key_id, "q": "select id from wire_films", "p": [], "m": "bytes", "v": []}
    old = Signer(secret).sign("ticket", claims, lifetime=-1)
    with pytest.raises(fl.FlightServerError, match="ticket_expired: ") as caught:
        stranger.do_get(fl.Ticket(old), as_owner).read_all()
    fault = from_json(caught.value.extra_info)
    assert isinstance(fault, pf.StaleTicketError)
    assert fault.retryable


def test_tickets_whose_parameters_are_equal_but_for_their_type(stranger, as_owner, films):
    def ticket(value):
        command = json.dumps({"sql": "select id + $1 as n from wire_films order by id limit 1", "parameters": [value]})
        info = stranger.get_flight_info(fl.FlightDescriptor.for_command(command), as_owner)
        return info.schema, info.endpoints[0].ticket

    promised = [ticket(1), ticket(1.0)]
    assert [str(schema.field("n").type) for schema, _ in promised] == ["int64", "double"]
    for schema, one in promised:
        assert stranger.do_get(one, as_owner).read_all().schema == schema


def test_a_ticket_of_a_table_that_gave_its_name_to_another(stranger, as_owner, pxt):
    def make(rows):
        pxt.drop_table("renewed", if_not_exists="ignore")
        pxt.create_table("renewed", {"id": pxt.Int}).insert([{"id": row} for row in range(rows)])

    make(3)
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command("select id from renewed"), as_owner)
    make(5)  # at the same version as before
    with pytest.raises(fl.FlightServerError, match="ticket_stale: ") as caught:
        stranger.do_get(info.endpoints[0].ticket, as_owner).read_all()
    assert from_json(caught.value.extra_info).retryable
    pxt.drop_table("renewed")
    with pytest.raises(fl.FlightServerError, match="ticket_stale: "):
        stranger.do_get(info.endpoints[0].ticket, as_owner).read_all()


def test_a_ticket_made_for_another_key(stranger, as_owner, office, request_of, pins):
    other = Principal(str(uuid.uuid4()), "other", frozenset({"read"}))
    foreign = office.ticket(other, request_of("select id from wire_films"), pins())
    with pytest.raises(fl.FlightServerError, match="ticket_invalid: The ticket was made for another key"):
        stranger.do_get(fl.Ticket(foreign), as_owner).read_all()


def test_a_handle_is_no_ticket_and_a_ticket_no_handle(stranger, as_owner, ticket, handle, owner):
    dressed_up = b"ticket." + handle.split(b".", 1)[1]
    for refused in (dressed_up, Signer(b"guess" * 8).sign("ticket", {"k": owner.key_id})):
        with pytest.raises(fl.FlightServerError, match="ticket_invalid: "):
            stranger.do_get(fl.Ticket(refused), as_owner).read_all()
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=ticket))
    with pytest.raises(fl.FlightServerError, match="ticket_invalid: "):
        stranger.get_flight_info(fl.FlightDescriptor.for_command(command), as_owner)


def changed_bytes(original):
    """Every way to cut, flip one bit of, or put something into the bytes."""
    flips = st.tuples(st.integers(0, len(original) * 8 - 1)).map(lambda at: flipped(original, at[0]))
    cuts = st.integers(0, len(original) - 1).map(lambda length: original[:length])
    inserted = st.tuples(st.integers(0, len(original)), st.binary(min_size=1, max_size=3)).map(
        lambda what: original[: what[0]] + what[1] + original[what[0] :]
    )
    return (flips | cuts | inserted).filter(lambda changed: changed != original)


def flipped(original, bit):
    changed = bytearray(original)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@often
@given(data=st.data())
def test_a_changed_ticket_is_refused(stranger, as_owner, ticket, data):
    changed = data.draw(changed_bytes(ticket))
    with pytest.raises(fl.FlightServerError) as caught:
        stranger.do_get(fl.Ticket(changed), as_owner).read_all()
    # Without its first word it is no ticket any more, but SQL, and bad SQL.
    assert code_of(caught) == "ticket_invalid" or not changed.startswith(b"ticket.")


@often
@given(data=st.data())
def test_a_changed_handle_is_refused(stranger, as_owner, handle, data):
    command = messages.CommandPreparedStatementQuery(prepared_statement_handle=data.draw(changed_bytes(handle)))
    with pytest.raises(fl.FlightServerError, match="ticket_invalid: "):
        stranger.get_flight_info(fl.FlightDescriptor.for_command(messages.pack_any(command)), as_owner)


def test_hostile_claims_under_a_good_signature_are_still_checked(stranger, as_owner, office, owner, request_of, pins):
    """A column that is not there now was there when the ticket was made, for all that is known."""
    for sql, code in (("delete from wire_films", "sql_not_allowed"), ("select nope from wire_films", "ticket_stale")):
        signed = office.ticket(owner, request_of(sql), pins())
        with pytest.raises(fl.FlightServerError, match=f"{code}: "):
            stranger.do_get(fl.Ticket(signed), as_owner).read_all()


def test_a_ticket_of_a_version_that_never_was(stranger, as_owner, office, owner, request_of, pins):
    signed = office.ticket(owner, request_of("select id from wire_films"), pins(version=10**6))
    with pytest.raises(fl.FlightServerError, match="ticket_stale: "):
        stranger.do_get(fl.Ticket(signed), as_owner).read_all()


@pytest.mark.parametrize("changed", [{"stamp": "0" * 24}, {"table_id": "0" * 32}, {"version": None}])
def test_a_ticket_of_another_version_of_the_same_number(stranger, as_owner, office, owner, request_of, pins, changed):
    signed = office.ticket(owner, request_of("select id from wire_films"), pins(**changed))
    with pytest.raises(fl.FlightServerError, match="ticket_stale: "):
        stranger.do_get(fl.Ticket(signed), as_owner).read_all()


def test_a_ticket_of_a_release_with_shorter_pins(stranger, as_owner, office, owner, request_of, pins):
    signed = office.ticket(owner, request_of("select id from wire_films"), [pin[:3] for pin in pins()])
    with pytest.raises(fl.FlightServerError, match="ticket_stale: The ticket was made by another release"):
        stranger.do_get(fl.Ticket(signed), as_owner).read_all()
