"""Keys, principals and the signer; the owner's key on a real Postgres."""

import json
import re
import stat
import string
import time
import uuid

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.access.grants import MEDIA_LIFETIME, MediaGrants, Signer
from pxt_flight.access.keys import KeyRing, ensure_owner_key, is_well_formed, key_hash, load_key_ring, load_secret, make_key
from pxt_flight.access.principals import Principal
from pxt_flight.access.schema import open_schema
from pxt_flight.errors import ConnectError, StaleTicketError, UnauthenticatedError
from pxt_flight.public_api import PERMISSIONS, find_operation, public_api

often = settings(max_examples=100, deadline=None)
BASE62 = string.digits + string.ascii_letters


# Principals


@pytest.fixture(scope="module")
def operation_for(module_registry):
    """An operation for each permission that it may need."""

    def declare(permission):
        def operation() -> None:
            """Do it."""

        operation.__qualname__ = operation.__name__ = f"needs_{permission}"
        public_api(permission=permission, auth_required=permission is not None)(operation)
        return find_operation(operation.__name__)

    return {permission: declare(permission) for permission in [*sorted(PERMISSIONS), None]}


@pytest.mark.parametrize("needed", sorted(PERMISSIONS))
@pytest.mark.parametrize("granted", [(), ("read",), ("write",), ("admin",), ("read", "write"), tuple(sorted(PERMISSIONS))])
def test_a_principal_may_what_it_was_granted_and_no_more(operation_for, needed, granted):
    principal = Principal("id", "name", frozenset(granted))
    assert principal.may(operation_for[needed]) is (needed in granted)
    assert principal.may(operation_for[needed], "any/table") is (needed in granted)


@pytest.mark.parametrize(
    ("patterns", "table", "expected"),
    [
        (("*",), "films", True),
        (("*",), "a/b/films", True),
        (("films",), "films", True),
        (("films",), "films2", False),
        (("films",), "a/films", False),
        (("shelf/*",), "shelf/books", True),
        (("shelf/*",), "shelves/books", False),
        (("shelf/*",), "shelf", False),
        (("a*", "b*"), "books", True),
        ((), "films", False),
        (("*",), None, True),
        ((), None, True),
        (("FILMS",), "films", False),
    ],
)
def test_patterns_of_tables(operation_for, patterns, table, expected):
    assert Principal("id", "name", frozenset({"read"}), patterns).may(operation_for["read"], table) is expected


def test_an_operation_without_permission_is_for_everybody(operation_for):
    assert Principal("id", "name", frozenset()).may(operation_for[None])


# Keys


def test_the_form_of_a_key():
    keys = {make_key() for _ in range(200)}
    assert len(keys) == 200
    assert all(key.startswith("pxt_") and len(key) == 40 and set(key[4:]) <= set(BASE62) for key in keys)
    assert all(map(is_well_formed, keys))


def test_every_change_of_one_character_is_noticed():
    key = make_key()
    changed = [key[:at] + other + key[at + 1 :] for at in range(len(key)) for other in BASE62 + "_-" if other != key[at]]
    assert len(changed) > 2400
    assert not [other for other in changed if is_well_formed(other)]


@often
@given(st.text() | st.text(BASE62, min_size=36, max_size=36).map("pxt_".__add__))
def test_no_other_text_is_a_key(text):
    assert not is_well_formed(text)


def test_the_hash_depends_on_key_and_pepper():
    first, second = make_key(), make_key()
    hashes = {key_hash(pepper, key) for pepper in (b"a" * 32, b"b" * 32) for key in (first, second)}
    assert len(hashes) == 4
    assert {len(hashed) for hashed in hashes} == {32}


def test_a_ring_knows_its_keys_only():
    key, pepper = make_key(), b"p" * 32
    principal = Principal("one", "name", frozenset({"read"}))
    ring = KeyRing(pepper, {key_hash(pepper, key): principal})
    assert ring.authenticate(key) is principal
    assert ring.principal("one") is principal
    assert ring.principal("two") is None
    for wrong, code in (
        (None, "key_missing"),
        ("", "key_missing"),
        ("x", "key_invalid"),
        (make_key(), "key_invalid"),
        (key + " ", "key_invalid"),
    ):
        with pytest.raises(UnauthenticatedError) as caught:
            ring.authenticate(wrong)
        assert caught.value.code == code
        assert key not in str(caught.value)


