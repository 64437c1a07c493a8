"""Films with a picture, a video, a sound and documents in a table of the shared server, and the links to them."""

import threading

import httpx
import pytest
import uvicorn
from media_links import KINDS, grant_in, make_film

import pxt_flight as pf
from pxt_flight.access.grants import MediaGrants
from pxt_flight.http.__main__ import listen
from pxt_flight.http.api import create_api
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return [make_film(folder, number) for number in range(3)]


@pytest.fixture(scope="module")
def table(pxt, films):
    """Three films, of which the view `good_films` has the last two."""
    kinds = {"img": pxt.Image, "clip": pxt.Video, "sound": pxt.Audio, "doc": pxt.Document, "page": pxt.Document}
    schema = {"id": pxt.Int, **{name: kind | None for name, kind in kinds.items()}}
    table = pxt.create_table("films_by_url", schema)
    table.insert([{"id": number, **{name: str(path) for name, path in film._asdict().items()}} for number, film in enumerate(films)])
    table.insert([{"id": 9, **dict.fromkeys(films[0]._fields)}])
    pxt.create_view("good_films_by_url", table.where(table.id >= 1))
    yield table
    pxt.drop_table("films_by_url", force=True)


@pytest.fixture(scope="module")
def links(server, table):
    """The links of each row, by column."""
    with pf.connect(server.flight_uri, key=server.key) as db:
        rows = db.sql("select * from films_by_url where id < 9 order by id", media="url").to_arrow().to_pylist()
    return [{name: row[name] for name in KINDS} for row in rows]


@pytest.fixture(scope="module")
def web():
    """A client that follows no redirect and keeps no state."""
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def secret(pxt):
    from pxt_flight.access.keys import load_secret
    from pxt_flight.access.schema import open_schema
    from pxt_flight.engine.seam.store import libpq_uri

    with open_schema(libpq_uri()) as connection:
        return load_secret(connection, "ticket")


@pytest.fixture(scope="module")
def grant(secret, links):
    """What the links to pictures say."""
    return MediaGrants(secret).read(grant_in(links[0]["img"]))


@pytest.fixture(scope="module")
def link(links):
    return links[0]["img"]


@pytest.fixture(scope="module")
def refused(web, films, store):
    """Ask for what must be refused: answers the status and the code."""

    def refused(url, **options):
        answer = web.get(url, **options)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (problem["status"], answer.headers.get("access-control-allow-origin")) == (answer.status_code, "*")
        assert answer.headers["cache-control"] == "no-store"
        said = answer.text + str(answer.headers)
        assert str(store) not in said
        assert str(films[0].img.parent) not in said
        assert "secret-name" not in said
        return answer.status_code, problem["code"]

    return refused


@pytest.fixture
def serve(tmp_path):
    """Serve the application over a store of the test's own: `serve(open_store)` answers its URL."""
    running = []

    def serve(open_store):
        opening, listener = Opening(open_store, lambda store: create_api(store, tmp_path)), listen("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(create_app(tmp_path, opening), log_level="critical", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        opening.begin()
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join()
