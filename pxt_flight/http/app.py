"""The control plane's application. Every error leaves it as a problem of RFC 9457 with the fields of `PxtFlightError`."""

import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import pxt_flight
from pxt_flight import registration
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.figures import figures
from pxt_flight.http.media import media_routes
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import problem
from pxt_flight.http.rows import row_routes
from pxt_flight.trace import describe

_log = logging.getLogger(__name__)


def create_app(home: Path, opening: Opening) -> FastAPI:
    """Make the application of a home's server. It has no documentation pages: FastAPI's own load scripts from a public network.

    Args:
        home: the Pixeltable home.
        opening: its store, which requests that need it wait for.
    """
    app = FastAPI(
        title="pxt-flight", version=pxt_flight.__version__, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.add_api_route("/healthz", health, methods=["GET"])
    app.add_api_route("/readyz", lambda: readiness(home, opening), methods=["GET"])
    app.add_api_route("/metrics", figures, methods=["GET"])
    app.include_router(media_routes(opening))
    app.include_router(row_routes(home, opening))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(PxtFlightError, _failed)
    app.add_exception_handler(Exception, _crashed)
    return app


async def health() -> dict[str, str]:
    """Say that this process answers. Asks nothing of Pixeltable, so it stays cheap and needs no key."""
    return {"status": "ok", "version": pxt_flight.__version__}


def readiness(home: Path, opening: Opening) -> dict[str, Any]:
    """Say whether the whole server can answer, and what of it is slower than it should be; needs no key.

    Raises:
        UnavailableError: the server is starting or stopping, or cannot read its store.
    """
    server = registration.running(home)
    if server is None or not all(plane.is_alive() for plane in server.planes.values()):
        raise error("unavailable", "The server is starting or stopping.", hint="Try again in a moment.")
    if opening.state == "failed":
        raise error("unavailable", "The control plane cannot read the store.", hint="The server's log says why; start it again.")
    because = f"Queries are read in the tier {server.read_tier}: {server.read_because}." if server.read_because else None
    reads = {"tier": server.read_tier, "slower_because": because}
    return {"status": "ready", "reads": reads, "writes": {"slower_because": server.writes_because}, "media": opening.state}


async def _refused(request: Request, failure: Exception) -> Response:
    """What the router itself refuses: an unknown path or method."""
    assert isinstance(failure, HTTPException)
    if failure.status_code == HTTPStatus.NOT_FOUND:
        refusal = error("route_not_found", "There is nothing at this path.", where={"path": request.url.path})
    elif failure.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        refusal = error("method_not_allowed", "This path does not take this method.", where={"method": request.method})
    else:
        refusal = error("INVALID_ARGUMENT", str(failure.detail))
    return problem(refusal, status=failure.status_code, headers=dict(failure.headers or {}))


async def _invalid(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return problem(error("INVALID_ARGUMENT", f"{place}: {first['msg']}", where={"field": place}))


async def _failed(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, PxtFlightError)
    # RFC 9110, section 15.5.2: a 401 says how to log in.
    headers = {"www-authenticate": "Bearer"} if failure.http_status == HTTPStatus.UNAUTHORIZED else None
    return problem(failure, headers=headers)


async def _crashed(_request: Request, failure: Exception) -> Response:
    request_id = uuid4().hex
    _log.error("Request %s failed: %s", request_id, describe(failure))
    return problem(error("INTERNAL_ERROR", "The server made a mistake.", hint="Its log has this request id.", request_id=request_id))
