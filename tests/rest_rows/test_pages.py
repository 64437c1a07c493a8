"""Rows by page: what a walk over all pages reads, and as of when."""

import json
from urllib.parse import urljoin

import pytest
from film_rows import film, path_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def url(films):
    return f"/api/v1/tables/{path_of(films)}/rows"


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def walk(http, url, between=lambda: None, **params):
    """The rows of all pages, by their links."""
    found, pages = [], 0
    answer = http.get(url, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["truncated"] is False
        found += page["rows"]
        pages += 1
        assert ("link" in answer.headers) == (page["next"] is not None) == (page["next_cursor"] is not None)
        if page["next"] is None:
            return found, pages
        assert answer.headers["link"] == f'<{page["next"]}>; rel="next"'
        between()
        answer = http.get(urljoin(str(answer.url), page["next"]))


def test_a_page(http, films, url):
    page = http.get(url, params={"limit": 3, "select": "id,name,meta.lab", "count": "exact"}).json()
    assert page["rows"] == [{"id": i, "name": film(i)["name"], "meta.lab": f"l{i % 4}"} for i in range(3)]
    assert page["columns"] == [{"name": "id", "type": "Int"}, {"name": "name", "type": "String"}, {"name": "meta.lab", "type": "Json"}]
    assert (page["count"], page["version"], page["truncated"]) == (40, films.get_metadata()["version"], False)
    whole = http.get(url).json()
    assert len(whole["rows"]) == 40
    assert (whole["next"], whole["next_cursor"], whole["count"]) == (None, None, None)
    assert list(whole["rows"][0]) == ["id", "name", "score", "made", "meta"]
    assert whole["rows"][4]["made"] is None
    assert whole["rows"][1]["made"] == "2026-01-01T01:00:00.000000Z"
    assert whole["rows"][1]["meta"] == film(1)["meta"]


_KEYS = ["score", "name", "made", "meta.n", "meta.lab", "id", "_rowid"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(_KEYS), st.booleans()), max_size=3, unique_by=lambda key: key[0]),
    st.integers(7, 23),
    st.sampled_from([None, {"score": {"ge": 0.5}}, {"or": [{"name": None}, {"meta.lab": {"in": ["l1", "l2"]}}]}]),
)
def test_all_pages_are_the_ordered_whole(http, url, keys, limit, where):
    params = {"select": "id,score", "order_by": ",".join(("-" if down else "") + name for name, down in keys)}
    params |= {"where": json.dumps(where)} if where else {}
    whole = http.get(url, params=params).json()["rows"]
    paged, pages = walk(http, url, **params, limit=limit)
    assert paged == whole
    assert pages == max(1, -(-len(whole) // limit))


def test_the_order_is_that_of_postgres(http, url):
    rows = http.get(url, params={"select": "id,score", "order_by": "-score,id"}).json()["rows"]
    expected = sorted((film(i) for i in range(40)), key=lambda row: (row["score"] is not None, -(row["score"] or 0), row["id"]))
    assert [row["id"] for row in rows] == [row["id"] for row in expected]
    again = http.get(url, params={"select": "id,score", "order_by": "score desc, id asc"}).json()["rows"]
    assert again == rows


def test_rows_that_come_and_go_meanwhile_are_not_on_later_pages(http, films, url):
    before = http.get(url, params={"order_by": "-made"}).json()["rows"]
    numbers = iter(range(1000, 2000))

    def change():
        films.insert([film(0) | {"id": next(numbers)}])
        films.delete(films.id == before[-1]["id"])

    paged, pages = walk(http, url, change, order_by="-made", limit=9)
    assert pages == 5
    assert paged == before
    assert films.count() == 43  # four came, one went


def test_a_cursor_is_for_its_query_and_key(http, films, url, server):
    page = http.get(url, params={"limit": 5, "order_by": "score"}).json()
    cursor = page["next_cursor"]
    assert http.get(url, params={"limit": 9, "order_by": "score", "cursor": cursor}).status_code == 200
    for params in ({"order_by": "-score"}, {"order_by": "score", "where": "id > 3"}, {"order_by": "score", "select": "id"}):
        assert problem(http.get(url, params=params | {"cursor": cursor})) == (409, "ticket_invalid")
    forged = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    for wrong in (forged, "x", "", "a.b.c", "\u20ac"):
        assert problem(http.get(url, params={"order_by": "score", "cursor": wrong})) == (409, "ticket_invalid")
    assert problem(http.get(url, params={"order_by": "score", "cursor": cursor, "offset": 2})) == (422, "INVALID_ARGUMENT")
    films.revert()
    assert problem(http.get(url, params={"order_by": "score", "cursor": cursor})) == (409, "ticket_stale")


def test_an_expired_cursor(http, films, url, server):
    from pxt_flight.access.grants import Signer
    from pxt_flight.access.keys import load_secret
    from pxt_flight.access.schema import open_schema
    from pxt_flight.engine.seam.store import libpq_uri

    with open_schema(libpq_uri()) as connection:
        signer = Signer(load_secret(connection, "ticket"))
    cursor = http.get(url, params={"limit": 5}).json()["next_cursor"]
    claims = signer.verify("cursor", cursor.encode())
    old = signer.sign("cursor", claims, lifetime=-1).decode()
    assert problem(http.get(url, params={"cursor": old})) == (409, "ticket_expired")
    stranger = signer.sign("cursor", claims | {"k": "another"}).decode()
    assert problem(http.get(url, params={"cursor": stranger})) == (409, "ticket_invalid")


def test_groups_by_page(http, url):
    params = {"group_by": "meta.lab,score", "aggregate": "count(*),avg(id)", "order_by": "-avg(id)"}
    whole = http.get(url, params=params).json()["rows"]
    paged, pages = walk(http, url, **params, limit=4)
    assert paged == whole
    assert pages == -(-len(whole) // 4)
    assert sum(row["count(*)"] for row in whole) == 40
    assert http.get(url, params=params | {"count": "exact"}).json()["count"] == len(whole)


def test_offset_and_version(http, films, url):
    films.insert([film(100)])
    version = films.get_metadata()["version"]
    assert [row["id"] for row in http.get(url, params={"select": "id", "offset": 38}).json()["rows"]] == [38, 39, 100]
    old = http.get(url, params={"select": "id", "offset": 38, "version": version - 1}).json()
    assert ([row["id"] for row in old["rows"]], old["version"]) == ([38, 39], version - 1)
    assert http.get(f"/api/v1/tables/{path_of(films)}:{version - 1}/rows", params={"select": "id", "offset": 38}).json() == old
    paged, _ = walk(http, url, version=version - 1, select="id", limit=15, offset=1)
    assert [row["id"] for row in paged] == list(range(1, 40))


def test_what_the_client_has_is_not_sent_again(http, films, url):
    first = http.get(url, params={"limit": 3})
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    known = http.get(url, params={"limit": 3}, headers={"if-none-match": f'"x", {tag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert http.get(url, params={"limit": 4}).headers["etag"] != tag
    films.insert([film(200)])
    assert http.get(url, params={"limit": 3}, headers={"if-none-match": tag}).status_code == 200
    assert "etag" not in http.get(url, params={"where": "made < now()"}).headers
