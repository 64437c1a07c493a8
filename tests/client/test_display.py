"""What a notebook shows of tables and results, read from the real server."""

import re

import pytest
from events import eventually
from PIL import Image

import pxt_flight as pf
from pxt_flight.client.preview import COUNTED, Preview
from pxt_flight.client.table import Table

PICTURE = re.compile(r'<img alt="Image" src="data:image/jpeg;base64,[A-Za-z0-9+/=]+">')


@pytest.fixture
def films(pxt, make_table, tmp_path):
    """25 films with posters; `note` is computed."""
    rows = []
    for i in range(25):
        path = tmp_path / f"poster{i}.png"
        Image.new("RGB", (300, 200), (10 * i, 90, 160)).save(path)
        rows.append({"id": i, "title": f"<b>film</b> {i}", "poster": str(path), "score": i / 3, "tags": {"genre": ["a", "b"], "n": i}})
    schema = {"id": pxt.Int, "title": pxt.String, "poster": pxt.Image, "score": pxt.Float, "tags": pxt.Json}
    return make_table(schema, rows)


def name_of(table):
    return table.get_metadata()["path"]


def test_a_table(db, films):
    name = name_of(films)
    html = db.table(name)._repr_html_()
    assert f"<b>{name}</b> <small>version 1</small>" in html
    assert "first 20 of 25 rows, 5 columns" in html
    assert len(PICTURE.findall(html)) == 20
    assert "&lt;b&gt;film&lt;/b&gt; 19<" in html
    assert "<b>film" not in html
    assert "film&lt;/b&gt; 20<" not in html
    assert '<th class="pxt-number">score<br><small>Float</small></th>' in html
    assert '<td class="pxt-number">0.3333</td>' in html
    assert "{&quot;n&quot;: 0, &quot;genre&quot;: [&quot;a&quot;, &quot;b&quot;]}" in html
    assert repr(db.table(name)) == f"Table('{name}')"


def test_a_table_of_a_few_rows(db, pxt, make_table):
    name = name_of(make_table({"id": pxt.Int}, [{"id": 7}]))
    assert "1 row, 1 column<" in db[name]._repr_html_()
    empty = name_of(make_table({"id": pxt.Int}))
    assert "0 rows, 1 column<" in db[empty]._repr_html_()


def test_a_result_is_shown_and_stays_whole(db, films):
    result = db.sql(f"select id, poster from {name_of(films)} where id >= $1 order by id desc", [2])
    html = result._repr_html_()
    assert "first 20 rows, 2 columns" in html
    assert len(PICTURE.findall(html)) == 20
    assert '<td class="pxt-number">24</td>' in html
    assert repr(result) == "Result(not read yet; id: int64, poster: Image)"
    assert result.to_arrow()["id"].to_pylist() == list(range(24, 1, -1))
    assert "first 20 of 23 rows, 2 columns" in result._repr_html_()


@pytest.mark.parametrize("media", ["bytes", "thumbnail:256"])
def test_kept_rows_are_shown_with_thumbnails(db, films, media):
    result = db.table(name_of(films)).scan(["id", "poster"], order_by="id", limit=3, media=media)
    result.to_arrow()
    assert len(PICTURE.findall(result._repr_html_())) == 3


def test_kept_rows_are_shown_as_they_were_read(db, films):
    result = db.sql(f"select id, score, poster from {name_of(films)} where id < 2 order by id", media="bytes")
    kept = result.to_arrow()
    films.update({"score": 77.0}, where=films.id == 0)
    html = result._repr_html_()
    assert "77.0" not in html
    assert PICTURE.search(html) is None  # no picture of another row
    assert "Image 8" in html or "Image " in html
    assert result.to_arrow() is kept
    films.delete(where=films.id == 0)
    assert '<td class="pxt-number">0</td>' in result._repr_html_()


def test_kept_rows_need_no_server(server, films):
    with pf.connect(server.flight_uri, key=server.key) as db:
        results = [
            db.sql(f"select {columns} from {name_of(films)} where id < 2", media="bytes") for columns in ("id", "id, poster", "poster")
        ]
        for result in results:
            result.to_arrow()
    assert ["2 rows" in result._repr_html_() for result in results] == [True] * 3


def test_a_closed_connection_breaks_no_cell(server, films):
    with pf.connect(server.flight_uri, key=server.key) as db:
        result, table = db.sql(f"select id from {name_of(films)}"), db.table(name_of(films))
    for html in (result._repr_html_(), table._repr_html_()):
        assert '<div class="pxt-fault"><b>' in html
        assert str(server.flight_uri.rsplit(":", 1)[1]) not in html