# The owner's key, on the store's Postgres, in a transaction that is rolled back


@pytest.fixture
def connection(pxt):
    from pxt_flight.engine.seam.store import libpq_uri

    with psycopg.connect(libpq_uri()) as connection:
        yield connection
        connection.rollback()


def test_the_owner_key_stays_the_same(connection, tmp_path):
    key = ensure_owner_key(connection, tmp_path)
    assert ensure_owner_key(connection, tmp_path) == key
    assert (tmp_path / "owner.key").read_text() == f"{key}\n"
    assert stat.S_IMODE((tmp_path / "owner.key").stat().st_mode) == 0o600
    principal = load_key_ring(connection).authenticate(key)
    assert principal.permissions == PERMISSIONS
    assert principal.tables == ("*",)


@pytest.mark.parametrize("content", [None, "", "nonsense", make_key()], ids=["lost", "empty", "nonsense", "another key"])
def test_a_lost_or_changed_file_makes_a_new_key_and_revokes_the_old(connection, tmp_path, content):
    old = ensure_owner_key(connection, tmp_path)
    if content is None:
        (tmp_path / "owner.key").unlink()
    else:
        (tmp_path / "owner.key").write_text(content)
        (tmp_path / "owner.key").chmod(0o644)
    new = ensure_owner_key(connection, tmp_path)
    assert new not in (old, content)
    assert is_well_formed(new)
    assert stat.S_IMODE((tmp_path / "owner.key").stat().st_mode) == 0o600
    ring = load_key_ring(connection)
    assert ring.authenticate(new).permissions == PERMISSIONS
    with pytest.raises(UnauthenticatedError):
        ring.authenticate(old)


def test_homes_on_one_store_have_owners_of_their_own(connection, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    keys = [ensure_owner_key(connection, folder) for folder in folders]
    ring = load_key_ring(connection)
    assert len({ring.authenticate(key).name for key in keys}) == 2
    assert str(tmp_path) not in "".join(ring.authenticate(key).name for key in keys)


def test_no_key_is_stored_in_clear(connection, tmp_path):
    key = ensure_owner_key(connection, tmp_path)
    stored = connection.execute("select k::text, encode(key_hash, 'escape') from pxt_flight.keys k").fetchall()
    stored += connection.execute("select s::text, encode(value, 'escape') from pxt_flight.secrets s").fetchall()
    assert not [row for row in stored if key in str(row) or key[4:34] in str(row)]
    hashed = key.encode().hex()
    assert not [row for row in stored if hashed in str(row)]


def test_a_secret_is_made_once(connection):
    first = load_secret(connection, "of a test")
    assert len(first) == 32
    assert load_secret(connection, "of a test") == first
    assert load_secret(connection, "of another test") != first


def test_a_store_that_cannot_be_reached_is_said_without_its_address():
    with pytest.raises(ConnectError) as caught, open_schema("postgresql://someone:secret@127.0.0.1:1/none"):
        pass
    assert caught.value.code == "home_unusable"
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


# The signer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.dictionaries(st.text().filter(lambda name: name != "exp"), JSON, max_size=4)
PURPOSES = st.text("abcdefgh", min_size=1, max_size=8)


@often
@given(secret=st.binary(min_size=32, max_size=32), purpose=PURPOSES, claims=CLAIMS)
def test_what_is_signed_is_read_back(secret, purpose, claims):
    grant = Signer(secret).sign(purpose, claims)
    assert Signer(secret).verify(purpose, grant) == json.loads(json.dumps(claims))
    assert all(33 <= byte < 127 for byte in grant)


@often
@given(secret=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32), purpose=PURPOSES, claims=CLAIMS)
def test_another_secret_or_purpose_reads_nothing(secret, other, purpose, claims):
    grant = Signer(secret).sign(purpose, claims)
    attempts = [(Signer(secret), purpose + "x", grant), (Signer(secret), purpose + "x", (purpose + "x").encode() + grant[len(purpose) :])]
    attempts += [(Signer(other), purpose, grant)] if other != secret else []
    for signer, asked, sent in attempts:
        with pytest.raises(StaleTicketError) as caught:
            signer.verify(asked, sent)
        assert caught.value.code == "ticket_invalid"


