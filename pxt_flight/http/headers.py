"""Headers of an answer that its operation asks for: that it is deprecated, and what is left of its rate limit."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pxt_flight.operations.call import Call
from pxt_flight.operations.dispatch import allowance
from pxt_flight.public_api import Operation, operations, routes_of, successor_of

_POLICY = '"default"'
_PARAMETER = re.compile(r"{(\w+)}")


class OperationHeaders:
    """Pure ASGI middleware of the API: whatever answers at an operation's route, its errors too, says these of the operation.

    Args:
        app: the API.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._operations = {
            (method, _shape(path)): operation
            for operation in operations()
            if operation.endpoint and (operation.deprecated or operation.rate_limit)
            for method, path in routes_of(operation)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_headed(message: Message) -> None:
            if message["type"] == "http.response.start" and (operation := self._operation(scope)):
                MutableHeaders(scope=message).update(headers_of(operation, scope))
            await send(message)

        await self._app(scope, receive, send_headed)

    def _operation(self, scope: Scope) -> Operation | None:
        """The operation at whose route the request has arrived; the router writes it into the scope."""
        path = getattr(scope.get("route"), "path_format", "")
        return self._operations.get((scope.get("method", ""), _shape(path)))


def headers_of(operation: Operation, scope: Scope) -> dict[str, str]:
    """The headers of an answer of an operation.

    Args:
        operation: that answers.
        scope: the request's, behind its route.
    """
    headers = deprecation(operation, scope.get("path_params", {}))
    call = scope.get("state", {}).get("call")
    if isinstance(call, Call):  # without a key nothing is counted
        headers |= rate_limit(operation, call)
    return headers


def deprecation(operation: Operation, path_values: Mapping[str, Any]) -> dict[str, str]:
    """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` to the successor (RFC 5829); none of an operation that is not deprecated.

    Args:
        operation: that answers.
        path_values: of the parameters of its path, for that of its successor.
    """
    if operation.deprecated is None:
        return {}
    headers = {}
    if since := operation.deprecated.since:
        headers["deprecation"] = f"@{int(_midnight(since).timestamp())}"
    if sunset := operation.deprecated.sunset:
        headers["sunset"] = format_datetime(_midnight(sunset), usegmt=True)
    if successor := successor_of(operation):
        headers["link"] = f'<{_address(successor, path_values)}>; rel="successor-version"'
    return headers


def rate_limit(operation: Operation, call: Call) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers); none of an operation without a limit."""
    left, limit = allowance(operation, call), operation.rate_limit
    if left is None or limit is None:
        return {}
    return {"ratelimit-policy": f"{_POLICY};q={limit.count};w={limit.seconds}", "ratelimit": f"{_POLICY};r={left.remaining};t={left.reset}"}


def _address(operation: Operation, values: Mapping[str, Any]) -> str:
    """The path of an operation for these values, by order where it names them otherwise; that by its name where they are not as many."""
    names = _PARAMETER.findall(operation.path)
    if len(names) != len(values):
        return operation.call_path
    named = values if set(names) == values.keys() else dict(zip(names, values.values(), strict=True))
    return _PARAMETER.sub(lambda found: quote(str(named[found[1]]), safe=""), operation.path)


def _shape(path: str) -> str:
    """A path whose parameters have no names: routes that are written by hand call them otherwise."""
    return _PARAMETER.sub("{}", path)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
