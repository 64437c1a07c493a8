"""How the data plane comes up: the store, the keys, the self-test, the port."""

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.access.grants import Signer
from pxt_flight.access.keys import ensure_owner_key, load_key_ring, load_secret
from pxt_flight.access.reader import check_reader, ensure_reader
from pxt_flight.access.schema import open_schema
from pxt_flight.config import Settings, empty_folder
from pxt_flight.engine.bounds import Capacity
from pxt_flight.engine.catalog import Catalog
from pxt_flight.engine.engine import Engine, open_engine
from pxt_flight.engine.limits import Limits
from pxt_flight.engine.selftest import verify_copy
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.errors import error
from pxt_flight.flight.server import FlightServer


def start(settings: Settings) -> tuple[FlightServer, Engine, str]:
    """Bring the data plane up; answers the server, its engine and the key of the local owner.

    Raises:
        ConnectError: `pixeltable_unsupported`, `home_unusable` or `port_in_use`.
    """
    # Its files have no names; only where they have one for a moment (not on Linux) may a kill leave any.
    empty_folder(settings.spool_dir)
    limits = Limits(seconds=settings.query_timeout, rows=settings.max_rows, size=settings.max_bytes)
    thumbnails = ThumbnailCache(settings.thumbnail_dir, settings.thumbnail_cache_bytes)
    capacity = _capacity(settings)
    engine = open_engine(settings.home, threads=settings.engine_threads, limits=limits, capacity=capacity, thumbnails=thumbnails)
    with open_schema(engine.store.uri) as connection:
        owner_key = ensure_owner_key(connection, settings.state_dir)
        keys = load_key_ring(connection)
        signer = Signer(load_secret(connection, "ticket"))
        reader = ensure_reader(connection, engine.store.uri)
    engine.read_as(reader if reader is not None and check_reader(reader) else None)
    verify_copy(engine, settings.state_dir)
    location = f"grpc://{settings.host}:{settings.flight_port}"
    try:
        server = FlightServer(location, engine=engine, catalog=Catalog(engine.store.uri), keys=keys, signer=signer)
    except (OSError, pa.ArrowException, fl.FlightError):  # by pyarrow's version and platform
        engine.close()
        raise error(
            "port_in_use",
            f"Port {settings.flight_port} on {settings.host} cannot be listened on.",
            hint="Another server may hold it: choose another with --flight-port, 0 for a free one.",
        ) from None
    return server, engine, owner_key


def _capacity(settings: Settings) -> Capacity:
    return Capacity(
        queries=settings.max_queries,
        streams=settings.pixeltable_streams,
        waiting=settings.max_waiting,
        patience=settings.queue_timeout,
        spill=settings.spill_bytes,
        spool=settings.spool_dir,
        drain=settings.drain_deadline,
    )
