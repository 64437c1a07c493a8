"""An engine in the test process, on the store that the server and Pixeltable use too; and Postgres itself, which says what SQL means."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pytest

Read = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def reader(pxt: Any) -> str:
    """The URI of the restricted role's login."""
    from pxt_flight.access.reader import ensure_reader
    from pxt_flight.access.schema import open_schema
    from pxt_flight.engine.seam.store import libpq_uri

    with open_schema(libpq_uri()) as connection:
        uri = ensure_reader(connection, libpq_uri())
    assert uri is not None
    return uri


@pytest.fixture
def new_engine(pxt: Any, reader: str) -> Iterator[Callable[[], Any]]:
    """Make an engine of a test's own, for what happens while it is made."""
    from pxt_flight.engine.engine import Engine  # imports Pixeltable: not before its home is known

    made = []

    def make() -> Any:
        made.append(Engine(threads=2))
        made[-1].read_as(reader)
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture(scope="session")
def engine(pxt: Any, reader: str) -> Iterator[Any]:
    """The engine itself, whose tiers can be told apart."""
    from pxt_flight.engine.engine import Engine

    engine = Engine()
    engine.read_as(reader)
    assert engine.slow_because is None
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def read(engine: Any) -> Read:
    """Read SQL in one tier: `read(sql, parameters, tier="copy")`; a silent fall-back to another tier fails."""
    from pxt_flight.engine.scan import Request

    def read(sql: str, parameters: Sequence[Any] = (), *, tier: str, media: str = "bytes") -> pa.Table:
        request = Request(sql, tuple(parameters), media)
        # `copy` is not insisted on: that it is chosen is part of what is tested.
        stream = engine.stream(request, engine.plan(request).pins, tier="cursor" if tier == "cursor" else None)
        try:
            assert stream.tier == tier
            return pa.Table.from_batches(list(stream.batches), stream.schema)
        finally:
            stream.close()

    return read


@pytest.fixture(scope="session")
def functions(pxt: Any) -> Any:
    """`pixeltable.functions`."""
    import pixeltable.functions

    return pixeltable.functions


@pytest.fixture(scope="module")
def postgres(pxt: Any) -> Iterator[psycopg.Connection[Any]]:
    """A session of the same Postgres, for plain temporary tables."""
    from pxt_flight.engine.seam.store import libpq_uri

    with psycopg.connect(libpq_uri(), autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection
