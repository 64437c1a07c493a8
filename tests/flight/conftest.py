"""What the tests of the wire share: a small table, the clients as strangers open them, and waiting for a condition."""

from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow.flight as fl
import pytest
from events import eventually

from pxt_flight.registration import Server


@pytest.fixture(scope="session")
def soon() -> Callable[..., Any]:
    """`eventually`, for the tests of this folder."""
    return eventually


@pytest.fixture(scope="session")
def as_owner(server: Server) -> fl.FlightCallOptions:
    """The header of the owner's key."""
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])


@pytest.fixture(scope="session")
def stranger(server: Server) -> Iterator[fl.FlightClient]:
    """A plain pyarrow client."""
    with fl.connect(server.flight_uri) as client:
        yield client


@pytest.fixture
def adbc(server: Server) -> Iterator[flightsql.Connection]:
    """A plain ADBC connection, with nothing set but the key."""
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def limited(pxt: Any, engine: Any) -> Iterator[Callable[..., fl.FlightCallOptions]]:
    """Headers of keys that may less: `limited("write", tables=("a*",))`; they are known to a server of this process, at `limited.uri`."""
    from pxt_flight.access.grants import MediaGrants, Signer
    from pxt_flight.access.keys import KeyRing, key_hash, make_key
    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.catalog import Catalog
    from pxt_flight.engine.writer import Writer
    from pxt_flight.flight.server import FlightServer
    from pxt_flight.operations.links import MediaLinks
    from pxt_flight.operations.startup import OpenStore

    principals: dict[bytes, Principal] = {}

    def make(*permissions: str, tables: tuple[str, ...] = ("*",)) -> fl.FlightCallOptions:
        key = make_key()
        principals[key_hash(b"pepper", key)] = Principal(f"key{len(principals)}", "limited", frozenset(permissions), tables)
        return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {key}".encode())])

    grants, writer = MediaGrants(b"s" * 32), Writer(engine)
    store = OpenStore(engine, writer, KeyRing(b"pepper", principals), Signer(b"s" * 32), grants, "")
    server = FlightServer(
        "grpc://127.0.0.1:0", store=store, catalog=Catalog(engine.store.uri), links=MediaLinks(grants, lambda: "http://x")
    )
    make.uri = f"grpc://127.0.0.1:{server.port}"  # type: ignore[attr-defined]
    yield make
    server.drain(0)
    writer.close()


@pytest.fixture(scope="session")
def films(pxt: Any) -> str:
    """A table of 100 films, only read from."""
    schema = {
        "id": pxt.Int,
        "name": pxt.String | None,
        "score": pxt.Float | None,
        "seen": pxt.Bool | None,
        "at": pxt.Timestamp | None,
        "day": pxt.Date | None,
        "uid": pxt.UUID | None,
        "tags": pxt.Json | None,
    }
    rows = [{"id": i, "name": f"film {i}" if i % 3 else None, "score": i / 2, "seen": i % 2 == 0, "tags": {"n": i}} for i in range(100)]
    pxt.create_table("wire_films", schema, primary_key="id").insert(rows)
    return "wire_films"
