"""Routers of the user's own beneath our keys: FastAPI's, and Pixeltable's `FastAPIRouter`, at /api/custom.

What they do they do on Pixeltable's own terms: each handler takes a thread, and a connection of Pixeltable's pool of 15, most of which the
server itself may need. So few run at once. They see every table, so a key must be for all of them.
"""

import importlib
import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import anyio
from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pxt_flight.engine.faults import of_pixeltable
from pxt_flight.errors import REFERENCE, PxtFlightError, error
from pxt_flight.http.callers import API_KEY, BEARER, call_of
from pxt_flight.http.problems import add_handlers, answer_to, problem
from pxt_flight.operations.call import Call
from pxt_flight.trace import describe

PREFIX = "/api/custom"
TAG = "custom"
_AT_ONCE = 3  # engine threads, streams and writers may hold 10 or 11 of the 15
_IN_LINE = 32
_READING = frozenset({"GET", "HEAD"})
# What a text may not say to a client: a path, a URL.
_PLACE = re.compile(r"[/\\]\w|://")
_CODES = {
    HTTPStatus.NOT_FOUND: "ROW_NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "INVALID_STATE",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "upload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type_unsupported",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
_log = logging.getLogger(__name__)


def custom_app(routers: Sequence[str]) -> FastAPI:
    """An application of these routers.

    Args:
        routers: `module:attribute`, or `module:attribute=/prefix` beneath /api/custom; importing one may take long, and may do anything.

    Raises:
        InvalidRequestError: `INVALID_CONFIGURATION`, one cannot be imported, or is none.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    # The keys are checked before a body is read, by `CustomRoutes`; here they are named, for the description.
    keys = [Security(BEARER), Security(API_KEY)]
    for named in routers:
        source, _, prefix = named.partition("=")
        app.include_router(_router(source), prefix=PREFIX + prefix, tags=[TAG], dependencies=keys)
    add_handlers(app)
    app.add_exception_handler(HTTPException, _refused)
    return app


class CustomRoutes:
    """Pure ASGI middleware that sends what is asked of /api/custom to the user's routers, for who may.

    Args:
        app: answers everything else.
        custom: those routers.
    """

    def __init__(self, app: ASGIApp, *, custom: ASGIApp) -> None:
        self._app, self._custom = app, custom
        self._threads = anyio.CapacityLimiter(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self._app(scope, receive, send)
            return
        try:
            request = Request(scope)
            _check(await call_of(request, await BEARER(request), await API_KEY(request)), scope["method"])
            if self._threads.statistics().tasks_waiting >= _IN_LINE:
                raise error("unavailable", "Too many calls wait for this server's own routes.", hint="Nothing was done; try again.")
        except PxtFlightError as failure:
            await answer_to(failure)(scope, receive, send)
            return
        await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        slot = object()
        await self._threads.acquire_on_behalf_of(slot)
        is_held = True

        def let_go() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._threads.release_on_behalf_of(slot)

        async def send_on(message: Message) -> None:
            let_go()  # the handler has returned: how fast the client takes its answer is no longer Pixeltable's matter
            await send(message)

        try:
            await self._custom(scope, receive, send_on)
        finally:
            let_go()


def _check(call: Call, method: str) -> None:
    needed = "read" if method in _READING else "write"
    if needed not in call.principal.permissions:
        raise error("permission_denied", f"This key may not {needed}.", hint="Ask the owner for a key that may.")
    if "*" not in call.principal.tables:
        raise error("permission_denied", "These routes are for keys of all tables.", hint="Ask the owner for a key that may.")


def _router(source: str) -> APIRouter:
    module, _, attribute = source.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
        if isinstance(found, APIRouter) and hasattr(found, "bind"):  # Pixeltable's: to the tables that its models name
            found.bind()
    except Exception as fault:
        _log.error("The router %s cannot be imported: %s", source, describe(fault))
        said = f"The router {source} cannot be imported: {type(fault).__name__}."
        raise error("INVALID_CONFIGURATION", said, where={"setting": "routers"}) from fault
    if not isinstance(found, APIRouter):
        raise error("INVALID_CONFIGURATION", f"{source} is no FastAPI router.", where={"setting": "routers"})
    return found


async def _refused(request: Request, failure: Exception) -> Response:
    """What a router refuses, or FastAPI for it."""
    assert isinstance(failure, HTTPException)
    return problem(_ours(request, failure), headers=dict(failure.headers or {}))


def _ours(request: Request, failure: HTTPException) -> PxtFlightError:
    if failure.__cause__ is not None and isinstance(told := of_pixeltable(failure.__cause__), PxtFlightError):
        return told
    status = HTTPStatus(failure.status_code)
    if status is HTTPStatus.NOT_FOUND and failure.detail == status.phrase:
        return error("route_not_found", "There is nothing at this path.", where={"path": request.url.path})
    code = _CODES.get(status, "INVALID_ARGUMENT" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "INTERNAL_ERROR")
    is_sayable = isinstance(failure.detail, str) and code != "INTERNAL_ERROR" and not _PLACE.search(failure.detail)
    ours = error(code, failure.detail if is_sayable else REFERENCE[code].meaning)
    ours.http_status = status.value
    return ours
