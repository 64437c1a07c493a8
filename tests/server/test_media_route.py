"""Media by signed URL: what a link leads to, for whom and how long, over real connections to a real server."""

import http.client
import json
import threading
import time
import uuid
import wave
from email.utils import formatdate
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import pxt_flight as pf
from pxt_flight.access.grants import MediaGrants
from pxt_flight.access.keys import KeyRing
from pxt_flight.access.principals import Principal
from pxt_flight.http.__main__ import listen
from pxt_flight.http.app import create_app
from pxt_flight.http.opening import Opening

KEY_ID = str(uuid.uuid4())
KINDS = {"img": "image/png", "clip": "video/webm", "sound": "audio/wav", "doc": "application/pdf", "page": "application/octet-stream"}
sometimes = settings(max_examples=40, deadline=None)


class Film(NamedTuple):
    """The files of one row."""

    img: Path
    clip: Path
    sound: Path
    doc: Path
    page: Path


def make_film(folder, number):
    picture = Image.effect_noise((120, 80), 40 + number).convert("RGB")
    film = Film(*(folder / f"secret-name-{number}.{suffix}" for suffix in ("png", "webm", "wav", "pdf", "html")))
    picture.save(film.img)
    picture.save(film.doc)
    film.page.write_text("<html><script>alert(document.domain)</script></html>")
    with wave.open(str(film.sound), "wb") as sound:
        sound.setparams((1, 2, 8000, 800, "NONE", ""))
        sound.writeframes(bytes(1600))
    with av.open(str(film.clip), "w") as container:
        stream = container.add_stream("libvpx", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for shade in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 10, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return film


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


def grant_in(link):
    return urlsplit(link).path.split("/")[-2]


def with_grant(link, grant):
    return link.replace(grant_in(link), grant)


def with_cell(link, cell):
    return link.rpartition("/")[0] + "/" + cell


def cell_in(link):
    return link.rpartition("/")[2]


# What a link leads to


@pytest.mark.parametrize("column", KINDS)
def test_the_stored_file(web, links, films, column):
    for row, film in zip(links, films, strict=True):
        answer = web.get(row[column])
        assert (answer.status_code, answer.content) == (200, getattr(film, column).read_bytes())
        assert answer.headers["content-type"] == KINDS[column]


def test_a_link_is_short_and_names_nothing_of_the_store(server, links):
    for row in links:
        for link in row.values():
            assert link.startswith(f"{server.public_url}/api/v1/media/cells/")
            assert len(link) < 160
            assert "films" not in link


def test_the_links_of_a_column_have_one_grant(links):
    assert len({grant_in(row["img"]) for row in links}) == 1
    assert len({grant_in(link) for link in links[0].values()}) == len(KINDS)


def test_url_is_the_default(db, table):
    assert db.sql("select img from films_by_url where id = 1").to_arrow()["img"][0].as_py().startswith("http")
    assert db.table("films_by_url").scan(["img"], limit=1).to_arrow()["img"][0].as_py().startswith("http")


def test_null_has_no_link(db, table):
    row = db.sql("select * from films_by_url where id = 9", media="url").to_arrow().to_pylist()[0]
    assert [row[name] for name in KINDS] == [None] * len(KINDS)


@pytest.mark.parametrize("column", KINDS)
def test_headers(web, links, films, column):
    link, path = links[1][column], films[1]._asdict()[column]
    headers = web.get(link).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert ("sandbox" in headers["content-security-policy"]) is (column in ("img", "page"))
    assert headers["content-disposition"] == ("attachment" if column == "page" else "inline")
    assert headers["accept-ranges"] == "bytes"
    assert headers["last-modified"] == formatdate(path.stat().st_mtime, usegmt=True)
    scope, age, fixed = headers["cache-control"].split(", ")
    assert (scope, fixed) == ("private", "immutable")
    assert 0 < int(age.removeprefix("max-age=")) <= 900
    assert not {"set-cookie", "server"} & set(headers)
    assert "secret-name" not in str(headers)


@pytest.mark.parametrize("query", ["", "?thumbnail=32"])
def test_head_is_get_without_body(web, links, query):
    got, asked = web.get(links[0]["clip"] + query), web.head(links[0]["clip"] + query)
    assert (asked.status_code, asked.content) == (200, b"")
    assert without_age(asked.headers) == without_age(got.headers)
    assert int(asked.headers["content-length"]) == len(got.content)


def without_age(headers):
    return {name: value for name, value in headers.items() if name not in ("date", "cache-control")}


@pytest.mark.parametrize("size", [16, 32, 1024])
def test_a_thumbnail(web, link, size):
    answer = web.get(link, params={"thumbnail": size})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == "inline"
    with Image.open(BytesIO(answer.content)) as picture:
        assert max(picture.size) == min(size, 120)
    assert answer.headers["etag"] != web.get(link).headers["etag"]


@pytest.mark.parametrize("size", ["15", "1025", "-1", "x", "", "1e2"])
def test_no_thumbnail_of_that_size(web, link, size):
    answer = web.get(link, params={"thumbnail": size})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ARGUMENT")


# Parts


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("0-99", 0, 100),
        ("10-19", 10, 20),
        ("50-", 50, None),
        ("-7", -7, None),
        ("0-999999999", 0, None),
        ("-999999999", 0, None),
    ],
)
def test_a_part(web, link, films, asked, start, stop):
    whole = films[0].img.read_bytes()
    answer = web.get(link, headers={"range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, whole[start:stop])
    first = start % len(whole)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"
    assert answer.headers["etag"] == web.get(link).headers["etag"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_player_that_seeks(web, links, films):
    """Pieces in any order make the file, each only while it is the same file."""
    whole, link = films[2].clip.read_bytes(), links[2]["clip"]
    tag = web.head(link).headers["etag"]
    step = len(whole) // 5 + 1
    pieces = {
        start: web.get(link, headers={"range": f"bytes={start}-{start + step - 1}", "if-range": tag}).content
        for start in reversed(range(0, len(whole), step))
    }
    assert b"".join(pieces[start] for start in sorted(pieces)) == whole


@pytest.mark.parametrize("asked", ["bytes=9999999-", "bytes=9999999-99999999", "bytes=-0"])
def test_no_such_part(refused, web, link, films, asked):
    assert refused(link, headers={"range": asked}) == (416, "INVALID_ARGUMENT")
    answer = web.get(link, headers={"range": asked})
    assert answer.headers["content-range"] == f"bytes */{films[0].img.stat().st_size}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-3", "bytes=0-1,5-9", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=" + "9" * 5000 + "-", "0-1"]
)
def test_a_range_that_may_be_ignored_is(web, link, films, asked):
    answer = web.get(link, headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, films[0].img.read_bytes())


def test_no_part_of_another_file(web, link, films):
    part = {"range": "bytes=0-9"}
    modified = web.head(link).headers["last-modified"]
    assert web.get(link, headers=part | {"if-range": modified}).status_code == 206
    for other in ('"another"', "W/" + web.head(link).headers["etag"], formatdate(0, usegmt=True)):
        assert web.get(link, headers=part | {"if-range": other}).status_code == 200
    assert web.head(link, headers=part).status_code == 200


# What the browser has already


@pytest.mark.parametrize("query", ["", "?thumbnail=32"])
def test_not_modified(web, links, query):
    link = links[1]["img"] + query
    first = web.get(link).headers
    known = [first["etag"], "W/" + first["etag"], f'"x", {first["etag"]}', "*"]
    later = formatdate(time.time() + 3600, usegmt=True)
    for headers in [{"if-none-match": tag} for tag in known] + [{"if-modified-since": when} for when in (first["last-modified"], later)]:
        answer = web.get(link, headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], answer.headers["access-control-allow-origin"]) == (first["etag"], "*")
    # RFC 9110, section 13.1.3: If-None-Match decides where both are sent.
    newer = [
        {"if-none-match": '"x"', "if-modified-since": later},
        {"if-modified-since": formatdate(0, usegmt=True)},
        {"if-modified-since": "x"},
    ]
    for headers in newer:
        assert web.get(link, headers=headers).status_code == 200


# Who may not, and what is not there


@sometimes
@given(data=st.data())
def test_no_forged_grant(refused, link, data):
    grant = grant_in(link)
    at = data.draw(st.integers(0, len(grant) - 1))
    letters = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+~é")
    forged = grant[:at] + data.draw(letters.filter(lambda letter: letter != grant[at])) + grant[at + 1 :]
    for sent in (forged, grant[:-1], grant + "A", grant + "="):
        assert refused(with_grant(link, sent)) == refused(with_grant(link, sent) + "?thumbnail=64") == (409, "ticket_invalid")


def test_a_grant_of_another_store(refused, link, grant):
    foreign = MediaGrants(b"another store's secret, 32 bytes").mint(*grant[:-1])
    assert refused(with_grant(link, foreign)) == (409, "ticket_invalid")


def test_an_expired_grant(refused, link, grant, secret):
    assert refused(with_grant(link, MediaGrants(secret).mint(*grant[:-1], lifetime=-1))) == (409, "ticket_expired")


def test_a_grant_of_a_key_that_is_gone(refused, link, grant, secret):
    gone = MediaGrants(secret).mint(str(uuid.uuid4()), *grant[1:-1])
    assert refused(with_grant(link, gone)) == (401, "key_invalid")


@pytest.mark.parametrize("changed", [{"table_id": uuid.uuid4().hex}, {"column_id": 0}, {"column_id": 999}, {"version": 999}])
def test_a_grant_of_what_is_not_there(refused, link, grant, secret, changed):
    """Column 0 is no media column."""
    other = grant._replace(**changed)
    assert refused(with_grant(link, MediaGrants(secret).mint(*other[:-1]))) == (404, "media_not_found")


@sometimes
@given(numbers=st.lists(st.integers(0, 2**70), min_size=1, max_size=4))
@example([0])
@example([2**63])
def test_no_such_cell(refused, links, numbers):
    cell = ".".join(map(str, numbers))
    if cell not in {cell_in(row["img"]) for row in links}:
        assert refused(with_cell(links[0]["img"], cell)) == (404, "media_not_found")


@pytest.mark.parametrize("disguise", ["0{}", "+{}", "-{}", " {}", "{} ", "{}.", "{}.0", "{}%00", "{}_0", "{};x", "{}.png"])
def test_a_cell_has_one_name(refused, link, disguise):
    assert refused(with_cell(link, disguise.format(cell_in(link)))) == (404, "media_not_found")


ESCAPES = [
    "..",
    "../..",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "%2e%2e%2f",
    "....//",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "..\\..",
    "%00",
    "~",
    "file:///etc/passwd",
]


@sometimes
@given(junk=st.text(min_size=1, max_size=30) | st.sampled_from(ESCAPES), place=st.sampled_from([-1, -2]), quoted=st.booleans())
def test_no_way_out(server, link, films, store, junk, place, quoted):
    """As a stranger writes it on the wire: no client tidies the path up."""
    parts = urlsplit(link).path.split("/")
    parts[place] = "".join(f"%{byte:02x}" for byte in junk.encode()) if quoted else junk
    target = "/".join(parts).encode("utf-8", "replace").translate(None, bytes(range(33)) + b"\x7f")
    status, body = raw_get(server, target)
    assert status in {400, 404, 409}
    assert b"root:" not in body
    assert str(store).encode() not in body
    assert b"secret-name" not in body


def raw_get(server, target):
    connection = http.client.HTTPConnection(urlsplit(server.http_url).netloc, timeout=30)
    connection._encode_request = lambda request: request  # as bytes, whatever they are
    connection._validate_path = lambda _path: None
    connection.putrequest("GET", target.decode("latin-1"), skip_accept_encoding=True)
    connection._buffer[0] = b"GET " + target + b" HTTP/1.1"
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_is_read_only(web, link, method):
    assert web.request(method, link).status_code == 405


# Keys: the application itself, with other keys than the server's


@pytest.fixture(scope="module")
def served_for(engine, secret, grant, tmp_path_factory):
    """Serve the store to keys of the test's own: `served_for(principal)` answers the link to a cell as that key's."""
    running = []

    def served_for(principal):
        store = OpenStore(engine, KeyRing(b"", {b"": principal} if principal else {}), None, MediaGrants(secret), "")
        opening = Opening(lambda: store)
        listener = listen("127.0.0.1", 0)
        app = create_app(tmp_path_factory.getbasetemp(), opening)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        opening.begin()
        thread.start()
        running.append((server, thread))
        granted = MediaGrants(secret).mint(KEY_ID, *grant[1:-1])
        return lambda cell: f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/media/cells/{granted}/{cell}"

    from pxt_flight.operations.startup import OpenStore  # imports Pixeltable

    yield served_for
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("permissions", "tables", "expected"),
    [
        ({"read"}, ("*",), 200),
        ({"read"}, ("films_by_*",), 200),
        ({"read"}, ("other", "good_films_by_url"), 404),
        ({"write", "admin"}, ("*",), 404),
        (None, (), 401),
    ],
)
def test_a_link_ends_with_the_right_of_its_key(web, served_for, links, permissions, tables, expected):
    principal = None if permissions is None else Principal(KEY_ID, "test", frozenset(permissions), tables)
    answer = web.get(served_for(principal)(cell_in(links[0]["img"])))
    assert answer.status_code == expected
    if expected != 200:
        assert answer.json()["code"] == {404: "media_not_found", 401: "key_invalid"}[expected]
        assert "films" not in answer.text


