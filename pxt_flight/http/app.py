"""The control plane's application: health at once, and all else as soon as the store is open."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from pxt_flight.errors import PxtFlightError
from pxt_flight.http import docs_pages
from pxt_flight.http.bodies import BodyLimit
from pxt_flight.http.observed import Observed
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import add_handlers, problem
from pxt_flight.http.readiness import Readiness
from pxt_flight.http.server_routes import server_routes

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_EXPOSED = (
    *("accept-ranges", "content-range", "etag", "location", "link", "retry-after", "x-request-id", "pxt-written"),
    *("ratelimit", "ratelimit-policy", "deprecation", "sunset"),
)


def create_app(home: Path, opening: Opening, *, cors_origins: Sequence[str] = (), upload_bytes: int = 16 << 30) -> ASGIApp:
    """Make the application of a home's server.

    Args:
        home: the Pixeltable home.
        opening: its store, which requests that need it wait for.
        cors_origins: whose pages may call it; those of others may only read media by their URLs.
        upload_bytes: that a body may have that is streamed.
    """
    shell = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    shell.state.readiness = Readiness(home, opening)
    router = server_routes()
    shell.include_router(router)
    shell.include_router(docs_pages.docs_routes())
    add_handlers(shell)
    at_once = frozenset(getattr(route, "path", "") for route in router.routes) | {"/docs", "/redoc"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in at_once or scope["path"].startswith(docs_pages.PREFIX):
            await shell(scope, receive, send)
            return
        try:
            api = await opening.api()
        except PxtFlightError as failure:
            await problem(failure)(scope, receive, send)
            return
        await api(scope, receive, send)

    bounded: ASGIApp = BodyLimit(app, streamed=upload_bytes)
    return Observed(opened_to(bounded, cors_origins) if cors_origins else bounded)


def opened_to(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of these origins call an application. They send a key, never a cookie: no credentials of the browser's are taken."""
    sent = ["authorization", "x-api-key", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id", "range"]
    return CORSMiddleware(app, allow_origins=origins, allow_methods=_METHODS, allow_headers=sent, expose_headers=_EXPOSED, max_age=600)
