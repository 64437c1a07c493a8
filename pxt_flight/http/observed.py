"""What every request has in common: an id, a line in the log, a place in the figures, and headers that keep browsers careful.

Plain ASGI around the whole application, so that its own refusals have them too; Starlette's `BaseHTTPMiddleware` was measured at three
times the time of this.
"""

import logging
import re
import time
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pxt_flight import metrics
from pxt_flight.errors import error
from pxt_flight.http.problems import problem
from pxt_flight.logs import FIELDS
from pxt_flight.trace import describe, request_id

_log = logging.getLogger(__name__)
KEY_ID = "key_id"
"""Where in a request's state the id of its key stands, once that is known."""
_HEADER = "x-request-id"
_SAFE = re.compile(r"[A-Za-z0-9._~:+/=-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE, _NO_METHOD = "none", "other"  # labels are closed sets: a stranger may send any
_CAREFUL = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_FAILED = 500


@dataclass
class _Answer:
    began: float = field(default_factory=time.monotonic)
    status: int = 0


class Observed:
    """Gives each request an id, and logs and counts its answer.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: the id is the client's own, `X-Request-ID`, where that is 1 to 128 safe characters."""
        given = Headers(scope=scope).get(_HEADER, "")
        identity = given if _SAFE.fullmatch(given) else uuid4().hex
        token = request_id.set(identity)
        answer = _Answer()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[_HEADER] = identity
                for name, value in _CAREFUL.items():
                    headers.setdefault(name, value)
            await send(message)

        scope.setdefault("state", {})
        try:
            with metrics.in_flight():
                await self._answered(scope, receive, sent, answer)
        finally:
            _note(scope, answer)
            request_id.reset(token)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as fault:  # noqa: BLE001  # the border; Starlette raises again what its handler has answered and logged
            if answer.status:
                return
            _log.error("A request failed: %s", describe(fault))
            await problem(error("INTERNAL_ERROR", "The server made a mistake.", hint="Its log has this request id."))(scope, receive, send)


def _note(scope: Scope, answer: _Answer) -> None:
    """Log and count; the path itself may name tables and hold grants, so its template stands for it."""
    seconds = time.monotonic() - answer.began
    method = scope["method"] if scope["method"] in _METHODS else _NO_METHOD
    route = getattr(scope.get("route"), "path", _NO_ROUTE)
    values = {"method": method, "route": route, "status": answer.status, "ms": round(seconds * 1000, 1)}
    values["key_id"] = scope["state"].get(KEY_ID)
    metrics.answered(method, route, answer.status, seconds)
    _log.log(logging.WARNING if answer.status >= _FAILED else logging.INFO, "HTTP", extra={FIELDS: values})
