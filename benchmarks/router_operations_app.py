"""What uvicorn serves as the rival `FastAPIRouter` of single operations: a page of a table's rows, and an insert of one."""

import os
from typing import Any

import fastapi
import pixeltable as pxt
from pixeltable.serving import FastAPIRouter

from benchmarks.router import TABLES

_table = pxt.get_table(os.environ[TABLES])


def _page() -> Any:
    return _table.order_by(_table.id).limit(100).select(_table.id, _table.name, _table.score)


_router = FastAPIRouter()
_router.add_query_route(path="/page", query=pxt.query(_page))
_router.add_insert_route(_table, path="/insert", inputs=["id", "name", "score"], outputs=["id"])
app = fastapi.FastAPI()
app.include_router(_router)
