"""One row by its primary key: `/api/v1/tables/films/rows?key.id=7`, beside the rows of a condition at the same path."""

import inspect
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.routing import Match
from starlette.types import Scope

from pxt_flight.errors import error
from pxt_flight.http.callers import Callers
from pxt_flight.http.calls import Calls
from pxt_flight.http.routes import endpoint_of, refuse_others
from pxt_flight.public_api import Operation, find_operation

_PATH = "/api/v1/tables/{table_path}/rows"
_KEY = "key."
_OPERATIONS = ("Table.get_row", "Table.replace_row", "Table.update_row", "Table.delete_row")
_PARAMETER = {
    "name": "key",
    "in": "query",
    "required": True,
    "description": "A value for each column of the primary key: `key.id=7`.",
    # OpenAPI's form style, exploded: each property of the object is a parameter of its own.
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    "example": {"key.id": "7"},
}


class _KeyedRoute(APIRoute):
    """A route for requests whose query names a key; others go to the routes behind it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found, child = super().matches(scope)
        # PUT has no other operation here: without a key it is told so, not that there is no such method.
        if found is Match.NONE or not (_is_keyed(scope) or scope["method"] == "PUT"):
            return Match.NONE, {}
        return found, child


def keyed_routes(callers: Callers, calls: Calls) -> APIRouter:
    """The routes of rows by their key; they stand before those of rows by a condition.

    OpenAPI has one operation for a method of a path, so only PUT, which has no other, is described there; the descriptions of the
    operations themselves name these paths.

    Args:
        callers: tells who asks.
        calls: runs what they ask for.
    """
    router = APIRouter(route_class=_KeyedRoute)
    for name in _OPERATIONS:
        operation = find_operation(name)
        method = operation.http_method
        in_query = frozenset(operation.arguments) - {"table_path", "row_id", "key"} if method in ("GET", "DELETE") else frozenset()
        router.add_api_route(
            _PATH,
            endpoint_of(operation, method, _PATH, callers, calls, found={"key": _key_in(in_query), "row_id": lambda _: None}),
            methods=[method],
            operation_id=f"{operation.operation_id}_by_key",
            tags=[operation.category],
            summary=operation.summary,
            description=inspect.getdoc(operation.function),
            status_code=operation.status,
            response_model=None if operation.status == 204 else operation.response_type,
            include_in_schema=method == "PUT",
            openapi_extra={"parameters": [_PARAMETER]},
        )
    return router


def keyed() -> dict[tuple[str, str], Operation]:
    """The operations that OpenAPI describes at these routes, by method and path."""
    return {("PUT", _PATH): find_operation("Table.replace_row")}


def _is_keyed(scope: Scope) -> bool:
    return any(name.startswith(_KEY) for name in QueryParams(scope["query_string"]))


def _key_in(in_query: frozenset[str]) -> Any:
    def key(request: Request) -> dict[str, str]:
        named = [name for name in request.query_params if name.startswith(_KEY)]
        refuse_others(request, in_query | set(named))
        if len(request.query_params.multi_items()) > len(request.query_params):
            raise error("INVALID_ARGUMENT", "An argument is given twice.", where={"field": "query"})
        return {name.removeprefix(_KEY): request.query_params[name] for name in named}

    return key