def test_a_fault_stands_in_the_place_of_the_rows(db):
    html = db.table("nothing<here>")._repr_html_()
    assert "<b>TABLE_NOT_FOUND</b>: There is no table nothing&lt;here&gt;." in html
    assert "<small>Hint: List the tables with db.tables().</small>" in html


def test_the_displays_query_is_cancelled_and_the_results_own_goes_on(db, long_lines, streams):
    result = db.sql(f"select id, line from {long_lines}")
    assert "first 20 rows, 2 columns" in result._repr_html_()
    eventually(lambda: streams() == 1)
    assert result.to_arrow().num_rows == 400
    eventually(lambda: streams() == 0)


def test_nothing_is_read_unless_it_is_displayed(db, long_lines, streams):
    result = db.sql(f"select id from {long_lines}")
    table = db.table(long_lines)
    before = len(db.sql("select 1 as one").to_arrow())
    assert hasattr(result, "_repr_html_")
    assert (repr(result), repr(table)) == ("Result(not read yet; id: int64)", f"Table({long_lines!r})")
    assert before == 1
    result.close()
    eventually(lambda: streams() == 0)


def test_what_is_displayed_asks_for_thumbnails_whatever_the_default(films, db):
    asked = []

    def run(sql, parameters=(), *, media=None, **options):
        asked.append(media)
        return db.sql(sql, parameters, media=media, **options)

    Table(name_of(films), run, db._transport.call, db._writes, db.read_rows)._repr_html_()
    assert asked == ["thumbnail:96", None]  # the second counts: no media in it


# Columns that the server cannot show


def test_a_file_that_is_gone_leaves_a_badge(db, pxt, make_table, tmp_path):
    paths = [tmp_path / "here.png", tmp_path / "gone.png"]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    name = name_of(make_table({"id": pxt.Int, "a": pxt.Image, "b": pxt.Image}, [{"id": 1, "a": str(paths[0]), "b": str(paths[1])}]))
    alone, both = db.sql(f"select b from {name}"), db.sql(f"select * from {name} -- all;\n;")
    paths[1].unlink()
    for shown in (db.table(name), both):
        html = shown._repr_html_()
        assert len(PICTURE.findall(html)) == 1
        assert '<span class="pxt-badge">Image</span>' in html
        assert "1 row, 3 columns" in html
        assert str(tmp_path) not in html
    assert "media_unreadable" in alone._repr_html_()


def test_a_refused_kind_leaves_a_badge(db, pxt, make_table, tmp_path):
    document = tmp_path / "page.md"
    document.write_text("# A page")
    name = name_of(make_table({"id": pxt.Int, "page": pxt.Document}, [{"id": i, "page": str(document)} for i in (1, 2)]))
    for html in (db[name]._repr_html_(), db.sql(f"select page as other, id from {name}", media="bytes")._repr_html_()):
        assert html.count('<span class="pxt-badge">Document</span>') == 2
        assert "2 rows, 2 columns" in html


def test_the_same_name_twice(db):
    assert "1 row, 2 columns" in db.sql("select 1 as a, 2 as a")._repr_html_()


# What is not in it


def test_no_key_address_or_path(db, server, store, films):
    name = name_of(films)
    posters = db.sql(f"select * from {name}", media="bytes")
    shown = [db[name], posters, db.sql(f"select * from {name}"), db.table("nothing")]
    posters.to_arrow()
    for html in (display._repr_html_() for display in shown):
        assert server.key not in html
        assert not re.search(r"(https?|grpc|file)://|127\.0\.0\.1|localhost|/tmp/|/api/", html)
        assert server.flight_uri.rsplit(":", 1)[1] not in re.sub(r"base64,[^\"]*", "", html)
        assert str(store) not in html


def test_a_preview_says_what_it_knows():
    import pyarrow as pa

    from pxt_flight.client.display import preview_html

    rows = pa.table({"n": range(20)})
    assert "first 20 of more than 1,000,000 rows, 1 column" in preview_html(Preview(rows, COUNTED + 1))
    assert "first 20 of 21 rows" in preview_html(Preview(rows, 21))
    assert "<small>first 20 rows, 1 column</small>" in preview_html(Preview(rows))
    assert ">20 rows, 1 column<" in preview_html(Preview(rows, 20))
