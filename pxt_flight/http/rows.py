"""The routes of operations that take rows: as an Arrow stream, as JSON, or as JSON with files beside it. Each is written whole, or not."""

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Annotated, Any

import anyio
import pyarrow as pa
from fastapi import APIRouter, Depends, Path, Request, Response

from pxt_flight.config import JSON_BYTES
from pxt_flight.engine.written import Written
from pxt_flight.errors import error
from pxt_flight.http.argument_headers import header_parameters, with_headers
from pxt_flight.http.backend import backend_of
from pxt_flight.http.body import Body
from pxt_flight.http.callers import call_of
from pxt_flight.http.multipart import Parts, boundary_of
from pxt_flight.http.problems import problem
from pxt_flight.http.routes import BY_NAME, answers_of, parameter, query_parameter, refuse_others
from pxt_flight.http.rows_schema import ARROW_STREAM, JSON, KINDS, MULTIPART, request_body
from pxt_flight.operations.attached import Attached
from pxt_flight.operations.call import Call
from pxt_flight.operations.dispatch import invoke
from pxt_flight.operations.json_source import checked_rows, parsed, read_rows, sent_rows
from pxt_flight.operations.receipt import receipt
from pxt_flight.operations.writes import Rows
from pxt_flight.public_api import Operation, operations, routes_of

_UPLOADS = 16  # at once; each has a thread
_NOTHING = "Nothing was written; send the rows again."
Inserted = tuple[Written, pa.Table | None]


def row_routes() -> APIRouter:
    """The routes of all operations that take rows."""
    router = APIRouter()
    uploads = anyio.CapacityLimiter(_UPLOADS)
    for operation in operations():
        if not operation.endpoint or not operation.takes_rows:
            continue
        for method, path in routes_of(operation):
            in_path = tuple(re.findall(r"{(\w+)}", path))
            is_by_name = path == operation.call_path and path != operation.path
            router.add_api_route(
                path,
                _endpoint(operation, in_path, uploads),
                methods=[method],
                operation_id=operation.operation_id + ("_by_name" if is_by_name else ""),
                tags=[BY_NAME if is_by_name else operation.category],
                **answers_of(operation),
                openapi_extra={"requestBody": request_body(operation, in_path)},
            )
    return router


def _endpoint(operation: Operation, in_path: tuple[str, ...], uploads: anyio.CapacityLimiter) -> Callable[..., Awaitable[Response]]:
    parameters = [parameter("request", Request), parameter("call", Annotated[Call, Depends(call_of)])]
    parameters += [parameter(name, Annotated[operation.arguments[name][0], Path()]) for name in in_path]
    # In the query string each may be missing: JSON has them in its body.
    parameters += [query_parameter(name, kind | None, None) for name, (kind, _) in operation.arguments.items() if name not in in_path]
    parameters += header_parameters(operation)
    in_query = frozenset(operation.arguments) - frozenset(in_path)

    async def endpoint(request: Request, call: Call, **given: Any) -> Response:
        refuse_others(request, in_query)
        sent = {name: value for name, value in given.items() if name in in_path or name in request.query_params}
        return await _arrived(operation, request, call, with_headers(operation, request, sent), uploads)

    endpoint.__name__ = operation.operation_id
    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=Response)  # type: ignore[attr-defined]
    return endpoint


async def _arrived(operation: Operation, request: Request, call: Call, given: dict[str, Any], uploads: anyio.CapacityLimiter) -> Response:
    """The answer to a request; `given` are the arguments that stand beside its body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    limit = JSON_BYTES if kind == JSON else call.writer.limits.size
    refusal = _refusal(kind, request.headers, limit)
    if refusal is not None:
        return refusal
    if uploads.available_tokens < 1:
        raise error("unavailable", "There are too many uploads at once.", hint="Nothing was written; try again.")
    body = Body(request, limit)
    async with uploads:
        work = _WORK[kind]
        written, rejected = await backend_of(request).calls.run(
            request, call, lambda heard: work(operation, heard, body, given), changes=True, ended=body.ended
        )
    return _answer(operation, request.headers.get("accept", ""), written, rejected)


def _refusal(kind: str, headers: Any, limit: int) -> Response | None:
    """The answer to a body that is not even looked at."""
    if kind not in _WORK:
        hint = f"Send rows as {', '.join(KINDS)}."
        failure = error("media_type_unsupported", f"Rows are not taken as {kind[:80] or 'a body without a type'}.", hint=hint)
        return problem(failure, headers={"accept-post": ", ".join(KINDS)})
    if headers.get("content-encoding", "identity").lower() != "identity":
        failure = error("media_type_unsupported", "The body is encoded.", hint="Compress the buffers of an Arrow stream instead.")
        return problem(failure, headers={"accept-encoding": "identity"})
    length = headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        failure = error(
            "upload_too_large", f"The body is larger than {limit >> 20} MiB.", hint=f"Write the rows in parts, or as {ARROW_STREAM}."
        )
        return problem(failure)
    return None


def _of_json(operation: Operation, call: Call, body: Body, given: dict[str, Any]) -> Inserted:
    """Run an operation with the rows of a body of JSON; blocks."""
    arguments, rows = read_rows(operation, body.read_all(), given)
    done: Inserted = invoke(operation, call, arguments, rows=sent_rows(rows))
    return done


def _of_arrow(operation: Operation, call: Call, body: Body, given: dict[str, Any]) -> Inserted:
    """Run an operation with the rows of an Arrow stream; blocks."""
    arguments = operation.check(given)
    try:
        with pa.ipc.open_stream(body) as reader:
            done: Inserted = invoke(operation, call, arguments, rows=Rows(reader.schema, _batches(reader), body.is_whole))
            return done
    except (pa.ArrowException, OSError):
        if body.is_cut:
            raise error("upload_incomplete", "The body ended in the middle.", hint=_NOTHING) from None
        raise error("INVALID_ARGUMENT", "The body is not an Arrow stream.", hint="Nothing was written.") from None


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    yield from reader


def _of_parts(operation: Operation, call: Call, body: Body, given: dict[str, Any]) -> Inserted:
    """Run an operation with the rows, and the files beside them, of a body in parts; blocks."""
    parts = Parts(call.writer.limits.spool)
    try:
        parts.take(boundary_of(body.content_type), body.chunks())
        arguments, rows = checked_rows(operation, {name: parsed(text) for name, text in parts.rows.items()}, given)
        attached = Attached(parts.sizes, parts.read)
        attached.check(rows or ())
        done: Inserted = invoke(operation, call, arguments, rows=sent_rows(rows, attached))
        return done
    finally:
        parts.close()


_WORK: dict[str, Callable[[Operation, Call, Body, dict[str, Any]], Inserted]] = {
    JSON: _of_json,
    ARROW_STREAM: _of_arrow,
    MULTIPART: _of_parts,
}


def _answer(operation: Operation, accept: str, written: Written, rejected: pa.Table | None) -> Response:
    status = HTTPStatus.OK if written.repeated else operation.status
    # RFC 9110, section 15.3.2: where what was made is.
    headers = {"location": f"/api/v1/tables/{written.table.replace('/', '.')}"} if written.kind == "create" else {}
    if rejected is not None and ARROW_STREAM in accept.lower():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rejected.schema) as stream:
            stream.write_table(rejected)
        headers["pxt-written"] = json.dumps(written.to_json())
        return Response(sink.getvalue().to_pybytes(), status, headers, media_type=ARROW_STREAM)
    return Response(operation.response.dump_json(receipt(written, rejected)), status, headers, media_type=JSON)
