"""Who may read what by a link to a media cell, as of which version, and that nobody reads anything else."""

import http.client
import os
import uuid
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from media_links import cell_in, grant_in, with_cell, with_grant
from PIL import Image

from pxt_flight.access.grants import MediaGrants, Signer
from pxt_flight.access.keys import KeyRing
from pxt_flight.access.principals import Principal

sometimes = settings(max_examples=40, deadline=None)


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


@pytest.mark.parametrize("changed", [{"table_id": uuid.uuid4().hex}, {"column_id": 1}, {"column_id": 999}, {"version": 999}])
def test_a_grant_of_what_is_not_there(refused, link, grant, secret, changed):
    """Column 1 is `id`."""
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


# Keys: the application itself, with other keys than those of the server


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
def test_a_link_ends_with_the_right_of_its_key(web, engine, serve, secret, grant, link, permissions, tables, expected):
    from pxt_flight.engine.writer import Writer  # imports Pixeltable
    from pxt_flight.operations.startup import OpenStore

    grants, key_id = MediaGrants(secret), str(uuid.uuid4())
    principals = {b"": Principal(key_id, "test", frozenset(permissions), tables)} if permissions else {}
    url = serve(lambda: OpenStore(engine, Writer(engine), KeyRing(b"", principals), Signer(secret), grants, ""))
    answer = web.get(url + urlsplit(with_grant(link, grants.mint(key_id, *grant[1:-1]))).path)
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


def test_columns_of_a_view_and_of_its_base_are_told_apart(db, pxt, make_table, films, web):
    """Pixeltable numbers the columns of each from 0."""
    table = make_table({"img": pxt.Image}, [{"img": str(films[0].img)}])
    name = table.get_metadata()["name"]
    view = pxt.create_view(f"{name}_view", table, additional_columns={"small": table.img.resize((10, 10))})
    assert view.img.col.id == view.small.col.id
    pxt.create_view(f"{name}_above", view, additional_columns={"smaller": view.small.resize((5, 5))})
    for columns in (["img", "small"], ["img", "small", "smaller"]):
        (row,) = db.sql(f"select {', '.join(columns)} from {name}_{'above' if len(columns) > 2 else 'view'}").to_arrow().to_pylist()
        assert web.get(row["img"]).content == films[0].img.read_bytes()
        sizes = {"small": (10, 10), "smaller": (5, 5)}
        for column in columns[1:]:
            with Image.open(BytesIO(web.get(row[column]).content)) as picture:
                assert picture.size == sizes[column]


def test_a_dropped_table_has_no_cells(db, pxt, make_table, films, web, refused):
    table = make_table({"n": pxt.Int, "img": pxt.Image}, [{"n": 1, "img": str(films[0].img)}])
    name = table.get_metadata()["name"]
    link = db.sql(f"select img from {name}", media="url").to_arrow()["img"][0].as_py()
    pxt.drop_table(name)
    assert refused(link) == (404, "media_not_found")


@pytest.mark.parametrize("instead", ["nothing", "folder", "pipe"])
def test_a_file_that_is_gone(db, pxt, make_table, films, tmp_path, refused, instead):
    path = tmp_path / "secret-name-gone.png"
    path.write_bytes(films[0].img.read_bytes())
    table = make_table({"img": pxt.Image}, [{"img": str(path)}])
    link = db.sql(f"select img from {table.get_metadata()['name']}", media="url").to_arrow()["img"][0].as_py()
    path.unlink()
    {"nothing": lambda: None, "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[instead]()
    assert refused(link) == (404, "media_not_found")
    if instead != "pipe":
        assert refused(link + "?thumbnail=64") == (422, "media_unreadable")


def test_a_file_without_a_picture(refused, links):
    assert refused(links[0]["page"] + "?thumbnail=64") == (422, "media_unreadable")
