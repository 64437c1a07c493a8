"""Both wires in this process, on the session's store, so that tests can declare operations, keys and clocks of their own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import httpx
import uvicorn
from events import eventually

import pxt_flight as pf
from pxt_flight import public_api


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Wires(NamedTuple):
    """A Flight server and an HTTP server of this process.

    Attributes:
        key: one that may everything.
        http: an HTTP client of that key.
        uri: of the Flight server.
        api: the HTTP application.
        store: what both serve.
        clock: by which rate limits are counted.
        make_key: makes a key of some permissions, on tables of some patterns.
    """

    key: str
    http: httpx.Client
    uri: str
    api: Any
    store: Any
    clock: Clock
    make_key: Callable[..., str]

    @contextmanager
    def connect(self) -> Iterator[pf.Database]:
        """Our client of the Flight server."""
        with pf.connect(self.uri, key=self.key) as db:
            yield db


@contextmanager
def registered(*operations: Any) -> Iterator[None]:
    """More operations, or others in the place of some, for as long as the block."""
    before = dict(public_api._registry)
    public_api._registry.update({(operation.version, operation.name): operation for operation in operations})
    try:
        yield
    finally:
        public_api._registry.clear()
        public_api._registry.update(before)


class Servers:
    """What was started, and is stopped in the end."""

    def __init__(self, engine: Any, home: Any) -> None:
        self._engine, self._home = engine, home
        self._stops: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stop in reversed(self._stops):
            stop()

    def start(self, *, routers: tuple[str, ...] = (), **options: Any) -> Wires:
        """Start both."""
        from pxt_flight.access.grants import MediaGrants, Signer
        from pxt_flight.access.keys import KeyRing, key_hash, make_key
        from pxt_flight.access.limits import RateLimits
        from pxt_flight.access.principals import Principal
        from pxt_flight.engine.writer import Writer
        from pxt_flight.operations.startup import OpenStore

        clock, principals = Clock(), {}

        def key_of(*permissions: str, tables: tuple[str, ...] = ("*",)) -> str:
            key = make_key()
            principals[key_hash(b"pepper", key)] = Principal(f"key{len(principals)}", "edge", frozenset(permissions), tables)
            return key

        secret = b"s" * 32
        writer = Writer(self._engine)
        self._stops.append(writer.close)
        store = OpenStore(
            self._engine, writer, KeyRing(b"pepper", principals), Signer(secret), MediaGrants(secret), "", RateLimits(clock), **options
        )
        key = key_of(*public_api.PERMISSIONS)
        api, url = self._http(store, routers)
        client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)
        self._stops.append(client.close)
        return Wires(key, client, self._flight(store), api, store, clock, key_of)

    def _flight(self, store: Any) -> str:
        from pxt_flight.engine.catalog import Catalog
        from pxt_flight.flight.server import FlightServer
        from pxt_flight.operations.links import MediaLinks

        links = MediaLinks(store.media_grants, lambda: "http://x")
        server = FlightServer("grpc://127.0.0.1:0", store=store, catalog=Catalog(self._engine.store.uri), links=links)
        self._stops.append(lambda: server.drain(0))
        return f"grpc://127.0.0.1:{server.port}"

    def _http(self, store: Any, routers: tuple[str, ...]) -> tuple[Any, str]:
        from pxt_flight.http.__main__ import listen
        from pxt_flight.http.api import create_api

        api = create_api(store, self._home, routers=routers)
        listener = listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(api, loop="asyncio", lifespan="off", ws="none", log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        eventually(lambda: server.started)

        def stop() -> None:
            server.should_exit = True
            thread.join(20)
            listener.close()

        self._stops.append(stop)
        return api, f"http://127.0.0.1:{listener.getsockname()[1]}"