@often
@given(data=st.data(), claims=CLAIMS)
def test_no_changed_byte_goes_unnoticed(data, claims):
    signer = Signer(b"s" * 32)
    grant = bytearray(signer.sign("ticket", claims))
    at = data.draw(st.integers(0, 10**6)) % len(grant)
    grant[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StaleTicketError):
        signer.verify("ticket", bytes(grant))


@often
@given(st.binary())
def test_no_bytes_are_a_grant(junk):
    for sent in (junk, b"ticket." + junk, b"ticket.e30." + junk):
        with pytest.raises(StaleTicketError):
            Signer(b"s" * 32).verify("ticket", sent)


def test_an_old_grant_says_that_it_is_old():
    signer = Signer(b"s" * 32)
    with pytest.raises(StaleTicketError) as caught:
        signer.verify("ticket", signer.sign("ticket", {}, lifetime=-0.001))
    assert caught.value.code == "ticket_expired"


# Media grants

IDS = st.uuids()
VERSIONS = st.none() | st.integers(0, 2**62)
COLUMNS = st.integers(0, 2**32 - 1)


@often
@given(secret=st.binary(min_size=32, max_size=32), key=IDS, table=IDS, version=VERSIONS, column=COLUMNS, include_deleted=st.booleans())
def test_a_media_grant_is_short_and_read_back(secret, key, table, version, column, include_deleted):
    grant = MediaGrants(secret).mint(str(key), table.hex, version, column, include_deleted)
    assert re.fullmatch("[A-Za-z0-9_-]{87}", grant)
    read = MediaGrants(secret).read(grant)
    assert read[:-1] == (str(key), table.hex, version, column, include_deleted)
    assert MEDIA_LIFETIME - 60 <= read.expires - time.time() + 1 <= MEDIA_LIFETIME + 1
    other = MediaGrants(secret[::-1] + b"x")
    refused(other, grant)


@often
@given(data=st.data(), version=VERSIONS)
def test_no_changed_character_of_a_media_grant_goes_unnoticed(data, version):
    grants = MediaGrants(b"s" * 32)
    grant = grants.mint(str(uuid.uuid4()), uuid.uuid4().hex, version, 3)
    at = data.draw(st.integers(0, len(grant) - 1))
    # Of the last one four bits count, and the two that are left over must be none too: one grant has one form.
    instead = data.draw(st.characters().filter(lambda character: character != grant[at]))
    refused(grants, grant[:at] + instead + grant[at + 1 :])
    refused(grants, grant[:at])
    refused(grants, grant + data.draw(st.text("AB=_-", min_size=1, max_size=4)))


@often
@given(st.text())
def test_no_text_is_a_media_grant(junk):
    refused(MediaGrants(b"s" * 32), junk)


@pytest.mark.parametrize("purpose", ["media", "ticket"])
def test_neither_kind_of_grant_is_one_of_the_other(purpose):
    secret = b"s" * 32
    ticket = Signer(secret).sign(purpose, {"k": "1"})
    for part in (ticket, *ticket.split(b".")):
        refused(MediaGrants(secret), part.decode())
    with pytest.raises(StaleTicketError):
        Signer(secret).verify(purpose, MediaGrants(secret).mint(str(uuid.uuid4()), uuid.uuid4().hex, 1, 1).encode())


def test_an_old_media_grant_says_that_it_is_old():
    grants = MediaGrants(b"s" * 32)
    with pytest.raises(StaleTicketError) as caught:
        grants.read(grants.mint(str(uuid.uuid4()), uuid.uuid4().hex, 1, 1, lifetime=-1))
    assert caught.value.code == "ticket_expired"


def refused(grants, grant):
    with pytest.raises(StaleTicketError) as caught:
        grants.read(grant)
    assert caught.value.code == "ticket_invalid"
