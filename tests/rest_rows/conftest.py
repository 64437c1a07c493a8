"""Rows over HTTP, of a table of a test's own."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from film_rows import film


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    """A client of the control plane, as the owner."""
    with httpx.Client(base_url=server.http_url, timeout=60, headers={"authorization": f"Bearer {server.key}"}) as client:
        yield client


@pytest.fixture
def films(pxt: Any, make_table: Any) -> Any:
    """40 films, with NULL in each column that may hold it."""
    schema = {
        "id": pxt.Int,
        "name": pxt.String | None,
        "score": pxt.Float | None,
        "made": pxt.Timestamp | None,
        "meta": pxt.Json | None,
    }
    return make_table(schema, [film(i) for i in range(40)], primary_key="id")
