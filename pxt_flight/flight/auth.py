"""Who calls: the bearer key of each RPC."""

from typing import Any

import pyarrow.flight as fl

from pxt_flight.access.keys import KeyRing
from pxt_flight.access.principals import Principal
from pxt_flight.flight.status import guarded

MIDDLEWARE = "auth"


class CallerMiddleware(fl.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """What the headers of one RPC say.

    Attributes:
        principal: who calls.
        media: the header `x-pxt-media`, how media values are sent to clients that cannot say it otherwise.
    """

    def __init__(self, principal: Principal, media: str | None) -> None:
        self.principal = principal
        self.media = media


class AuthMiddlewareFactory(fl.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Lets an RPC in with `authorization: Bearer KEY`."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    @guarded
    def start_call(self, info: Any, headers: dict[str, list[str]]) -> CallerMiddleware:  # noqa: ARG002  # pyarrow's signature
        scheme, _, key = _first(headers, "authorization").partition(" ")
        principal = self._keys.authenticate(key.strip() if scheme.lower() == "bearer" else None)
        return CallerMiddleware(principal, _first(headers, "x-pxt-media") or None)


def _first(headers: dict[str, list[str]], name: str) -> str:
    value = headers.get(name, [""])[0]
    return value if isinstance(value, str) else ""
