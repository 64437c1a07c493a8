"""The routes of the registry's operations: each at the path of its declaration, and by its name."""

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, get_args, get_origin

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo

from pxt_flight.errors import error
from pxt_flight.http.argument_headers import header_parameters, with_headers
from pxt_flight.http.backend import backend_of
from pxt_flight.http.callers import call_of
from pxt_flight.http.results import DOCUMENTED, respond
from pxt_flight.operations.call import Call
from pxt_flight.operations.dispatch import invoke
from pxt_flight.operations.row import FoundRow
from pxt_flight.public_api import InQuery, Operation, operations, routes_of

_JSON = "application/json"
BY_NAME = "by name"
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has this version of the row."}}


def operation_routes() -> APIRouter:
    """The routes of all operations whose arguments are JSON."""
    router = APIRouter()
    for operation in operations():
        if not operation.endpoint or not operation.auth_required or operation.takes_rows:
            continue
        for method, path in routes_of(operation):
            is_by_name = path == operation.call_path
            router.add_api_route(
                path,
                endpoint_of(operation, method, path),
                methods=[method],
                operation_id=operation.operation_id + ("_by_name" if is_by_name and path != operation.path else ""),
                tags=[BY_NAME if is_by_name and path != operation.path else operation.category],
                **answers_of(operation),
            )
    return router


def answers_of(operation: Operation) -> dict[str, Any]:
    """What FastAPI is told of the answers of an operation, as keywords of `add_api_route`."""
    return {
        "status_code": operation.status,
        "response_model": None if operation.status == HTTPStatus.NO_CONTENT else operation.response_type,
        "responses": DOCUMENTED if operation.answers_rows else _UNCHANGED if "if_none_match" in operation.arguments else None,
        "deprecated": operation.deprecated is not None or None,
    }


def endpoint_of(
    operation: Operation,
    method: str,
    path: str,
    *,
    found: Mapping[str, Callable[[Request], Any]] | None = None,
) -> Callable[..., Awaitable[Response]]:
    """The handler of one route. FastAPI reads its signature, checks what comes by it, and documents it.

    Args:
        operation: that it runs.
        method: of HTTP.
        path: of the route.
        found: arguments that are found in the request in another way; None for one that is not given. Each checks the query string itself.
    """
    in_path = tuple(re.findall(r"{(\w+)}", path))
    found = found or {}
    others = tuple(name for name in operation.arguments if name not in in_path and name not in found)
    parameters = [parameter("request", Request), parameter("call", Annotated[Call, Depends(call_of)])]
    parameters += [parameter(name, Annotated[operation.arguments[name][0], Path()]) for name in in_path]
    has_body = method not in ("GET", "DELETE")
    if has_body:  # of an operation that takes nothing in it, too: what it does not take is refused
        title = operation.title + ("Request" if not in_path else "BodyByKey" if found else "Body")
        is_needed = any(operation.arguments[name][1] is ... for name in others)
        kind: Any = Annotated[operation.model_of(title, others), Body()]
        parameters.append(parameter("body", kind, inspect.Parameter.empty if is_needed else None))
    else:
        parameters += [query_parameter(name, *operation.arguments[name]) for name in others]
    parameters += header_parameters(operation)
    changes = operation.permission != "read"
    in_query = frozenset(() if has_body else others)

    async def endpoint(request: Request, call: Call, body: BaseModel | None = None, **values: Any) -> Response:
        if not found:
            refuse_others(request, in_query)
        asked = {name: find(request) for name, find in found.items()}
        arguments = with_headers(operation, request, {**values, **dict(body or ()), **asked})
        calls = backend_of(request).calls
        if operation.answers_rows:
            return await calls.run(request, call, lambda heard: respond(request, invoke(operation, heard, arguments)), changes=changes)
        result = await calls.run(request, call, lambda heard: invoke(operation, heard, arguments), changes=changes)
        return _response(operation, result)

    endpoint.__name__ = operation.operation_id
    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=Response)  # type: ignore[attr-defined]
    return endpoint


def _response(operation: Operation, result: Any) -> Response:
    """The answer in JSON; an ETag in it is a header, too, and a row that the client has is no body."""
    etag = getattr(result, "etag", None)
    headers = None if etag is None else {"etag": etag}
    is_known = isinstance(result, FoundRow) and result.row is None
    if is_known or operation.status == HTTPStatus.NO_CONTENT:
        return Response(None, HTTPStatus.NOT_MODIFIED if is_known else operation.status, headers)
    return Response(operation.response.dump_json(result), operation.status, headers, media_type=_JSON)


def refuse_others(request: Request, names: Collection[str]) -> None:
    """Refuse what stands in the query string and is no argument: a condition that is misspelt must not become none.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`.
    """
    if other := next((name for name in request.query_params if name not in names), None):
        raise error("INVALID_ARGUMENT", f"query.{other[:80]}: There is no such argument.", where={"field": f"query.{other}"})


def parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """An argument of a handler."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def query_parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    """An argument in the query string; what is more than a word or a number is JSON there, where its type says no other form."""
    form = _form(kind) or (kind if _is_plain(kind) else _as_json(kind))
    annotation: Any = Annotated[form if default is ... else form | None, Query()]
    empty = inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=empty if default is ... else default)


def _as_json(kind: Any) -> Any:
    """A type whose values are JSON in one text. FastAPI knows lists in a query string, and of nothing that is nested."""
    adapter = TypeAdapter(kind)

    def read(text: str) -> Any:
        try:
            return adapter.validate_json(text)
        except ValidationError as fault:
            with suppress(ValidationError):
                return adapter.validate_python(text)  # of what may be a text too: `id` beside `["id"]`
            raise ValueError(fault.errors(include_url=False, include_input=False)[0]["msg"]) from None

    # Not `contentMediaType`, for which Swagger UI asks for a file.
    return Annotated[str, AfterValidator(read), WithJsonSchema({"type": "string", "format": "json"})]


def _form(kind: Any) -> Any:
    """The form that a type says it has in a query string, with its description; None where it says none."""
    if get_origin(kind) is Annotated:
        found, *told = get_args(kind)
        marked = next((part.kind for part in told if isinstance(part, InQuery)), None)
        fields = [part for part in told if isinstance(part, FieldInfo)]
        if marked is None:
            return _form(found)
        return Annotated[marked, Field(description=fields[0].description)] if fields else marked
    return next((form for part in get_args(kind) if (form := _form(part)) is not None), None)


def _is_plain(kind: Any) -> bool:
    parts = getattr(kind, "__args__", ())
    if get_origin(kind) in (list, dict, tuple):
        return False
    return not (isinstance(kind, type) and issubclass(kind, BaseModel)) and all(
        _is_plain(part) for part in parts if not isinstance(part, str)
    )
