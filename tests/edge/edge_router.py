"""A router of a user's own: Pixeltable's, with a route that inserts and one that queries, and routes that fail in each way."""

import os
import time
from pathlib import Path

import pixeltable as pxt
from fastapi import HTTPException
from pixeltable.serving import FastAPIRouter

films = pxt.create_table("edge_films", {"id": pxt.Int, "name": pxt.String}, primary_key="id", if_exists="ignore")


@pxt.query
def named(name: str) -> pxt.Query:
    return films.where(films.name == name).select(films.id, films.name)


router = FastAPIRouter()
router.add_insert_route(films, path="/films")
router.add_query_route(path="/named", query=named, method="get")


@router.get("/fails")
def fails(how: str) -> int:
    """Fail in one of the ways in which a handler may."""
    if how == "crash":
        raise RuntimeError(f"in {Path(__file__)}")
    if how == "pixeltable":
        raise pxt.exceptions.RequestError(pxt.exceptions.ErrorCode.INVALID_ARGUMENT, f"no such file: {Path(__file__)}")
    raise HTTPException(int(how), f"see {Path(__file__)}" if how == "409" else "It is out of stock.")


@router.get("/slow")
def slow() -> int:
    """Wait until a file of that name is there; its own name is written as it begins."""
    folder = Path(os.environ["EDGE_ROUTER_FOLDER"])
    (folder / f"begun_{time.monotonic_ns()}").touch()
    while not (folder / "go_on").exists():
        time.sleep(0.01)
    return 1
