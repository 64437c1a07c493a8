"""An engine in the test process, on the store that the server and Pixeltable use too."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest

from pxt_flight.engine.engine import Engine
from pxt_flight.engine.scan import Request, Tier

Read = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def engine(pxt: Any) -> Iterator[Engine]:
    """The engine itself, whose tiers can be told apart."""
    engine = Engine()
    assert engine.slow_because is None
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def read(engine: Engine) -> Read:
    """Read SQL in one tier: `read(sql, parameters, tier="copy")`; a silent fall-back to another tier fails."""

    def read(sql: str, parameters: Sequence[Any] = (), *, tier: Tier, media: str = "bytes") -> pa.Table:
        request = Request(sql, tuple(parameters), media)
        # `copy` is not insisted on: that it is chosen is part of what is tested.
        stream = engine.stream(request, engine.plan(request).version, tier="cursor" if tier == "cursor" else None)
        try:
            assert stream.tier == tier
            return pa.Table.from_batches(list(stream.batches), stream.schema)
        finally:
            stream.close()

    return read
