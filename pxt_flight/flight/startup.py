"""How the data plane comes up: the store, the self-test, the port."""

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight import registration
from pxt_flight.config import Settings, empty_folder
from pxt_flight.engine.catalog import Catalog
from pxt_flight.engine.selftest import verify_copy
from pxt_flight.errors import error
from pxt_flight.flight.server import FlightServer
from pxt_flight.operations.links import MediaLinks
from pxt_flight.operations.startup import OpenStore, open_store


def start(settings: Settings) -> tuple[FlightServer, OpenStore]:
    """Bring the data plane up; answers the server and its store.

    Raises:
        ConnectError: `pixeltable_unsupported`, `home_unusable` or `port_in_use`.
    """
    # Its files have no names; only where they have one for a moment (not on Linux) may a kill leave any.
    empty_folder(settings.spool_dir)
    store = open_store(settings)
    verify_copy(store.engine, settings.state_dir)
    store.writer.sweep()
    links = MediaLinks(store.media_grants, lambda: registration.public_url(settings.home))
    location = f"grpc://{settings.host}:{settings.flight_port}"
    try:
        server = FlightServer(location, store=store, catalog=Catalog(store.engine.store.uri), links=links)
    except (OSError, pa.ArrowException, fl.FlightError):  # by pyarrow's version and platform
        store.close()
        raise error(
            "port_in_use",
            f"Port {settings.flight_port} on {settings.host} cannot be listened on.",
            hint="Another server may hold it: choose another with --flight-port, 0 for a free one.",
        ) from None
    return server, store
