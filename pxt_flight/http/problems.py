"""Errors as RFC 9457 has them on HTTP."""

import json
from http import HTTPStatus
from uuid import uuid4

from fastapi import Response

from pxt_flight.errors import PxtFlightError

PROBLEM_JSON = "application/problem+json"


def problem(failure: PxtFlightError, *, status: int | None = None, headers: dict[str, str] | None = None) -> Response:
    """Make the RFC 9457 response of an error.

    Args:
        failure: the error; one without a request id is given one.
        status: the HTTP status; that of the error's class by default.
        headers: further headers of the response.
    """
    status = status or failure.http_status
    failure.request_id = failure.request_id or uuid4().hex
    body = {
        "type": "about:blank",  # RFC 9457, section 4.2.1: the title is then the status phrase
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": failure.message,
        "code": failure.code,
        "hint": failure.hint,
        "where": failure.where,
        "retryable": failure.retryable,
        "request_id": failure.request_id,
    }
    return Response(json.dumps(body), status_code=status, headers=headers, media_type=PROBLEM_JSON)
