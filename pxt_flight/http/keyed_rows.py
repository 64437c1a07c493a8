"""One row by its primary key: `/api/v1/tables/films/rows?key.id=7`, beside the rows of a condition at the same path."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.routing import Match
from starlette.types import Scope

from pxt_flight.errors import error
from pxt_flight.http.routes import answers_of, endpoint_of, refuse_others
from pxt_flight.public_api import Operation, find_operation

_PATH = "/api/v1/tables/{table_path}/rows"
_KEY = "key."
_OPERATIONS = ("Table.get_row", "Table.replace_row", "Table.update_row", "Table.delete_row")
PARAMETER: dict[str, Any] = {
    "name": "key",
    "in": "query",
    "required": True,
    "description": "A value for each column of the primary key: `key.id=7`.",
    # OpenAPI's form style, exploded: each property of the object is a parameter of its own.
    "style": "form",
    "explode": True,
    "schema": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": r"^key\..+"},
        "additionalProperties": {"type": "string"},
    },
    "example": {"key.id": "7"},
}
"""The key in the query string, as OpenAPI describes it."""


class _KeyedRoute(APIRoute):
    """A route for requests whose query names a key; others go to the routes behind it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found, child = super().matches(scope)
        # PUT has no other operation here: without a key it is told so, not that there is no such method.
        if found is Match.NONE or not (_is_keyed(scope) or scope["method"] == "PUT"):
            return Match.NONE, {}
        return found, child


def keyed_routes() -> APIRouter:
    """The routes of rows by their key; they stand before those of rows by a condition."""
    router = APIRouter(route_class=_KeyedRoute)
    for name in _OPERATIONS:
        operation = find_operation(name)
        method = operation.http_method
        in_query = frozenset(operation.arguments) - {"table_path", "row_id", "key"} if method in ("GET", "DELETE") else frozenset()
        router.add_api_route(
            _PATH,
            endpoint_of(operation, method, _PATH, found={"key": _key_in(in_query), "row_id": lambda _: None}),
            methods=[method],
            operation_id=f"{operation.operation_id}_by_key",
            tags=[operation.category],
            **answers_of(operation),
        )
    return router


def keyed() -> dict[tuple[str, str], Operation]:
    """The operations of these routes, by method and path."""
    return {(operation.http_method, _PATH): operation for operation in map(find_operation, _OPERATIONS)}


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
