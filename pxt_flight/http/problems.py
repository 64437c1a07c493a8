"""Errors as RFC 9457 has them on HTTP."""

import json
import logging
from http import HTTPStatus
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pxt_flight.errors import REFERENCE, PxtFlightError, error
from pxt_flight.trace import describe, request_id

_log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"
# RFC 9110, section 10.2.3: they say after how many seconds to try again.
_WAITING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_PAUSE = 1


def add_handlers(app: FastAPI) -> None:
    """Let every error leave an application as a problem."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(PxtFlightError, _failed)
    app.add_exception_handler(Exception, _crashed)


def problem(failure: PxtFlightError, *, headers: dict[str, str] | None = None) -> Response:
    """Make the RFC 9457 response of an error.

    Args:
        failure: the error; one without a request id is given one.
        headers: further headers of the response.
    """
    failure.request_id = failure.request_id or request_id.get() or uuid4().hex
    status = failure.http_status
    body = {
        "type": f"/errors#{failure.code}",  # RFC 9457, section 3.1.1: a reference, to the page that this server serves
        "title": REFERENCE[failure.code].meaning,
        "status": status,
        "detail": failure.message,
        "code": failure.code,
        "hint": failure.hint,
        "where": failure.where,
        "retryable": failure.retryable,
        "request_id": failure.request_id,
    }
    if status in _WAITING:
        headers = {"retry-after": str(failure.where.get("retry_after", _PAUSE))} | (headers or {})
    return Response(json.dumps(body), status_code=status, headers=headers, media_type=PROBLEM_JSON)


async def _refused(request: Request, failure: Exception) -> Response:
    """What the router itself refuses: an unknown path or method, a body that cannot be read."""
    assert isinstance(failure, HTTPException)
    if isinstance(failure.__cause__, PxtFlightError):  # of whoever reads the body; FastAPI hides it
        return problem(failure.__cause__)
    if failure.status_code == HTTPStatus.NOT_FOUND:
        refusal = error("route_not_found", "There is nothing at this path.", where={"path": request.url.path})
    elif failure.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        refusal = error("method_not_allowed", "This path does not take this method.", where={"method": request.method})
    else:  # a body that cannot be parsed
        refusal = error("INVALID_ARGUMENT", "The body cannot be read.")
    return problem(refusal, headers=dict(failure.headers or {}))


async def _invalid(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return problem(error("INVALID_ARGUMENT", f"{place}: {first['msg']}", where={"field": place}))


async def _failed(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, PxtFlightError)
    return answer_to(failure)


def answer_to(failure: PxtFlightError) -> Response:
    """The response of an error that a call ended with."""
    # RFC 9110, section 15.5.2: a 401 says how to log in.
    headers = {"www-authenticate": "Bearer"} if failure.http_status == HTTPStatus.UNAUTHORIZED else None
    return problem(failure, headers=headers)


async def _crashed(_request: Request, failure: Exception) -> Response:
    refusal = error("INTERNAL_ERROR", "The server made a mistake.", hint="Its log has this request id.")
    answer = problem(refusal)  # which gives it one
    _log.error("Request %s failed: %s", refusal.request_id, describe(failure))
    return answer
