"""Answers that have rows: a page as JSON, or all of them as an Arrow stream, whichever the client accepts."""

import io
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

import anyio
import pyarrow as pa
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from pxt_flight.engine.scan import Stream
from pxt_flight.errors import PxtFlightError
from pxt_flight.http.rows_schema import ARROW_STREAM
from pxt_flight.operations.answers import Answer
from pxt_flight.trace import describe

_log = logging.getLogger(__name__)
_JSON = "application/json"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
# What the page of another key says is not this one's, though the URL be the same.
_CACHED = {"cache-control": "private, no-cache", "vary": "Accept, Authorization, X-API-Key"}
DOCUMENTED: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The rows: as JSON, or as an Arrow IPC stream.",
        "content": {ARROW_STREAM: _BINARY},
        "headers": {
            "ETag": {"description": "The same while the rows are.", "schema": {"type": "string"}},
            "Link": {"description": "The next page, as `rel=next`.", "schema": {"type": "string"}},
        },
    },
    304: {"description": "The rows are those that the client has (`If-None-Match`)."},
}


def respond(request: Request, answer: Answer) -> Response:
    """The response that has the rows of an answer. Blocks.

    Args:
        request: says what the client accepts, and what it has.
        answer: the rows.

    Raises:
        PxtFlightError: they cannot be read; of a stream, before its first batch.
    """
    is_arrow = ARROW_STREAM in request.headers.get("accept", "").lower()
    headers = dict(_CACHED)
    if request.method == "GET" and (tag := answer.tag()) is not None:
        headers["etag"] = f'W/"{tag}{"-arrow" if is_arrow else ""}"'
        if headers["etag"] in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if is_arrow:
        return ArrowResponse(answer.stream(), headers)
    page = answer.page()
    following = page.beside.get("next_cursor") if request.method == "GET" else None
    if following is None:
        return Response(page.to_json(), headers=headers, media_type=_JSON)
    url = _next_url(request, following)
    return Response(page.to_json(next=url), headers=headers | {"link": f'<{url}>; rel="next"'}, media_type=_JSON)


class ArrowResponse(StreamingResponse):
    """Batches as an Arrow IPC stream, each read when the connection has taken the one before.

    A stream that fails in the middle breaks the connection off: one that merely ended would look whole.

    Args:
        stream: the batches; closed whatever becomes of the connection.
        headers: of the answer.
    """

    def __init__(self, stream: Stream, headers: dict[str, str]) -> None:
        self._stream = stream
        self._reading = threading.Lock()
        try:
            chunks = _chunks(stream)
            first = next(chunks) + next(chunks)  # an error of the query is an answer yet
        except BaseException:
            stream.close()
            raise
        super().__init__(self._content(first, chunks), headers=headers, media_type=ARROW_STREAM)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except PxtFlightError:
            raise
        except Exception as failure:
            _log.error("A stream broke off: %s", describe(failure))
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close)

    async def _content(self, first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        yield first
        while chunk := await anyio.to_thread.run_sync(self._alone(lambda: next(chunks, b"")), abandon_on_cancel=True):
            yield chunk

    def _alone(self, work: Callable[[], bytes]) -> Callable[[], bytes]:
        def done() -> bytes:
            with self._reading:
                return work()

        return done

    def _close(self) -> None:
        self._stream.cancel()  # whoever still reads for a client that has left
        with self._reading:
            self._stream.close()


def _chunks(stream: Stream) -> Iterator[bytes]:
    """The schema, then the batches, and the mark of the end with the last of them."""
    sink = io.BytesIO()

    def taken() -> bytes:
        chunk = sink.getvalue()
        sink.seek(0)
        sink.truncate()
        return chunk

    with pa.ipc.new_stream(sink, stream.schema) as writer:
        yield taken()
        for batch in stream.batches:
            writer.write_batch(batch)
            yield taken()
    yield taken()


def _next_url(request: Request, cursor: str) -> str:
    """The URL of the next page, relative to this one: right behind any proxy."""
    kept = [(name, value) for name, value in parse_qsl(request.url.query, keep_blank_values=True) if name not in ("cursor", "offset")]
    return f"{request.url.path.rpartition('/')[2]}?{urlencode([*kept, ('cursor', cursor)])}"
