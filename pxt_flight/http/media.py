"""Media files by signed URL, for `<img>`, `<video>` and `fetch` on any page.

The grant in the URL is the credential, and no cookie or header of the browser's is: so any origin may read the answer, as anybody may who
has the URL, and a page that has none learns nothing.
"""

import os
import re
import time
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.backend import backend_of
from pxt_flight.http.problems import PROBLEM_JSON, problem
from pxt_flight.operations.media import MediaFile, open_cell
from pxt_flight.operations.startup import OpenStore

_THREADS = 16  # that look cells up, fetch files and make thumbnails; those that send files are others
_UNKNOWN = "application/octet-stream"
# One range. RFC 9110, section 14.2: what else a Range header says may be ignored, and then the whole file is the answer.
_RANGE = re.compile(r"bytes=(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<length>[0-9]{1,18}))", re.IGNORECASE)
_ANY_ORIGIN = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "accept-ranges, content-range, etag",
    "cross-origin-resource-policy": "cross-origin",  # a page with COEP shows nothing else
}
_AS_IT_IS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
# Of a file that is opened as a document of its own: it runs nothing, and loads nothing but itself into the browser's viewer.
_ITSELF_ALONE = "default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline'"
_FILE = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_PROBLEM = {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The stored file, or a thumbnail of it as JPEG.", **_FILE},
    206: {"description": "The part that the header Range asks for.", **_FILE},
    304: {"description": "The client has it already."},
    401: {"description": "`key_invalid`: the key that the link was made for is gone.", **_PROBLEM},
    404: {"description": "`media_not_found`: the link is not, or no longer, good, or there is nothing behind it.", **_PROBLEM},
    409: {"description": "`ticket_invalid`, `ticket_expired`: the link is none of this server's, or is too old.", **_PROBLEM},
    416: {"description": "`range_not_satisfiable`: the range begins after the end of the file.", **_PROBLEM},
}
# In a sandbox browsers neither play a video (seen in Chromium 156) nor have plug-ins, which their viewers of PDF are.
_VIEWED = ("video/", "audio/", "application/pdf")


def media_routes() -> APIRouter:
    """The routes of media files."""
    router = APIRouter()
    limiter = anyio.CapacityLimiter(_THREADS)

    async def media_cell(
        request: Request, grant: str, cell: str, thumbnail: Annotated[int | None, Query(ge=16, le=1024)] = None
    ) -> Response:
        try:
            return await anyio.to_thread.run_sync(_answer, backend_of(request).store, request, grant, cell, thumbnail, limiter=limiter)
        except PxtFlightError as failure:
            return problem(failure, headers=_ANY_ORIGIN | {"cache-control": "no-store"})

    described: dict[str, Any] = {"tags": ["media"], "summary": "A media value by its signed URL", "responses": _ANSWERS}
    path = "/api/v1/media/cells/{grant}/{cell}"
    router.add_api_route(path, media_cell, methods=["GET"], response_class=Response, operation_id="media_cell", **described)
    router.add_api_route(path, media_cell, methods=["HEAD"], include_in_schema=False)  # one id in the document, not two alike
    return router


class CellResponse(FileResponse):
    """A stored file, or a part of it; closes the file whatever becomes of the connection.

    Args:
        file: the file.
        stored: its status.
        part: the header Range, where a part is sent.
        headers: of the answer.
    """

    def __init__(self, file: MediaFile, stored: os.stat_result, part: str | None, headers: Mapping[str, str]) -> None:
        assert not isinstance(file.content, bytes)
        super().__init__(file.content, headers=headers, media_type=file.content_type, stat_result=stored)
        if file.modified is None:
            del self.headers["last-modified"]
        self._close = file.close
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        part = [(b"range", self._part.encode())] if self._part else []
        try:
            await super().__call__({**scope, "headers": kept + part}, receive, send)
        finally:
            self._close()


def _answer(store: OpenStore, request: Request, grant: str, cell: str, thumbnail: int | None) -> Response:
    """Find the cell and answer the request; blocks."""
    file = open_cell(store, grant, cell, thumbnail)
    try:
        return _response(file, request)
    except BaseException:
        file.close()
        raise


def _response(file: MediaFile, request: Request) -> Response:
    headers = _headers(file)
    if _is_known(request.headers, file):
        file.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if isinstance(file.content, bytes):
        return Response(file.content, headers=headers, media_type=file.content_type)
    stored = file.content.stat()
    part = _part(request, file)
    if part and not _is_within(part, stored.st_size):
        file.close()
        refusal = error("range_not_satisfiable", f"The file has {stored.st_size} bytes.", hint="Ask for a range that begins within it.")
        headers = _ANY_ORIGIN | {"cache-control": "no-store", "content-range": f"bytes */{stored.st_size}"}
        return problem(refusal, headers=headers)
    return CellResponse(file, stored, part.group() if part else None, headers)


def _headers(file: MediaFile) -> dict[str, str]:
    rest = max(0, int(file.expires - time.time()))
    headers = _ANY_ORIGIN | _AS_IT_IS | {"etag": _etag(file), "cache-control": f"private, max-age={rest}, immutable"}
    headers["content-security-policy"] = _ITSELF_ALONE if file.content_type.startswith(_VIEWED) else f"sandbox; {_ITSELF_ALONE}"
    headers["content-disposition"] = "attachment" if file.content_type == _UNKNOWN else "inline"
    return headers if file.modified is None else headers | {"last-modified": formatdate(file.modified, usegmt=True)}


def _is_known(asked: Mapping[str, str], file: MediaFile) -> bool:
    """Whether the client has this very file already: RFC 9110, section 13.2.2."""
    if tags := asked.get("if-none-match"):
        return tags.strip() == "*" or _etag(file) in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    try:
        since = parsedate_to_datetime(asked.get("if-modified-since", "")).timestamp()
    except ValueError:
        return False
    return file.modified is not None and int(file.modified) <= since


def _part(request: Request, file: MediaFile) -> re.Match[str] | None:
    """The range that is asked for, where one is and the file is still that of which the client has another part."""
    part = _RANGE.fullmatch(request.headers.get("range", ""))
    known = {_etag(file), None} | ({formatdate(file.modified, usegmt=True)} if file.modified is not None else set())
    if part is None or request.method != "GET" or request.headers.get("if-range") not in known:
        return None
    return None if part["first"] and part["last"] and int(part["last"]) < int(part["first"]) else part


def _is_within(part: re.Match[str], size: int) -> bool:
    return int(part["first"]) < size if part["first"] else size > 0 and int(part["length"]) > 0


def _etag(file: MediaFile) -> str:
    return f'"{file.tag}"'
