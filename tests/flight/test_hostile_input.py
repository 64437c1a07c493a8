"""Bad and hostile input over the wire: every answer is an error of ours that says what to do and nothing of the server's insides."""

import json
import re

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hostile_statements import CORPUS, NOT_SELECT, PLACES, UNKNOWN_NAMES
from hypothesis import given, settings
from hypothesis import strategies as st

import pxt_flight as pf
from pxt_flight.errors import CODES, from_json
from pxt_flight.flight import messages

INSIDES = re.compile(
    r"Traceback|File \"|\.pyx?\b|site-packages|psycopg|sqlalchemy|/[a-z]+/"
    r"|\btbl_[0-9a-f]|\bcol_\d|SELECT CAST|v_max|v_min|pxt_[0-9A-Za-z]{30}"
)


@pytest.fixture
def says_nothing_of_the_inside(server, store, stranger, as_owner, films):
    """Check a text that reached a client, and that the server still answers; what the client said itself may come back."""

    def check(text, sent=""):
        for secret in (server.key, str(store), store.name):
            assert secret not in text
        echoed = set(re.findall(INSIDES, sent))
        assert set(re.findall(INSIDES, text)) <= echoed
        answer = stranger.do_get(fl.Ticket(f"select count(*) as n from {films}".encode()), as_owner).read_all()
        assert answer.to_pylist() == [{"n": 100}]

    return check


def on_films(sql):
    return re.sub(r"\bfilms\b", "wire_films", sql)


def named(sql):
    return re.sub(r"\s+", " ", sql)[:50] or "nothing"


def statements(corpus):
    ids = [f"{i} {named(sql)}".encode("ascii", "replace").decode() for i, (sql, _) in enumerate(corpus)]
    return pytest.mark.parametrize(("sql", "code"), corpus, ids=ids)


def test_the_corpus_is_large():
    assert len(CORPUS) >= 200
    assert {code for _, code in CORPUS} <= CODES.keys()


@statements(CORPUS)
def test_pyarrow(stranger, as_owner, says_nothing_of_the_inside, sql, code):
    sql = on_films(sql)
    with pytest.raises(fl.FlightServerError, match=f"{code}: ") as caught:
        stranger.do_get(fl.Ticket(json.dumps({"sql": sql}).encode()), as_owner).read_all()
    fault = from_json(caught.value.extra_info)
    assert fault.code == code
    assert type(fault) is CODES[code]
    says_nothing_of_the_inside(f"{caught.value} {caught.value.extra_info.decode()}", sql)


# The driver itself refuses an empty text, and cuts one at a NUL. The first four are served: `test_dml`.
@statements([(sql, code) for sql, code in CORPUS if sql and "\0" not in sql and sql not in NOT_SELECT[:4]])
def test_adbc(adbc, says_nothing_of_the_inside, sql, code):
    sql = on_films(sql)
    with adbc.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=f"{code}: ") as caught:
        cursor.execute(sql).fetchall()
    says_nothing_of_the_inside(f"{caught.value} {caught.value.details}", sql)


# pyarrow catches no Flight error in GetSchema, and sends a traceback of whatever is raised there.
# What a value is at fault for, running tells.
@statements([(sql, code) for sql, code in CORPUS if code != "INVALID_ARGUMENT"][::5])
def test_get_schema(stranger, as_owner, says_nothing_of_the_inside, sql, code):
    with pytest.raises(pa.ArrowException, match=f"{code}: ") as caught:
        stranger.get_schema(fl.FlightDescriptor.for_command(on_films(sql).encode()), as_owner)
    says_nothing_of_the_inside(str(caught.value), on_films(sql))


@pytest.mark.parametrize(("sql", "code", "word"), UNKNOWN_NAMES)
def test_the_hint_names_what_there_is(db, films, sql, code, word):
    with pytest.raises(pf.NotFoundError) as caught:
        db.sql(on_films(sql))
    assert word in caught.value.hint


@pytest.mark.parametrize(("sql", "code", "place"), PLACES)
def test_the_place_of_a_fault(db, films, sql, code, place):
    with pytest.raises(pf.PxtFlightError) as caught:
        db.sql(sql)
    assert (caught.value.where["line"], caught.value.where["character"]) == place


