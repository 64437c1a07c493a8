"""Reading in one tier of an engine in the test process; and Postgres itself, which says what SQL means."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pytest

Read = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def read(engine: Any) -> Read:
    """Read SQL in one tier: `read(sql, parameters, tier="copy")`; a silent fall-back to another tier fails."""
    from pxt_flight.engine.scan import Request

    def read(sql: str, parameters: Sequence[Any] = (), *, tier: str, media: str = "bytes", url_of: Any = str) -> pa.Table:
        request = Request(sql, tuple(parameters), media)
        # `copy` is not insisted on: that it is chosen is part of what is tested.
        insisted = tier if tier in ("cursor", "exec") else None
        stream = engine.stream(request, engine.plan(request).pins, tier=insisted, url_of=url_of)
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
