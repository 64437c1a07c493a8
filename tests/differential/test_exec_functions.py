"""Pixeltable's functions in SQL: what they answer is what Pixeltable answers, and what they are not given is refused before it reads."""

import io

import exec_pictures
import pyarrow as pa
import pytest
from comparison import rows_of, same
from PIL import Image

from pxt_flight.errors import PxtFlightError

NAME = "diff_functions"


@pytest.fixture(scope="module")
def table(pxt, tmp_path_factory):
    """Texts and pictures with an embedding index on each."""
    from row_functions import measured, measured_picture

    paths = exec_pictures.pictures(tmp_path_factory.mktemp("functions"))
    schema = {"id": pxt.Int, "s": pxt.String | None, "img": pxt.Image | None, "plain": pxt.String | None}
    table = pxt.create_table(NAME, schema, if_exists="replace")
    texts = ["aaa", "banana", "zz", None]
    table.insert([{"id": i, "s": text, "img": path, "plain": text} for i, (text, path) in enumerate(zip(texts, paths, strict=True))])
    table.insert([{"id": 9, "s": "of a row without a picture", "img": None, "plain": None}])
    table.add_embedding_index(table.s, string_embed=measured)
    table.add_embedding_index(table.img, string_embed=measured, image_embed=measured_picture)
    yield table
    pxt.drop_table(NAME, force=True)


@pytest.mark.parametrize(
    ("call", "made"),
    [
        ("resize(img, 10, 5)", lambda image: image.resize((10, 5))),
        ("rotate(img, -90)", lambda image: image.rotate(-90)),
        ("crop(img, 1, 2, 11, 22)", lambda image: image.crop((1, 2, 11, 22))),
        ("convert(img, 'L')", lambda image: image.convert("L")),
        ("resize(rotate(img, 45), 12, 12)", lambda image: image.rotate(45).resize((12, 12))),
    ],
)
def test_pictures(table, read, call, made):
    from pxt_flight.engine.cell_values import image_bytes

    found = read(f"select id, {call} as made from {NAME} order by id", tier="exec")
    expected = [row["img"] and made(row["img"]) for row in table.order_by(table.id).select(table.img).collect()]
    assert found["made"].to_pylist() == [image and image_bytes(image) for image in expected]


def test_properties_of_pictures(table, read):
    chosen = table.order_by(table.id).select(w=table.img.width, h=table.img.height, m=table.img.mode)
    answer = read(f"select width(img), height(img) as h, mode(img) from {NAME} order by id", tier="exec")
    assert answer.column_names == ["width", "h", "mode"]
    same(rows_of(chosen.collect()), answer, ordered=True)


def test_parameters(table, read):
    found = read(f"select resize(img, $1, $2) as small, $2 as n from {NAME} where id = 0".replace(", $2 as n", ""), (7, 3), tier="exec")
    assert Image.open(io.BytesIO(found["small"][0].as_py())).size == (7, 3)


def test_names_are_folded_and_may_be_quoted(table, read):
    assert read(f'select WIDTH(img) as w, "height"(img) as h from {NAME} where id = 0', tier="exec").to_pylist() == [{"w": 40, "h": 30}]


def test_arithmetic_and_aggregates(table, read):
    same([(41 * 30,)], read(f"select width(img) * height(img) from {NAME} where id = 1", tier="exec"))
    same([(43, 4)], read(f"select max(width(img)), count(mode(img)) from {NAME}", tier="exec"))


def test_mode_within_group_is_postgres_own(table, read):
    assert read(f"select mode() within group (order by s) as m from {NAME} where id = 1", tier="copy").to_pylist() == [{"m": "banana"}]


# Similarity


def test_similarity(table, read):
    sim = table.s.similarity(string="banana")
    query = table.order_by(sim, asc=False)
    same(
        rows_of(query.select(table.id, sim=sim).collect()),
        read(f"select id, similarity(s, 'banana') as sim from {NAME} order by similarity(s, 'banana') desc", tier="exec"),
        ordered=True,
    )
    for order in ("sim desc", "2 desc nulls last", "similarity(s, $1) desc"):
        found = read(f"select id, similarity(s, $1) as sim from {NAME} order by {order} limit 2", ["banana"], tier="exec")
        assert found["id"].to_pylist() == [row["id"] for row in query.limit(2).select(table.id).collect()]
    assert found["sim"].to_pylist()[0] == 1.0
    near = read(f"select id from {NAME} where similarity(s, 'banana') > 0.99", tier="exec")
    same(rows_of(table.where(sim > 0.99).select(table.id).collect()), near)


def test_pictures_like_a_text(table, read):
    sim = table.img.similarity(string="banana")
    found = read(f"select id, img, similarity(img, 'banana') as s from {NAME} order by s desc limit 3", tier="exec")
    assert found["id"].to_pylist() == [row["id"] for row in table.order_by(sim, asc=False).limit(3).select(table.id).collect()]
    assert found["img"].null_count == 0


def test_many_rows_by_similarity(pxt, read, make_table):
    """A cursor of Postgres would take the index here, and find 40 rows."""
    from row_functions import measured

    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": "ab" * (i % 90)} for i in range(600)])
    table.add_embedding_index(table.s, string_embed=measured)
    name = table.get_metadata()["name"]
    assert read(f"select id from {name} order by similarity(s, 'aba') desc", tier="exec").num_rows == 600


