"""A client of the control plane, as the owner."""

from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture
def rest(server) -> Iterator[httpx.Client]:
    """An HTTP client with the owner's key."""
    with httpx.Client(base_url=server.http_url, timeout=60, headers={"authorization": f"Bearer {server.key}"}) as client:
        yield client


@pytest.fixture
def films(pxt):
    """`rest_dir.films`, empty: a key, a required and a nullable column, and a computed one."""
    pxt.create_dir("rest_dir", if_exists="ignore")
    schema = {"id": pxt.Int, "name": pxt.String, "score": pxt.Float | None}
    table = pxt.create_table("rest_dir.films", schema, primary_key=["id"], if_exists="replace")
    table.add_computed_column(doubled=table.score * 2)
    yield table
    pxt.drop_dir("rest_dir", force=True)
