"""Sessions: options that hold for the calls of one client. The server keeps none of them: they travel in a signed cookie.

A cookie lives only in clients that send it back, so each answer to a call without one sets an empty one, `PROBE`: a client that sets
an option without having sent that would lose the option at once, and is told so instead.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pxt_flight.access.grants import Signer
from pxt_flight.access.principals import Principal
from pxt_flight.engine.sql import CATALOG
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.flight.messages import (
    GetSessionOptionsResult,
    SessionOptionError,
    SessionOptionErrorValue,
    SessionOptionValue,
)

COOKIE = "pxt_flight_session"
PROBE = "none"
LIFETIME = 30 * 24 * 3600  # seconds; it names a directory and grants nothing

_PURPOSE = "session"


@dataclass(frozen=True)
class Session:
    """The options of a session.

    Attributes:
        directory: option `schema`: the directory, with slashes, in which a one-part table name is looked up first.
    """

    directory: str = ""


class SessionOffice:
    """Writes and reads the cookies of sessions.

    Args:
        signer: the store's signer.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def read(self, principal: Principal, cookie: str | None) -> Session:
        """The session of a cookie, an empty one where there is none.

        Raises:
            InvalidRequestError: the cookie is forged, old, or another key's; ignored, it would silently name other tables.
        """
        if cookie is None or cookie == PROBE:
            return Session()
        try:
            claims = self._signer.verify(_PURPOSE, cookie.encode())
        except PxtFlightError:
            claims = {}
        if claims.get("k") != principal.key_id:
            raise error("INVALID_ARGUMENT", "The session is not one of this server and key, or has expired.", hint="Connect again.")
        return Session(claims["d"])

    def cookie(self, principal: Principal, session: Session) -> str:
        """The value of the header `set-cookie` that carries a session."""
        signed = self._signer.sign(_PURPOSE, {"k": principal.key_id, "d": session.directory}, lifetime=LIFETIME).decode()
        return f"{COOKIE}={signed}; Max-Age={LIFETIME}"


ENDED = f"{COOKIE}={PROBE}"
"""The value of the header `set-cookie` that ends a session."""


def cookie_in(headers: Collection[Any]) -> str | None:
    """The session's cookie among those that a client sent, in one header or several."""
    for header in headers:
        for pair in str(header).split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                return value.strip('"')
    return None


def changed(
    session: Session, options: Mapping[str, SessionOptionValue], directories: Collection[str]
) -> tuple[Session, dict[str, SessionOptionError]]:
    """Set options of a session; those that cannot be set change nothing and are named with the reason.

    Args:
        session: as it is.
        options: `catalog` and `schema`; an option without a value goes back to its default.
        directories: the paths that `schema` may name.
    """
    errors = {}
    for name, option in options.items():
        value = option.string_value
        is_unset = option == SessionOptionValue()
        if name == "catalog":
            valid = is_unset or value == CATALOG
        elif name == "schema":
            path = (value or "").strip("/").lower()
            valid = is_unset or (value is not None and path in directories)
            session = replace(session, directory=path) if valid else session
        else:
            errors[name] = SessionOptionError(value=SessionOptionErrorValue.INVALID_NAME)
            continue
        if not valid:
            errors[name] = SessionOptionError(value=SessionOptionErrorValue.INVALID_VALUE)
    return session, errors


def described(session: Session) -> GetSessionOptionsResult:
    """The options of a session."""
    options = {"catalog": SessionOptionValue(string_value=CATALOG), "schema": SessionOptionValue(string_value=session.directory)}
    return GetSessionOptionsResult(session_options=options)