# Long, but served


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select id from wire_films where id in (" + ", ".join(map(str, range(10_000))) + ")", 100),
        ("select id from wire_films where name = '" + "x" * 1_000_000 + "'", 0),
        ("select id from wire_films where " + " or ".join(f"id = {i}" for i in range(200)), 100),
        ("select " + ", ".join(f"id as c{i}" for i in range(64)) + " from wire_films", 100),
        ("select id from wire_films where name = '🙂' or name = $$x'; drop table films$$ -- '", 0),
        ("select/**/id/**/from/**/wire_films;", 100),
        ("select id from wire_films where id < 99999999999999999999999999 and id = any (array[1, 2, 3])", 3),
        ("select " + ", ".join(f"id as c{i}" for i in range(1601)) + " from wire_films", 100),
        ("select id from wire_films order by " + ", ".join(["id"] * 65), 100),
        ("select pxt_flight.id, pg_class.name from wire_films as pxt_flight join wire_films as pg_class using (id)", 100),
        ("with secrets as (select id from wire_films), pg_authid as (select 1) select * from secrets, pg_authid", 100),
        ('select id as a, name as a, id as "a_1" from wire_films', 100),
        ("select 1 limit (select 1)", 1),
        ('select id as "/etc/\n\t\'; drop" from WIRE_FILMS', 100),
    ],
    ids=[
        *("IN of 10,000", "text of 1 MB", "200 ORs", "64 columns", "quotes", "comments", "large number", "1,601 columns", "65 keys"),
        *("aliases of schemas", "WITH of catalogs", "names twice", "no table", "odd alias"),
    ],
)
def test_what_only_looks_hostile_works(db, adbc, films, sql, rows):
    assert db.sql(sql).to_arrow().num_rows == rows
    with adbc.cursor() as cursor:
        assert len(cursor.execute(sql).fetchall()) == rows


# Bodies that are no queries


BODIES = {
    b'{"sql": "select \\ud800 from wire_films"}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films where name = $1", "parameters": ["\\udfff"]}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films", "media": "\\ud800"}': "INVALID_ARGUMENT",
    b'{"sql": 3}': "INVALID_ARGUMENT",
    b'{"sql": null}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films", "limit": 1}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films", "parameters": {}}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films", "parameters": [[1]]}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films where id = $1", "parameters": [[NaN]]}': "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films where id = $1", "parameters": [' + b"9" * 5000 + b"]}": "INVALID_ARGUMENT",
    b'{"sql": "select id from wire_films where id = $1", "parameters": ["' + b"9" * 5000 + b'"]}': "INVALID_ARGUMENT",
    b'{"parameters": ' + b"[" * 100_000: "INVALID_ARGUMENT",
    b'{"' + b"a" * 100_000 + b'": 1}': "INVALID_ARGUMENT",
    b'{"\\ud800": 1}': "INVALID_ARGUMENT",
    b"{": "INVALID_ARGUMENT",
    b"{} {}": "INVALID_ARGUMENT",
    b"\xff\xfe": "INVALID_ARGUMENT",
    b"\x00": "INVALID_ARGUMENT",
    messages.encode(messages._Any(type_url=messages._type_url(messages.CommandStatementQuery), value=b"\x0a\xff")): "INVALID_ARGUMENT",
}


@pytest.mark.parametrize(("body", "code"), BODIES.items(), ids=[repr(body[:60]) for body in BODIES])
def test_bodies(stranger, as_owner, says_nothing_of_the_inside, body, code):
    for ask in (
        lambda: stranger.do_get(fl.Ticket(body), as_owner).read_all(),
        lambda: stranger.get_flight_info(fl.FlightDescriptor.for_command(body), as_owner),
    ):
        with pytest.raises(fl.FlightServerError) as caught:
            ask()
        assert from_json(caught.value.extra_info).code == code
        says_nothing_of_the_inside(f"{caught.value} {caught.value.extra_info.decode()}", repr(body))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_answered_by_an_error_of_ours(stranger, as_owner, body):
    with pytest.raises(fl.FlightServerError) as caught:
        stranger.do_get(fl.Ticket(body), as_owner).read_all()
    fault = from_json(caught.value.extra_info)
    assert fault.code in CODES
    assert not INSIDES.search(str(caught.value))


WORDS = [*"(),.*'\"=<>+-;$?", "select", "from", "where", "and", "not", "in", "id", "wire_films", "1", "null", "count", "limit", "order by"]


@settings(max_examples=80, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_words_are_answered_by_rows_or_an_error_of_ours(stranger, as_owner, films, words):
    try:
        stranger.do_get(fl.Ticket(("select id from wire_films " + " ".join(words)).encode()), as_owner).read_all()
    except fl.FlightServerError as fault:  # an INTERNAL_ERROR, or one of another family, is none of these and fails the test
        said = f"{fault} {fault.extra_info.decode()}"
    else:
        said = ""
    assert not INSIDES.search(said)
