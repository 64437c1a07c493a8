"""The tables of the matrix, and what Pixeltable gives of them."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sample_store import make_store
from type_table import Row

Collect = Callable[[Row], list[Any]]


@pytest.fixture(scope="session")
def tables(pxt: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The tables by name."""
    yield make_store(pxt, tmp_path_factory.mktemp("matrix"))
    for name in ("matrix_kept", "matrix_tiles", "matrix_view", "matrix_values", "matrix_on_read", "matrix_operational"):
        pxt.drop_table(name)


@pytest.fixture(scope="session")
def collected(tables: dict[str, Any]) -> Collect:
    """What `collect()` gives of a row's column; of a file its bytes."""

    @functools.cache
    def collect(row: Row) -> list[Any]:
        table = tables[row.table]
        records = table.order_by(table.id).select(value=_expression(table, row)).collect()
        values = [record["value"] for record in records]
        return [Path(value).read_bytes() if isinstance(value, str) and _is_file(row) else value for value in values]

    return collect


def _is_file(row: Row) -> bool:
    return row.form in ("file", "thumbnail", "url") and row.column not in ("small", "tile")


def _expression(table: Any, row: Row) -> Any:
    name, _, part = row.column.partition("__")
    column = getattr(table, name)
    if part:
        return column.embedding() if part == "embedding" else getattr(column, part)
    return column.localpath if _is_file(row) else column


@pytest.fixture(scope="session")
def plain_login(pxt: Any) -> Iterator[str]:
    """The URI of a login that owns what Pixeltable's does and is no superuser, as on a Postgres that others manage."""
    from pxt_flight.engine.seam.store import libpq_uri

    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("CREATE ROLE matrix_plain LOGIN PASSWORD 'x' NOSUPERUSER IN ROLE CURRENT_USER")
    yield psycopg.conninfo.make_conninfo(libpq_uri(), user="matrix_plain", password="x")
    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("REASSIGN OWNED BY matrix_plain TO CURRENT_USER")
        owner.execute("DROP OWNED BY matrix_plain")
        owner.execute("DROP ROLE matrix_plain")


@pytest.fixture(scope="session")
def own_login(plain_login: str) -> Iterator[Any]:
    """An engine whose statements run as that login."""
    from pxt_flight.engine.engine import Engine
    from pxt_flight.engine.store import Store

    engine = Engine(threads=2)
    engine.store.close()
    engine.store = Store(plain_login)
    engine.read_as(None)
    yield engine
    engine.close()