# As of a version


def test_a_link_shows_the_version_that_was_read(db, pxt, make_table, films, web, refused):
    table = make_table({"n": pxt.Int, "img": pxt.Image}, [{"n": 1, "img": str(films[0].img)}])
    name, before = table.get_metadata()["name"], table.get_metadata()["version"]
    old = db.sql(f"select img from {name}", media="url").to_arrow()["img"][0].as_py()
    table.insert([{"n": 2, "img": str(films[1].img)}])
    table.update({"img": str(films[2].img)}, where=table.n == 1)
    updated, added = db.sql(f"select img from {name} order by n", media="url").to_arrow()["img"].to_pylist()
    assert web.get(old).content == films[0].img.read_bytes()
    assert web.get(updated).content == films[2].img.read_bytes()
    assert web.get(added).content == films[1].img.read_bytes()
    again = db.sql(f'select img from "{name}:{before}"', media="url").to_arrow()["img"][0].as_py()
    assert web.get(again).content == films[0].img.read_bytes()
    # Neither what came later nor what was replaced is to be had with a grant of another version.
    for granted, cell in [(old, updated), (old, added), (updated, old), (again, added)]:
        assert refused(with_cell(granted, cell_in(cell))) == (404, "media_not_found")


def test_a_row_that_was_deleted_is_still_that_of_its_version(db, pxt, make_table, films, web):
    table = make_table({"n": pxt.Int, "img": pxt.Image}, [{"n": 1, "img": str(films[0].img)}])
    link = db.sql(f"select img from {table.get_metadata()['name']}", media="url").to_arrow()["img"][0].as_py()
    table.delete()
    assert web.get(link).content == films[0].img.read_bytes()