def test_a_ticket_for_an_index_goes_stale(pxt, engine, make_table):
    from row_functions import measured

    from pxt_flight.engine.scan import Request

    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": 1, "s": "a"}])
    table.add_embedding_index(table.s, string_embed=measured)
    request = Request(f"select id, similarity(s, 'a') as x from {table.get_metadata()['name']}")
    pins = engine.plan(request).pins
    assert sum(batch.num_rows for batch in engine.stream(request, pins).batches) == 1
    table.insert([{"id": 2, "s": "b"}])
    with pytest.raises(PxtFlightError) as caught:
        list(engine.stream(request, pins).batches)
    assert caught.value.code == "ticket_stale"
    assert sum(batch.num_rows for batch in engine.stream(request).batches) == 2


def test_embeddings(table, read):
    found = read(f"select id, embedding(s) as e from {NAME} order by id", tier="exec")
    assert found.schema.field("e").type == pa.fixed_shape_tensor(pa.float32(), (4,))
    expected = [row["e"] for row in table.order_by(table.id).select(e=table.s.embedding()).collect()]
    assert [value and list(value) for value in found["e"].to_pylist()] == [None if value is None else value.tolist() for value in expected]


# What is refused

REFUSED = [
    ("resize(img)", "INVALID_ARGUMENT", "takes 3 arguments, not 1"),
    ("resize(img, 10)", "INVALID_ARGUMENT", "takes 3 arguments"),
    ("resize(img, 0, 10)", "INVALID_ARGUMENT", "takes 1 to 65535 as width"),
    ("resize(img, -1, 10)", "INVALID_ARGUMENT", "as width"),
    ("resize(img, 10000, 10000)", "INVALID_ARGUMENT", "50 million"),
    ("resize(img, 99999999999999999999, 1)", "INVALID_ARGUMENT", "64 bits"),
    ("resize(img, 1.5, 10)", "TYPE_MISMATCH", "whole number"),
    ("resize(img, true, 10)", "TYPE_MISMATCH", "whole number"),
    ("resize(img, 'a', 10)", "TYPE_MISMATCH", "whole number"),
    ("resize(img, id, 10)", "TYPE_MISMATCH", "a constant or a parameter as width"),
    ("resize(s, 10, 10)", "TYPE_MISMATCH", "takes an image as image"),
    ("resize('x', 10, 10)", "TYPE_MISMATCH", "takes an image"),
    ("resize(null, 10, 10)", "TYPE_MISMATCH", "takes an image"),
    ("crop(img, 5, 5, 5, 9)", "INVALID_ARGUMENT", "right beyond left"),
    ("crop(img, -60000, -60000, 60000, 60000)", "INVALID_ARGUMENT", "50 million"),
    ("rotate(img, 720)", "INVALID_ARGUMENT", "-360 to 360"),
    ("convert(img, 'nomode')", "INVALID_ARGUMENT", "as mode"),
    ("width(s)", "TYPE_MISMATCH", "takes an image"),
    ("width(width(img))", "TYPE_MISMATCH", "takes an image"),
    ("similarity(plain, 'x')", "INDEX_NOT_FOUND", "embedding index"),
    ("similarity(s, 7)", "TYPE_MISMATCH", "takes a text"),
    ("similarity(s, plain)", "TYPE_MISMATCH", "a constant"),
    ("similarity(id, 'x')", "TYPE_MISMATCH", "takes a column"),
    ("similarity(resize(img, 2, 2), 'x')", "TYPE_MISMATCH", "takes a column"),
    ("similarity(nothing, 'x')", "COLUMN_NOT_FOUND", "nothing"),
    ("upper(s), width(img)", "sql_unsupported", "upper"),
    ("width(img) > 4", "sql_unsupported", "computed"),
]


@pytest.mark.parametrize(("call", "code", "said"), REFUSED)
def test_bad_arguments(table, engine, call, code, said):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        engine.plan(Request(f"select id, {call} from {NAME}", media="bytes"))
    assert (caught.value.code, said in caught.value.message) == (code, True), caught.value
    assert caught.value.where["line"] == 1
    assert caught.value.hint or "64 bits" in said


@pytest.mark.parametrize("value", [0, 2**70, "10", 1.5, None, True])
def test_bad_parameters(table, engine, value):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        engine.plan(Request(f"select resize(img, $1, 5) from {NAME}", (value,), media="bytes"))
    assert caught.value.code in ("INVALID_ARGUMENT", "TYPE_MISMATCH")


@pytest.mark.parametrize(
    "sql",
    [
        "select id from {t} where width(img) > 3",
        "select id from {t} order by width(img)",
        "select width(img) as w from {t} order by w",
        "select id from {t} order by similarity(s, 'x')",
        "select id from {t} order by similarity(s, 'x') asc",
        "select count(*) from {t} group by width(img)",
        "select a.id, width(a.img) from {t} a join {t} b on a.id = b.id",
        "with w as (select * from {t}) select width(img) from w",
        "select pg_sleep(1), width(img) from {t}",
        "select getattr(img, 'x') from {t}",
        "select img.resize(1, 1) from {t}",
    ],
)
def test_what_is_not_equal_to_sql(table, engine, sql):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError) as caught:
        engine.plan(Request(sql.format(t=NAME)))
    assert caught.value.code in ("sql_unsupported", "UNSUPPORTED_OPERATION", "sql_syntax", "INVALID_EXPRESSION")


def test_a_computed_picture_has_no_url(table, engine):
    from pxt_flight.engine.scan import Request

    with pytest.raises(PxtFlightError, match="has no URL"):
        engine.plan(Request(f"select resize(img, 2, 2) from {NAME}", media="url"))


def test_the_reason_says_which_function(table, engine):
    from pxt_flight.engine.scan import Request

    found = engine.explain(Request(f"select width(img) from {NAME}"))
    assert (found.tier, found.postgres_plan) == ("exec", None)
    assert "width() is computed by Pixeltable" in found.why
