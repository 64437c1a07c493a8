"""What of the control plane needs the store: the operations of the registry, rows and media."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI

import pxt_flight
from pxt_flight import registration
from pxt_flight.http.backend import Backend
from pxt_flight.http.calls import Calls
from pxt_flight.http.custom import CustomRoutes, custom_app
from pxt_flight.http.headers import OperationHeaders
from pxt_flight.http.keyed_rows import keyed_routes
from pxt_flight.http.media import media_routes
from pxt_flight.http.openapi import Json, Version, add_descriptions, described
from pxt_flight.http.problems import add_handlers
from pxt_flight.http.routes import operation_routes
from pxt_flight.http.rows import row_routes
from pxt_flight.operations.dispatch import import_operations
from pxt_flight.operations.links import MediaLinks
from pxt_flight.operations.startup import OpenStore


def api_routers() -> tuple[APIRouter, ...]:
    """The routes of everything that needs the store; the operations are imported."""
    return media_routes(), row_routes(), operation_routes()


def document(version: Version = "3.1") -> Json:
    """The OpenAPI document of every route that this server has. It imports Pixeltable, and opens nothing.

    Args:
        version: of OpenAPI: 3.1.0, or 3.0.3 for tools that know no newer one.
    """
    import_operations()
    return described([route for router in api_routers() for route in router.routes], version)


def create_api(store: OpenStore, home: Path, *, threads: int = 16, waiting: int = 128, routers: Sequence[str] = ()) -> FastAPI:
    """Make the application of an open store. FastAPI's own description and pages are not served: the one lacks the errors, the others load
    scripts from a public network.

    Args:
        store: the store.
        home: the Pixeltable home.
        threads: reads at once, and as many changes.
        waiting: of each in line.
        routers: the user's own, as of `custom_app`.

    Raises:
        InvalidRequestError: `INVALID_CONFIGURATION`, one of those cannot be served.
    """
    import_operations()
    api = FastAPI(
        title="pxt-flight",
        version=pxt_flight.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    links = MediaLinks(store.media_grants, lambda: registration.public_url(home))
    api.state.backend = Backend(store, links, Calls(running=threads, waiting=waiting))
    api.include_router(keyed_routes(), include_in_schema=False)  # before those of the same paths, in whose entries they are described
    for router in api_routers():
        api.include_router(router)
    custom = custom_app(routers)
    add_descriptions(api, custom.routes)
    add_handlers(api)
    api.add_middleware(OperationHeaders)
    if routers:
        api.add_middleware(CustomRoutes, custom=custom)
    return api