def test_a_view_shows_its_rows_alone(db, web, refused, links, films, table):
    shown = db.sql("select img from good_films_by_url order by id", media="url").to_arrow()["img"].to_pylist()
    assert [web.get(link).content for link in shown[:2]] == [film.img.read_bytes() for film in films[1:]]
    left_out = cell_in(links[0]["img"])
    assert web.get(with_cell(links[0]["img"], left_out)).status_code == 200
    assert refused(with_cell(shown[0], left_out)) == (404, "media_not_found")


def test_a_dropped_table_has_no_cells(db, pxt, make_table, films, web, refused):
    table = make_table({"n": pxt.Int, "img": pxt.Image}, [{"n": 1, "img": str(films[0].img)}])
    name = table.get_metadata()["name"]
    link = db.sql(f"select img from {name}", media="url").to_arrow()["img"][0].as_py()
    pxt.drop_table(name)
    assert refused(link) == (404, "media_not_found")


def test_a_file_that_is_gone(db, pxt, make_table, films, tmp_path, refused):
    path = tmp_path / "secret-name-gone.png"
    path.write_bytes(films[0].img.read_bytes())
    table = make_table({"img": pxt.Image}, [{"img": str(path)}])
    link = db.sql(f"select img from {table.get_metadata()['name']}", media="url").to_arrow()["img"][0].as_py()
    path.unlink()
    assert refused(link) == (404, "media_not_found")


def test_the_control_plane_says_when_it_is_ready(server, web, link):
    assert web.get(link).status_code == 200
    assert json.loads(web.get(server.http_url + "/readyz").text)["media"] == "ready"
