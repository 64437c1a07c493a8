"""Attacks on each wall, through pyarrow, ADBC and GetSchema: refused or harmless, silent about the store, and survived."""

import json
import re
import time

import adbc_driver_manager
import attacks
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from pxt_flight.errors import CODES, PxtFlightError, from_json

INSIDES = re.compile(
    r"Traceback|File \"|\.pyx?\b|site-packages|psycopg|sqlalchemy|\b(?:tbl|view)_[0-9a-f]{8}|\bcol_\d|pxt_flight|pxt\$\d"
    r"|SELECT CAST|NOT MATERIALIZED|v_max|v_min|pxt_[0-9A-Za-z]{30}|/(?:tmp|home|root|usr|etc|var)/\w"
)


@pytest.fixture(scope="session")
def client(server):
    with fl.connect(server.flight_uri) as client:
        yield client


@pytest.fixture(scope="session")
def key(server):
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])


@pytest.fixture
def says_nothing(client, key, server, store, corpus):
    """Check a text that reached a client: what the client said may come back, nothing else of the inside; then the server answers."""

    def check(text, sent):
        assert not {secret for secret in (server.key, str(store), store.name) if secret in text}
        assert set(INSIDES.findall(text)) <= set(INSIDES.findall(sent))
        assert client.do_get(fl.Ticket(b"select count(*) as n from movie"), key).read_all().to_pylist() == [{"n": 400}]

    return check


def named(sql):
    return re.sub(r"\s+", " ", sql)[:70].encode("ascii", "replace").decode()


def as_json(sql):
    return json.dumps({"sql": sql}).encode()


def test_the_corpus_is_large():
    assert len(attacks.REFUSED) >= 200
    assert len(set(attacks.REFUSED)) == len(attacks.REFUSED)


@pytest.mark.parametrize("sql", attacks.REFUSED, ids=named)
def test_refused_through_pyarrow(client, key, says_nothing, sql):
    with pytest.raises(fl.FlightServerError) as caught:
        client.do_get(fl.Ticket(as_json(sql)), key).read_all()
    fault = from_json(caught.value.extra_info)
    assert fault.code in CODES
    assert not isinstance(fault, CODES["INTERNAL_ERROR"])
    says_nothing(f"{caught.value} {caught.value.extra_info.decode()}", sql)


# The driver cuts a text at a NUL, and cannot send half of a surrogate pair.
SENDABLE = [sql for sql in attacks.REFUSED if "\0" not in sql and "\ud800" not in sql]


@pytest.mark.parametrize("sql", SENDABLE, ids=named)
def test_refused_through_adbc(wire, says_nothing, sql):
    with wire.cursor() as cursor, pytest.raises(adbc_driver_manager.Error) as caught:
        cursor.execute(sql).fetchall()
    assert "INTERNAL" not in str(caught.value)
    # The cookie of Flight SQL's sessions bears our name.
    details = [(name, value) for name, value in caught.value.details if name not in ("set-cookie", b"set-cookie")]
    says_nothing(f"{caught.value} {details}", sql)


@pytest.mark.parametrize("sql", SENDABLE[::3], ids=named)
def test_refused_by_get_schema(client, key, says_nothing, sql):
    with pytest.raises(pa.ArrowException) as caught:
        client.get_schema(fl.FlightDescriptor.for_command(sql.encode()), key)
    assert "INTERNAL_ERROR" not in str(caught.value)
    says_nothing(str(caught.value), sql)


@pytest.mark.parametrize("sql", attacks.HARMLESS, ids=named)
def test_harmless(client, key, says_nothing, sql):
    try:
        answer = client.do_get(fl.Ticket(as_json(sql)), key).read_all()
    except fl.FlightServerError as fault:
        assert not isinstance(from_json(fault.extra_info), CODES["INTERNAL_ERROR"])  # noqa: PT017  # both ways are right
        says_nothing(f"{fault} {fault.extra_info.decode()}", sql)
    else:
        says_nothing(f"{answer.schema} {answer.to_pylist()}", sql)


@pytest.fixture(scope="module")
def hurried(pxt, engine, corpus):
    """An engine of this process whose queries may take less than a second."""
    from pxt_flight.access.reader import ensure_reader
    from pxt_flight.access.schema import open_schema
    from pxt_flight.engine.engine import Engine
    from pxt_flight.engine.limits import Limits

    hurried = Engine(threads=1, limits=Limits(seconds=0.4, rows=10_000, size=1 << 24))
    with open_schema(engine.store.uri) as connection:
        reader = ensure_reader(connection, engine.store.uri)
    hurried.read_as(reader)
    yield hurried
    hurried.close()


@pytest.mark.parametrize("sql", attacks.BOMBS, ids=named)
def test_a_bomb_is_cut_off(hurried, sql):
    from pxt_flight.engine.scan import Request

    started = time.monotonic()
    with pytest.raises(PxtFlightError) as caught:
        drain(hurried, sql)
    assert caught.value.code in {"timeout", "result_too_large", "unavailable", "INVALID_ARGUMENT", "sql_unsupported"}
    assert not INSIDES.search(str(caught.value))
    assert time.monotonic() - started < 20
    assert hurried.plan(Request("select id from movie")).schema.names == ["id"]


def drain(engine, sql):
    from pxt_flight.engine.scan import Request

    stream = engine.stream(Request(sql))
    try:
        for _ in stream.batches:
            pass
    finally:
        stream.close()
