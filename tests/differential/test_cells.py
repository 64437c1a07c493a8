"""Media cells are references inside of a statement: they arrive as the right bytes however they went, show nothing, and none is forged."""

import functools
import itertools
import json
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from comparison import rows_of, same
from PIL import Image

from pxt_flight.errors import PxtFlightError

NAME = "diff_cells"
COUNT = 6
SECRETS = re.compile(
    r"\bsrv\b|my( |%20)pictures|secret folder|bucket|private|user:pw|host\.example|8443|token|abc123|\busers\b|smith|://|/tmp|media/",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The bytes of each row's picture; row 4 has none, and rows 0 and 5 have the same."""
    folder = tmp_path_factory.mktemp("my pictures")
    paths = []
    for i in range(COUNT - 1):
        paths.append(folder / f"picture {i} 50%.png")
        Image.new("RGB", (20 + i, 10), (i * 40, 100, 0)).save(paths[-1])
    chosen = [*paths[:4], None, paths[0]]
    return chosen, [path and path.read_bytes() for path in chosen]


@pytest.fixture(scope="module")
def table(pxt, pictures):
    table = pxt.create_table(NAME, {"id": pxt.Int, "img": pxt.Image | None, "other": pxt.Image | None})
    paths, _ = pictures
    table.insert({"id": i, "img": path and str(path), "other": str(paths[1]) if i % 2 else None} for i, path in enumerate(paths))
    pxt.create_view(f"{NAME}_view", table.where(table.id > 1))
    # Rows of older versions have the same row id.
    table.update({"img": str(paths[3])}, where=table.id == 2)
    yield table
    pxt.drop_table(NAME, force=True)


@pytest.fixture(scope="module")
def cells(table, pictures):
    """The bytes by row, after the update."""
    _, found = pictures
    return [*found[:2], found[3], *found[3:]]


def rows(answer):
    return [tuple(row.values()) for row in answer.to_pylist()]


WAYS = {
    "plain": ("select id, img from {t}", lambda c: enumerate(c)),
    "star": ("select * from {t}", lambda c: ((i, cell, c[1] if i % 2 else None) for i, cell in enumerate(c))),
    "join": ("select a.img, b.img as b from {t} as a join {t} as b on b.id = a.id + 1", lambda c: itertools.pairwise(c)),
    "outer join": (
        "select a.id, b.img from {t} as a left join {t} as b on b.id = a.id + 3",
        lambda c: enumerate([*c[3:], None, None, None]),
    ),
    "view beside base": ("select t.img, v.img as w from {t} as t join {t}_view as v using (id)", lambda c: ((x, x) for x in c[2:])),
    "using": (
        "select * from (select id, img from {t}) a join (select id, other from {t}) b using (id) where id = 3",
        lambda c: [(3, c[3], c[1])],
    ),
    "union all": (
        "select img from {t} union all select other from {t}",
        lambda c: [(x,) for x in [*c, None, c[1], None, c[1], None, c[1]]],
    ),
    "except": ("select id, img from {t} except select id, img from {t}_view", lambda c: enumerate(c[:2])),
    "intersect": ("select id, img from {t} intersect select id, img from {t}_view", lambda c: ((i, c[i]) for i in range(2, COUNT))),
    "case": (
        "select case when id < 2 then img when id < 4 then other end as x from {t}",
        lambda c: [(x,) for x in [c[0], c[1], None, c[1], None, None]],
    ),
    "coalesce": ("select id, coalesce(img, other, null) as x from {t}", lambda c: enumerate(c)),
    "nullif": ("select nullif(img, img) as x, id from {t}", lambda c: ((None, i) for i in range(COUNT))),
    "lag": ("select id, lag(img) over (order by id) as x from {t}", lambda c: enumerate([None, *c[:-1]])),
    "first_value": ("select id, first_value(img) over (order by id desc) as x from {t}", lambda c: ((i, c[5]) for i in range(COUNT))),
    "scalar subquery": ("select id, (select img from {t} as i where i.id = o.id) as x from {t} as o", lambda c: enumerate(c)),
    "derived table": ("select x.p from (select id, img as p from {t}) as x where x.id = 1", lambda c: [(c[1],)]),
    "WITH": ("with w as materialized (select * from {t} where id > 3) select img from w", lambda c: [(c[4],), (c[5],)]),
    "lateral": ("select t.id, l.img from {t} as t, lateral (select img from {t} as i where i.id = t.id) as l", lambda c: enumerate(c)),
    "array and back": ("select unnest(array_agg(img order by id)) as x from {t}", lambda c: [(x,) for x in c]),
    "sorted": ("select img from {t} order by id desc limit 2", lambda c: [(c[5],), (c[4],)]),
    "condition": ("select id from {t} where img is null", lambda c: [(4,)]),
    "equal to itself": (
        "select id, img = img as x, img = other as y from {t} where id in (1, 4)",
        lambda c: [(1, True, False), (4, None, None)],
    ),
    "distinct": ("select distinct img from {t}", lambda c: [(x,) for x in c]),
    "union": ("select img from {t} union select img from {t}", lambda c: [(x,) for x in c]),
    "self join by cell": (
        "select a.id, b.img from {t} as a join {t} as b on a.img = b.img",
        lambda c: ((i, x) for i, x in enumerate(c) if x),
    ),
    "counted": ("select count(img) as a, count(distinct img) as b, count(*) as c from {t}", lambda c: [(5, 5, 6)]),
    "no rows": ("select img from {t} where false", lambda c: []),
    "only NULL": ("select img from {t} where id = 4", lambda c: [(None,)]),
    "two versions": ('select n.img, o.img as o from {t} as n join "{t}:1" as o using (id) where id < 2', lambda c: ((x, x) for x in c[:2])),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_right_bytes(table, read, cells, way):
    """A cell's identity is its place: equal files in two rows are two values, as two rows of equal content have two addresses."""
    sql, expected = WAYS[way]
    wanted = [tuple(row) for row in expected(cells)]
    answer = read(sql.format(t=NAME), tier="copy")
    assert sorted(map(repr, rows(answer))) == sorted(map(repr, wanted))


def test_an_old_version_has_its_own_cell(table, read, cells, pictures):
    old = read(f'select img from "{NAME}:1" where id = 2', tier="copy")
    assert rows(old) == [(pictures[1][2],)]
    assert rows(read(f"select img from {NAME} where id = 2", tier="copy")) == [(cells[2],)]
    same(rows_of(table.select(table.id, table.img.localpath).collect()), read(f"select id, img from {NAME}", tier="copy"))


@pytest.mark.parametrize(
    "item",
    [
        *("img::text", "img || 'x'", "concat(img, other)", "upper(img::text)", "format('%s %s', img, id)", "substring(img::text, 2)"),
        *("to_json(img)", "to_jsonb(img)", "jsonb_build_object('a', img)", "to_json(t)", "row_to_json(t)", "to_jsonb(t)", "t::text"),
        *(
            "concat(t)",
            "string_agg(img::text, ',') over ()",
            "json_agg(img) over ()",
            "jsonb_agg(t) over ()",
            "array_agg(img) over ()::text",
        ),
        *("array[img]::text", "row(img, other)::text", "array_to_string(array[img], ',')", "regexp_replace(img::text, '', '')"),
    ],
)
def test_a_stored_path_is_shown_by_nothing(table, db, store, item):
    answer = db.sql(f"select {item} as x from {NAME} as t where id < 3").to_arrow()
    text = json.dumps(answer.to_pylist())
    assert answer.num_rows == 3
    assert not answer["x"].null_count
    for shown in ("picture", ".png", "50%", "/", str(store), "file:", "col_", "tbl_"):
        assert shown not in text


FORGED = [
    *("coalesce(img, '(0,{{1}},1)')", "coalesce(img, '(0,\"{{0,1}}\",1)')", "case when id = 4 then '(0,{{1}},1)' else img end"),
    *("lag(img, 9, '(0,{{1}},1)') over (order by id)", "unnest(array_agg(img) || '{{\"(0,{{1}},1)\"}}')", "greatest(img, '(99,{{1}},1)')"),
    *(
        "coalesce(img, $1)",
        "coalesce(img, '(0,\"{{0,1}}\",1)'::text)",
        "coalesce(img, row(0, array[0, 1], 1))",
        "coalesce(img, array[0, 1, 0, 1])",
    ),
    *(
        "row(0, array[1], 1)",
        "row(0, array[1], 1)::pxt_flight.cell",
        "cast('(0,{{1}},1)' as pxt_flight.cell)",
        "(img).row_id",
        "coalesce(img, t)",
    ),
]


@pytest.mark.parametrize("item", FORGED)
def test_no_reference_can_be_forged(table, db, item):
    """Of a row that the view leaves out, for example."""
    parameters = ["(0,{1},1)"] if "$1" in item else []
    group = " group by ()" if "array_agg" in item else ""
    with pytest.raises(PxtFlightError) as caught:
        db.sql(f"select {item.format()} as x from {NAME}_view as t{group}", parameters, media="bytes").to_arrow()
    assert caught.value.code in ("type_unsupported", "sql_unsupported", "TYPE_MISMATCH", "INVALID_ARGUMENT")


def test_a_reference_seen_in_one_run_is_worth_nothing_in_the_next(table, db):
    """Also where the plan is the same and the reference comes as a parameter."""
    sql = f"select coalesce((select img from {NAME} where id = 4), $1) as x, min(img::text) as t from {NAME}"
    seen = db.sql(f"select img::text as t from {NAME} where id = 1").to_arrow()["t"][0].as_py()
    assert re.fullmatch(r'\(0,"\{\d{10,},1\}",\d+\)', seen)
    for _ in range(2):
        with pytest.raises(PxtFlightError, match="type_unsupported: A text stands where a media cell should"):
            db.sql(sql, [seen], media="bytes").to_arrow()
    again = db.sql(f"select img::text as t from {NAME} where id = 1").to_arrow()["t"][0].as_py()
    assert again != seen


def test_numbers_are_only_numbers(table, db):
    for sql in (f"select array[0, 1, 0, 1] as x from {NAME}", f"select array[id, 1] as x from {NAME}"):
        assert str(db.sql(sql, media="bytes").schema.field("x").type).startswith("list<")


def test_a_cell_beside_a_text_is_refused(table, db):
    for sql in (
        f"select img from {NAME} union all select 'x'",
        f"select img from {NAME} union all select id from {NAME}",
        f"select img = 'x' from {NAME}",
    ):
        with pytest.raises(PxtFlightError) as caught:
            db.sql(sql, media="bytes").to_arrow()
        assert caught.value.code in ("TYPE_MISMATCH", "type_unsupported", "sql_unsupported")
        assert "pxt_flight" not in caught.value.message


@pytest.fixture(scope="module")
def tiles(pxt, table):
    """A component view: several rows for each of the table."""
    from pixeltable.functions.image import tile_iterator

    return pxt.create_view(f"{NAME}_tiles", table.where(table.id < 3), iterator=tile_iterator(table.img, (10, 10)))


def test_row_ids_of_components(tiles, read, cells):
    answer = rows(read(f"select _rowid, id, tile_coord, img from {NAME}_tiles", tier="copy"))
    counted = tiles.select(tiles.id, tiles.pos, tiles.tile_coord).collect()
    assert sorted(answer, key=repr) == sorted(
        ((f"{r['id']}.{r['pos']}", r["id"], json.dumps(r["tile_coord"]), cells[r["id"]]) for r in counted), key=repr
    )
    assert len({row_id for row_id, *_ in answer}) == len(answer) > 3


def test_components_join_their_base(tiles, read, cells):
    sql = f"select t.id, count(*) as n, count(b.img) as m from {NAME}_tiles as t join {NAME} as b using (id) group by t.id"
    counted = {}
    for row in tiles.select(tiles.id).collect():
        counted[row["id"]] = counted.get(row["id"], 0) + 1
    same([(i, n, n) for i, n in counted.items()], read(sql, tier="copy"))


@pytest.mark.parametrize("items", ["tile", "*", "id, tile as x"])
def test_pictures_that_are_made_while_they_are_read(tiles, db, engine, items):
    """They have no file: the tier `cursor` would answer NULL, and refuses them."""
    from pxt_flight.engine.scan import Request

    answer = db.sql(f"select {items} from {NAME}_tiles", media="bytes").to_arrow()
    assert answer.num_rows == tiles.count()
    assert not answer["x" if "x" in items else "tile"].null_count
    with pytest.raises(PxtFlightError) as caught:
        engine.stream(Request(f"select {items} from {NAME}_tiles", media="bytes"), tier="cursor")
    assert caught.value.code == "type_unsupported"


def test_row_ids_of_a_table(table, read):
    """Kept across updates, and the same in every version."""
    assert rows(read(f'select n._rowid, o._rowid as o, id from {NAME} as n join "{NAME}:1" as o using (id) order by id', tier="copy")) == [
        (i, i, i) for i in range(COUNT)
    ]
    assert "_rowid" not in read(f"select *, _rowid as r from {NAME}", tier="copy").schema.names


@pytest.fixture(scope="module")
def broken(pxt):
    from row_functions import FAILURES, failing

    table = pxt.create_table("diff_broken", {"n": pxt.Int})
    table.insert({"n": n} for n in FAILURES)
    table.add_computed_column(made=failing(table.n), on_error="ignore")
    yield table
    pxt.drop_table("diff_broken")


def test_errors_show_the_names_of_files_only(broken, db):
    from row_functions import FAILURES

    answer = db.sql("select n, made, made__errortype as kind, made__errormsg as said from diff_broken order by n").to_arrow().to_pylist()
    assert [row["kind"] for row in answer] == ["ValueError"] * len(FAILURES)
    assert [row["made"] for row in answer] == [None] * len(FAILURES)
    names = {
        1: "cat 1.png",
        2: "dog.png",
        3: "owl.png",
        4: "cow.png",
        5: "hen.png",
        6: "fox.png",
        7: "bee.png",
        8: "nothing to hide",
        9: "403 of ",
    }
    for row in answer:
        assert names[row["n"]] in row["said"]
        assert SECRETS.search(row["said"]) is None, row["said"]
    assert "failed: 403" in answer[2]["said"]


@pytest.mark.parametrize(
    "item",
    [
        "upper(made__errormsg)",
        "made__errormsg || ''",
        "to_json(t)::text",
        "max(made__errormsg) over ()",
        "array_agg(made__errormsg) over ()",
    ],
)
def test_no_expression_shows_more_of_an_error(broken, db, item):
    text = json.dumps(db.sql(f"select {item} as x, made__errormsg as said from diff_broken as t").to_arrow().to_pylist())
    assert SECRETS.search(text) is None, text


def test_a_search_for_a_folder_finds_nothing(broken, db):
    found = db.sql("select n from diff_broken where made__errormsg like '%private%' or made__errormsg ~ 'srv|token'").to_arrow()
    assert found.num_rows == 0


@pytest.fixture
def web(tmp_path):
    """A web server with one picture; answers its address, the picture's bytes and what stops it."""
    Image.new("RGB", (30, 20), "navy").save(tmp_path / "sea.png")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()
        thread.join()

    yield f"http://127.0.0.1:{server.server_address[1]}/sea.png", (tmp_path / "sea.png").read_bytes(), stop
    if thread.is_alive():
        stop()


def test_a_picture_elsewhere_is_fetched(make_table, pxt, read, web, pictures):
    address, picture, stop = web
    paths, found = pictures
    name = make_table({"id": pxt.Int, "img": pxt.Image | None}).get_metadata()["name"]
    pxt.get_table(name).insert([{"id": 0, "img": address}, {"id": 1, "img": str(paths[1])}, {"id": 2, "img": None}])
    sql = f"select a.img, b.id from {name} a join {name} b using (id) order by b.id"
    assert rows(read(sql, tier="copy")) == [(picture, 0), (found[1], 1), (None, 2)]
    assert read(sql, tier="copy", media="thumbnail:16")["img"].null_count == 1
    stop()
    with pytest.raises(PxtFlightError) as caught:
        read(sql, tier="copy")
    assert (caught.value.code, caught.value.where) == ("media_unreadable", {"column": "img"})
    assert "127.0.0.1" not in str(caught.value)
    assert rows(read(f"select id from {name} where img is not null order by id", tier="copy")) == [(0,), (1,)]
