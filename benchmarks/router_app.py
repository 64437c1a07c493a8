"""What uvicorn serves as the rival `FastAPIRouter`: Pixeltable's own JSON route for a query of each table that the environment names."""

import os
from typing import Any

import fastapi
import pixeltable as pxt
from pixeltable.serving import FastAPIRouter

from benchmarks import tables
from benchmarks.router import TABLES


def _query(name: str) -> Any:
    table = pxt.get_table(name)

    def rows() -> Any:
        return tables.query(table)

    rows.__name__ = f"rows_of_{name}"
    return pxt.query(rows)


_router = FastAPIRouter()
for _name in os.environ[TABLES].split(","):
    _router.add_query_route(path=f"/{_name}", query=_query(_name))
app = fastapi.FastAPI()
app.include_router(_router)
