"""What a link to a media cell leads to: the file, parts and thumbnails of it, and what is said of it."""

import functools
import threading
import time
from email.utils import formatdate
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from media_links import KINDS, grant_in
from PIL import Image

MEDIA_PATH = "/api/v1/media/cells"


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
    return {name: value for name, value in headers.items() if name not in ("date", "cache-control", "x-request-id")}


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
    assert refused(link, headers={"range": asked}) == (416, "range_not_satisfiable")
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
    moments = [] if query else [first["last-modified"], later]  # a thumbnail is known by its tag alone
    for headers in [{"if-none-match": tag} for tag in known] + [{"if-modified-since": moment} for moment in moments]:
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


# Files that lie elsewhere


def test_a_file_elsewhere_is_fetched(db, pxt, make_table, films, web, store):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=films[0].img.parent)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = f"http://127.0.0.1:{elsewhere.server_port}/{films[0].img.name}"
        table = make_table({"img": pxt.Image}, [{"img": address}])
        link = db.sql(f"select img from {table.get_metadata()['name']}", media="url").to_arrow()["img"][0].as_py()
        first, second = web.get(link), web.get(link, headers={"range": "bytes=5-9"})
        assert (first.status_code, first.content) == (200, films[0].img.read_bytes())
        assert second.content == first.content[5:10]
        # Fetched anew, and still the same file to whoever has a part of it.
        assert first.headers["etag"] == second.headers["etag"]
        assert "last-modified" not in first.headers
        assert web.get(link, headers={"if-none-match": first.headers["etag"]}).status_code == 304
        elsewhere.shutdown()
        thread.join()
    gone = web.get(link)
    assert (gone.status_code, gone.json()["code"]) == (404, "media_not_found")
    assert str(elsewhere.server_port) not in gone.text
    assert [path for path in (store / "tmp").rglob("*") if path.is_file()] == []


# Before the store is open


def test_a_request_waits_for_the_store(serve, web):
    go = threading.Event()
    url = serve(lambda: go.wait(30) and None)
    assert web.get(url + "/healthz").status_code == 200
    answers = []
    thread = threading.Thread(target=lambda: answers.append(web.get(f"{url}{MEDIA_PATH}/A/0.1")))
    thread.start()
    assert web.get(url + "/healthz").status_code == 200
    assert answers == []
    go.set()
    thread.join(30)
    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "unavailable")


def test_a_store_that_cannot_be_opened(serve, web, caplog):
    def fail():
        raise ValueError("postgresql://secret")

    url = serve(fail)
    answer = web.get(f"{url}{MEDIA_PATH}/A/0.1")
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert web.get(url + "/readyz").status_code == 503
    assert "secret" not in answer.text + caplog.text
    assert "ValueError" in caplog.text


def test_readiness_tells_of_media(server, web, link):
    assert web.get(link).status_code == 200
    assert web.get(server.http_url + "/readyz").json()["media"] == "ready"
