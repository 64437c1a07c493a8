"""`POST /api/v1/tables/{name}/rows`: an Arrow stream as the body, written as one version of a table, or nothing of it."""

import asyncio
import base64
import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from pxt_flight import registration
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.opening import Opening
from pxt_flight.http.problems import problem

if TYPE_CHECKING:
    import pyarrow as pa

    from pxt_flight.engine.written import Written
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.startup import OpenStore

ARROW_STREAM = "application/vnd.apache.arrow.stream"
_UPLOADS = 16  # at once; each has a thread
_PATIENCE = 60.0  # seconds without a byte
_FIRST_LENGTH = 8  # bytes, with the marker before it
_LARGEST_MESSAGE = 256 << 20  # bytes of one record batch, which is in memory as a whole
_ANSWERED_ROWS, _ANSWERED_LENGTH = 1000, 1000  # of rejected rows in JSON: how many, and of each value
_NOTHING = "Nothing was written; send the rows again."
_STATUS = {"upload_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE}


def row_routes(home: Path, opening: Opening) -> APIRouter:
    """The routes of rows.

    Args:
        home: the Pixeltable home.
        opening: its store, which requests wait for.
    """
    router = APIRouter()
    limiter = anyio.CapacityLimiter(_UPLOADS)

    async def insert_rows(request: Request, name: str, on_error: Literal["abort", "ignore"] = "abort") -> Response:
        store = await opening.store()
        call = _call(store, home, request.headers)
        limit = store.writer.limits.size
        refusal = _refusal(request.headers, limit)
        if refusal is not None:
            return refusal
        if limiter.available_tokens < 1:
            raise error("unavailable", "There are too many uploads at once.", hint="Nothing was written; try again.")
        named = {"table": name.replace(".", "/"), "on_error": on_error, "idempotency_key": request.headers.get("idempotency-key")}
        body = _Body(request, limit)
        try:
            async with _watching(request, body) as departure:
                waiting = replace(call, on_wait=departure.on_wait)
                written, rejected = await anyio.to_thread.run_sync(_insert, waiting, body, named, limiter=limiter)
        except PxtFlightError as failure:
            return problem(failure, status=_STATUS.get(failure.code))
        return _answer(request.headers.get("accept", ""), written, rejected)

    router.add_api_route("/api/v1/tables/{name}/rows", insert_rows, methods=["POST"])
    return router


class _Body:
    """The body of a request as a file, which a thread reads while the event loop receives it.

    Args:
        request: whose body it is.
        limit: bytes that it may have.
    """

    closed = False

    def __init__(self, request: Request, limit: int) -> None:
        self._chunks = request.stream()
        self._left = limit
        self._read = 0
        self._buffer = memoryview(b"")
        self.ended = asyncio.Event()
        self.is_cut = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes: fewer only where the body ends.

        Raises:
            InvalidRequestError: `upload_too_large`, or `INVALID_ARGUMENT`.
        """
        if size > _LARGEST_MESSAGE:
            if self._read <= _FIRST_LENGTH:  # of the schema: whatever stands there is no length
                raise error("INVALID_ARGUMENT", "The body is not an Arrow stream.", hint="Nothing was written.")
            raise error("upload_too_large", f"A record batch has more than {_LARGEST_MESSAGE >> 20} MiB.", hint="Send smaller ones.")
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._buffer:
                self._buffer = memoryview(anyio.from_thread.run(self._next))
                if not self._buffer:
                    self.is_cut = True
                    break
            parts.append(self._buffer[:missing])
            self._buffer = self._buffer[missing:]
            missing -= len(parts[-1])
        self._read += size - missing
        return b"".join(parts)

    def close(self) -> None:
        """A file has one; the body is the server's to close."""

    def is_whole(self) -> bool:
        """Whether the stream was ended by its own mark: a body that was cut off between two batches looks like one that ends there.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, more comes after the mark.
        """
        if self.is_cut:
            return False
        if self.read(1):
            raise error("INVALID_ARGUMENT", "After the end of the Arrow stream come more bytes.", hint="Nothing was written.")
        return True

    async def _next(self) -> bytes:
        """The next piece as it arrives; empty at the end, and where the client has left, or sends nothing any more."""
        chunk = b""
        with suppress(ClientDisconnect, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                chunk = await anext(self._chunks, b"")
        if not chunk:
            self.ended.set()
        self._left -= len(chunk)
        if self._left < 0:
            raise error("upload_too_large", "The body is larger than this server takes.", hint="Write the rows in parts.")
        return chunk


class _Departure:
    """Ends what a call waits for, once its client has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._has_happened = False

    def on_wait(self, stop: Callable[[], None] | None) -> None:
        """See `Call.on_wait`."""
        with self._lock:
            self._stop = stop
            if self._has_happened and stop is not None:
                stop()

    def happen(self) -> None:
        """The client has left. Blocks."""
        with self._lock:
            self._has_happened = True
            if self._stop is not None:
                self._stop()


@asynccontextmanager
async def _watching(request: Request, body: _Body) -> AsyncIterator[_Departure]:
    departure = _Departure()

    async def watch() -> None:
        await body.ended.wait()
        message = await request.receive()
        if message["type"] == "http.disconnect":
            await anyio.to_thread.run_sync(departure.happen)

    watcher = asyncio.create_task(watch())
    try:
        yield departure
    finally:
        watcher.cancel()


def _call(store: "OpenStore", home: Path, headers: Any) -> "Call":
    """Who calls, by a bearer token or an X-API-Key."""
    # Here, for the module is imported before Pixeltable may be.
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.links import MediaLinks

    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")
    links = MediaLinks(store.media_grants, lambda: registration.public_url(home))
    return Call(store.keys.authenticate(key), store.engine, store.writer, links)


def _refusal(headers: Any, limit: int) -> Response | None:
    """The answer to a body that is not even looked at."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != ARROW_STREAM:
        hint = f"Send an Arrow IPC stream as {ARROW_STREAM}. Rows as JSON are not served yet."
        failure = error("UNSUPPORTED_OPERATION", f"Rows are not taken as {kind[:80] or 'a body without a type'}.", hint=hint)
        return problem(failure, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, headers={"accept-post": ARROW_STREAM})
    if headers.get("content-encoding", "identity").lower() != "identity":
        failure = error("UNSUPPORTED_OPERATION", "The body is encoded.", hint="Compress the buffers of the Arrow stream instead.")
        return problem(failure, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, headers={"accept-encoding": "identity"})
    length = headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        failure = error("upload_too_large", f"The body is larger than {limit >> 20} MiB.", hint="Write the rows in parts.")
        return problem(failure, status=_STATUS[failure.code])
    return None


def _insert(call: "Call", body: _Body, named: dict[str, Any]) -> "tuple[Written, pa.Table | None]":
    """Insert the rows of a body; blocks."""
    import pyarrow as pa

    from pxt_flight.operations.writes import Rows, insert

    try:
        with pa.ipc.open_stream(body) as reader:
            return insert(call, Rows(reader.schema, _batches(reader), body.is_whole), **named)
    except (pa.ArrowException, OSError):
        if body.is_cut:
            raise error("upload_incomplete", "The body ended in the middle.", hint=_NOTHING) from None
        raise error("INVALID_ARGUMENT", "The body is not an Arrow stream.", hint="Nothing was written.") from None


def _batches(reader: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    yield from reader


def _answer(accept: str, written: "Written", rejected: "pa.Table | None") -> Response:
    status = HTTPStatus.OK if written.repeated else HTTPStatus.CREATED
    if rejected is not None and ARROW_STREAM in accept.lower():
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rejected.schema) as stream:
            stream.write_table(rejected)
        headers = {"pxt-written": json.dumps(written.to_json())}
        return Response(sink.getvalue().to_pybytes(), status, headers, media_type=ARROW_STREAM)
    body = written.to_json() | {"rejected_rows": [] if rejected is None else _as_json(rejected)}
    return Response(json.dumps(body), status, media_type="application/json")


def _as_json(rejected: "pa.Table") -> list[dict[str, Any]]:
    """The first rows of a table, long values cut: they tell what was wrong, and the client has them."""
    head = rejected.slice(0, _ANSWERED_ROWS)
    columns = [_values(column) for column in head.columns]
    return [dict(zip(head.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: "pa.ChunkedArray") -> list[Any]:
    import pyarrow as pa

    try:
        # Arrow writes a time that Python has no class for: what is at fault may be its year.
        values = (column.cast(pa.utf8()) if pa.types.is_temporal(column.type) else column).to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        values = [None] * len(column)
    return [_value(value) for value in values]


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value[:_ANSWERED_LENGTH]).decode()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_ANSWERED_LENGTH]
