"""The routes that need neither key nor store: they answer at once, while Pixeltable is still being imported."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from pxt_flight.http import error_page
from pxt_flight.http.figures import figures
from pxt_flight.http.readiness import Readiness
from pxt_flight.operations.health import health
from pxt_flight.public_api import find_operation, routes_of

_TAGS: list[Any] = ["server"]


def server_routes() -> APIRouter:
    """The routes; their application has a `Readiness` as `state.readiness`."""
    router = APIRouter(tags=_TAGS)
    operation = find_operation("health")
    for method, path in routes_of(operation):
        name = operation.operation_id + ("" if path == operation.path else "_by_name")
        router.add_api_route(path, _answer(health), methods=[method], operation_id=name, response_model=operation.response_type)
    router.add_api_route("/readyz", _readiness, methods=["GET"], operation_id="readiness", summary="Whether the whole server can answer")
    router.add_api_route(
        "/metrics", figures, methods=["GET"], operation_id="metrics", summary="Figures for Prometheus", response_class=PlainTextResponse
    )
    router.add_api_route(
        error_page.PATH,
        error_page.error_page,
        methods=["GET"],
        operation_id="errors",
        summary="The error reference",
        response_class=HTMLResponse,
    )
    return router


async def _readiness(request: Request) -> dict[str, Any]:
    """What is ready, and what of it is slower than it should be; needs no key."""
    readiness: Readiness = request.app.state.readiness
    return await readiness.answer()


def _answer(operation: Callable[[object], Any]) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def answer() -> dict[str, Any]:
        return dataclasses.asdict(operation(None))

    return answer
