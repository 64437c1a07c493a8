"""Errors of Postgres, of Pixeltable and of what else the engine uses as ours. Postgres' texts name columns and types as the statement does;
what names anything else is not passed on."""

import errno
import re
from http import HTTPStatus

import psycopg
from adbc_driver_manager import Error as AdbcError
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError
from pixeltable import exceptions as pxt_errors
from sqlalchemy.exc import DBAPIError
from sqlglot.errors import SqlglotError

from pxt_flight.errors import REFERENCE, PermissionDeniedError, ProviderError, PxtFlightError, error

_TIMEOUT_HINT = "Ask for fewer rows, or raise PXT_FLIGHT_QUERY_TIMEOUT."
# A path, or a name of the store.
_OURS = re.compile(r"/\w|\\\w|://|\b(tbl|view)_[0-9a-f]{8}|\bcol_\d|pxt_flight")
_REPORTED = re.compile(r".*?ERROR:\s+(?P<text>[^\n]*)", re.DOTALL)
_NAMED = re.compile(r'column (?:reference )?(?:"(?P<quoted>[^"]+)"|(?P<bare>\S+))')
# SQLSTATE -> our code (PostgreSQL, appendix A).
_CODES = {
    "42703": "COLUMN_NOT_FOUND",
    "42702": "INVALID_EXPRESSION",  # an ambiguous column
    "42712": "INVALID_EXPRESSION",  # two tables of one name
    "42803": "INVALID_EXPRESSION",  # GROUP BY
    "42P20": "INVALID_EXPRESSION",  # windows
    "42P10": "INVALID_EXPRESSION",  # a column number that does not exist
    "42P19": "INVALID_EXPRESSION",  # recursion
    "42P01": "INVALID_EXPRESSION",  # a name before a column that no table has
    "42883": "TYPE_MISMATCH",  # no such operator or function for these types
    "42725": "TYPE_MISMATCH",
    "42804": "TYPE_MISMATCH",
    "42846": "TYPE_MISMATCH",
    "42P18": "TYPE_MISMATCH",
    "42809": "INVALID_EXPRESSION",  # a window function without OVER
    "42P21": "INVALID_EXPRESSION",  # two collations
    "42P22": "INVALID_EXPRESSION",
    "42601": "sql_syntax",
    "0A000": "sql_unsupported",  # such as a text in place of a media cell
    "22P02": "TYPE_MISMATCH",  # a literal that is none of its type
    "22007": "TYPE_MISMATCH",
    "22008": "INVALID_ARGUMENT",
    "53400": "result_too_large",  # temp_file_limit
    "54000": "sql_unsupported",
    "54001": "sql_unsupported",
    "54011": "sql_unsupported",
    "54023": "sql_unsupported",
    "21000": "INVALID_ARGUMENT",  # a subquery of more than one row
    "23505": "CONSTRAINT_VIOLATION",
    "40001": "SERIALIZATION_FAILURE",
    "40P01": "SERIALIZATION_FAILURE",  # a deadlock
}
# In the middle of a stream ADBC gives the text alone.
_BY_TEXT = {"invalid input syntax": "TYPE_MISMATCH", "temporary file size exceeds": "result_too_large"}


