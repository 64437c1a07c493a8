"""`/docs` and `/redoc`: the OpenAPI document in Swagger UI and in ReDoc, both from files of ours, so that no page needs a network."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from pxt_flight.errors import error

PREFIX = "/assets/"
FOLDER = Path(__file__).with_name("assets")
SWAGGER, REDOC = "vendor/swagger-ui-5.35.0", "vendor/redoc-2.5.4"
FILES = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.is_file()}
# Both write styles into the page; ReDoc's search runs in a worker that it makes of a text.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
# The folder's name is that of the release: what stands there never changes.
_FOR_EVER, _FOR_NOW = "public, max-age=31536000, immutable", "public, max-age=3600"
# Relative, for whoever serves us beneath a path.
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>pxt-flight</title><link rel="icon" href="assets/{icon}">{head}</head><body style="margin:0">{body}</body></html>"""
_ICON = f"{SWAGGER}/favicon-32x32.png"
_DOCS = _PAGE.format(
    icon=_ICON,
    head=f'<link rel="stylesheet" href="assets/{SWAGGER}/swagger-ui.css">',
    body=f'<div id="swagger-ui"></div><script src="assets/{SWAGGER}/swagger-ui-bundle.js"></script><script src="assets/docs.js"></script>',
)
_REDOC_PAGE = _PAGE.format(
    icon=_ICON,
    head='<script src="assets/redoc.js"></script>',
    body=f'<redoc spec-url="openapi.json"></redoc><script src="assets/{REDOC}/redoc.standalone.js"></script>',
)


def docs_routes() -> APIRouter:
    """The routes of the pages and of their files; no key: they hold nothing of the data."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", _page(_DOCS), methods=["GET"])
    router.add_api_route("/redoc", _page(_REDOC_PAGE), methods=["GET"])
    router.add_api_route(PREFIX + "{name:path}", asset, methods=["GET"])
    return router


async def asset(name: str) -> Response:
    """A file of the pages.

    Raises:
        NotFoundError: `route_not_found`.
    """
    path = FILES.get(name)  # one of a fixed set: no name reaches another folder
    if path is None:
        raise error("route_not_found", "There is nothing at this path.")
    return FileResponse(path, headers={"cache-control": _FOR_EVER if "/" in name else _FOR_NOW})


def _page(text: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        return Response(text, headers=_HEADERS, media_type="text/html")

    return page
