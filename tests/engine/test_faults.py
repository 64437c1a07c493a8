"""What Pixeltable and the libraries beneath it raise, as it reaches a client: the right code, and nothing of the server."""

import errno

import PIL.Image
import psycopg
import pydantic
import pytest
import sqlglot
from sqlalchemy import exc as sql

from pxt_flight.errors import REFERENCE

# What no client may read: a file of the server, a statement of ours, the server's key at a provider.
SECRETS = ("/home/ada/.pixeltable", "SELECT tbl_0123abcd.col_7", "sk-live-1234")
TEXT = " ".join(SECRETS)


@pytest.fixture(scope="module")
def ours(pxt):
    """What a client is told: checked for what it may not be told."""
    from pxt_flight.engine.faults import of_pixeltable

    def ours(fault):
        told = of_pixeltable(fault)
        assert told.code in REFERENCE
        for secret in SECRETS:
            assert secret.encode() not in told.to_json()
        return told

    return ours


RENAMED = {"PATH_NOT_FOUND": "TABLE_NOT_FOUND"}  # what Pixeltable says of a table that is missing


def test_every_code_of_pixeltable_is_kept(pxt, ours):
    assert {code.name for code in pxt.exceptions.ErrorCode} <= REFERENCE.keys()
    for code in pxt.exceptions.ErrorCode:
        fault = pxt.exceptions.Error.from_dict({"error_code": code.name, "message": TEXT, "detail": f"Traceback {TEXT}"})
        told = ours(fault)
        assert told.code == RENAMED.get(code.name, code.name)
        assert type(told) is REFERENCE[told.code].kind


# Where ours is another than Pixeltable's: a client would doubt its own key at a 401, a constraint stands against it as a conflict does,
# and what a request asks in vain for is 422 here, whatever it is.
OTHER_STATUS = {
    "PROVIDER_AUTH_ERROR": 502,
    "CONSTRAINT_VIOLATION": 409,
    "UNSUPPORTED_OPERATION": 422,
    "INVALID_STATE": 409,
    "NOT_BOUND": 409,
    "ALREADY_BOUND": 409,
}


def test_the_status_is_pixeltables_own_but_for_some(pxt):
    found = {code.name: REFERENCE[code.name].http_status for code in pxt.exceptions.ErrorCode}
    assert found == {code.name: code.http_status for code in pxt.exceptions.ErrorCode} | OTHER_STATUS


def test_what_may_be_retried_is_pixeltables_own_word(pxt):
    told = {code.name for code in pxt.exceptions.ErrorCode if code.is_retryable}
    ours = {code.name for code in pxt.exceptions.ErrorCode if REFERENCE[code.name].retryable}
    assert ours - told == {"FILE_CACHE_FULL"}  # the cache empties itself
    assert told <= ours


def test_a_harmless_text_is_passed_on_without_its_detail(pxt, ours):
    fault = pxt.exceptions.Error.from_dict({"error_code": "COLUMN_NOT_FOUND", "message": "Unknown column: scor", "detail": TEXT})
    assert str(ours(fault)) == "COLUMN_NOT_FOUND: Pixeltable: Unknown column: scor"


def test_a_provider_is_not_quoted_even_where_the_text_looks_harmless(pxt, ours):
    fault = pxt.exceptions.ExternalServiceError(pxt.exceptions.ErrorCode.PROVIDER_AUTH_ERROR, "Incorrect API key provided: sk-live-1234")
    assert (ours(fault).code, ours(fault).http_status) == ("PROVIDER_AUTH_ERROR", 502)


class Count(pydantic.BaseModel):
    n: int


def raised(work):
    try:
        work()
    except Exception as fault:  # noqa: BLE001  # what it is is the point
        return fault
    raise AssertionError("nothing was raised")


def database(kind, orig):
    return kind(SECRETS[1], {}, orig)


def with_state(kind, state):
    fault = kind(TEXT)
    fault.sqlstate = state
    return fault


LIBRARIES = {
    "assertion": (lambda: AssertionError(TEXT), "INTERNAL_ERROR"),
    "attribute": (lambda: AttributeError(TEXT), "INTERNAL_ERROR"),
    "value": (lambda: ValueError(TEXT), "INTERNAL_ERROR"),
    "file": (lambda: FileNotFoundError(errno.ENOENT, TEXT, SECRETS[0]), "INTERNAL_ERROR"),
    "full disk": (lambda: OSError(errno.ENOSPC, TEXT, SECRETS[0]), "disk_full"),
    "surrogate": (lambda: raised(lambda: (TEXT + "\ud800").encode()), "INVALID_ARGUMENT"),
    "SQLAlchemy data": (lambda: database(sql.DataError, psycopg.DataError(TEXT)), "INVALID_ARGUMENT"),
    "SQLAlchemy range": (lambda: database(sql.DataError, with_state(psycopg.errors.NumericValueOutOfRange, "22003")), "INVALID_ARGUMENT"),
    "SQLAlchemy unique": (lambda: database(sql.IntegrityError, psycopg.errors.UniqueViolation(TEXT)), "CONSTRAINT_VIOLATION"),
    "SQLAlchemy deadlock": (lambda: database(sql.OperationalError, psycopg.errors.DeadlockDetected(TEXT)), "SERIALIZATION_FAILURE"),
    "SQLAlchemy connection": (lambda: database(sql.OperationalError, psycopg.OperationalError(TEXT)), "unavailable"),
    "SQLAlchemy invalid": (lambda: sql.InvalidRequestError(TEXT), "INTERNAL_ERROR"),
    "psycopg connection": (lambda: psycopg.OperationalError(TEXT), "unavailable"),
    "psycopg lock": (lambda: psycopg.errors.LockNotAvailable(TEXT), "unavailable"),
    "psycopg syntax": (lambda: psycopg.errors.SyntaxError(TEXT), "sql_syntax"),
    "psycopg interface": (lambda: psycopg.InterfaceError(TEXT), "INTERNAL_ERROR"),
    "sqlglot": (lambda: raised(lambda: sqlglot.parse_one(f"select from where {TEXT}")), "sql_syntax"),
    "sqlglot token": (lambda: raised(lambda: sqlglot.parse_one(f"select '{TEXT}")), "sql_syntax"),
    "Pillow": (lambda: PIL.UnidentifiedImageError(f"cannot identify image file {TEXT!r}"), "media_unreadable"),
    "Pillow bomb": (lambda: PIL.Image.DecompressionBombError(TEXT), "media_unreadable"),
    "pydantic": (lambda: raised(lambda: Count(n=TEXT)), "INTERNAL_ERROR"),  # of a request's own are answered by the wire
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_is_not_quoted(ours, name):
    make, code = LIBRARIES[name]
    assert ours(make()).code == code


def test_arrow_and_adbc_are_not_quoted(ours):
    import adbc_driver_manager as adbc
    import pyarrow as pa

    lost = adbc.OperationalError(TEXT, status_code=adbc.AdbcStatusCode.IO, sqlstate="08006")
    assert ours(lost).code == "unavailable"
    assert ours(adbc.InternalError(TEXT, status_code=adbc.AdbcStatusCode.INTERNAL)).code == "INTERNAL_ERROR"
    assert ours(pa.ArrowInvalid(TEXT)).code == "INTERNAL_ERROR"
