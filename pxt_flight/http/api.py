"""What of the control plane needs the store: the operations of the registry, rows and media."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

import pxt_flight
from pxt_flight.http.callers import Callers
from pxt_flight.http.calls import Calls
from pxt_flight.http.custom import CustomRoutes, custom_app
from pxt_flight.http.headers import OperationHeaders
from pxt_flight.http.keyed_rows import keyed_routes
from pxt_flight.http.media import media_routes
from pxt_flight.http.openapi import add_descriptions
from pxt_flight.http.problems import add_handlers
from pxt_flight.http.routes import operation_routes
from pxt_flight.http.rows import row_routes
from pxt_flight.operations.dispatch import import_operations
from pxt_flight.operations.startup import OpenStore


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
    callers, calls = Callers(store, home), Calls(running=threads, waiting=waiting)
    api.include_router(media_routes(store))
    api.include_router(row_routes(store, callers, calls))
    api.include_router(keyed_routes(callers, calls))
    api.include_router(operation_routes(callers, calls))
    custom = custom_app(routers)
    add_descriptions(api, custom.routes)
    add_handlers(api)
    api.add_middleware(OperationHeaders)
    if routers:
        api.add_middleware(CustomRoutes, custom=custom, callers=callers)
    return api
