"""How a plane opens the store: Pixeltable, the keys, what signs, the restricted role."""

from dataclasses import dataclass, field

from pxt_flight.access.grants import MediaGrants, Signer
from pxt_flight.access.keys import KeyRing, ensure_owner_key, load_key_ring, load_secret
from pxt_flight.access.limits import RateLimits
from pxt_flight.access.principals import Principal
from pxt_flight.access.reader import check_reader, ensure_reader
from pxt_flight.access.schema import open_schema
from pxt_flight.config import Settings
from pxt_flight.engine.bounds import Capacity
from pxt_flight.engine.destinations import Destinations
from pxt_flight.engine.engine import Engine, open_engine
from pxt_flight.engine.limits import Limits
from pxt_flight.engine.thumbnails.cache import ThumbnailCache
from pxt_flight.engine.writeproof import verify_writes
from pxt_flight.engine.writer import WriteLimits, Writer
from pxt_flight.operations.call import Call
from pxt_flight.operations.links import MediaLinks


@dataclass(frozen=True)
class OpenStore:
    """A store that a plane serves.

    Attributes:
        engine: speaks to Pixeltable; who opened the store closes it.
        writer: writes to its tables.
        keys: who may come in.
        signer: signs tickets and sessions.
        media_grants: signs the URLs of media cells.
        owner_key: the key of the local owner.
        limits: how often keys may call, in this process.
        destinations: where tables may be exported to.
    """

    engine: Engine
    writer: Writer
    keys: KeyRing
    signer: Signer
    media_grants: MediaGrants
    owner_key: str
    limits: RateLimits = field(default_factory=RateLimits)
    destinations: Destinations = field(default_factory=Destinations)

    def call(self, principal: Principal, links: MediaLinks) -> Call:
        """A call of who holds a key; `links` makes the URLs of media in its answer."""
        return Call(principal, self.engine, self.writer, links, self.signer, self.limits, destinations=self.destinations)

    def close(self) -> None:
        """Wait for the writes that run, and close the store; streams that still run are cut off."""
        self.writer.close()
        self.engine.close()


def open_store(settings: Settings) -> OpenStore:
    """Open the store of a home; several processes may at once, also the first time.

    Raises:
        ConnectError: `home_unusable`.
    """
    limits = Limits(seconds=settings.query_timeout, rows=settings.max_rows, size=settings.max_bytes)
    thumbnails = ThumbnailCache(settings.thumbnail_dir, settings.thumbnail_cache_bytes)
    capacity = _capacity(settings)
    engine = open_engine(settings.home, threads=settings.engine_threads, limits=limits, capacity=capacity, thumbnails=thumbnails)
    with open_schema(engine.store.uri) as connection:
        owner_key = ensure_owner_key(connection, settings.state_dir)
        keys = load_key_ring(connection)
        secret = load_secret(connection, "ticket")
        reader = ensure_reader(connection, engine.store.uri)
    engine.read_as(reader if reader is not None and check_reader(reader) else None)
    bounds = WriteLimits(settings.upload_bytes, settings.spool_dir, settings.write_timeout, settings.max_waiting)
    writer = Writer(engine, threads=settings.writer_threads, limits=bounds)
    writer.tiers = verify_writes(settings.state_dir)
    destinations = Destinations(settings.export_dir, frozenset(settings.export_buckets), settings.s3_endpoint)
    return OpenStore(engine, writer, keys, Signer(secret), MediaGrants(secret), owner_key, destinations=destinations)


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
