"""Who calls: the key of each RPC, as a bearer token or as the password of Basic."""

import base64
import binascii
from typing import Any

import pyarrow.flight as fl

from pxt_flight.access.keys import KeyRing
from pxt_flight.access.principals import Principal
from pxt_flight.errors import error
from pxt_flight.flight.sessions import COOKIE, PROBE, cookie_in
from pxt_flight.flight.status import guarded

MIDDLEWARE = "auth"


class CallerMiddleware(fl.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """What the headers of one RPC say.

    Attributes:
        principal: who calls.
        media: the header `x-pxt-media`, how media values are sent to clients that cannot say it otherwise.
        partitions: the header `x-pxt-flight-partitions`, in how many parts results are asked for.
        json: the header `x-pxt-json`, as what type Json is sent: `arrow`, for arrow.json, or `utf8`.
        include_deleted: the header `x-pxt-include-deleted`: `true` where rows that are deleted softly are read, too.
        session: the session cookie, not read yet; None where the client sent none.
    """

    def __init__(
        self,
        principal: Principal,
        media: str | None,
        partitions: str | None,
        json: str | None,
        include_deleted: str | None,
        session: str | None,
        answer: dict[str, str],
    ) -> None:
        self.principal = principal
        self.media = media
        self.partitions = partitions
        self.json = json
        self.include_deleted = include_deleted
        self.session = session
        self._answer = answer

    def sending_headers(self) -> dict[str, str]:
        return self._answer


class AuthMiddlewareFactory(fl.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Lets an RPC in with `authorization: Bearer KEY`, or `Basic` with any user name and the key as password."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    @guarded
    def start_call(self, info: Any, headers: dict[str, list[str]]) -> CallerMiddleware:  # noqa: ARG002  # pyarrow's signature
        scheme, _, value = _first(headers, "authorization").partition(" ")
        scheme, value = scheme.lower(), value.strip()
        key = _password(value) if scheme == "basic" else value if scheme == "bearer" else None
        principal = self._keys.authenticate(key)
        # A client that logs in with Basic takes its token for later calls from the answer (Flight, "Authentication"; arrow #40665).
        answer = {"authorization": f"Bearer {key}"} if scheme == "basic" else {}
        session = cookie_in(headers.get("cookie", []))
        if session is None:
            answer["set-cookie"] = f"{COOKIE}={PROBE}"
        partitions = _first(headers, "x-pxt-flight-partitions") or None
        json = _first(headers, "x-pxt-json") or None
        media, include_deleted = _first(headers, "x-pxt-media") or None, _first(headers, "x-pxt-include-deleted") or None
        return CallerMiddleware(principal, media, partitions, json, include_deleted, session, answer)


class HandshakeHandler(fl.ServerAuthHandler):  # type: ignore[misc]  # pyarrow has no types
    """Lets `Handshake` exist, as clients log in with Basic by it; the middleware has let them in or not by then."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Nothing is left to do."""

    def is_valid(self, token: bytes) -> bytes:  # noqa: ARG002
        return b""


def _first(headers: dict[str, list[str]], name: str) -> str:
    value = headers.get(name, [""])[0]
    return value if isinstance(value, str) else ""


def _password(value: str) -> str:
    """The password of Basic; the user name is any."""
    try:
        # Go's client sends it without padding (RawStdEncoding), the others with.
        decoded = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    _, colon, password = decoded.partition(":")
    if not colon:
        raise error("key_invalid", "The Basic header is damaged.", hint="It is the base64 of user:KEY.")
    return password
