"""The description of the HTTP API as OpenAPI has it, made from the routes alone: no store is opened for it.

FastAPI writes what the routes say of parameters and bodies. What it cannot know comes from the registry: the errors that an operation may
answer, its permission, its action on Flight, and what its docstring says of each argument.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

import pxt_flight
from pxt_flight.docstrings import Docstring, read_docstring
from pxt_flight.errors import REFERENCE, ErrorCode
from pxt_flight.http.keyed_rows import keyed
from pxt_flight.http.openapi30 import converted
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import PROBLEM_JSON
from pxt_flight.http.server_routes import server_routes
from pxt_flight.operations.startup import OpenStore
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
_ANSWERS = "#/components/schemas/Problem"
_COMMON = ("INVALID_ARGUMENT", "INTERNAL_ERROR", "unavailable")
_WITH_KEY = ("key_missing", "key_invalid", "permission_denied", "rate_limited")
_WITH_BODY = ("upload_too_large", "media_type_unsupported")
_DESCRIPTION = """Tables of Pixeltable over HTTP. The same operations, with the same arguments and errors, are actions of Arrow Flight.

Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Errors are problems of RFC 9457; [their reference](/errors) says what each
code means. Each operation stands at the path of its resource and, in the last section, at that of its name."""
_PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "code", "hint", "where", "retryable", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The place of the code in the error reference."},
        "title": {"type": "string", "description": "What the code means."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened, in one sentence."},
        "code": {"type": "string", "description": "The stable name of what happened."},
        "hint": {"type": ["string", "null"], "description": "What to do about it."},
        "where": {"type": "object", "additionalProperties": True, "description": "The place: an argument, a table, a column, a line."},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "request_id": {"type": "string", "description": "The id under which the server logged the request."},
    },
}


class _Absent:
    """Stands where a route keeps the store for its calls: a route that is only described asks nothing of it."""

    def __getattr__(self, _name: str) -> "_Absent":
        return self


def document(version: Version = "3.1") -> Json:
    """The OpenAPI document of every route that this server has. It imports Pixeltable, and opens nothing.

    Args:
        version: of OpenAPI: 3.1.0, or 3.0.3 for tools that know no newer one.
    """
    from pxt_flight.http.api import create_api  # which serves this document

    return described(create_api(cast("OpenStore", _Absent()), Path()).routes, version)


def described(routes: Sequence[BaseRoute], version: Version = "3.1") -> Json:
    """The document of these routes, and of those that answer before there is a store."""
    routes = [*server_routes(Path(), cast("Opening", _Absent())).routes, *routes]
    whole = get_openapi(title="pxt-flight", version=pxt_flight.__version__, description=_DESCRIPTION, routes=routes)
    whole["info"] |= {"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}
    whole["servers"] = [{"url": "/"}]
    schemas = whole.setdefault("components", {}).setdefault("schemas", {})
    registered = {route: operation for operation in operations() if operation.endpoint for route in routes_of(operation)} | keyed()
    for path, method, entry in _entries(whole):
        operation = registered.get((method.upper(), path))
        entry["responses"] = {status: answer for status, answer in entry["responses"].items() if not _is_of_fastapi(answer)}
        if operation is not None:
            _add_registered(entry, operation, schemas)
        _add_problems(entry, _codes(entry, operation))
    schemas["Problem"] = _PROBLEM
    used_codes = {code for _, _, entry in _entries(whole) for code in _answered(entry)}
    whole["components"]["examples"] = {code: _example(entry) for code, entry in REFERENCE.items() if code in used_codes}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    used = {tag for _, _, entry in _entries(whole) for tag in entry.get("tags", ())}
    whole["tags"] = [{"name": name, "description": text} for name, text in CATEGORIES.items() if name in used]
    return whole if version == "3.1" else converted(whole)


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
    entry["summary"], entry["description"] = said.summary.rstrip("."), said.text
    if not said.text:
        del entry["description"]
    if said.returns:
        entry["responses"][str(operation.status)]["description"] = said.returns
    for parameter in entry.get("parameters", ()):
        _describe(parameter, parameter["name"].replace("-", "_").lower(), said)
    for content in entry.get("requestBody", {}).get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        for field, schema in schemas.get(name, content.get("schema", {})).get("properties", {}).items():
            _describe(schema, field, said)
    entry["x-flight-action"] = operation.action
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
    return dict.fromkeys(codes)


def _add_problems(entry: Json, codes: Iterable[str]) -> None:
    """The answers to faults, by status, each with an example of every code."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in codes:
        by_status.setdefault(REFERENCE[code].http_status, []).append(REFERENCE[code])
    for status, found in sorted(by_status.items()):
        examples = {one.code: {"$ref": f"#/components/examples/{one.code}"} for one in found}
        entry["responses"][str(status)] = {
            "description": " ".join(f"`{one.code}`: {one.meaning}" for one in found),
            "content": {PROBLEM_JSON: {"schema": {"$ref": _ANSWERS}, "examples": examples}},
        }


def _answered(entry: Json) -> Iterator[str]:
    """The codes whose examples an operation shows."""
    for answer in entry["responses"].values():
        yield from answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", ())


def _example(code: ErrorCode) -> Json:
    body = {
        "type": f"/errors#{code.code}",
        "title": code.meaning,
        "status": code.http_status,
        "detail": code.meaning,
        "code": code.code,
        "hint": code.remedy,
        "where": {},
        "retryable": code.retryable,
        "request_id": "8c1f0b7e4d2a4f6f9a3e5d7c1b2a3f40",
    }
    return {"summary": code.meaning, "value": body}