def translated(sqlstate: str, text: str) -> PxtFlightError:
    """The error of a SQLSTATE.

    Args:
        sqlstate: its five characters, or nothing where it is not known.
        text: Postgres' primary message.
    """
    text = text.replace("pxt_flight.cell", "media")
    if sqlstate == "55P03" or "lock timeout" in text:
        return error("unavailable", "The table is being changed.", hint="Run the query again.")
    if sqlstate == "57014" or "statement timeout" in text or "canceling statement" in text:
        return error("timeout", "The query took longer than the server allows.", hint=_TIMEOUT_HINT)
    if "could not identify an" in text:
        return error("TYPE_MISMATCH", "Arrays, bytes and json have neither order nor equality.", hint="Compare another column.")
    if sqlstate == "22003" or "out of range" in text or "numeric field overflow" in text:
        hint = "A numeric result holds 38 digits, 18 of them after the point: cast it to double precision or numeric(p, s)."
        return error("INVALID_ARGUMENT", "A value of the query is out of range.", hint=hint if "numeric" in text else None)
    code = _CODES.get(sqlstate) or ("INVALID_ARGUMENT" if sqlstate.startswith("22") else None)
    if not sqlstate and (reported := _REPORTED.match(text)):
        text = reported["text"]
        if "does not exist" not in text and "connection" not in text:
            code = next((code for part, code in _BY_TEXT.items() if part in text), "INVALID_ARGUMENT")
    if code is not None:
        said = REFERENCE[code].meaning if not text or _OURS.search(text) else f"{text[:1].upper()}{text[1:]}."
        return error(code, said, where=_place(text))
    if "does not exist" in text:
        return error("ticket_stale", "The table was changed or dropped while the query began.", hint="Run the query again.")
    if sqlstate.startswith(("08", "53", "57")) or "connection" in text.lower():
        return error("unavailable", "The store takes no connection now.", hint="Try again.")
    return error("INTERNAL_ERROR", "The store could not answer the query.")


def of_pixeltable(fault: BaseException) -> BaseException:
    """What Pixeltable, or a library beneath it or us, raises as ours.

    Pixeltable's keep their stable code, and their first line where that names nothing of the server. Of all others the text is not
    passed on: SQLAlchemy's quotes statements, Pillow's paths, a provider's the server's own key for it.
    """
    if isinstance(fault, PxtFlightError):
        return fault
    if isinstance(fault, pxt_errors.Error):
        return _named(fault)
    if isinstance(fault, DBAPIError | psycopg.Error | AdbcError):
        return _of_database(getattr(fault, "orig", None) or fault)
    if isinstance(fault, SqlglotError):
        return error("sql_syntax", "The statement is not valid SQL.")
    if isinstance(fault, UnidentifiedImageError | DecompressionBombError):
        return error("media_unreadable", "An image cannot be read.")
    if isinstance(fault, UnicodeEncodeError):
        return error("INVALID_ARGUMENT", "A text holds half of a surrogate pair, which is no character.")
    if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return error("disk_full", "The server has no space left for this.")
    return error("INTERNAL_ERROR", "The server could not answer.")


def _named(fault: pxt_errors.Error) -> PxtFlightError:
    name = "TABLE_NOT_FOUND" if fault.error_code.name == "PATH_NOT_FOUND" else fault.error_code.name
    entry = REFERENCE.get(name)
    if entry is None:  # of a release that is newer than this table
        return error("unavailable" if fault.is_retryable else "UNSUPPORTED_OPERATION", "Pixeltable could not answer the query.")
    line = fault.message.split("\n", 1)[0]
    is_ours = issubclass(entry.kind, ProviderError | PermissionDeniedError) or entry.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return error(name, entry.meaning if is_ours or not line or _OURS.search(line) else f"Pixeltable: {line}")


def _of_database(fault: BaseException) -> PxtFlightError:
    sqlstate = getattr(fault, "sqlstate", None) or ""
    if sqlstate or isinstance(fault, psycopg.OperationalError):
        # Without a state it is libpq that speaks: the connection is lost, or there is none.
        return translated(sqlstate, "" if sqlstate else "connection")
    if isinstance(fault, psycopg.DataError):  # a value that cannot be sent
        return error("INVALID_ARGUMENT", REFERENCE["INVALID_ARGUMENT"].meaning)
    return error("INTERNAL_ERROR", "The store could not answer the query.")


def _place(text: str) -> dict[str, str]:
    found = _NAMED.search(text)
    return {"column": (found["quoted"] or found["bare"]).rsplit(".", 1)[-1]} if found else {}
