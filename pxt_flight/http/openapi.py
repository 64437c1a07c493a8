"""The description of the HTTP API as OpenAPI has it, made from the routes alone: no store is opened for it.

FastAPI writes what the routes say of parameters and bodies. What it cannot know comes from the registry: the errors that an operation may
answer, its permission, its action on Flight, and what its docstring says of each argument.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

import pxt_flight
from pxt_flight.docstrings import Docstring, read_docstring
from pxt_flight.http.keyed_rows import PARAMETER, keyed, keyed_routes
from pxt_flight.http.openapi30 import converted
from pxt_flight.http.openapi_keys import combined
from pxt_flight.http.openapi_problems import PROBLEM, codes_of, examples, problems
from pxt_flight.http.server_routes import server_routes
from pxt_flight.operations.dispatch import flight_calls
from pxt_flight.public_api import Operation, operations, routes_of

Version = Literal["3.1", "3.0"]
Json = dict[str, Any]
BY_NAME = "by name"
# What each page of the reference is about; in the order of the pages.
CATEGORIES = {
    "core": "What the product does as a whole.",
    "tables": "Tables, views and snapshots: what there is, made, described, moved and dropped.",
    "directories": "Directories, in which tables stand.",
    "columns": "Columns of a table, stored or computed.",
    "views": "Views: tables that are computed from another.",
    "snapshots": "Snapshots: tables as they were at a version.",
    "indexes": "Indexes, for keys and for similarity.",
    "rows": "Rows: read, inserted, changed, deleted and restored.",
    "queries": "SQL over all tables that the key may read.",
    "versions": "What a table was at each of its changes, and who made them.",
    "exports": "Tables as files.",
    "media": "Images, videos, sounds and documents by signed URL.",
    "functions": "Functions that queries and computed columns may use.",
    "custom": "Routes of this server's own, which its owner has added.",
    "server": "The server itself: whether it is well, and what it can do.",
    BY_NAME: "The same operations, each at the path of its name with all arguments in the body, or the query of a GET.",
}
_COMMON = ("INVALID_ARGUMENT", "INTERNAL_ERROR", "unavailable")
_WITH_KEY = ("key_missing", "key_invalid", "permission_denied", "rate_limited")
_WITH_BODY = ("upload_too_large", "media_type_unsupported")
_DESCRIPTION = """Tables of Pixeltable over HTTP. Arrow Flight has the same operations, with the same arguments and errors:
`x-flight-action` names the action that takes them as JSON; with `x-flight-put` record batches go by DoPut, whose command is that name with
the arguments, `{"table.insert": {...}}`; with `x-flight-ticket` the arguments, as JSON, are the ticket of a DoGet.

Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Errors are problems of RFC 9457; [their reference](/errors) says what each
code means. Each operation stands at the path of its resource and, in the last section, at that of its name."""


def described(routes: Sequence[BaseRoute], version: Version = "3.1") -> Json:
    """The document of these routes, of those that answer before there is a store, and of rows by their key."""
    registered = {route: operation for operation in operations() if operation.endpoint for route in routes_of(operation)}
    whole = _document([*server_routes().routes, *routes], registered)
    by_key = _document(keyed_routes().routes, keyed())
    for path, method, entry in _entries(by_key):
        entry["parameters"].append(PARAMETER)
        methods = whole["paths"][path]
        methods[method] = combined(methods[method], entry) if method in methods else entry
    whole["components"]["schemas"] |= by_key["components"]["schemas"] | {"Problem": PROBLEM}
    whole["components"]["examples"] = examples(code for _, _, entry in _entries(whole) for code in codes_of(entry))
    for unused in ("HTTPValidationError", "ValidationError"):
        whole["components"]["schemas"].pop(unused, None)
    whole["info"] |= {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    whole["servers"] = [{"url": "/"}]
    used = {tag for _, _, entry in _entries(whole) for tag in entry.get("tags", ())}
    whole["tags"] = [{"name": name, "description": text} for name, text in CATEGORIES.items() if name in used]
    return whole if version == "3.1" else converted(whole)


def _document(routes: Sequence[BaseRoute], registered: Mapping[tuple[str, str], Operation]) -> Json:
    """What FastAPI writes of routes, and what the registry says of those that are its operations'."""
    whole = get_openapi(title="pxt-flight", version=pxt_flight.__version__, description=_DESCRIPTION, routes=routes)
    schemas = whole["components"]["schemas"]
    for path, method, entry in _entries(whole):
        operation = registered.get((method.upper(), path))
        entry["responses"] = {status: answer for status, answer in entry["responses"].items() if not _is_of_fastapi(answer)}
        if operation is not None:
            _add_registered(entry, operation, schemas)
        entry["responses"] |= problems(_codes(entry, operation))
    return whole


def add_descriptions(api: FastAPI, others: Sequence[BaseRoute] = ()) -> None:
    """Serve the description of an application's routes, without a key: it holds nothing of the data.

    Args:
        api: the application; routes that are added to it later are described too, until somebody asks.
        others: routes that are served beside its own.
    """

    @cache
    def body(version: Version) -> bytes:
        return json.dumps(described([*api.routes, *others], version)).encode()

    async def openapi() -> Response:
        return Response(body("3.1"), media_type="application/json")

    async def openapi_30() -> Response:
        return Response(body("3.0"), media_type="application/json")

    api.add_api_route("/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    api.add_api_route("/openapi-3.0.json", openapi_30, methods=["GET"], include_in_schema=False)


def _entries(whole: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in whole["paths"].items():
        for method, entry in methods.items():
            yield path, method, entry


def _is_of_fastapi(answer: Json) -> bool:
    """Whether it is the answer to faults that FastAPI gives every route; ours are problems."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == "#/components/schemas/HTTPValidationError")


def _add_registered(entry: Json, operation: Operation, schemas: Json) -> None:
    """What the registry says of an operation."""
    said = read_docstring(operation.function)
    entry["summary"] = said.summary.rstrip(".")
    if said.text:
        entry["description"] = said.text
    if said.returns:
        entry["responses"][str(operation.status)]["description"] = said.returns
    for parameter in entry.get("parameters", ()):
        _describe(parameter, parameter["name"].replace("-", "_").lower(), said)
    for content in entry.get("requestBody", {}).get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        for field, schema in schemas.get(name, content.get("schema", {})).get("properties", {}).items():
            _describe(schema, field, said)
    entry |= {f"x-flight-{call}": name for call, name in flight_calls(operation).items()}
    if operation.permission is not None:
        entry["x-permission"] = operation.permission
    if operation.rate_limit is not None:
        entry["x-rate-limit"] = str(operation.rate_limit)
    if operation.replacement is not None:
        entry["x-replacement"] = operation.replacement


def _describe(described: Json, name: str, said: Docstring) -> None:
    if name in said.entries:
        described["description"] = said.entries[name][:1].upper() + said.entries[name][1:]


def _codes(entry: Json, operation: Operation | None) -> Iterable[str]:
    """What a route may answer beside its own answer."""
    if operation is None:
        return [code for code in _COMMON if code != "INVALID_ARGUMENT" or entry.get("parameters")]
    codes = [*operation.raises, *_COMMON]
    if operation.auth_required:
        codes += _WITH_KEY
    if "requestBody" in entry:
        codes += _WITH_BODY
    if "table_path" in operation.arguments:
        codes.append("TABLE_NOT_FOUND")
    return codes
